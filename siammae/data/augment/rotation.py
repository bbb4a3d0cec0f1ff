"""The angles by which the frames of a sample are turned; `rotate_frames` moves the pixels."""

import numpy as np
from typing_extensions import override

WHERE = ("both", "future", "independent")


class NoRotation:
    """Leaves all frames upright."""

    interpolates = False

    def draw(self, rng: np.random.Generator, frames: int) -> np.ndarray:
        """Draw an angle for each frame: (frames,) float32, in degrees counter-clockwise."""
        return np.zeros(frames, np.float32)


class Rotation:
    """Base of the rotations; a subclass draws the angles in `degrees`.

    A pair that is turned as a whole is plain augmentation. Frames that are turned apart are related
    by the difference of their angles, which the decoder has to find, as with CropMAE's crops, whose
    difference is the whole task.

    interpolates: whether angles may be other than quarter turns. All frames are then resampled in
        one way, also those that stay upright, as blur must not show which frame was turned.

    Args:
        applies_to: ``both`` turns all frames by one angle. ``future`` turns the target frames by
            one angle and leaves the given frame upright. ``independent`` turns each frame by an
            angle of its own.
    """

    interpolates = True

    def __init__(self, applies_to: str = "both"):
        if applies_to not in WHERE:
            raise ValueError(f"rotation.applies_to={applies_to}: must be {', '.join(WHERE)}")
        self.applies_to = applies_to

    def degrees(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw ``count`` angles in degrees."""
        raise NotImplementedError

    def draw(self, rng: np.random.Generator, frames: int) -> np.ndarray:
        """Draw an angle for each frame: (frames,) float32, in degrees counter-clockwise."""
        drawn = self.degrees(rng, frames if self.applies_to == "independent" else 1)
        angles = np.broadcast_to(drawn, frames).astype(np.float32)
        if self.applies_to == "future":
            angles[0] = 0
        return angles


class RightAngles(Rotation):
    """Draws 0, 90, 180 or 270 degrees with equal chances, so that nothing is interpolated."""

    interpolates = False

    @override
    def degrees(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return 90 * rng.integers(0, 4, count)


class SmallAngles(Rotation):
    """Draws angles uniformly from ``-max_degrees`` to ``max_degrees``.

    Args:
        max_degrees: in [0, 180]; 0 turns nothing and interpolates as any other value does, which
            shows what interpolation alone changes.
        applies_to: see `Rotation`.
    """

    def __init__(self, max_degrees: float = 15, applies_to: str = "both"):
        super().__init__(applies_to)
        if not 0 <= max_degrees <= 180:
            raise ValueError(f"rotation.max_degrees={max_degrees}: must be in [0, 180]")
        self.max_degrees = max_degrees

    @override
    def degrees(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return rng.uniform(-self.max_degrees, self.max_degrees, count)


class AnyAngle(Rotation):
    """Draws angles uniformly from the whole circle."""

    @override
    def degrees(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return rng.uniform(-180, 180, count)
