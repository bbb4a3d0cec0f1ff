"""Finds the runs that a command would start as the trainer finds them, and writes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from hydra import initialize_config_dir

from siammae.assembly.identity import Identity, Parts, identify
from siammae.config.composition import Composition, parse_overrides
from siammae.config.experiment import Experiment, spelled
from siammae.config.schema import TrainConfig
from siammae.config.suggestions import nearest
from siammae.planning.jobs import Job, jobs_of
from siammae.system.errors import ConfigError, DataError
from siammae.system.paths import CONFIGS
from siammae.tracking.signature import signature

Report = Callable[[int, int, str], None]
OUTSIDE = "command line"  # stands for an experiment where there is none


@dataclass
class Coming:
    """A run that the planned command would produce.

    label: of its row, or its setting. overrides: of its job. identity: None when ``problem`` says
    why the signature cannot be computed. key: equal for equal runs. steps: of the whole
    training, 0 when files that are missing decide. tables: every table that asks for it.
    """

    label: str
    seed: int
    overrides: Job
    settings: TrainConfig
    identity: Identity | None
    problem: str = ""
    key: str = ""
    steps: int = 0
    tables: list[str] = field(default_factory=list)

    @property
    def signature(self) -> str:
        """Return the run's signature, or ``?`` when it cannot be computed."""
        return "?" if self.identity is None else self.identity.record.signature

    @cached_property
    def state(self) -> str:
        """Return the state in the run's record, ``new`` when there is none."""
        if self.identity is None:
            return "unknown"
        record = self.identity.record
        if record.is_finished():
            return "finished"
        state = record.state()["state"]
        return "new" if state == "planned" else state

    @cached_property
    def step(self) -> int:
        """Return the optimiser steps of the last checkpoint, after which training would go on."""
        if self.identity is None:
            return 0
        paths = sorted(self.identity.record.checkpoints.glob("step-*.pt"))
        return int(paths[-1].stem.removeprefix("step-")) if paths else 0


def coming(overrides: list[str], names: list[str], report: Report) -> dict[str, list[Coming]]:
    """Return the runs of each experiment in the order of their start.

    Args:
        overrides: as for ``siammae.train``, without ``experiments=``.
        names: of experiments; empty: those of the overrides alone.
        report: called with (done, total, name) for each run that is looked up.

    Raises:
        ConfigError: when a setting, or an experiment, is wrong.
    """
    with initialize_config_dir(str(CONFIGS)):
        plans: dict[str, list[Coming]] = {}
        jobs = {name: _jobs(overrides, name) for name in names or [""]}
        total = sum(len(found) for found in jobs.values())
        done, parts = 0, Parts()
        for name, found in jobs.items():
            plans[name or OUTSIDE] = runs = []
            for run in _identified(found, parts):
                done += 1
                report(done, total, name)
                runs.append(run)
    _share(plans)
    return plans


def _jobs(overrides: list[str], name: str) -> list[Job]:
    wanted = [*overrides, *([f"experiments={name}"] if name else [])]
    parsed = parse_overrides(wanted)
    fixed = [str(each.input_line) for each in parsed if not each.is_sweep_override()]
    return jobs_of(Composition.of(fixed), parsed)


def _identified(jobs: list[Job], parts: Parts) -> Iterator[Coming]:
    """Find each job's run. Jobs that differ by the seed alone are composed once: it takes long."""
    composed: dict[tuple[str, ...], Composition] = {}
    for job in jobs:
        seeds = [part for part in job if part.startswith("seed=")]
        rest = tuple(part for part in job if part not in seeds)
        if rest not in composed:
            composed[rest] = Composition.of(list(rest))
        yield _run(composed[rest], job, _number(seeds[-1]) if seeds else None, parts)


def _number(override: str) -> int:
    """Return N of ``seed=N``."""
    try:
        return int(override.removeprefix("seed="))
    except ValueError:
        raise ConfigError(f"{override}: a seed is a whole number") from None


def _run(composition: Composition, job: Job, seed: int | None, parts: Parts) -> Coming:
    settings, found, problem = composition.settings(seed), None, ""
    try:
        found = identify(settings, str(composition.choices["preset"]), parts)
        key = found.record.signature
    except DataError as error:
        problem = str(error)
        key = "?" + signature(settings.as_dict(), {})
    label = _label(composition.experiment(), job)
    steps = _steps(settings, found, parts)
    return Coming(label, settings.seed, job, settings, found, problem, key, steps)


def _steps(settings: TrainConfig, found: Identity | None, parts: Parts) -> int:
    """Return the length of the training; clips count for a length in epochs only."""
    clips = 1
    if settings.schedule.epochs is not None:
        if found is None:
            return 0
        clips = parts.clips(found.source)
    return settings.schedule.in_steps(clips, settings.batch_size)[0]


def _label(experiment: Experiment | None, job: Job) -> str:
    """Return a declared row's label, else what the job sets."""
    given: dict[str, str] = dict(part.lstrip("+~").split("=", 1) for part in job)
    if experiment is None:
        named = [f"{key}={value}" for key, value in given.items() if key != "seed"]
        return " ".join(named) or "default settings"
    setting = {key: spelled(given[key]) for key in experiment.keys if key in given}
    row = experiment.row(setting)
    return row.label if row else " ".join(f"{k}={v}" for k, v in setting.items())


def _share(plans: dict[str, list[Coming]]) -> None:
    """Note in every run which tables ask for it."""
    tables: dict[str, list[str]] = {}
    for name, runs in plans.items():
        for run in runs:
            if name not in tables.setdefault(run.key, []):
                tables[run.key].append(name)
    for runs in plans.values():
        for run in runs:
            run.tables = tables[run.key]


def chosen(overrides: list[str], known: list[str]) -> tuple[list[str], list[str]]:
    """Take ``experiments=a,b`` or ``=all`` out of the overrides; return the names and the rest.

    Raises:
        ConfigError: when there is no such experiment.
    """
    names: list[str] = []
    rest = []
    for override in overrides:
        key, _, value = override.partition("=")
        if key == "sweeps":
            raise ConfigError(
                f"{override}: a study draws its runs as it goes, up to the hydra.sweeper.n_trials "
                f"of sweeps/{value}.yaml; without sweeps= the plan is of one of its runs"
            )
        if key != "experiments":
            rest.append(override)
        else:
            names = known if value == "all" else value.split(",")
    for name in names:
        if name not in known:
            raise ConfigError(
                f"experiments={name}: no such experiment{nearest(name, known)}; "
                f"there are: all, {', '.join(known)}"
            )
    return names, rest
