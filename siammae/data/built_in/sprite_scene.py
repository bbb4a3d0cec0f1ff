"""Scenes of textured objects before a moving camera, drawn frame by frame.

They test correspondence. All textures of a scene have the same colours in the same shares, so that
only structure distinguishes objects, not a colour or a mean. Light and exposure change over time,
so that the nearest neighbour in brightness is the wrong one. Everything moves by fractions of a
pixel, and objects turn, grow and hide one another.
"""

from dataclasses import dataclass

import numpy as np

TAU = 2 * np.pi


@dataclass(frozen=True)
class SceneStyle:
    """The ranges that scenes are drawn from, uniformly.

    size: side of the square frames in pixels.
    radius: radius of an object, as a share of the side.
    speed: speed of an object in pixels per frame.
    pan: speed of the camera in pixels per frame.
    spin: rotation of an object in degrees per frame, either way.
    swell: change of an object's size over the clip, as a share.
    light: strength of the changing light; 0 means none.
    grain: size of the textures' features; 1 means 4 to 20 pixels.
    noise: standard deviation of the sensor's noise, on the scale 0..255.
    """

    size: int = 128
    radius: tuple[float, float] = (0.14, 0.22)
    speed: tuple[float, float] = (0.08, 0.25)
    pan: tuple[float, float] = (0.03, 0.1)
    spin: tuple[float, float] = (0.0, 0.25)
    swell: float = 0.15
    light: float = 0.7
    grain: float = 1.0
    noise: float = 3.0


class Scene:
    """One clip; ``frame(t)`` draws its t-th picture and mask.

    Args:
        rng: generator that draws everything about the scene.
        style: ranges to draw from.
        frames: length of the clip in frames.
        objects: number of objects; later ones are in front of earlier ones.
        leaver: whether the last object moves straight out of the picture.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        style: SceneStyle,
        frames: int,
        objects: int,
        leaver: bool = False,
    ):
        self.style, self.noise_seed = style, int(rng.integers(2**32))
        palette = draw_palette(rng)
        kinds = rng.permutation(len(FIELDS))[: objects + 1]  # no two of a scene are of one kind
        self.ground = Ground(rng, style, frames, palette, int(kinds[0]))
        self.sprites = [
            _Sprite(rng, style, frames, palette, int(kind), leaver and i == objects - 1)
            for i, kind in enumerate(kinds[1:])
        ]
        self.light = Light(rng, style, frames)

    def frame(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the t-th picture (size, size, 3) uint8 and its mask.

        The mask is (size, size) uint8: 0 is the ground, 1 the first object and so on.
        """
        picture = self.ground.draw(t)
        mask = np.zeros(picture.shape[:2], np.uint8)
        for number, sprite in enumerate(self.sprites, start=1):
            pixels, alpha = sprite.draw(t)
            picture = picture + alpha[..., None] * (pixels - picture)
            mask[alpha > 0.5] = number
        picture = self.light.shine(picture, t)
        return add_noise(picture, self.style.noise, [self.noise_seed, t]), mask


