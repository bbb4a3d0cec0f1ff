"""What is known of a packed clip: its description in the shard, and its line in the index."""

import json
import zlib
from dataclasses import dataclass

import numpy as np

from siammae.data.packing.layout import frame_name, json_name
from siammae.data.packing.tar import BLOCK, END, Member, padding


@dataclass
class Row:
    """A packed clip.

    number: in the source that was packed. name: there.
    fps: frames a second of the video; None where it does not say.
    step: frames of the video from one packed frame to the next.
    height, width: of all frames, in pixels.
    shard: which holds it. start: where its first header lies there.
    sizes, sums: (frames,) uint32, bytes and CRC-32 of each JPEG.
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

    @property
    def frames(self) -> int:
        """How many."""
        return len(self.sizes)

    def offsets(self) -> np.ndarray:
        """(frames,) int64, where each JPEG begins in the shard."""
        whole = _whole(self.sizes)
        return self.start + BLOCK + np.cumsum(whole) - whole

    def description(self) -> bytes:
        """The member that goes with the frames; an index can be made again from it."""
        told = {
            "name": self.name,
            "fps": self.fps,
            "step": self.step,
            "width": self.width,
            "height": self.height,
            "frames": self.frames,
            "sizes": self.sizes.tolist(),
            "crc32": self.sums.tolist(),
        }
        return json.dumps(told, ensure_ascii=False).encode() + b"\n"

    def members(self) -> list[tuple[Member, int]]:
        """All that the shard holds of it, in order, each with its CRC-32."""
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
        """Where the next clip of the shard begins."""
        last = _whole(np.array([len(self.description())]))
        return self.start + int(_whole(self.sizes).sum() + last.sum())


def _whole(sizes: np.ndarray) -> np.ndarray:
    """Bytes that members of these sizes take up, with what is around them."""
    return (sizes.astype(np.int64) + (2 * BLOCK - 1)) & -BLOCK  # a block is a power of two


def read_description(number: int, shard: int, place: int, text: bytes) -> Row:
    """The row of a clip from its description, the last of its members.

    Args:
        place: where the description's header lies in the shard.

    Raises:
        ValueError, KeyError, TypeError: when it is none.
    """
    told = json.loads(text)
    sizes, sums = (np.array(told[key], np.uint32) for key in ("sizes", "crc32"))
    if not len(sizes) == len(sums) == told["frames"] > 0:
        raise ValueError("numbers of frames differ")
    start = place - int(_whole(sizes).sum())
    if start < 0:
        raise ValueError("its frames are longer than what precedes it")
    row = Row(
        number=number,
        name=str(told["name"]),
        fps=told["fps"],
        step=int(told["step"]),
        height=int(told["height"]),
        width=int(told["width"]),
        shard=shard,
        start=start,
        sizes=sizes,
        sums=sums,
    )
    if row.description() != text:
        raise ValueError("it is not as it was written")
    return row


def shard_size(rows: list[Row]) -> int:
    """Bytes of a whole shard."""
    return max((row.end() for row in rows), default=0) + len(END)
