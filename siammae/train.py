"""Train SiamMAE, measure it, and keep the run.

python -m siammae.train                                        one run of the demo preset
python -m siammae.train -m mask_ratio=0.9,0.95 frame_gap=4,10  four runs, one a setting
python -m siammae.train -m experiments=decoder preset=gpu      a declared experiment
torchrun --nproc-per-node=4 -m siammae.train ...               any of these, on four GPUs
"""

import sys
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from siammae.assembly.identity import Identity, identify
from siammae.config.check import check_parts, read_settings
from siammae.config.composition import declared
from siammae.config.experiment import Experiment
from siammae.config.schema import TrainConfig
from siammae.launching.entry import report_user_errors, run
from siammae.launching.studies.trial import Objective, RunningTrial, objective
from siammae.system.command import Command
from siammae.system.errors import ConfigError, SiammaeError
from siammae.system.paths import CONFIGS
from siammae.system.processes import is_leader, refuse_with_torchrun, silence
from siammae.system.signals import exit_on_signals, shield_children_from_signals
from siammae.tracking.provenance import code_difference
from siammae.tracking.record import Invocation, RunRecord
from siammae.tracking.signature import kind
from siammae.tracking.wandb import Tracker
from siammae.training.distributed import Team, join_team
from siammae.training.intermediate import Pruned

# Modules that import torch are imported where they are used: a finished run is returned without it.


@hydra.main(config_path=str(CONFIGS), config_name="train")
@report_user_errors
def job(config: DictConfig) -> Objective:
    """Carry out one run; return its objective, larger being better, for a sweeper.

    A study of two objectives gets the cost as well.
    """
    refuse_with_torchrun(HydraConfig.get().runtime.choices)
    team = join_team()
    with team.end_together(), exit_on_signals(), ExitStack() as stack:
        with team.raise_in_all():
            settings = read_settings(config)
            wanted = identify(settings, HydraConfig.get().runtime.choices.get("preset"))
            trial = RunningTrial.handed_over()
            asked = invocation(declared(config), trial)
        team.check_same_run(wanted.record.signature)
        with team.raise_in_all():
            is_known = begin(wanted, asked, team, stack) if team.is_main else False
        if not team.broadcast(is_known):
            train(wanted, asked, trial, team)
            if team.is_main:
                print(
                    f"  {objective_text(wanted.record.summary())}, in {wanted.record.folder}",
                    flush=True,
                )
        with team.raise_in_all():
            value = objective(settings, wanted.record, trial) if team.is_main else 0.0
        return team.broadcast(value)


def begin(wanted: Identity, asked: Invocation, team: Team, stack: ExitStack) -> bool:
    """Check and claim the run for as long as ``stack`` lasts; return whether it is finished."""
    settings, record = wanted.settings, wanted.record
    title = " ".join([f"run {record.signature}", *(f"{k}={v}" for k, v in asked.overrides.items())])
    settings.build("tracking")  # refuses wrong values also where nothing is trained
    rerun = settings.rerun or is_outdated(record, settings.stale)
    if record.is_finished() and not rerun:
        known_result(settings, record, asked, title)
        return True
    # Before there is a folder: a refused value marks no run as failed.
    check_parts(settings)
    team.check_settings(settings, wanted.source.repeated_sampling)
    team.device(settings.device)
    record.create(settings.as_dict(), settings.composed)
    stack.enter_context(record.claim())
    if record.is_finished() and not rerun:  # by another process, just now
        known_result(settings, record, asked, title)
        return True
    print(title, flush=True)
    print_warm_up(settings, asked)
    stack.enter_context(record.undo_refused_start())
    if rerun:
        record.forget_training()
    record.note_invocation(asked)
    return False


def print_warm_up(settings: TrainConfig, asked: Invocation) -> None:
    """Say that the warm-up has changed with a length that the command line sets."""
    for unit in ("steps", "epochs"):
        warm_up = getattr(settings.schedule, f"warmup_{unit}")
        composed = settings.composed["schedule"][f"warmup_{unit}"]
        if f"schedule.{unit}" in asked.overrides and str(composed).startswith("${"):
            whole = getattr(settings.schedule, unit)
            print(
                f"  the warm-up changes with schedule.{unit}: {warm_up:g} of {whole:g} {unit}, "
                f"the preset's share; schedule.warmup_{unit}=N sets another",
                flush=True,
            )


def is_outdated(record: RunRecord, stale: str) -> bool:
    """Compare the code that a run was trained with, if it was, with the present one.

    Args:
        record: of the run, finished or not.
        stale: what to do about files that differ: ``warn``, ``error`` or ``rerun``.

    Returns:
        Whether the run is to be trained anew.

    Raises:
        ConfigError: when files differ and ``stale`` is ``error``.
    """
    if not record.is_finished() and not any(record.checkpoints.glob("step-*.pt")):
        return False
    difference = code_difference(record.provenance())
    if not difference:
        return False
    message = f"run {record.signature} was trained with other code: {difference}"
    if stale == "error":
        raise ConfigError(f"{message}; rerun=true trains it anew, stale=warn accepts it")
    if stale == "warn":
        print(f"warning: {message}; rerun=true trains it anew", file=sys.stderr, flush=True)
    return stale == "rerun"


