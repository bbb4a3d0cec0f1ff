"""The layout of JHMDB: frames, joints in MATLAB files, and lists of clips."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siammae.data.built_in.label_names import JOINTS
from siammae.data.sets.clip_lists import read_text
from siammae.evaluation.files.listing import names_in, present, visible
from siammae.system.errors import DataError

CLIPS = {1: 268}  # test clips of a split, as published figures count them
LAYOUT = (
    "a JHMDB root holds Rename_Images/ACTION/CLIP/00001.png, "
    "joint_positions/ACTION/CLIP/joint_positions.mat and splits/ACTION_test_split1.txt"
)


@dataclass(frozen=True)
class JhmdbFiles:
    """Where the test clips of one split lie. A clip is named ``ACTION/CLIP``.

    root: holds ``Rename_Images/``, ``joint_positions/`` and ``splits/``. The archive of estimated
        joints has files of the same name and content: what is scored against must be the annotated
        ones.
    split: 1 to 3; its lists are ``splits/ACTION_test_split<split>.txt``.
    list_file: a file of clips instead of a split's lists; a line is ``ACTION/CLIP``, or paths to a
        clip's frames and .mat file, in either order, of which the last folders count.
    allow_missing: leave out listed clips that are not there, instead of refusing.
    """

    root: Path
    split: int = 1
    list_file: Path | None = None
    allow_missing: bool = False

    def clips(self) -> list[str]:
        """Return names in the order of the list, or of the actions.

        Raises:
            DataError: when there is no list, or a listed clip lacks frames or joints.
        """
        listed = self._from_file(self.list_file) if self.list_file else self._from_splits()
        lacks = f"{self.root} lacks frames or joint_positions.mat of"
        return present(listed, self._present, self.allow_missing, lacks, "listed clips", LAYOUT)

    def _present(self, clip: str) -> bool:
        return (self.root / "Rename_Images" / clip).is_dir() and self.mat(clip).is_file()

    def _from_splits(self) -> list[str]:
        ending = f"_test_split{self.split}.txt"
        folder = self.root / "splits"
        lists = visible(folder, f"*{ending}")
        if not lists:
            raise DataError(f"{folder} holds no ACTION{ending}; {LAYOUT}")
        clips = []
        for path in lists:
            for line in read_text(path).splitlines():
                words = line.rsplit(maxsplit=1)
                if words and (len(words) != 2 or words[1] not in ("0", "1", "2")):
                    raise DataError(f"{path}: '{line.strip()}' is not 'CLIP.avi 1' or 'CLIP.avi 2'")
                if words and words[1] == "2":  # 1 is for training
                    clip = words[0].strip().removesuffix(".avi")
                    clips.append(f"{path.name.removesuffix(ending)}/{clip}")
        if not clips:
            raise DataError(f"{folder}/*{ending} mark no clip with 2, for testing")
        return names_in(folder, clips, "clip")

    def _from_file(self, path: Path) -> list[str]:
        try:
            lines = read_text(path).splitlines()
        except DataError as error:
            raise DataError(f"list_file={error}") from None
        clips = []
        for line in filter(str.strip, lines):
            names = {_clip(word) for word in line.split()}
            if len(names) != 1 or "" in names:
                raise DataError(
                    f"list_file={path}: '{line.strip()}' names no single clip; a line is "
                    "ACTION/CLIP, or its folder in Rename_Images and its joint_positions.mat"
                )
            clips.append(names.pop())
        return names_in(path, clips, "clip")

    def frames(self, clip: str) -> list[Path]:
        """Return PNG frames of a clip, in order, without the ``._`` files of macOS's archives.

        Raises:
            DataError: when there are fewer than two.
        """
        folder = self.root / "Rename_Images" / clip
        frames = [path for path in visible(folder, "*.png") if path.stem.isdecimal()]
        if len(frames) < 2:
            raise DataError(f"{folder} holds {len(frames)} frame(s) 00001.png; a clip needs two")
        return sorted(frames, key=lambda path: int(path.stem))

    def mat(self, clip: str) -> Path:
        """Return the path of a clip's MATLAB file."""
        return self.root / "joint_positions" / clip / "joint_positions.mat"

    def joints(self, clip: str) -> np.ndarray:
        """Read joints (2, 15, T) float64: x and y in pixels, 0 being the middle of the first pixel.

        The file counts from 1, as MATLAB does. Joints may lie outside the image. The keys
        ``pos_world``, ``scale`` and ``viewpoint``, which some files lack, are not needed.

        Raises:
            DataError: when the file cannot be read, lacks ``pos_img`` or has another shape of it,
                or counts other than the clip's frames.
        """
        path = self.mat(clip)
        positions = _read_positions(path)
        frames = len(self.frames(clip))
        if positions.shape[2] != frames:
            raise DataError(
                f"{path} has joints of {positions.shape[2]} frames, but "
                f"{self.root / 'Rename_Images' / clip} holds {frames}"
            )
        return positions - 1


def _clip(word: str) -> str:
    """Return ``ACTION/CLIP`` of a path to a clip's frames or .mat file; empty if too short."""
    parts = Path(word).parts
    if word.endswith(".mat"):
        parts = parts[:-1]
    return "/".join(parts[-2:]) if len(parts) >= 2 else ""


def _read_positions(path: Path) -> np.ndarray:
    from scipy.io import loadmat

    try:
        content = loadmat(path, variable_names=["pos_img"])
    except Exception as error:  # scipy raises half a dozen kinds on a damaged file
        raise DataError(f"{path} cannot be read as a MATLAB file: {error}") from None
    if "pos_img" not in content:
        raise DataError(f"{path} lacks 'pos_img', the joints in pixels (2, 15, frames)")
    positions = np.asarray(content["pos_img"])
    if positions.ndim != 3 or positions.shape[:2] != (2, len(JOINTS)):
        raise DataError(f"{path}: pos_img is {positions.shape}, not (2, 15, frames)")
    if positions.dtype.kind not in "fiu" or not np.isfinite(positions).all():
        raise DataError(f"{path}: pos_img holds values that are no finite numbers")
    return positions.astype(np.float64)
