"""Measure an encoder on a benchmark.

python -m siammae.evaluate checkpoint=runs/SIGNATURE benchmark=davis2017 benchmark.root=DIR
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig

from siammae.config.errors import ConfigError, DataError
from siammae.config.groups import build_group
from siammae.config.launch import run
from siammae.config.paths import CONFIGS
from siammae.evaluation.result import BenchmarkResult
from siammae.evaluation.show import show_result
from siammae.tracking.progress import Counter
from siammae.tracking.record import write_atomic

if TYPE_CHECKING:
    from siammae.model.encoder import Encoder


@hydra.main(config_path=str(CONFIGS), config_name="evaluate")
def job(config: DictConfig) -> float:
    """Print the figures of a checkpoint; returns the benchmark's objective."""
    benchmark = build_group(config, "benchmark")
    if benchmark is None:
        raise ConfigError("benchmark=none measures nothing; name one, such as benchmark=davis2017")
    if config.checkpoint is None:
        raise ConfigError("checkpoint=PATH is missing: a run's folder, .safetensors or .pt file")
    encoder = load_encoder(Path(config.checkpoint))
    benchmark.prepare()

    from siammae.training.device import choose_device, fast_matmul
    from siammae.training.measure import measure

    device = choose_device(config.device)
    fast_matmul(device)
    with Counter("sequences", config.progress) as told:
        result = measure(benchmark, encoder.to(device), device, told=told)
    show_result(result, f"{config.checkpoint} on {result.name}")
    if config.out is not None:
        write_result(result, Path(config.out))
    return result.value


def load_encoder(path: Path) -> "Encoder":
    """The encoder of a run's folder, of an ``encoder.safetensors`` or of a ``step-*.pt``.

    Raises:
        DataError: when there is none, or the file is damaged.
    """
    from siammae.tracking.record import RunRecord
    from siammae.training.checkpoint import Checkpoints, load_checked
    from siammae.training.export import encoder_from_state, import_encoder

    if path.is_dir():
        if (path / "encoder.safetensors").is_file():
            return import_encoder(path / "encoder.safetensors")
        saved = Checkpoints(path / "checkpoints").paths()
        if not saved:
            raise DataError(f"{path} holds no encoder.safetensors and no checkpoints/step-*.pt")
        path = saved[-1]
        print(f"the run is unfinished: taking {path}", file=sys.stderr)
    if path.suffix == ".pt":
        record = RunRecord(path.absolute().parent.parent)
        return encoder_from_state(load_checked(path)["model"], record.config(), path)
    return import_encoder(path)


def write_result(result: BenchmarkResult, folder: Path) -> None:
    """``result.json`` and ``per_object.csv``."""
    import csv
    from io import StringIO

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out={folder} cannot be written: {error.strerror}") from None
    text = StringIO()
    writer = csv.DictWriter(text, list(result.per_object[0]))
    writer.writeheader()
    writer.writerows(result.per_object)
    write_atomic(folder / "per_object.csv", text.getvalue())
    write_atomic(folder / "result.json", json.dumps(result.as_dict(), indent=1))
    print(f"written: {folder / 'result.json'}, {folder / 'per_object.csv'}")


def main() -> int:
    """Entry point."""
    return run(job)


if __name__ == "__main__":
    sys.exit(main())