class Ground:
    """A textured plane under a camera that pans and sways."""

    def __init__(
        self,
        rng: np.random.Generator,
        style: SceneStyle,
        frames: int,
        palette: np.ndarray,
        kind: int,
    ):
        self.size = style.size
        self.pixels = palette[draw_texture(rng, kind, 2 * style.size, style.grain)]
        self.pan = _wander(rng, frames, rng.uniform(*style.pan), style.size / 3)
        self.sway = rng.uniform(-4, 4) * np.sin(
            TAU * np.arange(frames) / frames + rng.uniform(0, TAU)
        )

    def draw(self, t: int, shift: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the camera's view (size, size, 3) at frame t, moved by ``shift`` (2,) pixels."""
        import cv2

        size = self.size
        turn = cv2.getRotationMatrix2D((size, size), self.sway[t], 1.0)
        turn[:, 2] -= np.array([size, size]) / 2 + self.pan[t] - shift
        return cv2.warpAffine(
            self.pixels, turn, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )


class _Sprite:
    """A textured blob and its path through the clip."""

    def __init__(
        self,
        rng: np.random.Generator,
        style: SceneStyle,
        frames: int,
        palette: np.ndarray,
        kind: int,
        leaves: bool,
    ):
        self.size = style.size
        radius = rng.uniform(*style.radius) * style.size
        side = int(np.ceil(radius * 3))
        self.pixels = palette[draw_texture(rng, kind, side, style.grain)]
        self.alpha = _blob(rng, side, radius)
        self.angle = np.arange(frames) * rng.uniform(*style.spin) * rng.choice([-1, 1])
        phase = TAU * np.arange(frames) / frames * rng.uniform(0.5, 1.5) + rng.uniform(0, TAU)
        self.scale = 1 + style.swell * np.sin(phase)
        speed = rng.uniform(*style.speed)
        start = rng.uniform(0.25, 0.75, 2) * style.size
        if leaves:
            way = rng.uniform(0, TAU)
            # Fast enough to be gone, radius and all, at four fifths of the clip.
            speed = max(speed, (style.size + radius) / (0.8 * frames))
            steps = np.arange(frames)[:, None] * speed
            self.place = start + steps * np.array([np.cos(way), np.sin(way)])
        else:
            self.place = start + _wander(rng, frames, speed, style.size)
            self.place = _bounce(self.place, radius * 0.7, style.size - radius * 0.7)

    def draw(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Return its pixels (size, size, 3) and coverage (size, size) in 0..1 at frame t."""
        import cv2

        middle = self.alpha.shape[0] / 2
        move = cv2.getRotationMatrix2D((middle, middle), self.angle[t], self.scale[t])
        move[:, 2] += self.place[t] - middle
        canvas = (self.size, self.size)
        reflect = cv2.BORDER_REFLECT
        pixels = cv2.warpAffine(self.pixels, move, canvas, borderMode=reflect)
        return pixels, cv2.warpAffine(self.alpha, move, canvas)


class Light:
    """Exposure, colour cast and a soft shadow that moves over the picture."""

    def __init__(self, rng: np.random.Generator, style: SceneStyle, frames: int):
        time = np.arange(frames)[:, None] / 30
        waves = np.sin(TAU * rng.uniform(0.1, 0.4, 3) * time + rng.uniform(0, TAU, 3))
        cast = np.sin(TAU * rng.uniform(0.1, 0.4, 3) * time + rng.uniform(0, TAU, 3))
        self.gain = np.exp(style.light * (waves[:, :1] * 0.7 + cast * 0.25))  # (frames, 3)
        self.offset = 40 * style.light * waves[:, 1:2]
        grid = np.arange(style.size) / style.size
        self.x, self.y = np.meshgrid(grid, grid)
        self.wave = rng.uniform(0.5, 1.2, 2) * rng.choice([-1, 1], 2)
        self.phase = rng.uniform(0, TAU) + TAU * rng.uniform(0.1, 0.3) * time[:, 0]
        self.depth = style.light * 0.8

    def shine(self, picture: np.ndarray, t: int) -> np.ndarray:
        """Return a picture (H, W, 3), 0..255, in the light of frame t."""
        field = np.sin(TAU * (self.wave[0] * self.x + self.wave[1] * self.y) + self.phase[t])
        shade = np.exp(self.depth * field)[..., None]
        lit = (
            (picture - 128) * self.gain[t] * shade
            + 128
            + self.offset[t]
            + 30 * self.depth * (field[..., None])
        )
        return lit.astype(np.float32)


def add_noise(picture: np.ndarray, noise: float, seed: list[int]) -> np.ndarray:
    """Return a picture (H, W, 3), 0..255, with a sensor's noise of that deviation, as uint8."""
    grains = np.random.default_rng(seed).standard_normal(picture.shape, np.float32)
    return np.clip(picture + grains * noise, 0, 255).astype(np.uint8)


def draw_palette(rng: np.random.Generator) -> np.ndarray:
    """Draw a scene's colours: a table (256, 3) float32 that runs through five random ones."""
    stops = rng.uniform(30, 225, (5, 3))
    at = np.linspace(0, 4, 256)
    return np.stack([np.interp(at, np.arange(5), stops[:, c]) for c in range(3)], 1).astype(
        np.float32
    )


def draw_texture(rng: np.random.Generator, kind: int, side: int, grain: float) -> np.ndarray:
    """Draw indices into a palette (side, side) uint8, each equally often whatever the kind."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / grain
    angle = rng.uniform(0, TAU)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    field = FIELDS[kind](rng, u, v) + 1e-4 * rng.standard_normal((side, side))
    ranks = np.empty(side * side, np.int64)
    ranks[field.ravel().argsort(kind="stable")] = np.arange(side * side)
    return (ranks * 256 // (side * side)).astype(np.uint8).reshape(side, side)


def _waves(rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.sin(TAU * u / rng.uniform(7, 11) + 0.8 * np.sin(TAU * v / 40))


def _fine_waves(rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.sin(TAU * u / rng.uniform(4, 5.5) + 0.5 * np.sin(TAU * v / 30))


def _checker(rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    period = rng.uniform(8, 13)
    return np.tanh(4 * np.sin(TAU * u / period) * np.sin(TAU * v / period))


def _dots(rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    period = rng.uniform(6, 9)
    return np.cos(TAU * u / period) + np.cos(TAU * v / period)


def _clouds(rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _noise(rng, u, 14) + 0.4 * _noise(rng, u, 7)


def _speckle(rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _noise(rng, u, 4)


def _wood(rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.sin(TAU * u / 22 + 3 * _noise(rng, u, 20)) + 0.3 * _noise(rng, u, 5)


FIELDS = (_waves, _fine_waves, _checker, _dots, _clouds, _speckle, _wood)


def _noise(rng: np.random.Generator, u: np.ndarray, period: float) -> np.ndarray:
    """Draw smooth noise of the shape of ``u``, whose features are ``period`` of its units large."""
    import cv2

    side = u.shape[0]
    period *= side / float(np.hypot(u[0, -1] - u[0, 0], u[-1, 0] - u[0, 0]) + 1e-9)
    coarse = rng.standard_normal((int(side / period) + 3,) * 2).astype(np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def _blob(rng: np.random.Generator, side: int, radius: float) -> np.ndarray:
    """Draw the coverage (side, side) float32 of a rounded shape with a few bulges."""
    y, x = np.mgrid[0:side, 0:side] + 0.5 - side / 2
    angle = np.arctan2(y, x)
    edge = np.full_like(angle, radius)
    for order in (2, 3, 5):
        edge *= 1 + rng.uniform(0, 0.36 / order) * np.cos(order * angle + rng.uniform(0, TAU))
    return np.clip(edge - np.hypot(x, y) + 0.5, 0, 1).astype(np.float32)


def _wander(rng: np.random.Generator, frames: int, speed: float, reach: float) -> np.ndarray:
    """Draw a smooth path (frames, 2) of about ``speed`` pixels per frame from (0, 0)."""
    heading = rng.uniform(0, TAU) + np.cumsum(rng.normal(0, 0.06, frames))
    way = np.cumsum(speed * np.stack([np.cos(heading), np.sin(heading)], 1), axis=0)
    return _bounce(way - way[0], -reach, reach)


def _bounce(way: np.ndarray, low: float, high: float) -> np.ndarray:
    """Reflect a path at walls."""
    span = high - low
    return low + span - np.abs((way - low) % (2 * span) - span)
