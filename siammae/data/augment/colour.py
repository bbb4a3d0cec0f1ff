"""Colour jitter: factors are drawn where clips are read, pixels are changed on the device.

The steps have a fixed order, brightness, contrast, saturation, hue, where torchvision's
``ColorJitter`` draws the order too. So all samples of a batch go through each step together.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

NEUTRAL = (1.0, 1.0, 1.0, 0.0)  # brightness, contrast, saturation, hue that change nothing
SATURATION = 2  # its place among these
GREY = (0.2989, 0.587, 0.114)  # what red, green and blue weigh in a grey value, as in torchvision


class ColourJitter:
    """Random brightness, contrast, saturation and hue.

    The paper finds that colour augmentation hurts. We could read neither its ranges nor whether the
    frames of a pair share their factors. Shared factors are plain augmentation. With factors of its
    own each frame looks different from the others, which the decoder has to bridge.

    Args:
        brightness, contrast, saturation: x; a factor is uniform in [1 - x, 1 + x], never below 0.
        hue: x, at most 0.5; a shift is uniform in [-x, x], in turns of the colour circle.
        strength: multiplies the four ranges (SimCLR's s); 0 draws nothing and changes nothing.
        shared: whether all frames of a pair have the same factors, instead of their own.
        probability: that the colours of a frame are changed; SimCLR and DINO have 0.8.
        grey: probability that a frame loses its colours; SimCLR and DINO have 0.2.
    """

    def __init__(
        self,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.2,
        hue: float = 0.1,
        strength: float = 1.0,
        shared: bool = False,
        probability: float = 1.0,
        grey: float = 0.0,
    ):
        given = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        for name, value in {**given, "hue": hue, "strength": strength}.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ValueError(f"colour.{name}={value!r} is no number >= 0")
        if hue * strength > 0.5:
            raise ValueError(
                f"colour.hue={hue} times colour.strength={strength} is above 0.5, half a turn"
            )
        if not isinstance(shared, bool):
            raise ValueError(f"colour.shared={shared!r} is neither true nor false")
        self.ranges = [strength * value for value in (*given.values(), hue)]
        for name, share in (("probability", probability), ("grey", grey)):
            if not 0 <= share <= 1:
                raise ValueError(f"colour.{name}={share} is no probability")
        self.shared, self.probability, self.grey = shared, probability, grey

    @property
    def is_off(self) -> bool:
        """Whether all ranges are empty, so that nothing is changed."""
        return not any(self.ranges) and not self.grey

    def draw(self, rng: np.random.Generator, frames: int) -> np.ndarray:
        """Draw brightness, contrast, saturation and hue of each frame: (frames, 4) float32."""
        centre, reach = np.array(NEUTRAL), np.array(self.ranges)
        low = np.maximum(centre - reach, [0, 0, 0, -0.5])
        count = 1 if self.shared else frames
        drawn = rng.uniform(low, centre + reach, (count, len(NEUTRAL)))
        if self.probability < 1:
            drawn[rng.random(count) >= self.probability] = NEUTRAL
        if self.grey:
            drawn[rng.random(count) < self.grey, SATURATION] = 0  # what is grey stays so
        return np.broadcast_to(drawn, (frames, len(NEUTRAL))).astype(np.float32)


def jitter(images: "Tensor", factors: "Tensor") -> "Tensor":
    """Change images as torchvision's ``adjust_brightness``, ``_contrast``, ``_saturation`` and
    ``_hue`` do, one after the other.

    Args:
        images: (B, T, 3, H, W) in 0..1.
        factors: (B, T, 4), as `ColourJitter.draw` gives them for each frame.

    Returns:
        (B, T, 3, H, W) in 0..1.
    """
    brightness, contrast, saturation, hue = factors.view(*factors.shape, 1, 1, 1).unbind(2)
    images = (images * brightness).clamp(0, 1)
    images = _blend(images, _grey(images).mean(dim=(-2, -1), keepdim=True), contrast)
    images = _blend(images, _grey(images), saturation)
    return _shift_hue(images, hue)


def _grey(images: "Tensor") -> "Tensor":
    """Convert colours (..., 3, H, W) to grey values (..., 1, H, W)."""
    red, green, blue = images.split(1, dim=-3)
    return GREY[0] * red + GREY[1] * green + GREY[2] * blue


def _blend(images: "Tensor", other: "Tensor", factor: "Tensor") -> "Tensor":
    """Move images away from ``other`` for factors above 1, and towards it for factors below 1."""
    return (other + factor * (images - other)).clamp(0, 1)


def _shift_hue(images: "Tensor", shift: "Tensor") -> "Tensor":
    """Turn the hue by ``shift`` (..., 1, 1, 1) turns; value and chroma of a pixel stay.

    Hue is counted in sixths of a turn from red. Each channel is the same function of the distance
    from its own hue: 1 up to a sixth of a turn, 0 from a third on, and linear in between.
    """
    import torch

    red, green, blue = images.split(1, dim=-3)
    value = images.amax(-3, keepdim=True)
    chroma = value - images.amin(-3, keepdim=True)
    safe = torch.where(chroma > 0, chroma, 1.0)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    own = torch.arange(0.0, 6.0, 2.0, device=images.device).view(3, 1, 1)
    away = (hue + 6 * shift - own + 3).remainder(6) - 3  # from the channel's own hue, -3..3
    return value - chroma * (away.abs() - 1).clamp(0, 1)
