"""The sweeper of Optuna studies: totals that hold over restarts and several workers, pruning."""

import json
import logging
import math
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from typing_extensions import override

from siammae.launching import hydra_adapter
from siammae.launching.hydra_adapter import SearchSpace
from siammae.launching.job_check import check_space
from siammae.launching.studies.budget import (
    SURPLUS,
    counted,
    is_surplus,
    release,
    release_dead,
    running,
)
from siammae.launching.studies.search_space import check_same_space
from siammae.launching.studies.storage import StoredStudy, open_storage
from siammae.launching.studies.trial import PRUNERS, VARIABLE
from siammae.launching.studies.workers import Worker
from siammae.system.command import without_password
from siammae.system.errors import ConfigError, SiammaeError, TrainedElsewhere
from siammae.training.intermediate import Pruned

if TYPE_CHECKING:
    from optuna import Study, Trial

log = logging.getLogger(__name__)
Overrides = tuple[str, ...]
SHOWN = 300  # characters of a failed trial's error in the log
SAMPLERS = ("hydra_plugins.hydra_optuna_sweeper.*", "optuna.samplers.*")


class StudySweeper(hydra_adapter.OptunaSweeper):
    """Runs the trials of a study; search spaces and samplers are those of hydra-optuna-sweeper.

    ``n_trials`` is the study's total over all starts and workers. Trials of killed processes do not
    count and are taken up again. Failed ones count and do not end the sweep, unless the
    configuration says ``on_failure=stop``.

    Args:
        pruner: configuration of one of ``optuna.pruners``.
        storage: URL of the storage, as for `open_storage`.
        direction: ``maximize``, ``minimize``, or ``[maximize, minimize]`` for quality and cost.
        n_trials: total of the study.
        n_jobs: trials side by side, where the launcher can.
        sampler, study_name, params, custom_search_space: as in hydra-optuna-sweeper.
    """

    def __init__(
        self,
        sampler: Any,
        pruner: Any,
        direction: Any,
        storage: str | None,
        study_name: str | None,
        n_trials: int,
        n_jobs: int,
        custom_search_space: str | None,
        params: DictConfig | None,
    ) -> None:
        self.sampler_config = sampler
        super().__init__(
            sampler,
            direction,
            storage,
            study_name,
            n_trials,
            n_jobs,
            max_failure_rate=1.0,
            custom_search_space=custom_search_space,
            params=params,
        )
        if storage is None:
            raise ConfigError("hydra.sweeper.storage=null: a study is kept; name a URL")
        if n_trials < 1 or n_jobs < 1:
            raise ConfigError(
                f"hydra.sweeper: n_trials={n_trials} and n_jobs={n_jobs} must be 1 or more"
            )
        self.url, self.pruner = storage, instantiate(pruner, _execution_whitelist_=PRUNERS)
        self.errors: dict[int, BaseException] = {}

    @override
    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.settings, self.launcher = config, self.sweeper.launcher
        self.loader = hydra_context.config_loader
        self.directions = hydra_adapter.directions(self)
        if self.directions not in (["maximize"], ["maximize", "minimize"]):
            raise ConfigError(
                f"hydra.sweeper.direction={self.directions}: maximize, or [maximize,minimize] "
                "for quality and cost; a metric of which less is better counts with its sign turned"
            )
        self._check_pruner()

    @override
    def sweep(self, arguments: list[str]) -> None:
        """Run trials until the study has its total, or all that are left are run by others."""
        space = self._space(arguments)
        check_space(self.loader, self.settings, space)
        stored = self._open_study()
        check_same_space(stored.study, space)
        log.info(f"Study {stored.study.study_name} in {without_password(self.url)}")
        released = release_dead(stored)
        if released:
            log.info(f"{released} trial(s) of killed processes are taken up again")
        with Worker() as worker:
            while trials := self._draw(stored, worker, space):
                self._run(stored, worker, *trials)
        self._conclude(stored.study)

    # The parts of a sweep -------------------------------------------------------------------------

    def _space(self, arguments: list[str]) -> SearchSpace:
        """Return what is drawn and what is fixed; a grid limits the total to its points."""
        from optuna.samplers import GridSampler

        drawn, fixed, deleted = hydra_adapter.search_space(self, arguments)
        if not drawn and self.sweeper.custom_search_space_extender is None:
            raise ConfigError(
                "the study draws nothing: give KEY=choice(...) or interval(...), or sweeps=NAME"
            )
        self.is_grid = getattr(self.sweeper.sampler, "func", None) is GridSampler
        if self.is_grid:
            choices = {key: hydra_adapter.grid_choices(self, drawn[key]) for key in drawn}
            self.sweeper.sampler = self.sweeper.sampler(choices)
            points = math.prod(len(values) for values in choices.values())
            self.sweeper.n_trials = min(self.sweeper.n_trials, points)
        return drawn, fixed, deleted

    def _open_study(self) -> StoredStudy:
        """Create the study, or load it when it is there.

        Raises:
            ConfigError: when it was begun with another direction.
        """
        import optuna
        from optuna.study import StudyDirection

        storage = open_storage(self.url)
        study = optuna.create_study(
            study_name=self.sweeper.study_name,
            storage=storage,
            sampler=self.sweeper.sampler,
            pruner=self.pruner,
            directions=[StudyDirection[name.upper()] for name in self.directions],
            load_if_exists=True,
        )
        known = [direction.name.lower() for direction in study.directions]
        if known != self.directions:
            raise ConfigError(
                f"study {study.study_name} was begun with direction={known}, "
                f"not {self.directions}; name another with hydra.sweeper.study_name=NAME"
            )
        return StoredStudy(study, storage)

    def _draw(
        self, stored: StoredStudy, worker: Worker, space: SearchSpace
    ) -> tuple[list["Trial"], list[Overrides]] | None:
        """Draw the next trials and their overrides; return None when none is left to draw."""
        study = stored.study
        release_dead(stored)
        left = self.sweeper.n_trials - len(counted(study))
        trials: list[Trial] = []
        overrides: list[Overrides] = []
        with self._released(stored, trials):
            for _ in range(min(left, self._side_by_side())):
                # Some samplers draw when they are asked, and others when a value is.
                self._seed(study, len(study.get_trials(deepcopy=False)))
                trial = study.ask()
                trials.append(trial)
                self._seed(study, trial.number)
                worker.own(stored, trial.number)
                drawn = hydra_adapter.draw(self, trial, space)
                if is_surplus(study, trial.number, self.sweeper.n_trials):
                    release(stored, trials.pop().number, SURPLUS)
                    continue
                overrides.append((*drawn, self._handed_over(study, trial)))
        return (trials, overrides) if trials else None

    @contextmanager
    def _released(self, stored: StoredStudy, trials: list["Trial"]) -> Iterator[None]:
        """Release the trials when something ends the block: a running one would stay behind."""
        try:
            yield
        except BaseException:
            for trial in trials:
                release(stored, trial.number, "interrupted")
            raise

    def _seed(self, study: "Study", number: int) -> None:
        """Give the sampler, where it has a seed, one that belongs to trial ``number`` alone.

        With the same seed at every start, and in every worker, it would draw again what the study
        has already.
        """
        from optuna.samplers import QMCSampler

        seed = self.sampler_config.get("seed")
        # A grid's trials and a sequence's next point are known from the study.
        if seed is None or self.is_grid or isinstance(study.sampler, QMCSampler):
            return
        own = int(np.random.SeedSequence([int(seed), number]).generate_state(1)[0])
        config = OmegaConf.merge(self.sampler_config, {"seed": own})
        study.sampler = instantiate(config, _execution_whitelist_=SAMPLERS)

    def _run(
        self, stored: StoredStudy, worker: Worker, trials: list["Trial"], overrides: list[Overrides]
    ) -> None:
        """Launch a batch and write its results."""
        assert self.launcher is not None  # Hydra has called `setup`
        numbers = [trial.number for trial in trials]
        with self._released(stored, trials), worker.alive(stored, numbers):
            returns = self.launcher.launch(overrides, initial_job_idx=self.sweeper.job_idx)
        self.sweeper.job_idx += len(returns)
        failed = self._write_results(stored.study, trials, returns)
        if failed is not None and self.settings.get("on_failure") == "stop":
            raise failed

    def _write_results(
        self, study: "Study", trials: Sequence["Trial"], returns: Sequence[JobReturn]
    ) -> BaseException | None:
        """Write the results of a batch into the study; return the last error."""
        from optuna.trial import TrialState

        last = None
        for trial, job in zip(trials, returns, strict=True):
            values, error = self._outcome(job)
            state = TrialState.COMPLETE
            if isinstance(error, Pruned):
                state = TrialState.PRUNED
            elif error is not None:
                state = TrialState.FAIL
                if not isinstance(error, TrainedElsewhere):
                    last = error
                self.errors[trial.number] = error
                self._note_error(trial, error)
            try:
                study.tell(trial, values, state, skip_if_finished=True)
            except RuntimeError:  # a grid's last point: Optuna wants to stop a loop that is not its
                if not self.is_grid:
                    raise
        return last

    def _outcome(self, job: JobReturn) -> tuple[list[float] | None, BaseException | None]:
        """Return the values that a job returned, or the error that it raised."""
        value = hydra_adapter.outcome(job)
        if job.status is not JobStatus.COMPLETED:
            return None, value
        wanted = len(self.directions)
        try:
            values = [float(part) for part in (value if wanted > 1 else [value])]
        except (TypeError, ValueError):
            return None, ConfigError(f"the job returned {value!r}, not {wanted} number(s)")
        if len(values) != wanted or any(part != part for part in values):
            return None, ConfigError(f"the job returned {value!r}, not {wanted} number(s)")
        return values, None

    def _note_error(self, trial: "Trial", error: BaseException) -> None:
        text = str(error).strip() or type(error).__name__
        if not isinstance(error, SiammaeError):
            text = "".join(traceback.format_exception(error)).strip()
        trial.set_user_attr("error", text[-2000:])
        log.error(f"trial {trial.number} failed: {text}")

    def _handed_over(self, study: "Study", trial: "Trial") -> str:
        """Return an override that sets the trial in the job's environment.

        It is no setting of the run, so that it does not count in its signature.
        """
        handed = {
            "study": study.study_name,
            "number": trial.number,
            "objectives": len(self.directions),
        }
        text = json.dumps(handed).replace("\\", "\\\\").replace("'", "\\'")
        return f"+hydra.job.env_set.{VARIABLE}='{text}'"

    def _side_by_side(self) -> int:
        """Return how many trials a batch has.

        Hydra's basic launcher runs one after the other, so that each may learn from all before it.
        """
        return 1 if hydra_adapter.is_basic(self.launcher) else int(self.sweeper.n_jobs)

    def _check_pruner(self) -> None:
        """Refuse a pruner that could never act."""
        from optuna.pruners import NopPruner

        if isinstance(self.pruner, NopPruner):
            return
        if len(self.directions) > 1:
            raise ConfigError("hydra/sweeper/pruner: a study of two objectives cannot prune; none")
        evaluations = OmegaConf.select(self.settings, "schedule.evaluations")
        if evaluations is not None and evaluations < 2:
            raise ConfigError(
                f"schedule.evaluations={evaluations}: a pruner needs 2 or more, "
                "or choose hydra/sweeper/pruner=none"
            )

    def _conclude(self, study: "Study") -> None:
        """Log states, failures and the best trials; write ``optimization_results.yaml``.

        Raises:
            ConfigError: when no trial gave a result and some failed here.
        """
        trials = counted(study)
        states = Counter(trial.state.name.lower() for trial in trials)
        summary = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        total = self.sweeper.n_trials
        log.info(f"Study {study.study_name} has {len(trials)} of {total} trials: {summary}")
        if others := [trial.number for trial in running(study)]:
            log.info(f"Trials that another worker runs, or ran until just now: {others}")
        for trial in trials:
            if trial.state.name == "FAIL":
                error = str(trial.user_attrs.get("error", "no error was kept")).strip()
                log.info(f"Trial {trial.number} failed, {trial.params}: {error[-SHOWN:]}")
        self._write_best(study)
        if self.errors and not [trial for trial in trials if trial.values is not None]:
            raise ConfigError(
                f"no trial of study {study.study_name} gave a result; the last error: "
                + str(list(self.errors.values())[-1]).strip().splitlines()[0]
            )

    def _write_best(self, study: "Study") -> None:
        """Log the best trials and write them as hydra-optuna-sweeper does."""
        is_any = any(trial.state.name == "COMPLETE" for trial in counted(study))
        best = study.best_trials if is_any else []
        for trial in best:
            log.info(f"Best: trial {trial.number}, {trial.values}, {trial.params}")
        found = [{"params": trial.params, "values": list(trial.values)} for trial in best]
        results: dict[str, Any] = {"name": "optuna", "solutions": found}
        if len(study.directions) == 1 and best:
            results = {"name": "optuna", "best_params": best[0].params, "best_value": best[0].value}
        folder = Path(self.settings.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(OmegaConf.create(results), folder / "optimization_results.yaml")
