"""Classifiers of frozen features: multinomial logistic regression, and nearest neighbours."""

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 2**24  # similarities held at once


class LinearProbe:
    """Multinomial logistic regression with an L2 penalty, solved to its optimum in float64.

    Minimises the mean cross-entropy plus ``l2 / 2`` times the squared weights (biases are free) by
    L-BFGS from zero. The problem is convex, so the result depends on no step size, length or seed.
    Features are standardised by the training set: the penalty then treats encoders alike whatever
    the scale of their channels.

    Args:
        features: (N, D).
        classes: (N,) int64, any ids.
        l2: strength of the penalty, above 0.
        steps: of L-BFGS, at most.
    """

    @torch.inference_mode(False)  # features often come from it, and it allows no gradient
    @torch.enable_grad()
    def __init__(self, features: Tensor, classes: Tensor, l2: float = 1e-2, steps: int = 500):
        self.ids, target = classes.clone().unique(return_inverse=True)
        features = features.to(torch.float64, copy=True)
        self.mean, scale = features.mean(dim=0), features.std(dim=0, correction=0)
        self.scale = torch.where(scale > 1e-12, scale, 1.0)  # a constant channel stays at zero
        inputs = features.sub_(self.mean).div_(self.scale)  # in place: it may be gigabytes
        self.weight = inputs.new_zeros(len(self.ids), features.shape[1]).requires_grad_()
        self.bias = inputs.new_zeros(len(self.ids)).requires_grad_()
        solver = torch.optim.LBFGS(
            [self.weight, self.bias],
            max_iter=steps,
            max_eval=2 * steps,
            tolerance_grad=1e-5,
            tolerance_change=1e-14,
            history_size=20,
            line_search_fn="strong_wolfe",
        )

        def loss() -> Tensor:
            solver.zero_grad()
            logits = F.linear(inputs, self.weight, self.bias)
            value = F.cross_entropy(logits, target) + l2 / 2 * self.weight.square().sum()
            value.backward()
            return value

        solver.step(loss)
        self.weight, self.bias = self.weight.detach(), self.bias.detach()

    def scores(self, features: Tensor) -> Tensor:
        """Logits (M, C) of features (M, D), in the order of ``ids``."""
        return F.linear((features.double() - self.mean) / self.scale, self.weight, self.bias)


class NearestNeighbours:
    """Weighted vote of the most similar training features.

    As the k-NN classifier of instance discrimination (Wu et al. 2018) and DINO: each of the k
    largest cosines votes for its class with exp(cosine / temperature).

    Args:
        features: (N, D), the bank.
        classes: (N,) int64, any ids.
        top_k: neighbours that vote, or all of a smaller bank.
        temperature: above 0.
    """

    def __init__(
        self, features: Tensor, classes: Tensor, top_k: int = 20, temperature: float = 0.07
    ):
        self.ids, self.target = classes.unique(return_inverse=True)
        self.bank = F.normalize(features.float(), dim=-1)
        self.top_k, self.temperature = min(top_k, len(features)), temperature

    def scores(self, features: Tensor) -> Tensor:
        """Shares of the vote (M, C) for features (M, D), in the order of ``ids``."""
        parts = F.normalize(features.float(), dim=-1).split(max(1, CHUNK // len(self.bank)))
        return torch.cat([self._votes(part) for part in parts])

    def _votes(self, queries: Tensor) -> Tensor:
        cosine, nearest = (queries @ self.bank.T).topk(self.top_k, dim=-1)
        weights = (cosine / self.temperature).softmax(dim=-1)
        votes = weights.new_zeros(len(queries), len(self.ids))
        return votes.scatter_add_(1, self.target[nearest], weights)
