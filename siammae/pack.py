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

from siammae.config.check import read
from siammae.config.commands import PackConfig
from siammae.launching.entry import report_user_errors, run
from siammae.system.errors import ConfigError, DataError
from siammae.system.paths import CONFIGS
from siammae.system.progress import ProgressDisplay, size_text


@hydra.main(config_path=str(CONFIGS), config_name="pack")
@report_user_errors
def job(config: DictConfig) -> None:
    """Pack, or verify a pack."""
    if OmegaConf.is_missing(config, "out") or not config.out:
        raise ConfigError("out=DIR is missing: the folder of the pack; siammae.pack --help")
    if config.verify is True:  # a pack is verified whatever it was made of
        config.data, config.short_side = {"_target_": None}, None
    settings = read(config, PackConfig)
    out = Path(settings.out).expanduser().absolute()
    if settings.verify:
        return verify(out, settings)
    return pack(out, settings)


def pack(out: Path, settings: PackConfig) -> None:
    """Pack what is not packed yet.

    Raises:
        ConfigError, DataError: see `Packer.run`.
    """
    from siammae.data.packing.pack_plan import PackSettings
    from siammae.data.packing.write_pack import Packer

    source = settings.build("data")
    is_mixture = bool(getattr(source, "parts", None))
    if settings.stride > 1 and source.has_single_images and not is_mixture:
        raise ConfigError(
            f"stride={settings.stride}: single images have no frames to leave out; take stride=1"
        )
    side = _read_as_packed(source, settings.short_side)
    source.prepare()
    clips = source.footage()
    content = PackSettings(
        source=source.fingerprint(),
        stride=settings.stride,
        quality=settings.quality,
        short_side=side,
        shard_mb=settings.shard_mb,
    )
    with ProgressDisplay("clips", settings.progress) as display:
        show = partial(_show, display)
        how = (settings.workers, source.max_broken, print_now, show)
        packer = Packer(clips, out, content, *how, source.classes(clips))
        packer.run()
    print(f"Train: python -m siammae.train data=packed data.root={out}")


def _read_as_packed(source: Any, short_side: int | str | None) -> int | str | None:
    """Have a set, or each part of a mixture, read with the short side of the pack.

    Args:
        source: of the clips.
        short_side: in pixels; None: as they are, ``data``: as the set says.

    Returns:
        The short side; for a mixture a text with that of each part.
    """
    if getattr(source, "parts", None):
        own = "data" if short_side is None else short_side
        sides = [f"{name}: {_read_as_packed(part, own)}" for name, part in source.parts.items()]
        return ", ".join(sides)
    if short_side != "data":
        source.short_side = short_side
    source.in_memory = False  # clips are read in order, once: holding them would fill the memory
    side: int | None = source.short_side
    return side


def verify(out: Path, settings: PackConfig) -> None:
    """Compare every byte of every shard with what the index says.

    Raises:
        DataError: naming each damaged member.
    """
    from siammae.data.packing.verify_pack import verify_pack

    with ProgressDisplay("clips", settings.progress) as display:
        damaged = verify_pack(out, settings.workers, print_now, partial(_show, display))
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


def main() -> int:
    """Run the command; return its exit code."""
    sys.argv = ["verify=true" if word == "--verify" else word for word in sys.argv]
    code = run(job)
    if code == 130:
        print("finished shards are kept; the same command goes on", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
