"""Finding each patch of one image in another, as displacements."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from siammae.evaluation.propagation.propagate import propagate
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.propagation.sequence import frame_features

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor


def displacements(
    protocol: Propagation,
    features: "FeatureExtractor",
    source: Path,
    target: Path,
    shape: tuple[int, int],
) -> np.ndarray:
    """Return the displacement (rows, columns, 2) of each patch, right and down, in patches.

    Label propagation with the target's coordinates as labels: a patch takes the mean position,
    weighted by the softmax over the protocol's k, of the patches most like it inside the window.

    Args:
        protocol: how; its window holds.
        features: of the encoder.
        source: an image file.
        target: another, of the same size.
        shape: height and width of both.

    Raises:
        DataError: when an image cannot be read or is of another size.
    """
    height, width = protocol.input_shape(shape, features.patch_size)
    grid = (height // features.patch_size, width // features.patch_size)
    alone = replace(
        protocol, queue=0, start="grow", first_always=True, window_first=True, ties="drop"
    )
    images = frame_features(protocol, features, [target, source], shape)
    with torch.inference_mode():
        places = positions(grid)
        *_, found = propagate(alone, images, grid, places)
        moved = found.cpu() - places
    return moved.reshape(*grid, 2).numpy()


def positions(grid: tuple[int, int]) -> Tensor:
    """Return column and row (N, 2) of each patch."""
    rows, columns = (torch.arange(side, dtype=torch.float32) for side in grid)
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).reshape(-1, 2)
