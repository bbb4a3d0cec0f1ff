"""Random numbers for a batch that is computed in parts."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor


class Part(NamedTuple):
    """Part ``number``, from 0, of a batch that is split into ``of`` equal ones, in order."""

    number: int
    of: int


WHOLE = Part(0, 1)


class Draws:
    """What one part of a batch draws; a sample's numbers do not depend on how the batch is split.

    Each part draws for the whole batch and keeps its own rows, so the generator must be in the same
    state when a part begins.

    Args:
        generator: None is torch's own.
        device: where the numbers are made.
        part: which samples of the batch are asked for.
    """

    def __init__(self, generator: Generator | None, device: torch.device, part: Part = WHOLE):
        self.generator, self.device, self.part = generator, device, part

    def rand(self, *shape: int, batch_dim: int = 0) -> Tensor:
        """Uniform in [0, 1); dimension ``batch_dim`` of ``shape`` counts this part's samples."""
        whole = self._whole(shape, batch_dim)
        return self._own(torch.rand(whole, device=self.device, generator=self.generator), batch_dim)

    def randint(self, high: int, *shape: int, batch_dim: int = 0) -> Tensor:
        """Whole numbers from 0 to ``high`` - 1; see `rand` for the shape."""
        whole = self._whole(shape, batch_dim)
        return self._own(
            torch.randint(high, whole, device=self.device, generator=self.generator), batch_dim
        )

    def _whole(self, shape: tuple[int, ...], batch_dim: int) -> list[int]:
        whole = list(shape)
        whole[batch_dim] *= self.part.of
        return whole

    def _own(self, drawn: Tensor, batch_dim: int) -> Tensor:
        return drawn.chunk(self.part.of, batch_dim)[self.part.number]
