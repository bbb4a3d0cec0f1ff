"""The built-in data set: real H.264 clips, and a validation set in DAVIS-2017's layout.

It is written at its first use, from a seed; see `write_once`.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from typing_extensions import override

from siammae.data.built_in.sprite_scene import Scene, SceneStyle
from siammae.data.reading.clips import Clips
from siammae.data.reading.label_masks import write_ids
from siammae.data.sets.videos import ClipSource
from siammae.system.write_once import write_once

VERSION = 1  # of what is drawn; a change of it makes another set
CLIP, SEQUENCE = 0, 1  # streams of randomness: training and validation share no scene


@dataclass
class Sprites(ClipSource):
    """Textured objects before a moving camera.

    clips: number of training clips.
    frames: length of a clip in frames.
    sequences: number of validation sequences.
    sequence_frames: length of a validation sequence in frames.
    stride: every how many frames of its scene a validation sequence shows, so that objects move far
        in a short one.
    seed: seed of the set; the seed of a run does not change its data.
    style: ranges that scenes are drawn from.
    """

    root: str = "datasets/sprites"
    short_side: int | None = None
    clips: int = 64
    frames: int = 60
    sequences: int = 8
    sequence_frames: int = 30
    stride: int = 4
    seed: int = 0
    style: SceneStyle = field(default_factory=SceneStyle)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.manifest is not None:
            raise ValueError(f"manifest={self.manifest}: built-in clips are read without; use null")

    @property
    def folder(self) -> Path:
        """Return the folder for exactly these parameters."""
        return Path(self.root).expanduser().absolute() / self.fingerprint()

    @property
    def benchmark_root(self) -> Path:
        """Return the DAVIS folder of the validation set."""
        return self.folder / "DAVIS"

    def fingerprint(self) -> str:
        """Return a short hash of the parameters that the set follows from."""
        content = {
            "version": VERSION,
            "clips": [self.clips, self.frames],
            "sequences": [self.sequences, self.sequence_frames, self.stride],
            "seed": self.seed,
            "style": asdict(self.style),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]

    def prepare(self) -> None:
        """Write the set when it is not there; see `write_once`."""
        write_once(self.folder, self._write, f"data.root={self.root}")

    def videos(self) -> list[Path]:
        """Return the training clips."""
        self.prepare()
        return sorted((self.folder / "clips").glob("*.mp4"))

    @override
    def classes(self, clips: Clips | None = None) -> list[str | None]:
        """Return how many objects move in each clip."""
        return [f"{_objects(number)} objects" for number in range(self.clips)]

    def _write(self, folder: Path) -> None:
        (folder / "clips").mkdir()
        for number in range(self.clips):
            pictures = (picture for picture, _ in self._draw(CLIP, number, self.frames, 1))
            write_video(folder / "clips" / f"{number:05d}.mp4", pictures)
        names = [f"sprites-{number:02d}" for number in range(self.sequences)]
        for number, name in enumerate(names):
            self._write_sequence(folder / "DAVIS", number, name)
        lists = folder / "DAVIS" / "ImageSets" / "2017"
        lists.mkdir(parents=True)
        (lists / "val.txt").write_text("".join(f"{name}\n" for name in names))
        (lists / "train.txt").write_text("")

    def _write_sequence(self, davis: Path, number: int, name: str) -> None:
        from PIL import Image

        images = davis / "JPEGImages" / "480p" / name
        masks = davis / "Annotations" / "480p" / name
        for made in (images, masks):
            made.mkdir(parents=True)
        drawn = self._draw(SEQUENCE, number, self.sequence_frames, self.stride)
        for t, (picture, mask) in enumerate(drawn):
            Image.fromarray(picture).save(images / f"{t:05d}.jpg", quality=95)
            write_ids(masks / f"{t:05d}.png", mask)

    def _draw(
        self, stream: int, number: int, frames: int, stride: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Draw pictures and masks of one scene; an object leaves every other validation scene."""
        for attempt in range(100):
            rng = np.random.default_rng([self.seed, stream, number, attempt])
            objects = _objects(number)
            leaver = number % 2 == 1 and stream == SEQUENCE
            scene = Scene(rng, self.style, frames * stride, objects, leaver)
            if stream == CLIP or _all_visible(scene.frame(0)[1], objects):
                break
        yield from (scene.frame(t * stride) for t in range(frames))


def _objects(number: int) -> int:
    """Return the number of objects in a scene."""
    return 2 + number % 2


def _all_visible(mask: np.ndarray, objects: int) -> bool:
    """Return whether each object covers at least 1% of the frame, as in a first mask it must."""
    shares = np.bincount(mask.ravel(), minlength=objects + 1)[1:] / mask.size
    return bool((shares >= 0.01).all())


def write_video(path: Path, pictures: Iterator[np.ndarray], rate: int = 30) -> None:
    """Write H.264 with a key frame every fourth frame, which is fast to read pairs from."""
    import av

    with av.open(str(path), "w") as container:
        stream = None
        for picture in pictures:
            if stream is None:
                options = {"crf": "18", "preset": "ultrafast", "tune": "fastdecode", "g": "4"}
                options["threads"] = "1"  # the same bytes on any machine
                stream = container.add_stream("libx264", rate=rate, options=options)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())
