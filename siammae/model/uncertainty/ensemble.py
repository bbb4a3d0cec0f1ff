"""Several decoders over one encoder: where they disagree, the model does not know."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from siammae.model.heads import Head, Prediction, error_and_spread

LEAST_VARIANCE = 1e-12  # so that the density of members that agree is one


class Decoders(nn.ModuleList):
    """Decoders that are called as one."""

    def forward(self, *inputs: Any) -> list[Tensor]:
        """What each of them makes of the same inputs."""
        return [decoder(*inputs) for decoder in self]


class Ensemble(Head):
    """Decoders with a head each, from different initial weights; their mixture is the prediction.

    Each is trained as if alone, on the mean of their losses (Lakshminarayanan et al.,
    arXiv:1612.01474); the encoder, which they share, sees the mean of their gradients. The first
    starts as it does without an ensemble.

    Args:
        member: the head of each, any that reads one decoder.
        members: how many decoders, at least 2. Each costs a whole decoder in every step.
    """

    predicts_spread = True

    def __init__(self, member: Head, members: int = 5):
        super().__init__()
        if members < 2:
            raise ValueError(f"members={members}: an ensemble has at least 2")
        if member.decoders != 1:
            raise ValueError(f"member={type(member).__name__}: an ensemble has no ensembles in it")
        others = [deepcopy(member) for _ in range(members - 1)]
        for other in others:
            other.reset()
        self.heads: Any = nn.ModuleList([member, *others])
        self.decoders = members

    def assemble(self, decoders: Sequence[nn.Module]) -> nn.Module:
        """See `Head`."""
        pairs = zip(self.heads, decoders, strict=True)
        return Decoders([head.assemble([decoder]) for head, decoder in pairs])

    def reset(self) -> None:
        """Draw the initial weights of every member."""
        for head in self.heads:
            head.reset()

    def forward(self, tokens: Sequence[Tensor]) -> Prediction:
        """Of each decoder (B, H, D) -> the mixture."""
        return self._mixture([head(own) for head, own in zip(self.heads, tokens, strict=True)])

    def predict(self, decoder: Any, *inputs: Any) -> Prediction:
        """The mixture of what each member predicts by itself."""
        pairs = zip(self.heads, decoder, strict=True)
        return self._mixture([head.predict(own, *inputs) for head, own in pairs])

    def sparing(self, decoder: nn.Module) -> tuple[Head, nn.Module]:
        """The first two members: what two differ in already tells where the model does not know."""
        pair = Ensemble(self.heads[0], members=2)
        pair.heads = nn.ModuleList(list(self.heads)[:2])
        return pair, Decoders(list(decoder)[:2])  # type: ignore[call-overload]

    def _mixture(self, members: list[Prediction]) -> Prediction:
        """A normal of the mixture's mean and variance.

        The variance is that of the members' means, and the mean of their own where they predict
        one.
        """
        means = torch.stack([member.mean.float() for member in members])
        with torch.no_grad():
            variance = means.var(dim=0, correction=0)
            own = [member.spread.variance for member in members if member.spread is not None]
            if own and self.heads[0].predicts_spread:
                variance = variance + torch.stack(own).mean(dim=0)
        mean = means.mean(dim=0)
        spread = Normal(mean, variance.clamp(min=LEAST_VARIANCE).sqrt(), validate_args=False)
        return Prediction(mean, spread, tuple(members))

    def cost(self, prediction: Prediction, target: Tensor) -> Tensor:
        """The mean of the members' costs of each value."""
        pairs = zip(self.heads, prediction.members, strict=True)
        return torch.stack([head.cost(member, target) for head, member in pairs]).mean(dim=0)

    def metrics(self, prediction: Prediction, target: Tensor) -> dict[str, Tensor]:
        """The mixture's squared error and the mean of its standard deviation."""
        return error_and_spread(prediction, target)
