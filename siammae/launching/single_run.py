"""One run from a command to its result: found, claimed, checked, trained, or known already."""

import sys
import traceback
from contextlib import ExitStack, suppress
from typing import Any

from siammae.assembly.identity import Identity
from siammae.config.combinations import check_parts, refuse_unused
from siammae.config.schema import TrainConfig
from siammae.launching.studies.trial import RunningTrial
from siammae.system.errors import ConfigError, DataError, SiammaeError
from siammae.system.signals import shield_children_from_signals
from siammae.tracking.provenance import code_difference
from siammae.tracking.record import Invocation, RunRecord
from siammae.tracking.signature import kind
from siammae.tracking.wandb import Tracker
from siammae.training.distributed import Team
from siammae.training.intermediate import Pruned
from siammae.training.plain_errors import plain_errors

# Modules that import torch are imported where they are used: a finished run is returned without it.


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
    refuse_unused(settings, asked.overrides)
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
    print_drawn_benchmark(wanted)
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


def print_drawn_benchmark(wanted: Identity) -> None:
    """Say that training on somebody's clips is measured on drawn ones, when it is."""
    from siammae.data.built_in.sprites import Sprites
    from siammae.evaluation.benchmarks.built_in import BuiltIn

    parts = getattr(wanted.benchmark, "parts", {"": wanted.benchmark}).values()
    drawn = any(isinstance(part, BuiltIn) for part in parts)
    if drawn and not isinstance(wanted.source, Sprites):
        print(
            "  measured on drawn clips, which say little of real video: "
            "benchmark=davis2017 benchmark.root=DIR measures there, and python -m "
            "siammae.download benchmark=davis2017 fetches it",
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
    try:
        difference = code_difference(record.provenance())
    except DataError as error:
        difference = f"its record is damaged ({error})"
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
    numbers = None if wanted.labels is None else wanted.labels.of_clips
    if not team.is_main:
        from siammae.training.session import Session

        with plain_errors(record.folder):
            Session(settings, record, *parts, Tracker(), facts, None, team, numbers).run()
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
        session = Session(settings, record, *parts, tracker, facts, trial, team, numbers)
        with team.raise_first_error(), plain_errors(record.folder):
            session.run()
    except Pruned as end:  # kept with its checkpoints: asked for outside of the study it goes on
        record.set_state("pruned")
        print(f"  {end}", flush=True)
        raise
    except Exception as error:
        known = isinstance(error, SiammaeError)
        with suppress(OSError):  # on a full disk not even that can be written
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
    setting = " ".join(_setting(settings))
    tags = [str(asked.preset), asked.experiment or "-".join(asked.axes), asked.choices.get("data")]
    named = [tag for tag in tags if tag]
    return f"{setting} seed {settings.seed}", f"{setting} {kind(settings.as_dict())}", named


def _setting(settings: TrainConfig) -> list[str]:
    """Return what a run's name says: the method, unless it is SiamMAE, and what it uses."""
    method = str(settings.method.target).rpartition(".")[2]
    words = [] if method == "SiamMAE" else [method]
    if settings.decoder is not None:
        words.append(str(settings.decoder.target).rpartition(".")[2].removesuffix("Decoder"))
    if settings.mask_ratio is not None:
        words.append(f"mask {settings.mask_ratio}")
    if settings.frame_gap is not None:
        ends = settings.frame_gap
        gap = f"{ends[0]}-{ends[1]}" if isinstance(ends, list) else str(ends)
        words.append(f"gap {gap} s" if settings.frame_gap_unit == "seconds" else f"gap {gap}")
    return words


def objective_text(summary: dict[str, Any]) -> str:
    """Return a run's objective as text, an error or a loss with its own sign."""
    objective = summary["objective"]
    name, value = objective["metric"], objective["value"]
    where = f" on {objective['benchmark']}" if objective.get("benchmark") else ""
    if name.startswith("-"):  # turned, so that studies can maximise it
        name, value, where = name[1:], -value, f"{where} (less is better)"
    return f"{name} {value:.4f}{where}"
