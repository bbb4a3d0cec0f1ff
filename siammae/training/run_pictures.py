"""Pictures of a run: what the method shows of a batch, and what its encoder sees."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from siammae.data.augment.normalising import denormalise
from siammae.data.reading.clip import Clip
from siammae.data.sets.videos import ClipSource
from siammae.evaluation.pictures.clip import few_frames
from siammae.evaluation.pictures.encoder_pictures import encoder_pictures
from siammae.evaluation.pictures.sheet import jpeg
from siammae.methods.method import Column

BORDER = 2  # white pixels around a tile


def picture_grid(columns: Sequence[Column]) -> bytes:
    """Draw a JPEG with one row for each sample and the columns that a method shows of it.

    A column's labels stand in the upper left corners of its images.
    """
    rows = torch.cat([_framed(column.images) for column in columns], dim=3)
    image = torch.cat(list(rows), dim=1)
    pixels = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    width = 0
    for column in columns:
        if column.labels is not None:
            pixels = _labelled(pixels, column.labels, width, rows.shape[2])
        width += column.images.shape[-1] + 2 * BORDER
    return jpeg(pixels)


def _labelled(pixels: np.ndarray, labels: Sequence[str], left: int, height: int) -> np.ndarray:
    """Write a label into the corner of each of a column's images, in pixels (H, W, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(pixels)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(max(9, height // 12))
    for row, label in enumerate(labels):
        corner = (left + BORDER + 1, row * height + BORDER)
        box = draw.textbbox(corner, label, font)
        draw.rectangle((box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1), "white")
        draw.text(corner, label, "black", font)
    return np.asarray(image)


def _framed(images: Tensor) -> Tensor:
    """Turn normalised images into colours from 0 to 1 with a white border."""
    return torch.nn.functional.pad(denormalise(images), (BORDER,) * 4, value=1.0)


def run_pictures(
    encoder: nn.Module, device: torch.device, benchmark: Any, source: ClipSource
) -> dict[str, bytes]:
    """Draw `encoder_pictures` of the benchmark's first video, or of the first clip without one."""
    frames = [] if benchmark is None else benchmark.frames(benchmark.videos()[0])
    video = frames or source.footage().open(0)
    if isinstance(video, Clip) and video.frames == 1:
        return encoder_pictures(encoder, device, video.read([0]), ["0"])
    return encoder_pictures(encoder, device, *few_frames(video, frames=8, every=4))
