"""What is known about a packed clip: its description in the shard and its row in the index."""

import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from siammae.data.packing.layout import frame_name, json_name
from siammae.data.packing.tar import BLOCK, END, Member, padding
from siammae.system.foreign_json import read_object


@dataclass
class Row:
    """A packed clip.

    number, name: of the clip in the source that was packed.
    fps: frames per second of the video; None where it does not say.
    step: how many frames of the video lie from one packed frame to the next.
    height, width: size of all frames in pixels.
    shard: number of the shard that holds it. start: where its first header lies there, in bytes.
    sizes, sums: (frames,) uint32, bytes and CRC-32 of each JPEG.
    label: name of the clip's class; None where it has none.
    """

    number: int
    name: str
    fps: float | None
    step: int
    height: int
    width: int
    shard: int
    start: int
    sizes: np.ndarray
    sums: np.ndarray
    label: str | None = None

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.sizes)

    def offsets(self) -> np.ndarray:
        """Return where each JPEG begins in the shard, (frames,) int64."""
        whole = _whole(self.sizes)
        return self.start + BLOCK + np.cumsum(whole) - whole

    def description(self) -> bytes:
        """Return the member beside the frames, from which an index can be made again."""
        content: dict[str, Any] = {
            "name": self.name,
            "fps": self.fps,
            "step": self.step,
            "width": self.width,
            "height": self.height,
            "frames": self.frames,
            "sizes": self.sizes.tolist(),
            "crc32": self.sums.tolist(),
        }
        if self.label is not None:
            content["class"] = self.label
        return json.dumps(content, ensure_ascii=False).encode() + b"\n"

    def members(self) -> list[tuple[Member, int]]:
        """Return all members that the shard holds of it, in order, each with its CRC-32."""
        names = [frame_name(self.number, frame * self.step) for frame in range(self.frames)]
        found = [
            (Member(name, int(offset), int(size)), int(crc))
            for name, offset, size, crc in zip(
                names, self.offsets(), self.sizes, self.sums, strict=True
            )
        ]
        last, text = found[-1][0], self.description()
        place = last.offset + last.size + len(padding(last.size)) + BLOCK
        return [*found, (Member(json_name(self.number), place, len(text)), zlib.crc32(text))]

    def end(self) -> int:
        """Return where the next clip of the shard begins."""
        last = _whole(np.array([len(self.description())]))
        return self.start + int(_whole(self.sizes).sum() + last.sum())


def _whole(sizes: np.ndarray) -> np.ndarray:
    """Return the bytes that members of these sizes take up, with header and padding."""
    return (sizes.astype(np.int64) + (2 * BLOCK - 1)) & -BLOCK  # a block is a power of two


def read_description(number: int, shard: int, place: int, text: bytes) -> Row:
    """Return the row of a clip from its description, the last of its members.

    Args:
        number: number of the clip.
        shard: number of the shard.
        place: where the description's header lies in the shard.
        text: the description.

    Raises:
        ValueError, KeyError, TypeError: when it is no description.
    """
    content = read_object(text)
    sizes, sums = (np.array(content[key], np.uint32) for key in ("sizes", "crc32"))
    if not len(sizes) == len(sums) == content["frames"] > 0:
        raise ValueError("numbers of frames differ")
    start = place - int(_whole(sizes).sum())
    if start < 0:
        raise ValueError("its frames are longer than what precedes it")
    row = Row(
        number=number,
        name=str(content["name"]),
        fps=content["fps"],
        step=int(content["step"]),
        height=int(content["height"]),
        width=int(content["width"]),
        shard=shard,
        start=start,
        sizes=sizes,
        sums=sums,
        label=str(content["class"]) if "class" in content else None,
    )
    if row.description() != text:
        raise ValueError("it is not as it was written")
    return row


def shard_size(rows: list[Row]) -> int:
    """Return the bytes of a whole shard."""
    return max((row.end() for row in rows), default=0) + len(END)
