"""Scenes of a jointed, textured figure before a moving camera: frames, body parts and joints.

Each part has a faint tint, the same on the figure's right and left side, so that one sees a figure.
Only their textures distinguish parts and places, while light and shade change and the camera
shakes. So neither a colour nor a place in the picture, which an encoder without training knows, is
enough.
"""

import colorsys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from siammae.data.built_in.label_names import JOINTS, PARTS
from siammae.data.built_in.puppet_body import HEAD, SIDES, Body, Points
from siammae.data.built_in.sprite_scene import (
    FIELDS,
    Ground,
    Light,
    SceneStyle,
    add_noise,
    draw_palette,
    draw_texture,
)

GREY = (0.5, 0.5, 0.5)  # of the ground
SKIN = ("face", "arm", "leg", "skin")
VALUE = 0.6  # of the parts' colours, a little brighter than the ground
CONTRAST = 0.8  # of textures


@dataclass(frozen=True)
class PuppetStyle:
    """The ranges that scenes are drawn from, uniformly.

    size: side of the square frames in pixels.
    height: height of the figure, as a share of the side.
    pan: speed of the camera in pixels per frame.
    shake: largest shake of the camera to either side in pixels; frames are moments of a longer
        video.
    tint: saturation of the parts' colours; 0 is grey like the ground.
    light: strength of the changing light; 0 means none.
    grain: size of the textures' features; 1 means 4 to 20 pixels.
    noise: standard deviation of the sensor's noise, on the scale 0..255.
    """

    size: int = 256
    height: tuple[float, float] = (0.76, 0.84)
    pan: tuple[float, float] = (0.3, 1.0)
    shake: float = 10.0
    tint: float = 0.2
    light: float = 0.7
    grain: float = 1.2
    noise: float = 3.0

    def scene(self) -> SceneStyle:
        """Return the style of ground and light."""
        return SceneStyle(size=self.size, pan=self.pan, light=self.light, grain=self.grain)


class Limb(NamedTuple):
    """A rounded, tapered piece of the figure between two points.

    part: its name in `PARTS`. start, end: names of points.
    radii: radius at either end, as a share of the figure's height.
    """

    part: str
    start: str
    end: str
    radii: tuple[float, float]


@dataclass(frozen=True)
class Outfit:
    """What a figure wears, by names of parts.

    top, skirt, legwear: what covers trunk, hips and thighs.
    extras: some of gloves, hat, scarf, socks, sunglasses and torso skin.
    """

    top: str = "upper clothes"
    skirt: str | None = None
    legwear: str | None = "pants"
    long_sleeves: bool = False
    extras: frozenset[str] = frozenset()


# Together they show all parts.
OUTFITS = (
    Outfit(),
    Outfit("coat", long_sleeves=True, extras=frozenset({"hat", "gloves", "scarf"})),
    Outfit("dress", "dress", None, extras=frozenset({"sunglasses", "socks"})),
    Outfit("upper clothes", "skirt", None, extras=frozenset({"torso skin"})),
)


