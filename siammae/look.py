"""Draw what an encoder sees in a clip: attention, main components, best matches.

python -m siammae.look checkpoint=runs/SIGNATURE video=clip.mp4
python -m siammae.look features=timm model=vit_small_patch16_224.dino video=clip.mp4
"""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from siammae.config.check import read
from siammae.config.commands import LookConfig
from siammae.evaluation.encoders.choose import choose_source
from siammae.launching.entry import report_user_errors, run
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS
from siammae.tracking.record import write_atomic


@hydra.main(config_path=str(CONFIGS), config_name="look")
@report_user_errors
def job(config: DictConfig) -> None:
    """Write the pictures and print where they are."""
    settings = read(config, LookConfig)
    video = Path(settings.video).expanduser()
    encoder = choose_source(settings).load()

    from siammae.assembly.device import choose_device, fast_matmul
    from siammae.evaluation.pictures.clip import few_frames
    from siammae.evaluation.pictures.encoder_pictures import encoder_pictures

    device = choose_device(settings.device)
    fast_matmul(device)
    pixels, names = few_frames(video, settings.frames, settings.every, settings.start)
    pictures = encoder_pictures(encoder.to(device), device, pixels, names, settings.short_side)
    folder = _folder(settings.out, settings.checkpoint)
    for name, jpeg in pictures.items():
        path = folder / f"{name}-{video.absolute().stem}.jpg"
        write_atomic(path, jpeg)
        print(f"written: {path}")


def _folder(out: str | None, checkpoint: object) -> Path:
    """Make and return the folder of the pictures: ``out``, or ``pictures/`` of the run or here."""
    run_folder = Path(str(checkpoint)) if checkpoint else Path()
    run_folder = run_folder if run_folder.is_dir() else Path()
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
