"""Measuring whether the model knows how far off its restored pixels are."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import override

from siammae.config.visible_patches import visible_count
from siammae.data.augment.pair_augment import PairAugment
from siammae.data.reading.clips import Clips
from siammae.data.sampling.gaps import frames_of_unit, gap_range
from siammae.data.sets.videos import ClipSource, Videos
from siammae.evaluation.measuring.benchmark import WHOLE_MODEL, Benchmark, OnVideo, Rows
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.measuring.scoring import only_this
from siammae.evaluation.scores.calibration import OF_CALIBRATION, row_of, temperature, total
from siammae.system.errors import ConfigError, DataError

if TYPE_CHECKING:
    from siammae.evaluation.benchmarks.restoring import Pairs
    from siammae.evaluation.features import FeatureExtractor
    from siammae.evaluation.files.contents import Contents
    from siammae.evaluation.scores.calibration import Residuals

NOTE = (
    "hidden patches in normalised pixels, comparable at one patch size, mask ratio, gap and crop; "
    "log-likelihood in nats a value; -scaled: after one temperature, fitted to the other half of "
    "the clips"
)
Predicted = tuple["Residuals", "Pairs"]


class Calibration(Benchmark):
    """Compares predicted distributions of hidden patches with what came true, on clips held out.

    Every clip gives ``pairs`` pairs, whose gaps are spread evenly over ``gap``, both ends included,
    and whose first frames are random. Patches are hidden uniformly at random, never by the model's
    own masking, so that models of all maskings are asked the same. Clips, frames, crops and masks
    follow from ``seed`` alone. Frames are cropped at the scale of the training: a share of the area
    drawn from ``crop_scale``, square, without flip and colours. All values are of normalised
    pixels, as in the loss; see `siammae.evaluation.scores.calibration` for the scores. ``MSE`` is
    the mean squared error of the mean. Names with ``-scaled`` are after one ``temperature``, a
    factor of all scales, fitted by maximum likelihood: every other clip fits it for the others, so
    that each counts once and none is in its own fit.

    Rows are of clips, their patches and pixels being correlated; all metrics but ECE are means of
    clips, and so is what ECE compares with its levels.

    The control knows nothing: a normal of mean 0 and deviation 1 for every normalised pixel.

    Settings that are None are those of the run that is measured; the configuration fills them in.

    Args:
        source: the built-in clips, with another seed than the training's; used without ``root``.
        root: a folder of videos, or a list, that were not trained on.
        clips: so many of ``root``, evenly spaced; None: all.
        short_side: of the frames of ``root`` in pixels when they are larger; None: as they are.
        pairs: of a clip.
        gap: from the given frame to the other, a number or [lo, hi].
        gap_unit: ``frames`` of the video or ``seconds``, of which each clip takes the nearest
            number of its frames.
        direction: ``future`` or ``past``, which of both frames is restored; ``both``, the word of
            runs that restore frames on both sides, is ``future``.
        mask_ratio: share of patches that is hidden, in (0, 1).
        image_size: side of the model's input in pixels.
        patch_size: side of the control's patches; the model has its own.
        crop_scale: [lo, hi], share of a frame's area; None takes the largest centred square.
        seed: of frames, crops and masks.

    Raises:
        ValueError: when a number is out of range.
    """

    as_before: ClassVar = {"gap_unit": "frames"}  # of runs from before the key

    name = "calibration"
    metrics = OF_CALIBRATION
    objective = "log-likelihood-scaled"
    units = ("clip",)
    control_name = "knows nothing"
    needs_model = True
    can_be_split = False  # temperatures are fitted to what all clips gave, before any is scored
    is_named_in_suites = False  # no other benchmark has metrics of these names

    def __init__(
        self,
        source: ClipSource,
        root: str | None = None,
        clips: int | None = None,
        short_side: int | None = 256,
        pairs: int = 8,
        gap: float | Sequence[float] | None = None,
        direction: str = "future",
        mask_ratio: float | None = None,
        image_size: int | None = None,
        patch_size: int | None = None,
        crop_scale: Sequence[float] | None = None,
        seed: int = 0,
        gap_unit: str = "frames",
    ):
        for key, value in {"pairs": pairs, "clips": clips}.items():
            if value is not None and value < 1:
                raise ValueError(f"{key}={value}: must be at least 1")
        if patch_size is not None and (patch_size < 1 or (image_size or 0) % patch_size):
            raise ValueError(f"patch_size={patch_size} does not divide image_size={image_size}")
        if seed < 0:
            raise ValueError(f"seed={seed}: must not be negative")
        if direction not in ("future", "past", "both"):
            raise ValueError(f"direction={direction}: must be future, past or both")
        if mask_ratio is not None and not 0 < mask_ratio < 1:
            raise ValueError(f"mask_ratio={mask_ratio}: must be in (0, 1)")
        self.source = source if root is None else Videos(root, short_side=short_side)
        self.root, self.clips, self.pairs, self.seed = root, clips, pairs, seed
        self.gap = None if gap is None else list(gap_range(gap, gap_unit))
        self.gap_unit = gap_unit
        self.mask_ratio = mask_ratio
        self.direction = "past" if direction == "past" else "future"
        self.image_size, self.patch_size, self.crop_scale = image_size, patch_size, crop_scale
        if image_size is not None:
            self._augment()  # checks the crop

    @override
    def prepare(self) -> None:
        """Write the built-in clips when they are not there.

        Raises:
            DataError: when there is no clip, or but one: the temperature is fitted to others.
        """
        self.source.prepare()
        if len(self.videos()) < 2:
            raise DataError(f"benchmark.root={self.root} holds one clip; calibration takes two")

    @override
    def fingerprint(self) -> str:
        """Return a short hash of the clips."""
        self.videos()
        return self.source.fingerprint()

    @override
    def content_fingerprint(self, contents: "Contents") -> str:
        """Return the clips' own fingerprint, as a run's training has it."""
        return self.fingerprint()

    @override
    def videos(self) -> list[str]:
        """Return the clips, by their path below the folder that all are in."""
        return list(self._numbers)

    @cached_property
    def _clips(self) -> Clips:
        try:
            return self.source.footage()
        except DataError as error:
            raise DataError(str(error).replace("data.root", "benchmark.root")) from None

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """Map names to the source's clips that are predicted."""
        chosen = np.arange(len(self._clips))
        if self.root is not None and self.clips is not None and len(chosen) > self.clips:
            chosen = np.linspace(0, len(chosen) - 1, self.clips).round().astype(int)
        names = [PurePath(self._clips.name(number)) for number in chosen.tolist()]
        base = os.path.commonpath([name.parent for name in names])
        return {
            name.relative_to(base).as_posix(): int(number)
            for name, number in zip(names, chosen, strict=True)
        }

    @override
    def evaluate(
        self, features: "FeatureExtractor", on_video: OnVideo | None = None
    ) -> BenchmarkResult:
        """Score the model of the features.

        Raises:
            ConfigError: when they come without a whole model, or it does not fit the settings.
            DataError: when no clip can be read, or none of one half.
        """
        self._check(getattr(features, "model", None))
        return self._scored(lambda video: self.predict(video, features), on_video)

    @override
    def copy_first_mask(self, on_video: OnVideo | None = None) -> BenchmarkResult:
        """Score the control.

        Raises:
            NotImplementedError: when no run gives the settings that it takes.
        """
        if None in (self.gap, self.image_size, self.patch_size, self.mask_ratio):
            raise NotImplementedError
        return self._scored(self.control, on_video)

    @override
    def predict(self, video: str, features: "FeatureExtractor") -> Predicted:
        """Predict a clip's pairs, and compare with what came true."""
        from siammae.evaluation.benchmarks.restoring import restored

        pairs = self._pairs(video)
        return restored(features, pairs, self._hidden(pairs, features.patch_size)), pairs

    @override
    def control(self, video: str) -> Predicted:
        """Compare what the control predicts with what came true."""
        from siammae.evaluation.benchmarks.restoring import not_restored

        pairs, patch = self._pairs(video), self.patch_size or 0
        return not_restored(pairs, self._hidden(pairs, patch), patch), pairs

    @override
    def score(self, video: str, predicted: tuple[Predicted, float]) -> Rows:
        """Return one row: the clip's figures, and what curves are drawn from; see `row_of`."""
        (known, pairs), factor = predicted
        return [{"clip": video, **row_of(known, pairs.gaps, factor)}]

    @override
    def total(self, rows: Rows) -> dict[str, float]:
        """Average over clips; ECE is of the shares over all clips."""
        return total(rows)

    @override
    def settings(self) -> dict[str, Any]:
        return {
            "note": NOTE,
            "gap": self.gap,
            **({} if self.gap_unit == "frames" else {"gap_unit": self.gap_unit}),
            "pairs": self.pairs,
            "mask_ratio": self.mask_ratio,
            "image_size": self.image_size,
            "patch_size": self.patch_size,
            "crop_scale": None if self.crop_scale is None else list(self.crop_scale),
            "direction": self.direction,
        }

    # ---------------------------------------------------------------------------------------------

    def _scored(
        self, predict: Callable[[str], Predicted], on_video: OnVideo | None
    ) -> BenchmarkResult:
        """Predict all clips, fit a temperature to each half, and score with the other's."""
        videos, known, failed = self.videos(), dict[str, Predicted](), dict[str, str]()
        for done, video in enumerate(videos, start=1):
            with only_this(video, failed):
                known[video] = predict(video)
            if on_video is not None:
                on_video(done, len(videos), video)
        factors = self._temperatures(known) if known else {}

        def scaled(video: str) -> tuple[Predicted, float]:
            if video in failed:
                raise DataError(failed[video])
            return known.pop(video), factors[video]

        return self._measure(scaled, None)

    def _temperatures(self, known: dict[str, Predicted]) -> dict[str, float]:
        """Fit each clip's temperature to the half of the clips that it is not in."""
        found: dict[str, float] = {}
        halves = [self.videos()[half::2] for half in (0, 1)]
        for half, other in (halves, halves[::-1]):
            fitted = [known[video][0] for video in other if video in known]
            if not fitted:
                raise DataError("no clip of one half can be read: no temperature can be fitted")
            factor = temperature(fitted)
            found |= dict.fromkeys(half, factor)
        return found

    def _check(self, model: Any) -> None:
        """Check that there is a model of the size that the settings say, and something is hidden.

        Raises:
            ConfigError: when that is not so.
        """
        if model is None:
            raise ConfigError(WHOLE_MODEL)
        for key in ("gap", "mask_ratio", "image_size"):
            if getattr(self, key) is None:
                raise ConfigError(f"benchmark.{key}=null: no run gives it; it must be set")
        patch, grid = model.encoder.patch_size, model.encoder.grid
        if self.image_size != grid[0] * patch:
            raise ConfigError(
                f"benchmark.image_size={self.image_size}: the model takes {grid[0] * patch} pixels"
            )
        visible = visible_count(grid[0] * grid[1], self.mask_ratio or 0)
        if visible in (0, grid[0] * grid[1]):
            raise ConfigError(
                f"benchmark.mask_ratio={self.mask_ratio} leaves {visible} of {grid[0] * grid[1]} "
                "patches visible; at least one must be seen and one hidden"
            )

    def _pairs(self, video: str) -> "Pairs":
        """Read the pairs of a clip.

        Raises:
            DataError: when it cannot be read.
        """
        from siammae.evaluation.benchmarks.restoring import Pairs

        rng = np.random.default_rng([self.seed, self.videos().index(video)])
        low, high = self.gap or (1, 1)
        clip = self._clips.open(self._numbers[video])
        scale = frames_of_unit(self.gap_unit, clip, video)
        gaps = np.linspace(low, high, self.pairs) * scale
        gaps = gaps.round().astype(int).clip(min=1)
        return Pairs.read(clip, gaps, self.direction == "past", self._augment(), rng)

    def _augment(self) -> PairAugment:
        return PairAugment(self.image_size or 0, self.crop_scale, (1.0, 1.0), flip=0.0)

    def _hidden(self, pairs: "Pairs", patch_size: int) -> np.ndarray:
        """Draw the indices (pairs, H) of hidden patches, ascending."""
        patches = ((self.image_size or 0) // patch_size) ** 2
        visible = visible_count(patches, self.mask_ratio or 0)
        return np.sort(pairs.order(patches)[:, visible:], axis=1)
