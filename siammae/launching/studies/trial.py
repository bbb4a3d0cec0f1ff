"""The trial that a run is made for: handed over by the sweeper, told how the run goes."""

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from siammae.launching.studies.storage import open_storage

if TYPE_CHECKING:
    from optuna import Study

VARIABLE = "SIAMMAE_TRIAL"  # set by the sweeper for the time of a job, on whatever machine it runs
PRUNERS = ("optuna.pruners.*",)


class RunningTrial:
    """A trial of a study, seen from the run.

    What cannot be reported is left out with a warning: a storage may fail, the run may not.

    Args:
        study: its name.
        number: of the trial.
        objectives: one (quality) or two (quality, cost).
        sweeper: Hydra's configuration of the sweeper: storage and pruner.
    """

    def __init__(self, study: str, number: int, objectives: int, sweeper: DictConfig):
        self.study_name, self.number, self.objectives = study, number, objectives
        self._sweeper = sweeper
        self._study: Study | None = None
        self._trial_id = -1
        self._reported: set[int] = set()

    @classmethod
    def handed_over(cls) -> "RunningTrial | None":
        """The trial of this job; None outside of a study."""
        told = os.environ.get(VARIABLE)
        return None if told is None else cls(**json.loads(told), sweeper=HydraConfig.get().sweeper)

    def describe(self, **facts: Any) -> None:
        """Attach facts, such as the run's signature, to the trial."""

        def tell(study: "Study") -> None:
            for key, value in facts.items():
                study._storage.set_trial_user_attr(self._trial_id, key, value)

        self._guarded(tell, None)

    def report(self, values: dict[int, float]) -> None:
        """Objective by number of the evaluation; what has been reported is not told again.

        Optuna takes none of trials with two objectives.
        """

        def tell(study: "Study") -> None:
            for number, value in values.items():
                if number not in self._reported:
                    study._storage.set_trial_intermediate_value(self._trial_id, number, value)
                    self._reported.add(number)

        if self.objectives == 1:
            self._guarded(tell, None)

    def is_hopeless(self) -> bool:
        """Whether the study's pruner would stop the run where it stands."""

        def ask(study: "Study") -> bool:
            return study.pruner.prune(study, study._storage.get_trial(self._trial_id))

        return self.objectives == 1 and bool(self._reported) and self._guarded(ask, False)

    def _guarded(self, call: "Callable[[Study], Any]", otherwise: Any) -> Any:
        try:
            return call(self._open())
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            print(
                f"warning: trial {self.number} of study {self.study_name} cannot be told: "
                f"{reason}; the run goes on",
                file=sys.stderr,
                flush=True,
            )
            return otherwise

    def _open(self) -> "Study":
        if self._study is None:
            import optuna

            storage = open_storage(str(self._sweeper.storage))
            pruner = instantiate(self._sweeper.pruner, _execution_whitelist_=PRUNERS)
            study = optuna.load_study(study_name=self.study_name, storage=storage, pruner=pruner)
            self._trial_id = study._storage.get_trial_id_from_study_id_trial_number(
                study._study_id, self.number
            )
            self._reported = set(study._storage.get_trial(self._trial_id).intermediate_values)
            self._study = study
        return self._study
