"""The same random numbers for both: those that ours drew are handed to theirs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor


@contextmanager
def recorded() -> Iterator[list[Tensor]]:
    """Collect what ``torch.rand`` and ``torch.randn`` return."""
    kept: list[Tensor] = []

    def keeping(draw: Any) -> Any:
        def drawing(*shape: Any, **more: Any) -> Tensor:
            kept.append(draw(*shape, **more))
            return kept[-1]

        return drawing

    with (
        mock.patch.object(torch, "rand", keeping(torch.rand)),
        mock.patch.object(torch, "randn", keeping(torch.randn)),
    ):
        yield kept


@contextmanager
def replayed(kept: Sequence[Tensor]) -> Iterator[None]:
    """Let ``torch.rand`` and ``torch.randn_like`` return recorded numbers, in their order.

    Of those that are left the first of the wanted shape is taken; without one it is an error.
    """
    left = list(kept)

    def take(shape: tuple[int, ...]) -> Tensor:
        for number, draw in enumerate(left):
            if draw.shape == shape:
                return left.pop(number)
        raise AssertionError(
            f"theirs draws {shape}, and ours drew {[tuple(d.shape) for d in left]}"
        )

    with (
        mock.patch.object(torch, "rand", lambda *shape, **more: take(shape)),
        mock.patch.object(torch, "randn_like", lambda like: take(like.shape).to(like.dtype)),
    ):
        yield
