"""Probes of frozen features: classes of patches from labelled frames, and back on their pixels."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.propagation.sequence import frame_features
from siammae.system.errors import DataError

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor

CHUNK = 2**24  # similarities held at once
Labelled = tuple[Path, np.ndarray]  # an image file and its ids (H, W)


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
        """Return logits (M, C) of features (M, D), in the order of ``ids``."""
        return F.linear((features.double() - self.mean) / self.scale, self.weight, self.bias)


class NearestNeighbours:
    """Classifies by the weighted vote of the most similar training features.

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
        """Return shares of the vote (M, C) for features (M, D), in the order of ``ids``."""
        parts = F.normalize(features.float(), dim=-1).split(max(1, CHUNK // len(self.bank)))
        return torch.cat([self._votes(part) for part in parts])

    def _votes(self, queries: Tensor) -> Tensor:
        cosine, nearest = (queries @ self.bank.T).topk(self.top_k, dim=-1)
        weights = (cosine / self.temperature).softmax(dim=-1)
        votes = weights.new_zeros(len(queries), len(self.ids))
        return votes.scatter_add_(1, self.target[nearest], weights)


class Probes(NamedTuple):
    """Both probes, fitted to features of the training videos."""

    linear: LinearProbe
    knn: NearestNeighbours

    @classmethod
    def fit(
        cls, tokens: Tensor, classes: Tensor, l2: float, top_k: int, temperature: float
    ) -> "Probes":
        """Fit both probes to tokens (N, D) and their classes (N,)."""
        if tokens.device.type == "mps":  # has no float64
            tokens, classes = tokens.cpu(), classes.cpu()
        return cls(
            LinearProbe(tokens, classes, l2),
            NearestNeighbours(tokens, classes, top_k, temperature),
        )


def shares(frames: int, per_frame: int, most: int) -> list[int]:
    """Return how many patches each frame may give, so that all give no more than ``most``.

    ``per_frame`` when that many fit; or else ``most`` is spread evenly, which may leave frames of a
    very long list with none.
    """
    ends = [number * most // frames for number in range(frames + 1)]
    return [min(per_frame, end - start) for start, end in pairwise(ends)]


class Samples:
    """Collects patches that have a class, a number of each frame at most.

    Which ones is drawn from the frame's place in the order of all frames, and from nothing else.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.tokens: list[Tensor] = []
        self.classes: list[Tensor] = []

    def add(self, frames: Sequence[tuple[Tensor, Tensor]], most: Sequence[int]) -> None:
        """Add tokens (N, D) and classes (N,) of frames, -1 being none; keep ``most`` of each."""
        for (tokens, classes), limit in zip(frames, most, strict=True):
            drawn = torch.from_numpy(np.random.default_rng(self.frames).permutation(len(classes)))
            drawn = drawn[classes[drawn] >= 0][:limit]
            self.tokens.append(tokens[drawn.to(tokens.device)])
            self.classes.append(classes[drawn].to(tokens.device))
            self.frames += 1

    def all(self) -> tuple[Tensor, Tensor]:
        """Return tokens (N, D) and classes (N,).

        Raises:
            DataError: when there are fewer than two classes.
        """
        tokens, classes = torch.cat(self.tokens), torch.cat(self.classes)
        if len(classes.unique()) < 2:
            raise DataError(
                f"the training videos' patches have {len(classes.unique())} class(es) that count; "
                "probes need two"
            )
        return tokens, classes


def labelled_tokens(
    features: "FeatureExtractor",
    frames: Sequence[Labelled],
    sizing: Propagation,
    counted: np.ndarray,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield tokens (N, D) and classes (N,) of each frame's patches; see `patch_classes`.

    Raises:
        DataError: when a frame cannot be read or differs in size from its mask.
    """
    for path, ids in frames:
        size = sizing.input_shape(ids.shape, features.patch_size)
        (tokens,) = frame_features(sizing, features, [path], ids.shape)
        kept = torch.from_numpy(counted)
        yield tokens, patch_classes(torch.from_numpy(ids), size, features.patch_size, kept)


def class_maps(
    features: "FeatureExtractor", frames: Sequence[Labelled], sizing: Propagation, probes: Probes
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield predicted ids (H, W) uint8 of each frame, by the linear probe and by neighbours.

    Only the size of a frame's ids is used.
    """
    for path, ids in frames:
        height, width = sizing.input_shape(ids.shape, features.patch_size)
        grid = (height // features.patch_size, width // features.patch_size)
        (tokens,) = frame_features(sizing, features, [path], ids.shape)
        linear, knn = (_enlarged(probe, tokens, grid, ids.shape) for probe in probes)
        yield linear, knn


def _enlarged(
    probe: LinearProbe | NearestNeighbours,
    tokens: Tensor,
    grid: tuple[int, int],
    shape: tuple[int, ...],
) -> np.ndarray:
    """Enlarge scores to pixels, where the largest wins."""
    scores = probe.scores(tokens.to(probe.ids.device)).float().T.unflatten(1, grid)
    largest = F.interpolate(scores[None], shape, mode="bilinear")[0].argmax(dim=0)
    return probe.ids[largest].byte().cpu().numpy()


def patch_classes(ids: Tensor, size: tuple[int, int], patch: int, counted: Tensor) -> Tensor:
    """Return the class (N,) of each patch: the most frequent of its pixels, or -1.

    Args:
        ids: (H, W) of a mask.
        size: height and width of the encoder's input, to which the mask is brought by the nearest
            pixel.
        patch: its side in pixels.
        counted: (256,) bool, which ids count. A patch of which less than half counts has no class.
    """
    resized = F.interpolate(ids[None, None].float(), size, mode="nearest-exact")[0, 0].long()
    rows, columns = size[0] // patch, size[1] // patch
    pixels = resized.view(rows, patch, columns, patch).transpose(1, 2).reshape(rows * columns, -1)
    place = torch.arange(len(pixels)).unsqueeze(1) * 256 + pixels
    counts = place[counted[pixels]].bincount(minlength=256 * len(pixels)).view(-1, 256)
    return torch.where(2 * counts.sum(1) >= patch**2, counts.argmax(1), -1)
