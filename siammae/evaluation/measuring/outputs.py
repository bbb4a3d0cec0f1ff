"""What a benchmark of masks keeps on request: its predictions, as files and drawn on the frames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siammae.data.reading.checked_image import opened
from siammae.data.reading.label_masks import write_ids
from siammae.system.errors import DataError
from siammae.system.foreign_text import below

if TYPE_CHECKING:
    from siammae.evaluation.propagation.sequence import Reader


@dataclass(frozen=True)
class Outputs:
    """Where predicted masks go.

    save_masks: folder for PNGs, ``VIDEO/FRAME.png``; None keeps none.
    overlay: folder for ``VIDEO.mp4`` and a contact sheet with the masks drawn on; None draws none.
    """

    save_masks: Path | None = None
    overlay: Path | None = None

    def below(self, name: str) -> "Outputs":
        """Return the same in a folder ``name`` of each."""
        folders = {"save_masks": self.save_masks, "overlay": self.overlay}
        return replace(self, **{k: folder and folder / name for k, folder in folders.items()})

    def write(
        self,
        video: str,
        frames: Sequence[Path],
        predicted: np.ndarray,
        read: "Reader | None" = None,
    ) -> None:
        """Write the predictions of a video.

        Args:
            video: its name; ``a/b`` lies in a folder ``a``.
            frames: T image files; a mask is named as its frame.
            predicted: ids (T, H, W); the type says how large ids may be, see `write_mask`.
            read: a frame's pixels, to be drawn on; None: as they are in the file.

        Raises:
            DataError: when a folder cannot be written.
        """
        predicted = _as_frames(frames, predicted)
        if self.save_masks is not None:
            folder = below(self.save_masks, video, "save_masks")
            try:
                folder.mkdir(parents=True, exist_ok=True)
                for frame, ids in zip(frames, predicted, strict=True):
                    write_mask(folder / f"{frame.stem}.png", ids)
            except OSError as error:
                raise DataError(f"save_masks={folder} cannot be written: {error}") from None
        if self.overlay is not None:
            from siammae.evaluation.pictures.overlay import write_overlay

            write_overlay(self.overlay, video, frames, predicted, read=read)


def _as_frames(frames: Sequence[Path], predicted: np.ndarray) -> np.ndarray:
    """Make masks as large as their frames: a protocol may predict them at another size."""
    import cv2

    with opened(frames[0]) as image:
        size = image.size
    if predicted.shape[:0:-1] == size:
        return predicted
    fitting = predicted.astype(np.int32) if predicted.dtype.itemsize > 2 else predicted
    resized = [cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST) for ids in fitting]
    return np.stack(resized).astype(predicted.dtype)


def write_mask(path: Path, ids: np.ndarray) -> None:
    """Write ids (H, W) in the data sets' own forms.

    8 bits: a palette PNG (DAVIS, VIP). 16 bits: a grey one (KITTI-MOTS). 32 bits: the three low
    bytes as red, green and blue (KITTI-STEP).
    """
    from PIL import Image

    if ids.dtype.itemsize == 1:
        write_ids(path, ids)
    elif ids.dtype.itemsize == 2:
        Image.fromarray(ids.astype(np.uint16)).save(path)
    else:
        channels = [(ids >> shift) & 255 for shift in (16, 8, 0)]
        Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8)).save(path)