class PuppetScene:
    """One clip; ``frame(t)`` draws its t-th picture, parts and joints.

    Args:
        rng: generator that draws everything about the scene but the following.
        style: ranges to draw from.
        frames: length of the clip in frames.
        action: ``walk`` or ``wave``.
        outfit: what the figure wears.
        leaves: whether it walks out of the picture.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        style: PuppetStyle,
        frames: int,
        action: str,
        outfit: Outfit,
        leaves: bool = False,
    ):
        self.style, self.noise_seed = style, int(rng.integers(2**32))
        height = rng.uniform(*style.height) * style.size
        self.body = Body(rng, action, frames, style.size, height, leaves)
        kinds = rng.permutation(len(FIELDS))
        palette = draw_palette(rng)  # of everything in the scene
        ground = _tinted(palette, GREY)
        self.ground = Ground(rng, style.scene(), frames, ground, int(kinds[0]))
        pieces = limbs(outfit, self.body.heading)
        palettes = _palettes(rng, palette, [limb.part for limb in pieces], style.tint)
        self.pieces = []
        for number, limb in enumerate(pieces):
            side = int(np.ceil((0.35 + 2 * max(limb.radii)) * height))
            kind = int(kinds[1 + number % (len(kinds) - 1)])  # never the ground's
            texture = palettes[limb.part][draw_texture(rng, kind, side, style.grain)]
            self.pieces.append(_Piece(limb, height, texture))
        self.light = Light(rng, style.scene(), frames)
        self.shake = rng.uniform(-style.shake, style.shake, (frames, 2))  # of what it sees

    def frame(self, t: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the t-th picture (size, size, 3) uint8, its parts and its joints.

        Parts are (size, size) uint8, places in `PARTS`. Joints are (2, 15) in the order of
        `JOINTS`, x and y in pixels, where 0 is the middle of the first pixel.
        """
        points = {name: point + self.shake[t] for name, point in self.body.points(t).items()}
        picture = self.ground.draw(t, self.shake[t])
        parts = np.zeros(picture.shape[:2], np.uint8)
        for piece in self.pieces:
            piece.draw(picture, parts, points)
        picture = add_noise(self.light.shine(picture, t), self.style.noise, [self.noise_seed, t])
        return picture, parts, np.stack([points[joint] for joint in JOINTS], axis=1)


class _Piece:
    """A limb with its texture."""

    def __init__(self, limb: Limb, height: float, texture: np.ndarray):
        self.limb, self.texture = limb, texture
        self.radii = limb.radii[0] * height, limb.radii[1] * height

    def draw(self, picture: np.ndarray, parts: np.ndarray, points: Points) -> None:
        """Draw it over a picture (H, W, 3) and its parts (H, W), in place."""
        import cv2

        start, end = points[self.limb.start], points[self.limb.end]
        margin = max(self.radii) + 1
        low = np.maximum(np.floor(np.minimum(start, end) - margin), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(start, end) + margin) + 1, picture.shape[1::-1])
        width, height = (int(side) for side in high - low)
        if width <= 0 or height <= 0:  # outside the picture
            return
        along = end - start
        turn = float(np.degrees(np.arctan2(along[0], along[1])))
        middle = (self.texture.shape[0] - 1) / 2
        move = cv2.getRotationMatrix2D((middle, middle), turn, 1.0)
        move[:, 2] += (start + end) / 2 - middle - low
        reflect = cv2.BORDER_REFLECT
        pixels = cv2.warpAffine(self.texture, move, (width, height), borderMode=reflect)
        box = slice(low[1], low[1] + height), slice(low[0], low[0] + width)
        alpha = _coverage(start - low, along, self.radii, (height, width))
        picture[box] += alpha[..., None] * (pixels - picture[box])
        parts[box][alpha > 0.5] = PARTS.index(self.limb.part)


def _coverage(
    start: np.ndarray, along: np.ndarray, radii: tuple[float, float], shape: tuple[int, int]
) -> np.ndarray:
    """Return the share 0..1 of each pixel (H, W) that a rounded, tapered bar covers.

    It is a good approximation.

    Args:
        start: x and y of the bar's start in pixels.
        along: vector from there to its end.
        radii: radius at either end in pixels.
        shape: H and W.
    """
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    x, y = x - start[0], y - start[1]
    share = np.clip((x * along[0] + y * along[1]) / max(float(along @ along), 1e-9), 0, 1)
    distance = np.hypot(x - share * along[0], y - share * along[1])
    radius = radii[0] + share * (radii[1] - radii[0])
    return np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)


