"""Pictures of a run: frames that the model restores, and what its encoder sees."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from siammae.data.augment.normalising import denormalise
from siammae.data.sets.videos import ClipSource
from siammae.evaluation.pictures.clip import few_frames
from siammae.evaluation.pictures.encoder_pictures import encoder_pictures
from siammae.evaluation.pictures.sheet import jpeg
from siammae.model.patches import patch_statistics, patchify, unpatchify
from siammae.model.restoration import Restoration, RestoredFrame

BORDER = 2  # white pixels around a tile


def restoration_grid(
    frames: Tensor, restored: Restoration, patch_size: int, gap: Tensor | None = None
) -> bytes:
    """Draw a JPEG with one row a sample: past frame, masked future, restored future, true future.

    Hidden patches are grey in the masked one. With several future frames each has these three
    pictures, the last of them with the frame's gap. The prediction is in each patch's normalised
    space, so the true patch's mean and deviation turn it into pixels: the picture shows restored
    structure, not restored brightness.

    Args:
        frames: (B, T, 3, H, W), normalised.
        restored: the model's output for them.
        patch_size: side of a patch in pixels.
        gap: (B, T - 1), as in `PairBatch`; used only with several future frames.
    """
    past, *futures = frames.float().cpu().unbind(1)
    columns = [past]
    for future, target in zip(futures, restored.targets, strict=True):
        columns += _of_target(future, target, patch_size)
    rows = torch.cat([_framed(column) for column in columns], dim=3)  # (B, 3, H, columns * W)
    image = torch.cat(list(rows), dim=1)
    pixels = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    if gap is not None and len(futures) > 1:
        places = [3 * number for number in range(1, len(futures) + 1)]
        pixels = _labelled(pixels, gap.tolist(), places, rows.shape[2], past.shape[-1] + 2 * BORDER)
    return jpeg(pixels)


def _of_target(future: Tensor, target: RestoredFrame, patch_size: int) -> list[Tensor]:
    """Return a future frame (B, 3, H, W) with hidden patches grey, restored, and as it is."""
    grid = (future.shape[-2] // patch_size, future.shape[-1] // patch_size)
    patches = patchify(future, patch_size)
    index = target.mask.hidden.cpu().unsqueeze(-1).expand(-1, -1, patches.shape[-1])
    mean, deviation = patch_statistics(patches.gather(1, index))
    prediction = target.prediction.mean.float().cpu() * deviation + mean
    hidden = patches.scatter(1, index, torch.zeros_like(prediction))  # zero: ImageNet's mean, grey
    filled = patches.scatter(1, index, prediction)
    return [unpatchify(hidden, patch_size, grid), unpatchify(filled, patch_size, grid), future]


def _labelled(
    pixels: np.ndarray, gaps: list[list[int]], places: list[int], height: int, width: int
) -> np.ndarray:
    """Write each frame's signed gap into the corner of its tile, in pixels (H, W, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(pixels)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(max(9, height // 12))
    for row, of_sample in enumerate(gaps):
        for place, gap in zip(places, of_sample, strict=True):
            corner = (place * width + BORDER + 1, row * height + BORDER)
            box = draw.textbbox(corner, f"{gap:+d}", font)
            draw.rectangle((box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1), "white")
            draw.text(corner, f"{gap:+d}", "black", font)
    return np.asarray(image)


def _framed(images: Tensor) -> Tensor:
    """Turn normalised images into colours from 0 to 1 with a white border."""
    return torch.nn.functional.pad(denormalise(images), (BORDER,) * 4, value=1.0)


def run_pictures(
    encoder: nn.Module, device: torch.device, benchmark: Any, source: ClipSource
) -> dict[str, bytes]:
    """Draw `encoder_pictures` of the benchmark's first video, or of the first clip without one."""
    frames = [] if benchmark is None else benchmark.frames(benchmark.videos()[0])
    pixels, names = few_frames(frames or source.footage().open(0), frames=8, every=4)
    return encoder_pictures(encoder, device, pixels, names)
