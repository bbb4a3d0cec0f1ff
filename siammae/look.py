"""Draw what an encoder sees in a clip: attention, main components, best matches.

python -m siammae.look checkpoint=runs/SIGNATURE video=clip.mp4
python -m siammae.look features=timm model=vit_small_patch16_224.dino video=clip.mp4
"""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from siammae.config.schema import check_device
from siammae.evaluation.encoders.choose import choose_source
from siammae.launching.entry import report_user_errors, run
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS
from siammae.tracking.record import write_atomic


@hydra.main(config_path=str(CONFIGS), config_name="look")
@report_user_errors
def job(config: DictConfig) -> None:
    """Write the pictures and print where they are."""
    _check(config)
    video = Path(config.video).expanduser()
    encoder = choose_source(config).load()

    from siammae.assembly.device import choose_device, fast_matmul
    from siammae.evaluation.pictures.clip import few_frames
    from siammae.evaluation.pictures.encoder_pictures import encoder_pictures

    device = choose_device(config.device)
    fast_matmul(device)
    pixels, names = few_frames(video, config.frames, config.every, config.start)
    pictures = encoder_pictures(encoder.to(device), device, pixels, names, config.short_side)
    folder = _folder(config.out, config.checkpoint)
    for name, jpeg in pictures.items():
        path = folder / f"{name}-{video.absolute().stem}.jpg"
        write_atomic(path, jpeg)
        print(f"written: {path}")


def _check(config: DictConfig) -> None:
    """Types and ranges.

    Raises:
        ConfigError: with the key, its value and what would be right.
    """
    if OmegaConf.is_missing(config, "video") or config.video is None:
        raise ConfigError("video=PATH is missing; python -m siammae.look --help")
    check_device(config.device)
    for key, least in {"start": 0, "frames": 2, "every": 1, "short_side": 1}.items():
        value = config[key]
        if value is None and key == "short_side":
            continue
        if type(value) is not int or value < least:
            raise ConfigError(f"{key}={value!r}: an int of at least {least} is needed")


def _folder(out: str | None, checkpoint: str | None) -> Path:
    run_folder = Path(checkpoint) if checkpoint and Path(checkpoint).is_dir() else Path()
    folder = Path(out) if out else run_folder / "pictures"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out={folder} cannot be written: {error.strerror}") from None
    return folder


def main() -> int:
    """Entry point."""
    return run(job)


if __name__ == "__main__":
    sys.exit(main())
