"""Drawing predicted masks on the frames: a video, and a sheet of some of its frames."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siammae.data.reading.label_masks import voc_palette
from siammae.evaluation.pictures.sheet import contact_sheet
from siammae.system.atomic_files import replacing, write_atomic
from siammae.system.errors import DataError
from siammae.system.foreign_text import below

if TYPE_CHECKING:
    from siammae.evaluation.propagation.sequence import Reader

OPACITY = 0.45  # of a mask; its contour is opaque
SHOWN = 12  # frames of the sheet
COLUMNS = 4
TILE = 180  # height of a frame in the sheet, in pixels


def write_overlay(
    folder: Path,
    video: str,
    frames: Sequence[Path],
    predicted: np.ndarray,
    fps: int = 10,
    read: "Reader | None" = None,
) -> None:
    """Write ``VIDEO.mp4`` (H.264) and ``VIDEO.jpg``, the contact sheet, each whole or not at all.

    Args:
        folder: made when it is not there.
        video: name of the files; ``a/b`` lies in a folder ``a``.
        frames: T image files, in order.
        predicted: ids (T, H, W) as large as the frames; 0 is not drawn.
        fps: of the video.
        read: reads a frame's pixels; None: as they are in the file.

    Raises:
        DataError: when a frame cannot be read or is not as large as its mask, when their numbers
            differ, or when the folder cannot be written.
    """
    if len(frames) != len(predicted):
        raise DataError(f"{video} has {len(frames)} frames but {len(predicted)} predicted masks")
    path = below(folder, f"{video}.mp4", "overlay")
    wanted = set(np.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).round().astype(int))
    tiles: dict[str, np.ndarray] = {}

    def drawn() -> Iterator[np.ndarray]:
        for number, (frame, ids) in enumerate(zip(frames, predicted, strict=True)):
            shown = draw_masks(_read(frame, ids, read), ids)
            if number in wanted:
                tiles[frame.stem] = shown
            yield even_sides(shown)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, drawn(), fps)
        sheet = contact_sheet(list(tiles.values()), list(tiles), COLUMNS, TILE)
        write_atomic(path.with_suffix(".jpg"), sheet)
    except OSError as error:
        raise DataError(f"overlay={folder} cannot be written: {error.strerror or error}") from None


def draw_masks(pixels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Blend ids (H, W), in PASCAL VOC's colours, into pixels (H, W, 3) uint8."""
    import cv2

    colours = np.array(voc_palette(), np.uint8).reshape(256, 3)
    # Ids beyond a byte (KITTI's) take the colours of 1..255 in turn: none is 0's, which is black.
    numbered = np.where(ids > 0, (ids.astype(np.int64) - 1) % 255 + 1, 0).astype(np.uint8)
    paint = cv2.LUT(cv2.merge([numbered] * 3), colours[:, None])
    blended = cv2.addWeighted(pixels, 1 - OPACITY, paint, OPACITY, 0)
    width = 1 + 2 * max(1, round(min(ids.shape) / 400))
    contour = cv2.morphologyEx(numbered, cv2.MORPH_GRADIENT, np.ones((width, width), np.uint8)) > 0
    shown = np.where((numbered > 0)[..., None], blended, pixels)
    edge = contour & (numbered > 0)
    shown[edge] = paint[edge]
    return shown


def write_whole(path: Path, pictures: Iterator[np.ndarray], fps: int) -> None:
    """Write frames (H, W, 3) uint8 of even sides as H.264, the file whole or not at all."""
    from siammae.data.built_in.sprites import write_video

    with replacing(path, ".mp4") as partial:
        write_video(partial, pictures, fps)


def _read(frame: Path, ids: np.ndarray, read: "Reader | None") -> np.ndarray:
    from siammae.evaluation.propagation.sequence import read_frame

    pixels = (read or read_frame)(frame).transpose(1, 2, 0)
    if pixels.shape[:2] != ids.shape:
        raise DataError(
            f"{frame} and its predicted mask differ in size: {pixels.shape[:2]} and {ids.shape} "
            "(height, width)"
        )
    return pixels


def even_sides(pixels: np.ndarray) -> np.ndarray:
    """Make sides even, as H.264 wants them, by one more row or column of the border's pixels."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
