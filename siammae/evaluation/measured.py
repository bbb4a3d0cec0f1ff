"""Measuring an encoder once: what was measured before is found, what was not is measured and kept.

Modules that import torch are imported where they are used: a known result is found without it.
"""

import os
from errno import EACCES
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from siammae.config.commands import EvaluateConfig
from siammae.evaluation.encoders.source import Source
from siammae.evaluation.files.contents import Contents
from siammae.evaluation.measuring.benchmark import Benchmark
from siammae.evaluation.measuring.outputs import Outputs
from siammae.evaluation.measuring.result import BenchmarkResult, shortfall
from siammae.evaluation.measuring.share import (
    ALONE,
    Share,
    by_first,
    first_then_others,
    measure_together,
)
from siammae.evaluation.result_cache import CONTENTS, Evaluations, Setting, as_result
from siammae.system.errors import ConfigError
from siammae.system.progress import ProgressDisplay

if TYPE_CHECKING:
    import torch

    from siammae.evaluation.features import EncoderFeatures

RESULT_FILES = ("result.json", "per_object.csv")  # of out
_incomplete: list[str] = []  # what results of this process lack


class Measured(NamedTuple):
    """A result, how tables call the encoder, and the control's result, if it has one."""

    result: BenchmarkResult
    label: str
    control: BenchmarkResult | None


def measured(
    settings: EvaluateConfig, source: Source, with_control: bool = True, share: Share = ALONE
) -> Measured:
    """Return what the encoder scores, and what the control does; see `Evaluations`.

    Args:
        settings: of the command.
        source: of the encoder.
        with_control: whether the control is wanted.
        share: the processes that measure together; the first looks for what is known and keeps
            what is not.

    Raises:
        ConfigError: when a setting is wrong or a folder cannot be written.
        DataError: when files of the benchmark or the encoder cannot be used.
    """
    with share.raise_in_all():
        benchmark: Benchmark = settings.build("benchmark")
        benchmark.outputs = outputs(settings, benchmark)
    what = by_first(share, lambda: asked(settings, benchmark, source))
    first_then_others(share, benchmark.prepare)

    contents = Contents(Path(settings.results_dir) / CONTENTS)
    config = settings.benchmark.as_dict()
    setting = by_first(share, lambda: Setting.of(benchmark, config, contents))
    evaluations = Evaluations(Path(settings.results_dir), setting, settings.rerun)
    entry = None
    if benchmark.outputs is None:
        entry = by_first(share, lambda: evaluations.find(what))
    if entry is not None:
        result, label = as_result(entry), entry["label"]
        print(f"measured before, {evaluations.path(what)}; rerun=true measures again", flush=True)
    else:
        first_then_others(share, lambda: check_writable(settings, "results_dir"))
        result, facts = measure(settings, benchmark, source, share)
        label = source.label()
        by_first(share, lambda: evaluations.keep(what, label, result, **facts))
    control = None
    if result.failed:  # of other videos than the encoder's the control would say nothing
        _incomplete.append(f"figures {shortfall(result.as_dict())}")
    elif with_control:
        control = evaluations.control(lambda: copy_first_mask(settings, benchmark, share), share)
    return Measured(result, label, control)


def asked(settings: EvaluateConfig, benchmark: Benchmark, source: Source) -> dict[str, Any]:
    """Return what decides the figures beside the benchmark: the encoder and the precision."""
    encoder = source.identity()
    if benchmark.needs_model:
        encoder |= source.model_identity()
    return {"encoder": encoder, "precision": settings.precision}


def incomplete() -> list[str]:
    """Return of each result of this process that lacks videos what it lacks."""
    return list(dict.fromkeys(_incomplete))


def check_writable(settings: EvaluateConfig, *keys: str) -> None:
    """Make the folders that keys name, before any work: it may take hours, and would be lost.

    Raises:
        ConfigError: naming the key whose folder cannot be made or written.
    """
    for key in keys:
        named = getattr(settings, key)
        if named is None:
            continue
        folder = Path(named)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(EACCES, os.strerror(EACCES))
        except OSError as error:
            raise ConfigError(f"{key}={folder} cannot be written: {error.strerror}") from None
        for name in RESULT_FILES if key == "out" else ():
            if (folder / name).is_dir():
                raise ConfigError(f"{key}={folder} cannot be written: {folder / name} is a folder")


def outputs(settings: EvaluateConfig, benchmark: Benchmark) -> Outputs | None:
    """Return where predicted masks are kept; None when nobody asked.

    Raises:
        ConfigError: when the benchmark predicts none.
    """
    given = {"save_masks": settings.save_masks, "overlay": settings.overlay}
    wanted = {key: Path(folder) for key, folder in given.items() if folder}
    if wanted and not benchmark.has_masks:
        raise ConfigError(f"{min(wanted)}: benchmark={benchmark.name} predicts no masks")
    return Outputs(**wanted) if wanted else None


def measure(
    settings: EvaluateConfig, benchmark: Benchmark, source: Source, share: Share = ALONE
) -> tuple[BenchmarkResult, dict[str, Any]]:
    """Return the encoder's result, and on what device and in which precision it was computed."""
    from siammae.assembly.device import choose_device, choose_precision, fast_matmul

    with share.raise_in_all():
        device = choose_device(settings.device)
        fast_matmul(device)
        precision: str = settings.precision
        if precision == "auto":
            precision = choose_precision("auto", device) if device.type == "cuda" else "fp32"
    loaded: list[EncoderFeatures] = []
    # One after the other, so that published weights are downloaded once.
    first_then_others(share, lambda: loaded.append(load(benchmark, source, device, precision)))
    with ProgressDisplay("videos", settings.progress) as display:
        result = measure_together(
            benchmark, share, lambda part: part.evaluate(loaded[0], display.update)
        )
    return result, {"device": str(device), "precision": precision}


def load(
    benchmark: Benchmark, source: Source, device: "torch.device", precision: str
) -> "EncoderFeatures":
    """Load what the benchmark measures of the source, and check that its patches fit."""
    from siammae.evaluation.features import EncoderFeatures

    model = source.load_model().to(device) if benchmark.needs_model else None
    features = EncoderFeatures(source.load().to(device), device, precision, model)
    check_patch(benchmark, features.patch_size)
    return features


def check_patch(benchmark: Benchmark, patch_size: int) -> None:
    """Check that the protocol's sides can be whole patches.

    Raises:
        ConfigError: when they cannot.
    """
    propagation = getattr(benchmark, "propagation", None)
    if propagation is None:
        return
    try:
        propagation.input_shape((patch_size, patch_size), patch_size)
    except ValueError as error:
        raise ConfigError(
            f"protocol {propagation.preset}: {error}; benchmark.propagation.multiple=null takes "
            "multiples of the patch"
        ) from None


def copy_first_mask(
    settings: EvaluateConfig, benchmark: Benchmark, share: Share = ALONE
) -> BenchmarkResult:
    """Return the control's result."""
    with ProgressDisplay("videos of the control", settings.progress) as display:
        return measure_together(benchmark, share, lambda part: part.copy_first_mask(display.update))
