"""Reads an Optuna study into a data frame: its trials, the best of them, parameter importance."""

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from siammae.launching.studies.budget import counted

if TYPE_CHECKING:
    from optuna import Study
    from optuna.importance import BaseImportanceEvaluator
    from optuna.trial import FrozenTrial

COST = "GFLOPs of a training pair"
TREES_SEED = 0  # of fANOVA's forest: the same report from the same trials


@dataclass
class StudyFrame:
    """The trials of a study that count towards its total.

    trials: a row a trial, by number. Columns: ``number``, ``state`` (complete, pruned, fail,
    running), ``run`` (signature), a column for each objective, and one for each of ``params``.
    objectives: their names, quality first.
    maximised: whether larger is better, for each objective.
    best: numbers of the best trials: one, or the Pareto front by cost.
    """

    name: str
    trials: pd.DataFrame
    objectives: list[str]
    maximised: list[bool]
    params: list[str]
    best: list[int]

    @property
    def complete(self) -> pd.DataFrame:
        """Return the trials with a final value."""
        return self.trials[self.trials["state"] == "complete"]

    def ranked(self) -> pd.DataFrame:
        """Return complete trials, the best first; with two objectives the Pareto front by cost."""
        if len(self.objectives) == 1:
            (objective,), (maximised,) = self.objectives, self.maximised
            return self.complete.sort_values(objective, ascending=not maximised, kind="stable")
        front = self.complete[self.complete["number"].isin(self.best)]
        return front.sort_values(self.objectives[1], kind="stable")

    def states(self) -> str:
        """Count the trials of each state."""
        counts = Counter(self.trials["state"])
        return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def read_study(study: "Study") -> StudyFrame:
    """Read a study without the trials of killed processes that were run again."""
    trials = counted(study)
    names = [t.user_attrs["quality"] for t in trials if "quality" in t.user_attrs]
    objectives = [str(names[-1]) if names else "objective", COST][: len(study.directions)]
    params = list(dict.fromkeys(name for trial in trials for name in trial.params))
    rows = []
    for trial in trials:
        values = trial.values or [None] * len(objectives)
        row = {"number": trial.number, "state": trial.state.name.lower()}
        row |= {"run": trial.user_attrs.get("run"), **dict(zip(objectives, values, strict=True))}
        rows.append(row | {name: trial.params.get(name) for name in params})
    complete = any(row["state"] == "complete" for row in rows)
    return StudyFrame(
        study.study_name,
        pd.DataFrame(rows, columns=["number", "state", "run", *objectives, *params]),
        objectives,
        [direction.name == "MAXIMIZE" for direction in study.directions],
        params,
        [trial.number for trial in study.best_trials] if complete else [],
    )


def importance(study: "Study", frame: StudyFrame) -> tuple[str, pd.DataFrame]:
    """Return how much each parameter matters to each objective, as shares of 1.

    Of fANOVA the share of the objective's variance that a parameter explains by itself; of
    PED-ANOVA how much it decides whether a trial is among the best tenth.

    Returns:
        The method, and rows ``parameter``, ``objective``, ``importance`` that sum to 1 for each
        objective; none when trials are too few or all alike.
    """
    method, evaluator = _evaluator()
    rows = []
    for index, objective in enumerate(frame.objectives):
        if len(frame.complete) >= 2 and frame.complete[objective].nunique() >= 2:
            for name, share in _shares(study, index, frame.maximised[index], evaluator).items():
                rows.append({"parameter": name, "objective": objective, "importance": share})
    return method, pd.DataFrame(rows, columns=["parameter", "objective", "importance"])


def _shares(
    study: "Study", index: int, maximised: bool, evaluator: "BaseImportanceEvaluator"
) -> dict[str, float]:
    """Return the importance of each parameter to one objective; empty when trials share none."""
    from optuna.importance import get_param_importances

    sign = -1 if maximised else 1  # PED-ANOVA takes small values for good

    def target(trial: "FrozenTrial") -> float:
        return sign * trial.values[index]

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PED-ANOVA about the sign
            return get_param_importances(study, evaluator=evaluator, target=target)
    except (RuntimeError, ValueError):
        return {}


def _evaluator() -> "tuple[str, BaseImportanceEvaluator]":
    """Choose fANOVA (Hutter et al., 2014) where scikit-learn is there, else PED-ANOVA (Watanabe et
    al., 2023)."""
    from importlib.util import find_spec

    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    if find_spec("sklearn") is not None:
        return "fANOVA", FanovaImportanceEvaluator(seed=TREES_SEED)
    return "PED-ANOVA (for fANOVA install scikit-learn)", PedAnovaImportanceEvaluator()
