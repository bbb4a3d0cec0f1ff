"""The trial of a study that a run is made for: the sweeper hands it over, the run reports to it."""

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from siammae.config.schema import TrainConfig
from siammae.launching.studies.storage import StoredStudy, open_storage
from siammae.tracking.record import RunRecord, write_atomic
from siammae.training.intermediate import evenly_spaced, intermediate_values

if TYPE_CHECKING:
    from optuna import Study

VARIABLE = "SIAMMAE_TRIAL"  # environment variable that the sweeper sets for the time of a job
PRUNERS = ("optuna.pruners.*",)
Objective = float | tuple[float, float]


class RunningTrial:
    """A trial of a study, as the run that is made for it sees it.

    A storage may fail without harm to the run: what cannot be reported is left out with a warning.

    Args:
        study: its name.
        number: of the trial.
        objectives: one (quality) or two (quality, cost).
        sweeper: Hydra's configuration of the sweeper: storage and pruner.
    """

    def __init__(self, study: str, number: int, objectives: int, sweeper: DictConfig):
        self.study_name, self.number, self.objectives = study, number, objectives
        self._sweeper = sweeper
        self._stored: StoredStudy | None = None
        self._reported: set[int] = set()

    @classmethod
    def handed_over(cls) -> "RunningTrial | None":
        """Return the trial of this job; None outside of a study."""
        text = os.environ.get(VARIABLE)
        return None if text is None else cls(**json.loads(text), sweeper=HydraConfig.get().sweeper)

    def describe(self, **facts: Any) -> None:
        """Attach facts, such as the run's signature, to the trial."""

        def attach(stored: StoredStudy) -> None:
            for key, value in facts.items():
                stored.set_attribute(self.number, key, value)

        self._guarded(attach, None)

    def report(self, values: dict[int, float]) -> None:
        """Report the objective by number of the evaluation; leave out what was reported before.

        Optuna accepts none for a trial of two objectives.
        """

        def report_new(stored: StoredStudy) -> None:
            for evaluation, value in values.items():
                if evaluation not in self._reported:
                    stored.report(self.number, evaluation, value)
                    self._reported.add(evaluation)

        if self.objectives == 1:
            self._guarded(report_new, None)

    def is_hopeless(self) -> bool:
        """Return whether the study's pruner would stop the run where it stands."""

        def ask(stored: StoredStudy) -> bool:
            return stored.study.pruner.prune(stored.study, stored.trial(self.number))

        return self.objectives == 1 and bool(self._reported) and self._guarded(ask, False)

    def _guarded(self, call: Callable[[StoredStudy], Any], otherwise: Any) -> Any:
        try:
            return call(self._open())
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            print(
                f"warning: trial {self.number} of study {self.study_name} cannot be reached: "
                f"{reason}; the run goes on",
                file=sys.stderr,
                flush=True,
            )
            return otherwise

    def _open(self) -> StoredStudy:
        if self._stored is None:
            import optuna

            storage = open_storage(str(self._sweeper.storage))
            pruner = instantiate(self._sweeper.pruner, _execution_whitelist_=PRUNERS)
            study: Study = optuna.load_study(
                study_name=self.study_name, storage=storage, pruner=pruner
            )
            stored = StoredStudy(study, storage)
            self._reported = set(stored.trial(self.number).intermediate_values)
            self._stored = stored
        return self._stored


def objective(settings: TrainConfig, record: RunRecord, trial: RunningTrial | None) -> Objective:
    """Return the objective of a finished run; quality and cost for a study of two objectives.

    An objective is a quality, of which more is better, so studies maximise it; see
    `Metric.quality`.

    The trial, if there is one, gets the values of the evaluations on the way, even of a run that
    was trained long before.
    """
    known = record.summary()["objective"]
    quality = float(known["value"])
    if trial is None:
        return quality
    benchmark, metric = known["benchmark"], known["metric"]
    described = f"{metric} on {benchmark}" if benchmark else metric
    trial.describe(run=record.signature, quality=described)
    steps = sorted(evenly_spaced(record.summary()["steps"], settings.schedule.evaluations))
    way = intermediate_values(record.metrics(), steps, benchmark, metric)
    trial.report({**way, len(steps): quality})
    return quality if trial.objectives == 1 else (quality, cost(settings, record))


def cost(settings: TrainConfig, record: RunRecord) -> float:
    """Return GFLOPs of a training pair; ``cost.json`` of the run keeps them, counted once."""
    path = record.folder / "cost.json"
    try:
        return float(json.loads(path.read_text())["gflops_per_pair"])
    except (OSError, ValueError, KeyError, TypeError):
        from siammae.assembly.flops import gflops_per_pair

        count = gflops_per_pair(settings)
        write_atomic(path, json.dumps({"gflops_per_pair": count}))
        return count
