"""An ensemble of decoders over one encoder: they disagree where the model is uncertain."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from typing_extensions import override

from siammae.model.heads import Head, Prediction, error_and_spread

LEAST_VARIANCE = 1e-12  # members that agree still give a density


class Decoders(nn.ModuleList):
    """Several decoders that are called as one."""

    def forward(self, *inputs: Any) -> list[Tensor]:
        """Call each decoder with the same inputs."""
        return [decoder(*inputs) for decoder in self]


class Ensemble(Head):
    """Several decoders, each with a head, from different initial weights; a deep ensemble.

    The prediction is their mixture. Each member is trained as if alone, because the loss is the
    mean of theirs (Lakshminarayanan et al., arXiv:1612.01474); the shared encoder gets the mean of
    their gradients. The first member starts as it does without an ensemble.

    Args:
        member: the head of each member, any that reads one decoder.
        members: number of decoders, at least 2. Each costs a whole decoder in every step.
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
        self.decoders, self.passes = members, member.passes

    @override
    def assemble(self, decoders: Sequence[nn.Module]) -> nn.Module:
        pairs = zip(self.heads, decoders, strict=True)
        return Decoders([head.assemble([decoder]) for head, decoder in pairs])

    @override
    def reset(self) -> None:
        for head in self.heads:
            head.reset()

    @override
    def forward(self, tokens: Sequence[Tensor]) -> Prediction:
        return self._mixture([head(own) for head, own in zip(self.heads, tokens, strict=True)])

    @override
    def predict(self, decoder: Any, *inputs: Any) -> Prediction:
        pairs = zip(self.heads, decoder, strict=True)
        return self._mixture([head.predict(own, *inputs) for head, own in pairs])

    @override
    def reduced(self, decoder: nn.Module) -> tuple[Head, nn.Module]:
        # Two members are enough to differ where the model is uncertain.
        pair = Ensemble(self.heads[0], members=2)
        pair.heads = nn.ModuleList(list(self.heads)[:2])
        return pair, Decoders(list(decoder)[:2])  # type: ignore[call-overload]

    def _mixture(self, members: list[Prediction]) -> Prediction:
        """Return a normal distribution with the mixture's mean and variance.

        The variance is that of the members' means, plus the mean of the variances they predict.
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

    @override
    def cost(self, prediction: Prediction, target: Tensor) -> Tensor:
        pairs = zip(self.heads, prediction.members, strict=True)
        return torch.stack([head.cost(member, target) for head, member in pairs]).mean(dim=0)

    @override
    def metrics(self, prediction: Prediction, target: Tensor) -> dict[str, Tensor]:
        return error_and_spread(prediction, target)
