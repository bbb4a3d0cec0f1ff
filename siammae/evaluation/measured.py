"""Measuring an encoder once: what was measured before is found, what was not is measured and kept.

Modules that import torch are imported where they are used: a known result is found without it.
"""

import os
from errno import EACCES
from pathlib import Path
from typing import Any, NamedTuple

from siammae.config.commands import EvaluateConfig
from siammae.evaluation.encoders.source import Source
from siammae.evaluation.files.contents import Contents
from siammae.evaluation.measuring.benchmark import Benchmark
from siammae.evaluation.measuring.outputs import Outputs
from siammae.evaluation.measuring.result import BenchmarkResult, shortfall
from siammae.evaluation.result_cache import CONTENTS, Evaluations, Setting, as_result
from siammae.system.errors import ConfigError
from siammae.system.progress import ProgressDisplay

RESULT_FILES = ("result.json", "per_object.csv")  # of out
_incomplete: list[str] = []  # what results of this process lack


class Measured(NamedTuple):
    """A result, how tables call the encoder, and the control's result, if it has one."""

    result: BenchmarkResult
    label: str
    control: BenchmarkResult | None


def measured(settings: EvaluateConfig, source: Source, with_control: bool = True) -> Measured:
    """Return what the encoder scores, and what the control does; see `Evaluations`.

    Raises:
        ConfigError: when a setting is wrong or a folder cannot be written.
        DataError: when files of the benchmark or the encoder cannot be used.
    """
    benchmark: Benchmark = settings.build("benchmark")
    encoder = source.identity()
    if benchmark.needs_model:
        encoder |= source.model_identity()
    what = {"encoder": encoder, "precision": settings.precision}
    benchmark.prepare()

    benchmark.outputs = outputs(settings, benchmark)
    contents = Contents(Path(settings.results_dir) / CONTENTS)
    setting = Setting.of(benchmark, settings.benchmark.as_dict(), contents)
    evaluations = Evaluations(Path(settings.results_dir), setting, settings.rerun)
    entry = evaluations.find(what) if benchmark.outputs is None else None
    if entry is not None:
        result, label = as_result(entry), entry["label"]
        print(f"measured before, {evaluations.path(what)}; rerun=true measures again", flush=True)
    else:
        check_writable(settings, "results_dir")
        result, facts = measure(settings, benchmark, source)
        label = source.label()
        evaluations.keep(what, label, result, **facts)
    control = None
    if result.failed:  # of other videos than the encoder's the control would say nothing
        _incomplete.append(f"figures {shortfall(result.as_dict())}")
    elif with_control:
        control = evaluations.control(lambda: copy_first_mask(settings, benchmark))
    return Measured(result, label, control)


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
    settings: EvaluateConfig, benchmark: Benchmark, source: Source
) -> tuple[BenchmarkResult, dict[str, Any]]:
    """Return the encoder's result, and on what device and in which precision it was computed."""
    from siammae.assembly.device import choose_device, choose_precision, fast_matmul
    from siammae.evaluation.features import EncoderFeatures

    device = choose_device(settings.device)
    fast_matmul(device)
    precision: str = settings.precision
    if precision == "auto":
        precision = choose_precision("auto", device) if device.type == "cuda" else "fp32"
    model = source.load_model().to(device) if benchmark.needs_model else None
    features = EncoderFeatures(source.load().to(device), device, precision, model)
    check_patch(benchmark, features.patch_size)
    with ProgressDisplay("videos", settings.progress) as display:
        result = benchmark.evaluate(features, display.update)
    return result, {"device": str(device), "precision": precision}


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


def copy_first_mask(settings: EvaluateConfig, benchmark: Benchmark) -> BenchmarkResult:
    """Return the control's result."""
    with ProgressDisplay("videos of the control", settings.progress) as display:
        return benchmark.copy_first_mask(display.update)
