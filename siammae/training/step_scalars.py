"""What a training step takes from a method's outcome: scalars."""

from typing import Any

from torch import Tensor, nn

from siammae.methods.method import Method

TOTAL, LOSS = "total", "train/loss"


class StepScalars(nn.Module):
    """A method whose forward pass returns nothing but scalars.

    Torch's engines, which wrap it, follow the graph from what a module returns. Predictions, which
    only pictures need, are not kept for longer than the pass.

    Args:
        method: is called with what this module is called with.
    """

    def __init__(self, method: Method):
        super().__init__()
        self.method = method

    def forward(self, *args: Any, **fields: Any) -> dict[str, Tensor]:
        """Return the scalar to back-propagate as ``total``, the loss and the method's metrics."""
        outcome = self.method(*args, **fields)
        return {TOTAL: outcome.total, LOSS: outcome.loss, **outcome.metrics}