def known_result(settings: TrainConfig, record: RunRecord, asked: Invocation, title: str) -> None:
    """Print the result of a finished run that is asked for once more."""
    record.note_invocation(asked)
    print(f"{title}: finished before, {objective_text(record.summary())}", flush=True)
    settings.build("tracking").send_again(record, *labels(settings, asked))


def train(wanted: Identity, asked: Invocation, trial: RunningTrial | None, team: Team) -> None:
    """Carry a run out. An error is recorded in the run and raised again."""
    settings, record, facts = wanted.settings, wanted.record, wanted.facts
    parts = (wanted.source, wanted.benchmark)
    if not team.is_main:
        from siammae.training.session import Session

        Session(settings, record, *parts, Tracker(), facts, None, team).run()
        return
    record.set_state("running")
    tracker = None
    try:
        from siammae.training.session import Session

        tracker = settings.build("tracking")
        with shield_children_from_signals():  # W&B's own process has what is not sent yet
            tracker.start(record, *labels(settings, asked))
        if trial is not None:
            trial.describe(run=record.signature)
        session = Session(settings, record, *parts, tracker, facts, trial, team)
        with team.raise_first_error():
            session.run()
    except Pruned as end:  # kept with its checkpoints: asked for outside of the study it goes on
        record.set_state("pruned")
        print(f"  {end}", flush=True)
        raise
    except Exception as error:
        known = isinstance(error, SiammaeError)
        record.set_state("failed", error=str(error) if known else traceback.format_exc())
        raise
    except BaseException:  # SIGTERM or Ctrl-C: the next start goes on where this one was
        record.set_state("interrupted")
        raise
    finally:
        if tracker is not None:
            tracker.close()


def labels(settings: TrainConfig, asked: Invocation) -> tuple[str, str, list[str]]:
    """Return a run's name for people, the group of its repetitions with other seeds, and tags."""
    ends = settings.frame_gap
    gap = f"{ends[0]}-{ends[1]}" if isinstance(ends, list) else str(ends)
    gap = f"{gap} s" if settings.frame_gap_unit == "seconds" else gap
    decoder = str(settings.decoder.target).rpartition(".")[2].removesuffix("Decoder")
    setting = f"{decoder} mask {settings.mask_ratio} gap {gap}"
    tags = [str(asked.preset), asked.experiment or "-".join(asked.axes), asked.choices.get("data")]
    named = [tag for tag in tags if tag]
    return f"{setting} seed {settings.seed}", f"{setting} {kind(settings.as_dict())}", named


def invocation(experiment: Experiment | None, trial: RunningTrial | None = None) -> Invocation:
    """Return what asked for this run: the command, and its place in a multirun.

    All jobs of a multirun share its folder, whose name is its id. Microseconds tell it from another
    that starts at the same time: process ids are often equal in containers on several machines.
    """
    hydra_config = HydraConfig.get()
    multirun = hydra_config.mode == RunMode.MULTIRUN
    # As they were given: what refers to the run's own configuration is still a reference.
    task: Any = OmegaConf.to_container(hydra_config.overrides.task, resolve=False)
    overrides = [text.lstrip("+~").partition("=") for text in task]
    return Invocation(
        id=Path(hydra_config.sweep.dir).name if multirun else None,
        command=Command.instance().line,
        experiment=None if experiment is None else experiment.name,
        overrides={key: value for key, _, value in overrides},
        axes=swept(hydra_config, experiment) if multirun else [],
        preset=hydra_config.runtime.choices.get("preset"),
        job=hydra_config.job.num if multirun else None,
        choices={k: v for k, v in hydra_config.runtime.choices.items() if "hydra" not in k},
        study=None if trial is None else trial.study_name,
        trial=None if trial is None else trial.number,
        task=task,
    )


def swept(hydra_config: Any, experiment: Experiment | None) -> list[str]:
    """Return the keys that a multirun sweeps: of its experiment, study and command line."""
    arguments = Command.instance().arguments
    given = [argument for argument in arguments if "=" in argument and argument[0] != "-"]
    parsed = OverridesParser.create().parse_overrides(given)
    keys = [override.get_key_element() for override in parsed if override.is_sweep_override()]
    params = hydra_config.sweeper.get("params") or {}
    declared_keys = [] if experiment is None else experiment.keys
    return list(dict.fromkeys([*declared_keys, *params, *keys]))


def objective_text(summary: dict[str, Any]) -> str:
    """Return a run's objective as text, an error or a loss with its own sign."""
    objective = summary["objective"]
    name, value = objective["metric"], objective["value"]
    where = f" on {objective['benchmark']}" if objective["benchmark"] else ""
    if name.startswith("-"):  # turned, so that studies can maximise it
        name, value, where = name[1:], -value, f"{where} (less is better)"
    return f"{name} {value:.4f}{where}"


def main() -> int:
    """Entry point."""
    if not is_leader():
        silence()
    return run(job)


if __name__ == "__main__":
    sys.exit(main())
