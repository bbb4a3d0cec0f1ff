"""hydra-optuna-sweeper with studies that survive: totals, restarts, several workers, pruning."""

import json
import logging
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper
from omegaconf import DictConfig, OmegaConf

from siammae.launching.studies.budget import (
    SURPLUS,
    counted,
    is_surplus,
    release,
    release_dead,
    running,
)
from siammae.launching.studies.storage import hidden, open_storage
from siammae.launching.studies.trial import PRUNERS, VARIABLE
from siammae.launching.studies.workers import Worker
from siammae.system.errors import ConfigError, SiammaeError, TrainedElsewhere
from siammae.training.intermediate import Pruned

if TYPE_CHECKING:
    from optuna import Study, Trial

log = logging.getLogger(__name__)
Overrides = tuple[str, ...]
SAMPLERS = ("hydra_plugins.hydra_optuna_sweeper.*", "optuna.samplers.*")


class StudySweeper(OptunaSweeper):
    """The plugin's sweeper, whose search spaces and samplers it takes, with a loop of its own.

    ``n_trials`` is the study's total over all starts and workers. Trials of killed processes do not
    count and are taken up again; failed ones count and do not end the sweep, unless the
    configuration says ``on_failure=stop``.

    Args:
        pruner: configuration of one of ``optuna.pruners``.
        storage: URL, see `open_storage`.
        direction, n_jobs, sampler, study_name, params, custom_search_space: as the plugin's.
            Two directions are of quality and cost.
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

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """See Hydra's `Sweeper`."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.settings, self.launcher = config, self.sweeper.launcher
        self.directions = [name.lower() for name in self.sweeper._get_directions()]
        if self.directions not in (["maximize"], ["minimize"], ["maximize", "minimize"]):
            raise ConfigError(
                f"hydra.sweeper.direction={self.directions}: maximize, or [maximize,minimize] "
                "for quality and cost"
            )
        self._check_pruner()

    def sweep(self, arguments: list[str]) -> None:
        """Run trials until the study has its total, or all that are left are run by others."""
        space = self._space(arguments)
        study = self._study()
        log.info(f"Study {study.study_name} in {hidden(self.url)}")
        released = release_dead(study)
        if released:
            log.info(f"{released} trial(s) of killed processes are taken up again")
        with Worker() as worker:
            while trials := self._draw(study, worker, space):
                self._run(study, worker, *trials)
        self._conclude(study)

    # The parts of a sweep -------------------------------------------------------------------------

    def _space(self, arguments: list[str]) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
        """What is drawn, what is fixed, and overrides that delete; a grid bounds the total."""
        from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
        from optuna.samplers import GridSampler

        given = [*self.sweeper._parse_sweeper_params_config(), *arguments]
        drawn, fixed, deleted = create_params_from_overrides(given)
        drawn = {key: what for key, what in drawn.items() if key not in fixed}
        if not drawn and self.sweeper.custom_search_space_extender is None:
            raise ConfigError(
                "the study draws nothing: give KEY=choice(...) or interval(...), or sweeps=NAME"
            )
        self.is_grid = getattr(self.sweeper.sampler, "func", None) is GridSampler
        if self.is_grid:
            choices = {k: self.sweeper._to_grid_sampler_choices(v) for k, v in drawn.items()}
            self.sweeper.sampler = self.sweeper.sampler(choices)
            self.sweeper.n_trials = min(self.sweeper.n_trials, len(self.sweeper.sampler._all_grids))
        return drawn, fixed, deleted

    def _study(self) -> "Study":
        import optuna
        from optuna.study import StudyDirection

        study = optuna.create_study(
            study_name=self.sweeper.study_name,
            storage=open_storage(self.url),
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
        return study

    def _draw(
        self,
        study: "Study",
        worker: Worker,
        space: tuple[dict[str, Any], dict[str, Any], list[str]],
    ) -> tuple[list["Trial"], list[Overrides]] | None:
        """The next trials and their overrides; None when there are none left to draw."""
        release_dead(study)
        left = self.sweeper.n_trials - len(counted(study))
        trials, overrides = [], []
        for _ in range(min(left, self._side_by_side())):
            # Some samplers draw when they are asked, and others when a value is.
            self._seed(study, len(study.get_trials(deepcopy=False)))
            trial = study.ask()
            self._seed(study, trial.number)
            worker.own(study._storage, trial._trial_id)
            (drawn,) = self.sweeper._configure_trials([trial], *space)
            if is_surplus(study, trial.number, self.sweeper.n_trials):
                release(study, study._storage.get_trial(trial._trial_id), SURPLUS)
                continue
            trials.append(trial)
            overrides.append((*drawn, self._handed_over(study, trial)))
        return (trials, overrides) if trials else None

    def _seed(self, study: "Study", number: int) -> None:
        """Draw trial ``number`` from a seed of its own, where the sampler has one.

        A sampler that began with its one seed at every start, and in every worker, would draw again
        what the study has.
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
        self, study: "Study", worker: Worker, trials: list["Trial"], overrides: list[Overrides]
    ) -> None:
        """Launch a batch and tell the study; whatever ends the process leaves the trials free."""
        assert self.launcher is not None  # Hydra has called `setup`
        try:
            with worker.alive(study._storage, [trial._trial_id for trial in trials]):
                returns = self.launcher.launch(overrides, initial_job_idx=self.sweeper.job_idx)
        except BaseException:
            for trial in trials:
                release(study, study._storage.get_trial(trial._trial_id), "interrupted")
            raise
        self.sweeper.job_idx += len(returns)
        failed = self._tell(study, trials, returns)
        if failed is not None and self.settings.get("on_failure") == "stop":
            raise failed

    def _tell(
        self, study: "Study", trials: Sequence["Trial"], returns: Sequence[JobReturn]
    ) -> BaseException | None:
        """Results to the study; returns the last error."""
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
        """What a job returned, or raised."""
        value = job._return_value  # `return_value` would print overrides, and raise
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
        """The trial for the job, in its environment: no setting of the run, so not in its name."""
        told = {
            "study": study.study_name,
            "number": trial.number,
            "objectives": len(self.directions),
        }
        text = json.dumps(told).replace("\\", "\\\\").replace("'", "\\'")
        return f"+hydra.job.env_set.{VARIABLE}='{text}'"

    def _side_by_side(self) -> int:
        """Trials of a batch. Hydra's basic launcher runs one after the other: then each may learn
        from all before it."""
        from hydra._internal.core_plugins.basic_launcher import BasicLauncher

        basic = isinstance(self.launcher, BasicLauncher)
        return 1 if basic else int(self.sweeper.n_jobs)

    def _check_pruner(self) -> None:
        """A pruner that could never act is a mistake."""
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
        """Tell what the study holds, what others still run, and what failed here."""
        from siammae.launching.studies.conclusion import conclude

        others = [trial.number for trial in running(study)]
        conclude(study, self.sweeper.n_trials, others, self.settings.hydra.sweep.dir)
        if self.errors and not [t for t in counted(study) if t.values is not None]:
            raise ConfigError(
                f"no trial of study {study.study_name} gave a result; the last error: "
                + str(list(self.errors.values())[-1]).strip().splitlines()[0]
            )
