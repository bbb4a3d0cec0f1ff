"""From the frames of a video to predicted labels: read, extract features, propagate, enlarge."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from siammae.data.augment.normalising import normalise
from siammae.data.reading.checked_image import opened
from siammae.evaluation.propagation.propagate import propagate
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import DataError

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor

Reader = Callable[[Path], np.ndarray]  # to pixels (3, H, W) uint8


def propagate_ids(
    protocol: Propagation,
    features: "FeatureExtractor",
    frames: Sequence[Path],
    first: np.ndarray,
    read: Reader | None = None,
) -> Iterator[np.ndarray]:
    """Yield predicted ids (H, W) of every frame, of the type and size of the first frame's.

    When the protocol scores at the input's size, ids are as large as the encoder's input.

    Args:
        protocol: how.
        features: of the encoder.
        frames: image files, in order.
        first: ids (H, W) of the first frame, any integers; given back as they are.
        read: a frame's pixels; None: `read_frame`.

    Raises:
        DataError: when a frame cannot be read or differs in size.
    """
    ids, numbered = np.unique(first, return_inverse=True)  # 16-bit ids become few channels
    hot = F.one_hot(torch.from_numpy(numbered.reshape(first.shape)), len(ids))
    maps = propagate_maps(protocol, features, frames, hot.permute(2, 0, 1).float(), read=read)
    wanted: Sequence[int] = first.shape
    if protocol.score_at == "input":
        wanted = protocol.input_shape(first.shape, features.patch_size)
    yield ids[_nearest(torch.from_numpy(numbered.reshape(first.shape))[None, None], wanted)]
    # No `with torch.inference_mode()` around a yield: two such generators leave it on for good.
    next(maps)
    for labels in maps:
        yield ids[_winner(protocol, labels, first.shape, wanted, features.patch_size)]


def propagate_maps(
    protocol: Propagation,
    features: "FeatureExtractor",
    frames: Sequence[Path],
    first: Tensor,
    shape: Sequence[int] | None = None,
    read: Reader | None = None,
) -> Iterator[Tensor]:
    """Yield soft labels (C, rows, columns) on the grid of patches for every frame.

    The first frame is one of them.

    Args:
        protocol: how.
        features: of the encoder.
        frames: image files, in order.
        first: labels (C, H, W) of the first frame, as large as it is; or already on the grid of
            patches, with ``shape``.
        shape: height and width of the frames; None: the labels'.
        read: a frame's pixels; None: `read_frame`.

    Raises:
        DataError: when a frame cannot be read or differs in size from the labels.
    """
    shape = tuple(shape or first.shape[-2:])
    height, width = protocol.input_shape(shape, features.patch_size)
    grid = (height // features.patch_size, width // features.patch_size)
    start = to_grid(protocol, first, grid).flatten(1).T  # (N, C)
    extracted = frame_features(protocol, features, frames, shape, read)
    for labels in propagate(protocol, extracted, grid, start):
        yield labels.T.unflatten(1, grid)


def to_grid(protocol: Propagation, labels: Tensor, grid: tuple[int, int]) -> Tensor:
    """Bring the first frame's labels (C, H, W) to the grid of patches (C, rows, columns)."""
    if protocol.labels == "hard":
        # The pixel in a patch's middle, as PIL takes it; plain "nearest" takes the upper left one.
        return F.interpolate(labels[None], grid, mode="nearest-exact")[0]
    return F.interpolate(labels[None], grid, mode="bilinear")[0]


def frame_features(
    protocol: Propagation,
    features: "FeatureExtractor",
    frames: Sequence[Path],
    shape: tuple[int, ...],
    read: Reader | None = None,
) -> Iterator[Tensor]:
    """Yield features (N, D) of each frame of ``shape`` (H, W) at the input size.

    Raises:
        DataError: when a frame cannot be read or is of another size.
    """
    size = protocol.input_shape(shape, features.patch_size)
    for path in frames:
        pixels = (read or read_frame)(path)
        if pixels.shape[1:] != tuple(shape):
            raise DataError(
                f"{path} and the first frame's labels differ in size: {pixels.shape[1:]} and "
                f"{tuple(shape)} (height, width)"
            )
        yield encoded(features, prepare(pixels, size, protocol, features.device), protocol)[0]


def encoded(features: "FeatureExtractor", images: Tensor, protocol: Propagation) -> Tensor:
    """Return features (B, N, D) of images, positions resized as the protocol says."""
    if protocol.positions == "scale":
        return features(images, by_scale=True)
    return features(images)


def prepare(
    pixels: np.ndarray, size: tuple[int, int], protocol: Propagation, device: torch.device
) -> Tensor:
    """Return the encoder's input (1, 3, *size), normalised, of pixels (3, H, W) uint8."""
    image = torch.from_numpy(pixels).to(device)[None].float() / 255
    if image.shape[-2:] != size:
        mode = {"plain": "bilinear", "nearest": "nearest-exact"}.get(
            protocol.resize, protocol.resize
        )
        smooth = protocol.resize in ("bicubic", "bilinear")
        image = F.interpolate(image, size, mode=mode, antialias=smooth).clamp(0, 1)
    return normalise(image)


def _winner(
    protocol: Propagation,
    labels: Tensor,
    shape: Sequence[int],
    wanted: Sequence[int],
    patch_size: int,
) -> np.ndarray:
    """Return the largest label's number, in the size ``wanted``, of maps (C, rows, columns)."""
    size = tuple(shape)
    if protocol.argmax_at == "input":
        size = protocol.input_shape(shape, patch_size)
    maps = F.interpolate(labels[None], size, mode="bilinear")
    if protocol.rescale:
        low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
        # As DINO: a label that has vanished everywhere is left as it is.
        maps = torch.where(high > 0, (maps - low) / (high - low).clamp(min=1e-12), maps)
    return _nearest(maps.argmax(dim=1, keepdim=True), wanted)


def _nearest(numbers: Tensor, size: Sequence[int]) -> np.ndarray:
    """Bring numbers (1, 1, H, W) to another size, by nearest neighbour."""
    if numbers.shape[-2:] != tuple(size):
        numbers = F.interpolate(numbers.float(), tuple(size), mode="nearest-exact").long()
    return numbers[0, 0].cpu().numpy()


def read_frame(path: Path) -> np.ndarray:
    """Read pixels (3, H, W) uint8 of a frame.

    Raises:
        DataError: when it is no image that can be read, or a PNG that is damaged.
    """
    with opened(path) as image:
        return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))
