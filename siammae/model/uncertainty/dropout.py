"""Monte Carlo dropout: several passes with dropout differ where the model is uncertain."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from typing_extensions import override

from siammae.model.heads import PixelMean, Prediction

SEED = 0  # of dropout in the passes, so that the same inputs give the same prediction
LEAST_DEVIATION = 1e-6


class MonteCarloDropout(PixelMean):
    """The paper's head and loss on a decoder with dropout, which stays on in evaluation.

    After Gal and Ghahramani, arXiv:1506.02142, without their constant noise: the variance is the
    unbiased one between passes alone.

    Args:
        width: channels of the decoder's tokens.
        patch_size: side of a patch in pixels.
        rate: probability, in (0, 1), of every dropout layer in the decoder.
        samples: number of passes through the decoder for a prediction, at least 2. Training takes
            one pass.
    """

    predicts_spread = True

    def __init__(self, width: int, patch_size: int, rate: float = 0.1, samples: int = 8):
        super().__init__(width, patch_size)
        if not 0 < rate < 1:
            raise ValueError(f"rate={rate}: must be above 0 and below 1")
        if samples < 2:
            raise ValueError(f"samples={samples}: a variance takes at least 2")
        self.rate, self.samples = rate, samples
        self.passes = samples

    @override
    def assemble(self, decoders: Sequence[nn.Module]) -> nn.Module:
        decoder = super().assemble(decoders)
        layers = [layer for layer in decoder.modules() if isinstance(layer, nn.Dropout)]
        if not layers:
            raise ValueError(f"{type(decoder).__name__} has no dropout layer to sample with")
        if layers[0].p:
            raise ValueError(
                f"decoder.dropout={layers[0].p} and uncertainty=dropout both set the decoder's "
                f"dropout; write decoder.dropout=0 uncertainty.rate={layers[0].p}"
            )
        for layer in layers:
            layer.p = self.rate
        return decoder

    @override
    def predict(self, decoder: nn.Module, *inputs: Any) -> Prediction:
        with _seeded(inputs[0].device), _training(decoder):
            passes = [self.restore(decoder, *inputs).mean.float() for _ in range(self.samples)]
        deviation, mean = torch.std_mean(torch.stack(passes), dim=0)
        spread = Normal(mean, deviation.clamp(min=LEAST_DEVIATION), validate_args=False)
        return Prediction(mean, spread)


@contextmanager
def _training(module: nn.Module) -> Iterator[None]:
    """Switch to training mode, attention's own dropout included, and back to each part's mode."""
    modes = [(part, part.training) for part in module.modules()]
    module.train()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextmanager
def _seeded(device: torch.device) -> Iterator[None]:
    """Fix the random numbers in this block; those after it are as if it had not been."""
    cuda = [device] if device.type == "cuda" else []
    mps: Tensor | None = torch.mps.get_rng_state() if device.type == "mps" else None
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(SEED)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(SEED)
        if mps is not None:
            torch.mps.manual_seed(SEED)
        try:
            yield
        finally:
            if mps is not None:
                torch.mps.set_rng_state(mps)
