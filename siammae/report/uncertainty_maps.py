"""Draw how sure a trained model is about a video: a contact sheet, and a heat map over the video.

python analysis/uncertainty_maps.py checkpoint=runs/SIGNATURE video=clip.mp4

Each frame t is restored from frame t - gap, several times with other patches hidden, until each
patch was hidden at least once. The error (of a whole patch) and the predicted deviation are root
mean squares over these passes, in standard deviations of the patch. The model sees the largest
square in the middle of the frame. The video is grey below the map, whose scale fits this video.

checkpoint  a run's folder, or one of its checkpoints/step-*.pt
video       a video file
gap         in frames; negative: the later frame is given (the middle of the run's frame_gap; one in
            seconds is converted by the video's frame rate)
frames      number of frames that are restored (60)
every       distance from one restored frame to the next (1)
passes      least number of passes (4)
out         a folder (the run's pictures/, or pictures/ here)
fps         frames per second of the .mp4 (10)
device      auto | cpu | cuda | mps (auto)
trusted_packages  packages of your own whose classes the run may name beside those of siammae
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from siammae.assembly.device import choose_device, fast_matmul
from siammae.assembly.load_model import load_model
from siammae.config.schema import DEVICE
from siammae.data.augment.normalising import normalise
from siammae.data.reading.clip import Clip
from siammae.data.reading.video import open_clip
from siammae.data.sampling.gaps import frames_of_unit
from siammae.evaluation.pictures.heat import Scale, paint, scale_of, with_bar
from siammae.evaluation.pictures.overlay import even_sides, write_whole
from siammae.evaluation.pictures.sheet import jpeg
from siammae.evaluation.pictures.uncertainty_maps import UNIT, Maps, Passes, sheet_of
from siammae.methods.siammae import SiamMAE
from siammae.system.errors import ConfigError, DataError, SiammaeError
from siammae.tracking.record import write_atomic

TOGETHER = 8  # frames in a batch
MOST = 100  # passes, where little is hidden in each
ROWS = 6  # of the contact sheet
OPACITY = 0.5  # of the heat map over the video


@dataclass
class Settings:
    """The arguments, which the top of the file explains."""

    checkpoint: str = MISSING
    video: str = MISSING
    gap: int | None = None
    frames: int = 60
    every: int = 1
    passes: int = 4
    out: str | None = None
    fps: int = 10
    device: str = "auto"
    trusted_packages: list[str] = field(default_factory=list)


def settings_of(arguments: list[str]) -> Settings:
    """Read the settings from ``KEY=VALUE`` arguments.

    Raises:
        ConfigError: for an unknown or missing key, or a value that it cannot have.
    """
    try:
        given = OmegaConf.merge(OmegaConf.structured(Settings), OmegaConf.from_cli(arguments))
        settings: Any = OmegaConf.to_object(given)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "arguments"
        raise ConfigError(f"{key}: {str(error).splitlines()[0]}; see --help") from None
    for key in ("frames", "every", "passes", "fps"):
        if getattr(settings, key) < 1:
            raise ConfigError(f"{key}={getattr(settings, key)}: at least 1 is needed")
    if settings.gap == 0:
        raise ConfigError("gap=0: a frame is not restored from itself; at least 1, or -1 at most")
    if not re.match(DEVICE, settings.device):
        raise ConfigError(f"device={settings.device}: must be auto, cpu, mps, cuda or cuda:N")
    return settings


def times_of(
    settings: Settings, frame_gap: Any, there: int, scale: float = 1.0
) -> tuple[int, list[int]]:
    """Return the gap, and the indices of the frames to be restored.

    Raises:
        ConfigError: when the video is not longer than the gap.
    """
    middle = frame_gap if isinstance(frame_gap, int | float) else sum(frame_gap) / 2
    middle = max(1, int(middle * scale))
    gap = min(middle, there // 2) if settings.gap is None else settings.gap
    times = list(range(max(gap, 0), there + min(gap, 0), settings.every))[: settings.frames]
    if not times:
        raise ConfigError(f"gap={gap}: {settings.video} has {there} frames; at most {there - 1}")
    return gap, times


def square(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of the largest square in the middle of a picture (H, W, ...)."""
    side = min(shape[:2])
    top, left = ((length - side) // 2 for length in shape[:2])
    return slice(top, top + side), slice(left, left + side)


def prepared(frames: np.ndarray, size: int) -> Tensor:
    """Crop frames (T, H, W, 3) uint8 to their square, resize and normalise them: (T, 3, size,
    size)."""
    seen = frames[:, *square(frames.shape[1:])]
    pixels = torch.from_numpy(np.ascontiguousarray(seen)).permute(0, 3, 1, 2).float() / 255
    pixels = interpolate(pixels, (size, size), mode="bicubic", antialias=True).clamp(0, 1)
    return normalise(pixels)


def batches(clip: Clip, times: list[int], gap: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield frames ``t - gap`` and ``t`` of several times at once, each (b, H, W, 3)."""
    for first in range(0, len(times), TOGETHER):
        some = times[first : first + TOGETHER]
        wanted = sorted({*some, *(t - gap for t in some)})
        read = dict(zip(wanted, clip.read(wanted), strict=True))
        yield np.stack([read[t - gap] for t in some]), np.stack([read[t] for t in some])


@torch.no_grad()
def restore(model: SiamMAE, past: Tensor, future: Tensor, gap: int, passes: int) -> Maps:
    """Restore frames (B, 3, S, S) from others, ``passes`` times or until all was hidden once."""
    device = next(model.parameters()).device
    frames = torch.stack([past, future], dim=1).to(device)
    gaps = torch.full((len(frames), 1), gap, device=device)
    found = Passes(future, model.encoder.patch_size)
    for number in range(max(passes, MOST)):
        draws = Generator(device).manual_seed(number)
        found.add(model(frames, draws, gap=gaps).targets[0])
        if number + 1 >= passes and found.complete():
            break
    return found.maps()


def overlaid(frame: np.ndarray, expected: np.ndarray, scale: Scale) -> np.ndarray:
    """Return a frame (H, W, 3) with the map over what the model saw of it, and a colour bar."""
    shown, seen = frame.copy(), square(frame.shape)
    grey = cv2.merge([cv2.cvtColor(np.ascontiguousarray(shown[seen]), cv2.COLOR_RGB2GRAY)] * 3)
    size = (grey.shape[1], grey.shape[0])
    heat = cv2.resize(paint(expected, scale), size, interpolation=cv2.INTER_LINEAR)
    shown[seen] = cv2.addWeighted(grey, 1 - OPACITY, heat, OPACITY, 0)
    return even_sides(with_bar(shown, scale, UNIT))


def draw(settings: Settings) -> list[Path]:
    """Draw the contact sheet and the video; return their paths."""
    video = Path(settings.video).expanduser()
    checkpoint = Path(settings.checkpoint).expanduser()
    model, config = load_model(checkpoint, settings.trusted_packages)
    model.predict = False  # of each frame something is visible, as in all of training's but one
    if not model.head.predicts_spread:
        raise ConfigError(
            f"checkpoint={settings.checkpoint}: a run with uncertainty=none predicts none; "
            "train one with uncertainty=gaussian, laplace, beta_nll, ensemble or dropout"
        )
    device = choose_device(settings.device)
    fast_matmul(device)
    model.to(device)
    clip = open_clip(video)
    unit = config.frame_gap_unit if settings.gap is None else "frames"
    of_unit = frames_of_unit(unit, clip, settings.video)
    gap, times = times_of(settings, config.frame_gap, clip.frames, of_unit)
    columns: dict[str, list[Tensor]] = {"past": [], "frame": []}
    found: list[Maps] = []
    for pair in batches(clip, times, gap):
        past, future = (prepared(frames, config.image_size) for frames in pair)
        columns["past"].append(past)
        columns["frame"].append(future)
        found.append(restore(model, past, future, gap, settings.passes))
    maps = Maps(*(torch.cat(parts) for parts in zip(*found, strict=True)))
    expected = maps.expected.numpy()
    scale = scale_of([expected])
    kept = np.linspace(0, len(times) - 1, min(ROWS, len(times))).round().astype(int).tolist()
    pictures = {name: torch.cat(parts)[kept] for name, parts in columns.items()}
    few = Maps(*(part[kept] for part in maps))
    names = [f"frame {times[i] - gap}, then {times[i]}" for i in kept]
    sheet = sheet_of({**pictures, "restored": few.restored}, few, names)

    path = _folder(settings) / f"uncertainty-{video.absolute().stem}.jpg"
    write_atomic(path, jpeg(sheet))
    frames = (frame for _, some in batches(clip, times) for frame in some)
    shown = (overlaid(f, e, scale) for f, e in zip(frames, expected, strict=True))
    write_whole(path.with_suffix(".mp4"), shown, settings.fps)
    print(f"gap={gap}, {len(times)} frames from {times[0]} to {times[-1]}")
    return [path, path.with_suffix(".mp4")]


def _folder(settings: Settings) -> Path:
    run = Path(settings.checkpoint).expanduser()
    folder = Path(settings.out) if settings.out else (run if run.is_dir() else Path()) / "pictures"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"out={folder} cannot be written: {error.strerror}") from None
    return folder


def main(arguments: list[str]) -> int:
    """Entry point."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    try:
        for path in draw(settings_of(arguments)):
            print(f"written: {path}")
    except SiammaeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
