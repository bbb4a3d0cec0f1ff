"""Turning frames about the middle of their crop: cut out on the host, resampled on the device.

A crop is resized to a square, mirrored or not, and the content of that square is turned counter-
clockwise. Quarter turns move the pixels of the square. For any other angle the frame is resampled
once: crop, mirror and turn together. The corners of the turned square are filled from the frame
around the crop, so the host cuts out more than the crop. Where the frame ends, it is reflected at
its edge, so no corner is black.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from siammae.data.augment.geometry import resize_matrices

if TYPE_CHECKING:
    from torch import Tensor

    from siammae.data.augment.geometry import Box

REACH = 2  # pixels that bicubic interpolation looks at on either side
POINTS = 1 << 23  # sampled at once; about 400 MB


def cut_out(
    frames: Sequence[np.ndarray], boxes: Sequence["Box"], angle: np.ndarray, interpolates: bool
) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Return what the device needs of each frame (H, W, 3), and the sizes (T, 2) of the crops.

    The crops lie in the middle of what is cut out. Without interpolation the second value is None:
    what is cut out is the crop, which `quarter_turns` may turn.
    """
    if not interpolates:
        return [box.cut(frame) for frame, box in zip(frames, boxes, strict=True)], None
    turned = zip(frames, boxes, angle.tolist(), strict=True)
    parts = [cut_around(frame, box, degrees) for frame, box, degrees in turned]
    return parts, np.array([(box.height, box.width) for box in boxes])


def cut_around(frame: np.ndarray, box: "Box", degrees: float) -> np.ndarray:
    """Cut out a crop with the margin that it takes to turn it by ``degrees``, to either side.

    Args:
        frame: (H, W, 3) uint8; it is reflected at its edges where the margin goes beyond them.
        box: the crop, inside the frame.
        degrees: the angle by which it will be turned.
    """
    import cv2

    height, width = frame.shape[:2]
    down, across = (_margin(side, degrees) for side in (box.height, box.width))
    top, left = box.top - down, box.left - across
    bottom, right = box.top + box.height + down, box.left + box.width + across
    there = frame[max(top, 0) : bottom, max(left, 0) : right]
    above, below, before, behind = (
        max(0, n) for n in (-top, bottom - height, -left, right - width)
    )
    if not (above or below or before or behind):
        return there
    return cv2.copyMakeBorder(there, above, below, before, behind, cv2.BORDER_REFLECT)


def _margin(side: int, degrees: float) -> int:
    """Return the pixels that turning and interpolation need beyond each end of a crop's side."""
    radians = np.deg2rad(degrees)
    grown = side * (abs(np.cos(radians)) + abs(np.sin(radians)) - 1) / 2
    return int(np.ceil(grown)) + REACH


def quarter_turns(images: "Tensor", degrees: "Tensor") -> "Tensor":
    """Turn square images (..., C, S, S) exactly, each by its own multiple (...) of 90 degrees."""
    import torch

    quarters = (degrees / 90).round().long().remainder(4).view(*degrees.shape, 1, 1, 1)
    images = torch.where(quarters % 2 == 1, images.transpose(-2, -1), images)
    images = torch.where((quarters == 1) | (quarters == 2), images.flip(-2), images)
    return torch.where(quarters >= 2, images.flip(-1), images)


def resample(
    frames: "Tensor", size: "Tensor", crop: "Tensor", flip: "Tensor", degrees: "Tensor", side: int
) -> "Tensor":
    """Resize crops to squares, mirror and then turn them, in one bicubic resampling.

    A crop larger than the square is sampled in ``n x n`` points for each pixel, where ``n`` is the
    crop's scale rounded up, and these are filtered as without rotation, so that nothing aliases.
    Each frame has its own ``n``, so it looks the same whatever frames are beside it in the batch.

    Args:
        frames: (N, C, H, W) with what was cut out in the upper left corner.
        size: (N, 2), height and width of what was cut out, in pixels.
        crop: (N, 2), height and width of the crop in its middle; `cut_around` leaves the margin. It
            lies on the host, where frames of one ``n`` are looked up without waiting for a device.
        flip: (N,) bool, whether to mirror it.
        degrees: (N,), angle counter-clockwise, after mirroring.
        side: side of the result in pixels.

    Returns:
        (N, C, side, side) float32, which may overshoot the range of the input.
    """
    import torch
    import torch.nn.functional as F

    result = frames.new_empty((*frames.shape[:2], side, side), dtype=torch.float32)
    finer = (crop.amax(dim=1) / side).ceil().long().clamp(min=1)
    for points in finer.unique().tolist():
        fine = side * points
        length = torch.full((1,), fine, device=frames.device)
        filtered = resize_matrices(length, fine, side)[0]  # (side, fine)
        for chosen in _parts(finer == points, fine):
            part, sides = (t.to(frames.device, non_blocking=True) for t in (chosen, crop[chosen]))
            grid = _grid(fine, frames.shape[-2:], size[part], sides, flip[part], degrees[part])
            found = F.grid_sample(
                frames[part].float(), grid, "bicubic", padding_mode="border", align_corners=False
            )
            result[part] = filtered @ found @ filtered.T if points > 1 else found
    return result


def _parts(chosen: "Tensor", fine: int) -> Iterator["Tensor"]:
    """Yield indices of chosen frames, few enough to be sampled at once."""
    yield from chosen.nonzero()[:, 0].split(max(1, POINTS // fine**2))


def _grid(
    fine: int,
    canvas: Sequence[int],
    size: "Tensor",
    crop: "Tensor",
    flip: "Tensor",
    degrees: "Tensor",
) -> "Tensor":
    """Return the places of ``fine x fine`` points (N, fine, fine, 2) in `grid_sample`'s units."""
    import torch

    step = (torch.arange(fine, device=crop.device) + 0.5) / fine - 0.5  # of the crop's side
    down, across = step.view(1, -1, 1), step.view(1, 1, -1)
    angle = degrees.float().deg2rad().view(-1, 1, 1)
    x = across * angle.cos() - down * angle.sin()
    y = across * angle.sin() + down * angle.cos()
    x = torch.where(flip.view(-1, 1, 1), -x, x)
    place = torch.stack([x, y], dim=-1) * crop.flip(1).view(-1, 1, 1, 2)  # from the middle
    place = place + size.flip(1).view(-1, 1, 1, 2) / 2
    height, width = canvas
    across, down = place.unbind(dim=-1)
    return torch.stack([2 * across / width, 2 * down / height], dim=-1) - 1
