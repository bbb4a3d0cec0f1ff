"""Keypoints as soft labels on the grid of patches, and keypoints read from labels.

The customary way of the field (videowalk, CropMAE): cell number i of a grid stands for the pixel
``i * width / columns``, both when joints are drawn and when they are read. Where this differs from
the published scripts:

- the nearest cell is found by rounding, also for joints near or beyond the left and top edge; the
  scripts truncate towards zero and draw such a joint up to two cells too far in;
- a bump has two cells on each side of its middle; theirs lacks the last row and column, which weigh
  0.0003;
- the grid follows from the input size and the encoder's patch; theirs is a constant that fits one
  patch size only.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def draw_joints(
    joints: np.ndarray, shape: Sequence[int], grid: tuple[int, int], sigma: float
) -> Tensor:
    """Draw labels (1 + J, rows, columns): background where no joint is, then a bump for each joint.

    A bump is a Gaussian with peak 1, cut at three sigmas (rounded up to whole cells). Of a joint
    outside the image only what reaches into the grid is left; often that is nothing.

    Args:
        joints: x and y (2, J) in pixels, from 0.
        shape: height and width of the frame.
        grid: rows and columns.
        sigma: in cells.
    """
    reach = math.ceil(3 * sigma)
    maps = []
    for x, y in joints.T:
        row, column = _nearest(y * grid[0] / shape[0]), _nearest(x * grid[1] / shape[1])
        down, across = np.arange(grid[0]) - row, np.arange(grid[1]) - column
        bump = np.exp(-(down[:, None] ** 2 + across[None, :] ** 2) / (2 * sigma**2))
        near = (abs(down) <= reach)[:, None] & (abs(across) <= reach)[None, :]
        maps.append(np.where(near, bump, 0.0))
    bumps = torch.from_numpy(np.stack(maps)).float()
    background = (bumps.sum(dim=0, keepdim=True) == 0).float()
    return torch.cat([background, bumps])


def read_joints(labels: Tensor, shape: Sequence[int], top: int) -> np.ndarray:
    """Read joints (2, J) in pixels, from 0, of labels (1 + J, rows, columns); NaN if lost.

    A joint is at the mean of the ``top`` cells with most of its label, weighted by it; it is lost
    when no cell has any.

    Args:
        labels: background, then joints.
        shape: height and width of the frame.
        top: how many cells.
    """
    rows, columns = labels.shape[-2:]
    flat = labels[1:].double().flatten(1).cpu()  # (J, cells)
    weights, cells = flat.topk(min(top, flat.shape[1]), dim=1)
    weights = weights / weights.sum(dim=1, keepdim=True)  # 0 / 0 is the NaN of a lost joint
    x = (weights * (cells % columns)).sum(dim=1) * shape[1] / columns
    y = (weights * (cells // columns)).sum(dim=1) * shape[0] / rows
    return torch.stack([x, y]).numpy()


def _nearest(position: float) -> int:
    return math.floor(position + 0.5)