def _palettes(
    rng: np.random.Generator, palette: np.ndarray, parts: list[str], tint: float
) -> dict[str, np.ndarray]:
    """Return the scene's colours tinted for each part; hues are evenly spaced, skin has one."""
    garments = [part for part in dict.fromkeys(parts) if not part.endswith(SKIN)]
    hues = (np.arange(len(garments) + 1) + rng.uniform()) / (len(garments) + 1)
    skin, *others = (_tinted(palette, colorsys.hsv_to_rgb(hue, tint, VALUE)) for hue in hues)
    shoes = {f"{side} shoe": others[-1] for side in SIDES}
    return dict.fromkeys(parts, skin) | dict(zip(garments, others, strict=True)) | shoes


def _tinted(palette: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    """Return a palette (256, 3) moved to a mean colour, whose channels are 0..1."""
    return 255 * np.array(colour, np.float32) + CONTRAST * (palette - palette.mean(axis=0))


def limbs(outfit: Outfit, heading: int) -> list[Limb]:
    """Return the pieces of a figure, those away from the viewer first."""
    far, near = ("left", "right") if heading > 0 else ("right", "left")
    pieces = [*_arm(far, outfit), *_leg(far, outfit), *_leg(near, outfit), *_trunk(outfit)]
    return [*pieces, *_head(outfit), *_arm(near, outfit)]


def _leg(side: str, outfit: Outfit) -> list[Limb]:
    skin = f"{side} leg"
    hip, knee, ankle, toe = (f"{side} {joint}" for joint in ("hip", "knee", "ankle", "toe"))
    pieces = [
        Limb(outfit.legwear or skin, hip, knee, (0.055, 0.042)),
        Limb(skin, knee, ankle, (0.04, 0.028)),
    ]
    if outfit.legwear:  # ends below the knee
        pieces.append(Limb(outfit.legwear, knee, knee, (0.045, 0.045)))
    if "socks" in outfit.extras:
        pieces.append(Limb("socks", ankle, ankle, (0.045, 0.045)))
    return [*pieces, Limb(f"{side} shoe", ankle, toe, (0.034, 0.026))]


def _arm(side: str, outfit: Outfit) -> list[Limb]:
    shoulder, elbow, wrist, hand = (
        f"{side} {joint}" for joint in ("shoulder", "elbow", "wrist", "hand")
    )
    lower = outfit.top if outfit.long_sleeves else f"{side} arm"
    glove = "gloves" if "gloves" in outfit.extras else f"{side} arm"
    return [
        Limb(glove, wrist, hand, (0.028, 0.032)),
        Limb(lower, elbow, wrist, (0.032, 0.026)),
        Limb(outfit.top, shoulder, elbow, (0.044, 0.034)),
    ]


def _trunk(outfit: Outfit) -> list[Limb]:
    pieces = [Limb(outfit.top, "neck", "hips", (0.075, 0.085))]
    pieces += [Limb(outfit.top, "neck", f"{side} shoulder", (0.05, 0.044)) for side in SIDES]
    if outfit.skirt:
        pieces.append(Limb(outfit.skirt, "belly", "hem", (0.075, 0.115)))
    if "torso skin" in outfit.extras:
        pieces.append(Limb("torso skin", "neck", "neck", (0.055, 0.055)))
    return pieces


def _head(outfit: Outfit) -> list[Limb]:
    pieces = [
        Limb("hair", "face", "brow", (HEAD, HEAD * 1.08)),
        Limb("face", "chin", "face", (HEAD * 0.6, HEAD * 0.75)),
    ]
    if "scarf" in outfit.extras:
        pieces.append(Limb("scarf", "neck", "neck", (0.055, 0.055)))
    if "sunglasses" in outfit.extras:
        pieces.append(Limb("sunglasses", "right eye", "left eye", (0.022, 0.022)))
    if "hat" in outfit.extras:
        pieces.append(Limb("hat", "right brim", "left brim", (0.022, 0.022)))
        pieces.append(Limb("hat", "crown", "crown", (HEAD * 0.65, HEAD * 0.65)))
    return pieces
