"""Restoring hidden patches of given pairs by a whole model, and comparing with the truth."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Laplace, Normal

from siammae.data.augment.pair_augment import PairAugment
from siammae.data.reading.clip import Clip
from siammae.data.sampling.batch import Sample, Visit, collate
from siammae.evaluation.scores.calibration import Residuals, residuals
from siammae.model.batch_draws import Draws
from siammae.model.masking.base import Masking
from siammae.model.pair import FrameMask, Pair
from siammae.model.patches import gather_tokens, normalise_patches, patchify
from siammae.system.errors import ConfigError, DataError

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor


@dataclass(frozen=True)
class Pairs:
    """Pairs of frames of one clip.

    frames: (F, 2, 3, S, S), normalised, the given one first. gaps: (F,), frames of the video
    between them, however many of it are stored.
    is_past: the given one is the later of both. rng: of what else is drawn for them.
    """

    frames: Tensor
    gaps: np.ndarray
    is_past: bool
    rng: np.random.Generator

    @property
    def signed(self) -> np.ndarray:
        """The frames (F,) from the given one to the other, negative when the given one is later."""
        return -self.gaps if self.is_past else self.gaps

    @classmethod
    def read(
        cls,
        clip: Clip,
        gaps: np.ndarray,
        is_past: bool,
        augment: PairAugment,
        rng: np.random.Generator,
    ) -> "Pairs":
        """Read a pair for each gap, or the largest that the clip has, from a random frame on.

        Args:
            clip: opened.
            gaps: in frames of the clip, as they are stored.
            is_past: whether the later frame is the given one.
            augment: crops.
            rng: draws frames and crops.

        Raises:
            DataError: when it cannot be read.
        """
        gaps = np.minimum(gaps, clip.frames - 1)
        earlier = [int(rng.integers(0, clip.frames - gap)) for gap in gaps]
        wanted = sorted(
            {i for first, gap in zip(earlier, gaps, strict=True) for i in (first, first + gap)}
        )
        place = {index: i for i, index in enumerate(wanted)}
        frames = clip.read(wanted)
        samples = []
        for first, gap in zip(earlier, gaps, strict=True):
            drawn = augment.draw(rng, 2, *frames.shape[1:3])
            chosen = [first + gap, first] if is_past else [first, first + gap]
            crops = [box.cut(frames[place[i]]) for i, box in zip(chosen, drawn.boxes, strict=True)]
            upright = np.zeros(2, np.float32)
            gap_of_video = [int(gap) * clip.step]
            samples.append(Sample(crops, drawn.flip, drawn.colour, upright, gap_of_video, 0, False))
        return cls(augment.apply(collate([Visit(samples, {})])), gaps * clip.step, is_past, rng)

    def order(self, patches: int) -> np.ndarray:
        """Draw a random order (F, patches) of the patches of each pair."""
        return self.rng.random((len(self.gaps), patches)).argsort(axis=1)


class Given(Masking):
    """Leaves the past frame whole and hides the patches of the future frame that it is given.

    Args:
        mask: of the future frames.
    """

    def __init__(self, mask: FrameMask):
        hidden = mask.hidden.shape[1]
        super().__init__(hidden / (hidden + mask.visible.shape[1]))
        self.mask = mask

    def future(self, pair: Pair, draws: Draws) -> FrameMask:
        """Return the given mask."""
        return self.mask


def restored(features: "FeatureExtractor", pairs: Pairs, hidden: np.ndarray) -> Residuals:
    """Predict hidden patches (F, H) by the model of the features, and compare with what came true.

    Raises:
        ConfigError: when its head predicts a distribution that has no scores here.
        DataError: when it predicts NaN or infinite values.
    """
    model: Any = features.model  # type: ignore[attr-defined]
    low, device = getattr(features, "low", False), features.device
    frames = pairs.frames.to(device)
    gap = torch.from_numpy(pairs.signed).to(device).unsqueeze(1)  # (F, 1)
    mask = _mask(hidden, frames.shape[-1] // features.patch_size, device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=low)
    with torch.inference_mode(), autocast, _masked(model, Given(mask)):
        prediction = model(frames, gap=gap).targets[0].prediction
    family, scale = _family(prediction.spread)
    target = _target(frames, hidden, features.patch_size)
    try:
        return residuals(target, _numpy(prediction.mean), _numpy(scale), family)
    except ValueError as error:
        raise DataError(f"the model: {error}") from None


def not_restored(pairs: Pairs, hidden: np.ndarray, patch_size: int) -> Residuals:
    """Compare a prediction of mean 0 and deviation 1 of each pixel with what came true."""
    target = _target(pairs.frames, hidden, patch_size)
    return residuals(target, np.zeros_like(target), np.ones_like(target[..., :1]), "normal")


def _target(frames: Tensor, hidden: np.ndarray, patch_size: int) -> np.ndarray:
    """Return normalised pixels (F, H, P) of the second frames' hidden patches."""
    patches = patchify(frames[:, 1].float(), patch_size)
    index = torch.from_numpy(hidden).to(frames.device)
    return _numpy(normalise_patches(gather_tokens(patches, index)))


def _mask(hidden: np.ndarray, side: int, device: torch.device) -> FrameMask:
    """Return both parts of a grid of ``side`` x ``side`` patches."""
    every = np.arange(side * side)
    visible = np.stack([np.setdiff1d(every, row, assume_unique=True) for row in hidden])
    return FrameMask(*(torch.from_numpy(index).to(device) for index in (visible, hidden)))


@contextmanager
def _masked(model: Any, masking: Masking) -> Iterator[None]:
    """Give the model another masking for every frame, for as long as the context lasts."""
    own = model.masking, model.predict
    model.masking, model.predict = masking, False
    try:
        yield
    finally:
        model.masking, model.predict = own


def _family(spread: Distribution | None) -> tuple[str, Tensor]:
    """Return name and scale of a predicted distribution."""
    if isinstance(spread, Normal):
        return "normal", spread.scale
    if isinstance(spread, Laplace):
        return "laplace", spread.scale
    raise ConfigError(
        f"the head predicts {type(spread).__name__}; calibration knows Normal and Laplace"
    )


def _numpy(values: Tensor) -> np.ndarray:
    array: np.ndarray = values.float().cpu().numpy()
    return array
