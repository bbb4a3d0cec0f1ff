"""The built-in set of poses: exact joints and body parts, in the layouts of JHMDB and VIP.

It is written at its first use, from a seed; see `write_once`.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from siammae.data.built_in.puppet_scene import OUTFITS, PuppetScene, PuppetStyle
from siammae.data.reading.label_masks import write_ids
from siammae.system.write_once import write_once

VERSION = 3  # of what is drawn; a change of it makes another set
ACTIONS = ("walk", "wave")


@dataclass
class Puppets:
    """Figures that walk and wave before a shaking camera; each clip is in both layouts.

    Of every four clips, the third walks out of the picture, so that joints come to lie outside it.

    root: folder of the sets; those with other parameters lie beside this one.
    clips: number of clips; they take turns in actions and outfits, and four show all parts.
    frames: length of a clip in frames.
    seed: seed of the set; the seed of a run does not change its data.
    style: ranges that scenes are drawn from.
    """

    root: str = "datasets/puppets"
    clips: int = 4
    frames: int = 20
    seed: int = 0
    style: PuppetStyle = field(default_factory=PuppetStyle)

    def __post_init__(self) -> None:
        if self.clips < 1 or self.frames < 2:
            raise ValueError(
                f"puppets need clips >= 1 and frames >= 2, not {self.clips} and {self.frames}"
            )

    @property
    def folder(self) -> Path:
        """Return the folder for exactly these parameters."""
        return Path(self.root).expanduser().absolute() / self.fingerprint()

    @property
    def jhmdb_root(self) -> Path:
        """Return the root of the set in JHMDB's layout."""
        return self.folder / "JHMDB"

    @property
    def vip_root(self) -> Path:
        """Return the root of the set in VIP's layout."""
        return self.folder / "VIP"

    def fingerprint(self) -> str:
        """Return a short hash of the parameters that the set follows from."""
        content = {
            "version": VERSION,
            "clips": [self.clips, self.frames],
            "seed": self.seed,
            "style": asdict(self.style),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]

    def prepare(self) -> None:
        """Write the set when it is not there."""
        write_once(self.folder, self._write, f"benchmark.source.root={self.root}")

    def _write(self, folder: Path) -> None:
        lists: dict[str, list[str]] = {}
        for number in range(self.clips):
            action = ACTIONS[number % len(ACTIONS)]
            clip = f"puppet_{action}_{number:02d}"
            rng = np.random.default_rng([self.seed, number])
            outfit, leaves = OUTFITS[number % len(OUTFITS)], number % 4 == 2
            scene = PuppetScene(rng, self.style, self.frames, action, outfit, leaves)
            self._write_clip(folder, scene, f"{action}/{clip}", f"videos{number + 1}")
            lists.setdefault(action, []).append(clip)
        splits = folder / "JHMDB" / "splits"
        splits.mkdir()
        for action, clips in lists.items():
            lines = [f"{clip}.avi 2\n" for clip in clips]
            (splits / f"{action}_test_split1.txt").write_text("".join(lines))
        (folder / "VIP" / "lists").mkdir()
        videos = "".join(f"videos{number + 1}\n" for number in range(self.clips))
        (folder / "VIP" / "lists" / "val_videos.txt").write_text(videos)

    def _write_clip(self, folder: Path, scene: PuppetScene, clip: str, video: str) -> None:
        from PIL import Image

        frames = folder / "JHMDB" / "Rename_Images" / clip
        images = folder / "VIP" / "Images" / video
        masks = folder / "VIP" / "Annotations" / "Category_ids" / video
        for made in (frames, images, masks):
            made.mkdir(parents=True)
        joints = []
        for t in range(self.frames):
            picture, parts, places = scene.frame(t)
            image = Image.fromarray(picture)
            image.save(frames / f"{t + 1:05d}.png", compress_level=1)
            number = frame_number(t, self.frames)
            image.save(images / f"{number:012d}.jpg", quality=95)
            write_ids(masks / f"{number:012d}.png", parts)
            joints.append(places)
        mat = folder / "JHMDB" / "joint_positions" / clip / "joint_positions.mat"
        mat.parent.mkdir(parents=True)
        write_joints(mat, np.stack(joints, axis=2), self.style.size, scene.body.height)


def frame_number(t: int, frames: int) -> int:
    """Return a frame's number in VIP's layout: every 25th is annotated, with a gap midway."""
    return 1 + 25 * t + (50 if 2 * t >= frames else 0)


def write_joints(path: Path, joints: np.ndarray, size: int, height: float) -> None:
    """Write a MATLAB file with the keys of JHMDB's.

    Args:
        path: the file.
        joints: (2, 15, T), x and y in pixels, where 0 is the middle of the first pixel.
        size: side of the square frames in pixels.
        height: height of the figure in pixels.
    """
    from scipy.io import savemat

    places = joints + 1  # MATLAB counts from one
    scale = np.full((1, joints.shape[2]), height / size)
    content = {
        "pos_img": places,
        "pos_world": (places / size - 0.5) / scale,  # of square frames
        "scale": scale,
        "viewpoint": np.zeros_like(scale),
    }
    savemat(path, content)
