"""A baseline to time against: label propagation as DINO's published script computes it.

Written from the algorithm's description, not from its code: affinities of all N x N pairs of each
context frame, the window multiplied in, ties with the k-th kept, every label joined by one product.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

TEMPERATURE = 0.1


def window_mask(grid: tuple[int, int], radius: int) -> Tensor:
    """1 where two patches (N, N) are at most ``radius`` apart by row and by column, else 0.

    Filled pair by pair in Python, for every video anew: that cost belongs to the rival.
    """
    rows, columns = grid
    mask = torch.zeros(rows, columns, rows, columns)
    for row in range(rows):
        for column in range(columns):
            for near_row in range(max(0, row - radius), min(rows, row + radius + 1)):
                for near_column in range(
                    max(0, column - radius), min(columns, column + radius + 1)
                ):
                    mask[row, column, near_row, near_column] = 1
    return mask.reshape(rows * columns, rows * columns)


def label_frame(
    target: Tensor, sources: list[Tensor], labels: list[Tensor], mask: Tensor, top_k: int
) -> Tensor:
    """Soft labels (C, N) of one frame.

    Args:
        target: features (N, D) of the frame.
        sources: features (D, N) of each context frame.
        labels: soft labels (C, N) of each context frame.
        mask: of the window (N, N).
        top_k: sources that vote for a patch, and all that equal the last of them.
    """
    queries = F.normalize(target, dim=1).expand(len(sources), -1, -1)
    keys = F.normalize(torch.stack(sources), dim=1)
    affinity = torch.exp(torch.bmm(queries, keys) / TEMPERATURE)  # (frames, queries, sources)
    affinity *= mask
    affinity = affinity.transpose(1, 2).reshape(-1, len(target))  # (frames * sources, queries)
    least = affinity.topk(min(top_k, len(affinity)), dim=0).values[-1]
    affinity[affinity < least] = 0
    affinity /= affinity.sum(dim=0, keepdim=True)
    return torch.cat(labels, dim=1) @ affinity
