"""Heads that predict a density for each pixel: its mean and, from one pass, its scale.

The loss is the negative log-likelihood of the target's values, in nats and with its constant, so
that those of `Gaussian` and `LaplaceHead` can be compared. Kendall and Gal, arXiv:1703.04977.
"""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Laplace, Normal
from typing_extensions import override

from siammae.model.heads import Head, Prediction, error_and_spread
from siammae.model.layers import initialise

STEEPEST = 10  # of the logarithm of a scale: e^10 squared and cubed is still safe in float32


class DensityHead(Head):
    """Base: a linear layer to the mean, as `PixelMean`'s, and one to the logarithm of the scale.

    The scale starts at 1 everywhere, the deviation of the target itself, so that the first steps
    are those of an error without uncertainty. Its logarithm approaches the limits smoothly, because
    at a hard limit it would have no gradient. It is computed in float32, even under autocast.

    Args:
        width: channels of the decoder's tokens.
        patch_size: side of a patch in pixels.
        scale_per: ``pixel``, a scale for each value, or ``patch``, one for all values of a patch.
        min_log_scale: below 0. -3 is 0.05 of a patch's deviation, which 8 bits resolve in a patch
            of little contrast; a smaller scale would weigh single pixels by 1 / scale^2 and more.
        max_log_scale: above 0. The target's values have variance 1, so that 3, a scale of 20, is
            more than any of them needs.
    """

    predicts_spread = True

    def __init__(
        self,
        width: int,
        patch_size: int,
        scale_per: str = "pixel",
        min_log_scale: float = -3.0,
        max_log_scale: float = 3.0,
    ):
        super().__init__()
        values = 3 * patch_size**2
        scales = {"pixel": values, "patch": 1}
        if scale_per not in scales:
            raise ValueError(f"scale_per={scale_per}: must be pixel or patch")
        if not -STEEPEST <= min_log_scale < 0 < max_log_scale <= STEEPEST:
            raise ValueError(
                f"min_log_scale={min_log_scale} must be in [-{STEEPEST}, 0) and "
                f"max_log_scale={max_log_scale} in (0, {STEEPEST}]: the logarithm starts at 0"
            )
        self.limits = (min_log_scale, max_log_scale)
        self.pixels = nn.Linear(width, values)
        # Draws no numbers: the layer of the mean starts as it does without uncertainty.
        self.log_scale = nn.utils.skip_init(nn.Linear, width, scales[scale_per])
        self.reset()

    @override
    def reset(self) -> None:
        initialise(self.pixels)
        nn.init.zeros_(self.log_scale.weight)
        nn.init.zeros_(self.log_scale.bias)

    @override
    def forward(self, tokens: Tensor) -> Prediction:
        mean = self.pixels(tokens).float()
        with torch.autocast(tokens.device.type, enabled=False):
            log_scale = self.log_scale(tokens.float())
        return Prediction(mean, self.density(mean, within(log_scale, *self.limits).exp()))

    def density(self, mean: Tensor, scale: Tensor) -> Distribution:
        """Return the distribution with that mean and scale."""
        raise NotImplementedError

    @override
    def cost(self, prediction: Prediction, target: Tensor) -> Tensor:
        assert prediction.spread is not None
        return -prediction.spread.log_prob(target.float())

    @override
    def metrics(self, prediction: Prediction, target: Tensor) -> dict[str, Tensor]:
        return error_and_spread(prediction, target)


class Gaussian(DensityHead):
    """A normal distribution; the scale is its standard deviation.

    At a scale of 1 the loss is half the squared error, plus a constant.
    """

    @override
    def density(self, mean: Tensor, scale: Tensor) -> Distribution:
        return Normal(mean, scale, validate_args=False)


class LaplaceHead(DensityHead):
    """A Laplace distribution, whose loss is an absolute error: its tails are heavier.

    The standard deviation is sqrt(2) scales.
    """

    @override
    def density(self, mean: Tensor, scale: Tensor) -> Distribution:
        return Laplace(mean, scale, validate_args=False)


class BetaNLL(Gaussian):
    """`Gaussian` with each value weighted by variance^beta (arXiv:2203.09168, equation 9).

    The likelihood's gradient for the mean is the error divided by the variance, so that hard pixels
    are in time no longer learned. The weight, through which no gradient flows, takes a part of that
    division back.

    Args:
        width, patch_size, scale_per, min_log_scale, max_log_scale: see `DensityHead`.
        beta: in [0, 1]; 0 is `Gaussian`, at 1 the mean has the gradient of the squared error.
    """

    def __init__(
        self,
        width: int,
        patch_size: int,
        scale_per: str = "pixel",
        min_log_scale: float = -3.0,
        max_log_scale: float = 3.0,
        beta: float = 0.5,
    ):
        super().__init__(width, patch_size, scale_per, min_log_scale, max_log_scale)
        if not 0 <= beta <= 1:
            raise ValueError(f"beta={beta}: must be in [0, 1]")
        self.beta = beta

    @override
    def cost(self, prediction: Prediction, target: Tensor) -> Tensor:
        assert prediction.spread is not None
        weight = prediction.spread.variance.detach() ** self.beta
        return weight * super().cost(prediction, target)


def within(values: Tensor, low: float, high: float) -> Tensor:
    """Limit ``values`` smoothly to (``low``, ``high``), with low < 0 < high; near 0 they stay."""
    return torch.where(values < 0, low * (values / low).tanh(), high * (values / high).tanh())
