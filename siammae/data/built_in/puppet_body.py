"""A jointed figure in the plane of the picture, and where its joints are while it walks or waves.

All lengths are shares of the figure's height. Limbs keep their length, so a limb's texture moves as
one piece. The figure looks at the viewer, so its right side is on the left of the picture.
"""

from collections.abc import Callable

import numpy as np

TAU = 2 * np.pi
SIDES = {"right": -1, "left": 1}  # in the picture
TRUNK, NECK, HEAD = 0.28, 0.115, 0.07  # hips to neck, neck to the face's middle, radius
SHOULDERS, HIPS = 0.105, 0.055  # from the middle
UPPER_ARM, FOREARM, HAND = 0.165, 0.15, 0.035
THIGH, SHIN, FOOT = 0.24, 0.23, 0.06
STANDING = THIGH + SHIN  # hips above the ankles

Points = dict[str, np.ndarray]


class Body:
    """One figure in motion.

    Args:
        rng: generator that draws pace, amplitudes and phases.
        action: ``walk`` or ``wave``.
        frames: length of the clip in frames.
        size: side of the picture in pixels.
        height: height of the figure in pixels.
        leaves: whether it walks out of the picture, so that joints come to lie outside.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        action: str,
        frames: int,
        size: int,
        height: float,
        leaves: bool = False,
    ):
        self.height = height
        self.heading = int(rng.choice([-1, 1]))
        self.waving = str(rng.choice(list(SIDES)))
        self.swing = rng.uniform(0.85, 1.1)
        pace = TAU * rng.uniform(0.03, 0.04)  # radians a frame
        self.phase = rng.uniform(0, TAU) + pace * np.arange(frames)
        time = np.linspace(0, 1, frames)
        if action == "walk":
            start, end = (0.5, 1.0) if leaves else (0.32, 0.66)
            across = start + (end - start) * time
            across = across if self.heading > 0 else 1 - across
        else:
            across = 0.5 + 0.05 * np.sin(TAU * rng.uniform(0.5, 0.9) * time + rng.uniform(0, TAU))
        self.across = across * size
        self.floor = (size + 0.93 * height) / 2  # the ankles' height when the legs are straight
        self.angles: Callable[[float], dict[str, float]] = {
            "walk": self._walk,
            "wave": self._wave,
        }[action]

    def points(self, t: int) -> Points:
        """Return joints and ends of limbs at frame t by name: (2,), x and y in pixels.

        0 is the middle of the first pixel.
        """
        angles = self.angles(float(self.phase[t]))
        unit, hips = self.height, np.zeros(2)
        up = -_down(angles["lean"])
        right = np.array([-up[1], up[0]])  # of the picture
        points: Points = {"hips": hips, "neck": hips + TRUNK * up, "belly": hips + 0.3 * TRUNK * up}
        points["hem"] = hips - 0.13 * up
        points |= _head(points["neck"], -_down(angles["nod"]))
        for side, sign in SIDES.items():
            shoulder = points["neck"] - 0.025 * up + sign * SHOULDERS * angles["breadth"] * right
            elbow = shoulder + UPPER_ARM * _down(angles[f"{side} arm"])
            wrist = elbow + FOREARM * _down(angles[f"{side} forearm"])
            hip = hips + sign * HIPS * angles["breadth"] * right
            knee = hip + THIGH * _down(angles[f"{side} thigh"])
            ankle = knee + SHIN * _down(angles[f"{side} shin"])
            points |= {f"{side} shoulder": shoulder, f"{side} elbow": elbow, f"{side} wrist": wrist}
            points |= {f"{side} hip": hip, f"{side} knee": knee, f"{side} ankle": ankle}
            points[f"{side} hand"] = wrist + HAND * _down(angles[f"{side} forearm"])
            points[f"{side} toe"] = ankle + FOOT * _down(angles[f"{side} foot"])
        lowest = max(points[f"{side} ankle"][1] for side in SIDES)
        place = np.array([self.across[t], self.floor - lowest * unit])  # a foot is on the floor
        return {name: place + unit * point for name, point in points.items()}

    def _walk(self, phase: float) -> dict[str, float]:
        """Return the limbs' angles in radians from straight down, towards the picture's right.

        Knees bend backwards.
        """
        way, swing = self.heading, self.swing
        angles = {"lean": -0.06 * way, "nod": 0.05 * way * np.sin(2 * phase), "breadth": 0.55}
        for side, shift in (("right", 0.0), ("left", np.pi)):
            step = np.sin(phase + shift)
            bend = 0.12 + 0.75 * max(0.0, np.cos(phase + shift)) ** 2
            thigh = way * (0.06 + 0.48 * swing * step)
            angles[f"{side} thigh"], angles[f"{side} shin"] = thigh, thigh - way * bend
            angles[f"{side} foot"] = angles[f"{side} shin"] + way * 1.3
            arm = -way * 0.5 * swing * step
            angles[f"{side} arm"], angles[f"{side} forearm"] = arm, arm + way * (0.35 - 0.2 * step)
        return angles

    def _wave(self, phase: float) -> dict[str, float]:
        """Return the limbs' angles while one arm waves and the weight goes from leg to leg."""
        sway = np.sin(phase)
        angles = {"lean": 0.08 * sway, "nod": 0.14 * np.sin(phase + 0.8), "breadth": 1.0}
        for side, sign in SIDES.items():
            crouch = 0.1 + 0.1 * np.sin(phase / 2) ** 2
            thigh = sign * (0.1 + crouch) - 0.12 * sway
            angles[f"{side} thigh"], angles[f"{side} shin"] = thigh, thigh - sign * 1.6 * crouch
            angles[f"{side} foot"] = sign * 0.9
            if side == self.waving:
                arm, forearm = 1.9 + 0.3 * sway, 2.8 + 0.6 * self.swing * np.sin(2 * phase)
            else:
                arm, forearm = 0.4 + 0.25 * sway, 0.5 + 0.45 * np.sin(phase + 0.6)
            angles[f"{side} arm"], angles[f"{side} forearm"] = sign * arm, sign * forearm
        return angles


def _head(neck: np.ndarray, up: np.ndarray) -> Points:
    """Return the points of a head that stands upright along ``up``."""
    face, right = neck + NECK * up, np.array([-up[1], up[0]])
    points = {"face": face, "chin": face - 0.3 * HEAD * up, "brow": face + 0.4 * HEAD * up}
    points["crown"] = face + HEAD * up
    for side, sign in SIDES.items():
        points[f"{side} eye"] = face + HEAD * (0.2 * up + 0.45 * sign * right)
        points[f"{side} brim"] = face + HEAD * (0.55 * up + 1.2 * sign * right)
    return points


def _down(angle: float) -> np.ndarray:
    """Return the direction (2,) that differs from straight down by an angle in radians."""
    return np.array([np.sin(angle), np.cos(angle)])
