"""UVO's dense videos as clips (Wang et al., 2021)."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from typing_extensions import override

from siammae.data.reading.clips import Clips, FileClips, HeldClips
from siammae.data.sets.clip_lists import refuse_measured
from siammae.data.sets.sequences import ImageFolders
from siammae.data.sets.videos import ClipSource
from siammae.system.errors import ConfigError, DataError
from siammae.system.foreign_json import read_object, read_objects

FRAMES, VIDEOS = "uvo_videos_dense_frames", "uvo_videos_dense"
FORMS = ("auto", "frames", "videos")
SPLITS = ("train", "val", "all")
LAYOUT = (
    f"a UVO root holds {FRAMES}/YTID/0.png or {VIDEOS}/YTID.mp4, and "
    "VideoDenseSet/UVO_video_train_dense.json"
)


@dataclass
class Uvo(ImageFolders):
    """Clips of 3 seconds at 30 frames per second: 503 in train, 256 in val.

    The clips of val are measured by ``benchmark=uvo``; they are refused here unless
    ``allow_measured``. All dense clips come from Kinetics-400's val, those of the sparse set and
    the frame set from its train. So who measures on UVO must train on Kinetics' train only.

    root: folder with the frames or the videos, and the annotations, which say what is in a split.
    split: train, val, or all: whatever is there, without the annotations.
    form: frames, videos, or auto: the frames where they are there.
    allow_measured: whether to train on clips that are measured.
    """

    root: str = "datasets/UVO"
    fps: float | None = 30
    split: str = "train"
    form: str = "auto"
    allow_measured: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value, known in (("form", self.form, FORMS), ("split", self.split, SPLITS)):
            if value not in known:
                raise ValueError(f"{name}={value}: must be one of {', '.join(known)}")

    def videos(self) -> list[Path]:
        """Return folders of frames, or files, in the annotations' order; some may be missing.

        Raises:
            DataError: when there are neither, or no annotations.
            ConfigError: when clips of it are measured.
        """
        there = self._there()
        if self.split == "all":
            if not self.allow_measured:
                raise ConfigError(
                    "data.split=all: the clips of val among them are measured by benchmark=uvo; "
                    "take data.split=train, or data.allow_measured=true to train on them all the "
                    "same"
                )
            return list(there.values())
        names = self._named(self.split)
        measured = names if self.split == "val" else []
        refuse_measured(self.split, names, measured, "uvo", self.allow_measured)
        if not any(name in there for name in names):
            raise DataError(f"data.root={self.root} holds no clip of {self.split}; {LAYOUT}")
        ending = "" if self._has_frames else ".mp4"
        missing = self.folder / (FRAMES if self._has_frames else VIDEOS)
        return [there.get(name, missing / f"{name}{ending}") for name in names]

    @override
    def footage(self) -> Clips:
        if self._has_frames:
            return super().footage()
        clips = FileClips(self.videos(), self.short_side)
        return HeldClips(clips) if self.in_memory else clips

    def fingerprint(self) -> str:
        """Return a short hash of the frames, or of the files."""
        if self._has_frames:
            return super().fingerprint()
        return ClipSource.fingerprint(self)

    @property
    def _has_frames(self) -> bool:
        if self.form == "auto":
            return (self.folder / FRAMES).is_dir()
        return self.form == "frames"

    def _there(self) -> dict[str, Path]:
        """Return the clips that are there by their YouTube id, sorted."""
        parent = self.folder / (FRAMES if self._has_frames else VIDEOS)
        if not parent.is_dir():
            raise DataError(f"{parent}: no such folder; {LAYOUT}")
        shown = [path for path in sorted(parent.iterdir()) if not path.name.startswith(".")]
        if self._has_frames:
            found = {path.name: path for path in shown if path.is_dir()}
        else:
            found = {path.stem: path for path in shown if path.suffix == ".mp4"}
        if not found:
            raise DataError(f"{parent} holds no clip; {LAYOUT}")
        return found

    def _named(self, split: str) -> list[str]:
        folder = self.folder / "VideoDenseSet"
        names = [f"UVO_video_{split}_dense.json", f"UVO_video_{split}_dense_with_label.json"]
        for path in (folder / name for name in names):
            if path.is_file():
                stat = path.stat()
                return list(_ids(path, stat.st_size, stat.st_mtime_ns))
        raise DataError(f"{folder / names[0]}: no such file; {LAYOUT}")


@lru_cache(maxsize=2)
def _ids(path: Path, size: int, modified: int) -> tuple[str, ...]:
    """Return the YouTube ids in an annotation file, each once; a video may have two clips."""
    try:
        videos = read_objects(read_object(path.read_text())["videos"])
        return tuple(dict.fromkeys(str(video["ytid"]) for video in videos))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not in UVO's form ({type(error).__name__}: {error}); it needs videos with "
            "ytid"
        ) from None
