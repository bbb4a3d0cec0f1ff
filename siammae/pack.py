"""Decode clips once, into tar shards of JPEG frames that training reads at full speed.

python -m siammae.pack data=videos data.root=DIR out=DIR
python -m siammae.pack data=videos data.root=DIR out=DIR stride=4 quality=85 workers=16
python -m siammae.pack out=DIR --verify
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from siammae.config.groups import build_group
from siammae.config.schema import check_progress
from siammae.launching.entry import report_user_errors, run
from siammae.system.errors import ConfigError, DataError
from siammae.system.paths import CONFIGS
from siammae.system.progress import ProgressDisplay, size_text

RANGES = {"stride": (1, None), "quality": (1, 100), "shard_mb": (1, None), "workers": (1, None)}


@hydra.main(config_path=str(CONFIGS), config_name="pack")
@report_user_errors
def job(config: DictConfig) -> None:
    """Pack, or verify a pack."""
    check(config)
    out = Path(str(config.out)).expanduser().absolute()
    if config.verify:
        return verify(out, config)
    return pack(out, config)


def pack(out: Path, config: DictConfig) -> None:
    """Pack what is not packed yet.

    Raises:
        ConfigError, DataError: see `Packer.run`.
    """
    from siammae.data.packing.pack_plan import Settings
    from siammae.data.packing.write_pack import Packer

    side = _set_reading(config.data, config.short_side)
    source = build_group(config, "data")
    source.prepare()
    clips = source.footage()
    settings = Settings(
        source=source.fingerprint(),
        stride=config.stride,
        quality=config.quality,
        short_side=side,
        shard_mb=config.shard_mb,
    )
    with ProgressDisplay("clips", config.progress) as display:
        show = partial(_show, display)
        packer = Packer(clips, out, settings, config.workers, source.max_broken, print_now, show)
        packer.run()
    print(f"Train: python -m siammae.train data=packed data.root={out}")


def _set_reading(data: DictConfig, short_side: int | None) -> int | str | None:
    """Have a set, or each part of a mixture, read with the short side of the pack.

    Returns:
        The short side; for a mixture a text with that of each part.
    """
    if data.get("parts"):
        sides = [
            (name, _set_reading(part, short_side or part.get("short_side")))
            for name, part in data.parts.items()
        ]
        return ", ".join(f"{name}: {side}" for name, side in sides)
    for key, value in (("short_side", short_side), ("in_memory", False)):
        if key in data:  # clips are read in order, once: holding them would only fill the memory
            OmegaConf.update(data, key, value)
    return short_side


def verify(out: Path, config: DictConfig) -> None:
    """Compare every byte of every shard with what the index says.

    Raises:
        DataError: naming each damaged member.
    """
    from siammae.data.packing.verify_pack import verify_pack

    with ProgressDisplay("clips", config.progress) as display:
        damaged = verify_pack(out, config.workers, print_now, partial(_show, display))
    if damaged:
        raise DataError(
            f"out={out}: {len(damaged)} damaged:\n       "
            + "\n       ".join(damaged)
            + "\n       remove the damaged shards and give the packing command again: it makes "
            "them anew"
        )


def _show(display: ProgressDisplay, done: int, total: int, written: int) -> None:
    display.update(done, total, size_text(written))


def print_now(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def check(config: DictConfig) -> None:
    """Check types and ranges.

    Raises:
        ConfigError: with the key, its value and what would be right.
    """
    if OmegaConf.is_missing(config, "out") or not config.out:
        raise ConfigError("out=DIR is missing: the folder of the pack; siammae.pack --help")
    check_progress(config.progress)
    if not isinstance(config.verify, bool):
        raise ConfigError(f"verify={config.verify}: must be true or false")
    for key, (least, most) in RANGES.items():
        value: Any = config[key]
        if type(value) is not int or value < least or (most is not None and value > most):
            wanted = f"at least {least}" if most is None else f"{least} to {most}"
            raise ConfigError(f"{key}={value}: an int of {wanted} is needed")
    side = None if config.verify else config.short_side
    if side is not None and (type(side) is not int or side < 1):
        raise ConfigError(f"short_side={side}: an int of at least 1 is needed, or null")


def main() -> int:
    """Run the command; return its exit code."""
    sys.argv = ["verify=true" if word == "--verify" else word for word in sys.argv]
    code = run(job)
    if code == 130:
        print("finished shards are kept; the same command goes on", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
