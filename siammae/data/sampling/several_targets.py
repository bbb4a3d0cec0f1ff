"""Several target frames, restored from one given frame at increasing gaps, on one or both sides."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from siammae.data.sampling.gaps import gap_range, stored_gap
from siammae.data.sampling.targets import Offsets, Targets
from siammae.system.errors import DataError

SPACINGS = ("even", "random", "doubling", "chained")
DIRECTIONS = ("future", "past", "both")
EMBEDDINGS = ("none", "sincos", "learned")


class SeveralTargets(Targets):
    """A given frame and ``count`` target frames, the nearest first.

    With one target and ``direction`` future or past, the frames are those of `SingleTarget`, from
    the same draws.

    Args:
        gap: gap from the given frame to the nearest target, a number or ``[lo, hi]`` as in
            `SingleTarget`; with ``spacing`` random it is the range of all gaps.
        count: number of target frames.
        spacing: distances of the targets. ``even``: g, 2g, 3g and so on; ``doubling``: g, 2g, 4g
            and so on; ``random``: a uniformly drawn set of different distances; ``chained``: each
            target at a gap of its own draw from the target before it.
        direction: ``future`` or ``past``: all targets are on that side of the given frame.
            ``both``: targets lie in turn after and before it, two at each distance.
        predict: whether all patches of the last target, the farthest, are hidden, which makes it
            pure prediction.
        gap_embedding: how the decoder learns each target's gap. ``none``: not at all; ``sincos``:
            by a fixed sine-cosine code; ``learned``: by a small perceptron of that code.
        loss_gap_power: exponent x: a target at gap g counts in the loss as g^-x, scaled so that the
            weights of a sample have mean 1. With 0 all count alike, below 0 far ones count more.
        gap_unit: ``frames`` or ``seconds``, as in `SingleTarget`.
    """

    def __init__(
        self,
        gap: float | Sequence[float],
        count: int = 2,
        spacing: str = "even",
        direction: str = "future",
        predict: bool = False,
        gap_embedding: str = "none",
        loss_gap_power: float = 0.0,
        gap_unit: str = "frames",
    ):
        self.low, self.high = gap_range(gap, gap_unit)
        if count < 1:
            raise ValueError(f"count {count} must be at least 1")
        for name, value, known in (
            ("spacing", spacing, SPACINGS),
            ("direction", direction, DIRECTIONS),
            ("gap_embedding", gap_embedding, EMBEDDINGS),
        ):
            if value not in known:
                raise ValueError(f"{name} '{value}' is none of {', '.join(known)}")
        if not np.isfinite(loss_gap_power):
            raise ValueError(f"loss_gap_power {loss_gap_power} is no finite number")
        if count == 1:
            _check_single(direction, predict, loss_gap_power)
        self.distances = -(-count // 2) if direction == "both" else count
        if spacing == "random" and not (gap_unit == "seconds" and self.low < self.high):
            _check_range(gap, gap_unit, self.distances)  # of seconds a clip's rate decides
        self.gap_unit = gap_unit
        self.count, self.spacing, self.direction = count, spacing, direction
        self.predict, self.gap_embedding = predict, gap_embedding
        self.loss_gap_power = loss_gap_power

    def draw(self, rng: np.random.Generator, frames: int, scale: float = 1.0) -> Offsets:
        """Draw indices into a clip of ``frames`` frames, uniformly over all places with room.

        The smallest possible distances are 1, 2, 3 and so on. In a clip that is too short, what
        each distance has above them shrinks by one factor, so that distances stay different and in
        order.

        Raises:
            DataError: when the clip has not a frame for each target, or the range at its frame rate
                has not a gap for each random distance.
        """
        if frames < self.count + 1:
            raise DataError(
                f"the clip has {frames} frames; targets.count={self.count} needs {self.count + 1}"
            )
        gaps, short = self._fitted(self._distances(rng, scale), frames)
        first, last = min(0, *gaps), max(0, *gaps)
        given = int(rng.integers(0, frames - (last - first))) - first
        return Offsets([given, *(given + gap for gap in gaps)], short)

    def _distances(self, rng: np.random.Generator, scale: float) -> list[int]:
        """Draw the distances in stored frames, in ascending order."""
        low, high = stored_gap(self.low, scale), stored_gap(self.high, scale)
        if self.spacing == "random" and self.distances > 1:
            span = np.arange(low, high + 1)
            if len(span) < self.distances:
                raise DataError(
                    f"targets.spacing=random draws {self.distances} different gaps, and frame_gap="
                    f"[{self.low}, {self.high}] {self.gap_unit} has {len(span)} at the clip's rate"
                )
            return sorted(int(d) for d in rng.choice(span, self.distances, replace=False))
        if self.spacing == "chained":
            gaps = [int(rng.integers(low, high + 1)) for _ in range(self.distances)]
            return list(accumulate(gaps))
        nearest = int(rng.integers(low, high + 1))
        if self.spacing == "doubling":
            return [nearest * 2**i for i in range(self.distances)]
        return [nearest * i for i in range(1, self.distances + 1)]

    def _fitted(self, distances: list[int], frames: int) -> tuple[list[int], bool]:
        """Return signed gaps that fit into the clip, and whether they had to shrink."""
        signed = self._signed(distances)
        wanted = max(0, *signed) - min(0, *signed)
        if wanted < frames:
            return signed, False
        # The smallest distances take count frames beside the given one, whatever the direction.
        spare, above = frames - 1 - self.count, wanted - self.count
        fitted = [i + (d - i) * spare // above for i, d in enumerate(distances, start=1)]
        return self._signed(fitted), True

    def _signed(self, distances: list[int]) -> list[int]:
        """Return a gap for each target: its distance, negative for a frame before the given one."""
        if self.direction == "both":
            return [sign * d for d in distances for sign in (1, -1)][: self.count]
        return [-d if self.direction == "past" else d for d in distances]


def _check_single(direction: str, predict: bool, loss_gap_power: float) -> None:
    """Refuse settings that mean nothing for a single target."""
    if direction == "both":
        raise ValueError(
            "targets.direction=both needs targets on both sides, and targets.count=1 is one; "
            "take targets.count=2 or direction=future"
        )
    if predict:
        raise ValueError(
            "targets.predict=true hides all of the last target, and targets.count=1 has no other: "
            "mask_ratio and masking would do nothing; take targets.count=2"
        )
    if loss_gap_power:
        raise ValueError(
            f"targets.loss_gap_power={loss_gap_power} weighs targets against each other, and "
            "targets.count=1 is one; set it to 0"
        )


def _check_range(gap: float | Sequence[float], unit: str, needed: int) -> None:
    """Refuse a range of gaps that has fewer than are drawn from it."""
    ends = [gap] if isinstance(gap, int | float) else list(gap)
    values = int(ends[-1] - ends[0]) + 1
    if len(ends) == 1 or values < needed:
        wide = "[0.13,1.6]" if unit == "seconds" else "[4,48]"
        raise ValueError(
            f"targets.spacing=random draws {needed} different gap{'s' * (needed > 1)} from "
            f"frame_gap={gap}, which has {values}; widen it as frame_gap={wide}, or take "
            "targets.spacing=even or doubling"
        )
