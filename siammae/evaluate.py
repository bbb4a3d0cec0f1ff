"""Measure an encoder on a benchmark.

python -m siammae.evaluate checkpoint=runs/SIGNATURE benchmark=davis2017 benchmark.root=DIR
python -m siammae.evaluate features=timm model=vit_small_patch16_224.dino benchmark=davis2017
python -m siammae.evaluate features=file path=mae_pretrain_vit_base.pth benchmark=davis2017
"""

import os
import sys
from errno import EACCES
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from siammae.config.check import literal, read, validate
from siammae.config.commands import EvaluateConfig
from siammae.config.composition import plain_keys
from siammae.evaluation.encoders.choose import choose_source
from siammae.evaluation.encoders.source import Source
from siammae.evaluation.files.contents import Contents
from siammae.evaluation.measuring.benchmark import Benchmark
from siammae.evaluation.measuring.outputs import Outputs
from siammae.evaluation.measuring.result import BenchmarkResult, shortfall
from siammae.evaluation.measuring.show import show_result
from siammae.evaluation.result_cache import CONTENTS, Evaluations, Setting, as_result
from siammae.launching.entry import report_user_errors, run
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS
from siammae.system.printable import printable
from siammae.system.progress import ProgressDisplay
from siammae.system.valid_json import valid_json
from siammae.tracking.record import write_atomic

# Modules that import torch are imported where they are used: a known result is printed without it.

RESULT_FILES = ("result.json", "per_object.csv")  # of out
incomplete: list[str] = []  # benchmarks of this process with failed videos, for the exit code


@hydra.main(config_path=str(CONFIGS), config_name="evaluate")
@report_user_errors
def job(config: DictConfig) -> float:
    """Print the figures of an encoder; returns its quality, see `BenchmarkResult.quality`."""
    settings = read(config, EvaluateConfig)
    benchmark = settings.build("benchmark")
    if benchmark is None:
        raise ConfigError("benchmark=none measures nothing; name one, such as benchmark=davis2017")
    source = choose_source(settings)
    encoder = source.identity()
    if benchmark.needs_model:
        encoder |= source.model_identity()
        settings = with_run(config, source)
        benchmark = settings.build("benchmark")
    what = {"encoder": encoder, "precision": settings.precision}
    check_writable(settings, "out", "save_masks", "overlay")
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
    # Of other videos than the encoder's it would say nothing.
    control = None
    if not result.failed:
        control = evaluations.control(lambda: copy_first_mask(settings, benchmark))
    show_result(result, f"{label} on {result.name}", control)
    if settings.out is not None:
        write_result(result, Path(settings.out))
    if result.failed:
        incomplete.append(result.name)
        print(printable(f"error: figures {shortfall(result.as_dict())}"), file=sys.stderr)
    return result.quality


def with_run(config: DictConfig, source: Source) -> EvaluateConfig:
    """Return the settings with references to the run that is measured resolved.

    Benchmarks may refer to its settings, as ``${oc.select:frame_gap,null}`` does.
    """
    own: Any = OmegaConf.to_container(config, resolve=False)
    whole = OmegaConf.create({**literal(source.trained_as()), **own})
    return validate(plain_keys(whole, own), EvaluateConfig)


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


def write_result(result: BenchmarkResult, folder: Path) -> None:
    """Write ``result.json`` and ``per_object.csv``."""
    import csv
    from io import StringIO

    text = StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(k for row in result.per_object for k in row)))
    writer.writeheader()
    writer.writerows(result.per_object)
    contents = (valid_json(result.as_dict()), text.getvalue())
    try:
        for name, content in zip(RESULT_FILES, contents, strict=True):
            write_atomic(folder / name, content)
    except OSError as error:
        raise ConfigError(f"out={folder} cannot be written: {error.strerror}") from None
    print("written: " + ", ".join(str(folder / name) for name in RESULT_FILES))


def main() -> int:
    """Entry point; 1 when videos failed and the others were measured."""
    return run(job) or int(bool(incomplete))


if __name__ == "__main__":
    sys.exit(main())
