"""What a sweep says at its end."""

import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from siammae.launching.studies.budget import counted

if TYPE_CHECKING:
    from optuna import Study

log = logging.getLogger(__name__)
SHOWN = 300  # characters of an error


def conclude(study: "Study", total: int, others: list[int], folder: str) -> None:
    """Log states, failures and the best trials; write the plugin's ``optimization_results.yaml``.

    Args:
        study: whose sweep is over here.
        total: of its trials.
        others: numbers of trials that other workers run.
        folder: of the multirun.
    """
    trials = counted(study)
    states = Counter(trial.state.name.lower() for trial in trials)
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    log.info(f"Study {study.study_name} has {len(trials)} of {total} trials: {told}")
    if others:
        log.info(f"Trials that another worker runs, or ran until just now: {others}")
    for trial in trials:
        if trial.state.name == "FAIL":
            error = str(trial.user_attrs.get("error", "no error was kept")).strip()
            log.info(f"Trial {trial.number} failed, {trial.params}: {error[-SHOWN:]}")
    best = study.best_trials if any(t.state.name == "COMPLETE" for t in trials) else []
    for trial in best:
        log.info(f"Best: trial {trial.number}, {trial.values}, {trial.params}")
    found = [{"params": trial.params, "values": list(trial.values)} for trial in best]
    results: dict[str, Any] = {"name": "optuna", "solutions": found}
    if len(study.directions) == 1 and best:
        results = {"name": "optuna", "best_params": best[0].params, "best_value": best[0].value}
    Path(folder).mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(results), Path(folder) / "optimization_results.yaml")
