"""Random numbers for a batch that is computed in parts."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor


class Part(NamedTuple):
    """Part ``number`` (from 0) of a batch that is split, in order, into ``of`` equal parts."""

    number: int
    of: int


WHOLE = Part(0, 1)


class Draws:
    """Draws random numbers for one part of a batch.

    A sample's numbers do not depend on how the batch is split: each part draws for the whole batch
    and keeps its own rows. The generator must therefore be in the same state when a part begins.

    Args:
        generator: the source of the numbers; None takes torch's own.
        device: where the numbers are made.
        part: which part of the batch draws.
    """

    def __init__(self, generator: Generator | None, device: torch.device, part: Part = WHOLE):
        self.generator, self.device, self.part = generator, device, part

    def rand(self, *shape: int, batch_dim: int = 0) -> Tensor:
        """Draw float32 numbers, uniform in [0, 1).

        Dimension ``batch_dim`` of ``shape`` is the number of this part's samples.
        """
        whole = self._whole(shape, batch_dim)
        drawn = torch.rand(whole, device=self.device, generator=self.generator)
        return self._own(drawn, batch_dim)

    def randint(self, high: int, *shape: int, batch_dim: int = 0) -> Tensor:
        """Draw whole numbers from 0 to ``high`` - 1; the shape is that of `rand`."""
        whole = self._whole(shape, batch_dim)
        drawn = torch.randint(high, whole, device=self.device, generator=self.generator)
        return self._own(drawn, batch_dim)

    def randn(self, *shape: int) -> Tensor:
        """Draw float32 numbers, normal with mean 0 and deviation 1; the batch comes first."""
        whole = self._whole(shape, 0)
        drawn = torch.randn(whole, device=self.device, generator=self.generator)
        return self._own(drawn, 0)

    def _whole(self, shape: tuple[int, ...], batch_dim: int) -> list[int]:
        whole = list(shape)
        whole[batch_dim] *= self.part.of
        return whole

    def _own(self, drawn: Tensor, batch_dim: int) -> Tensor:
        return drawn.chunk(self.part.of, batch_dim)[self.part.number]
