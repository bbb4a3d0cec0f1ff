"""The frames of a file by number, and where decoding has to start for each.

Frame k is frame k of straight decoding, in order of presentation, and has a time stamp by which a
decoder's output is recognised. Where the bits of the packets prove that each of them is one shown
frame, their sorted time stamps are those of the frames, and nothing is decoded. Everything else is
decoded once from its start; what was found is kept for the next time that the file is opened.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from siammae.data.reading.bitstream import parser_of
from siammae.data.reading.decoding import possible_rate, straight
from siammae.system.errors import DataError

KEPT = 5_000_000  # time stamps of indices that took a decoding, or are of large files
# Containers that store when each packet is shown. For others, as AVI, FFmpeg guesses it.
TIMED = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "flv"})
RATE_TOLERANCE = 0.01  # share by which a header's frames per second may differ from the time stamps


@dataclass(frozen=True)
class FrameIndex:
    """Which packets make which frames.

    frames: number of frames.
    fps: frames per second, measured by the time stamps; None where there are none.
    times: (frames,) int64 time stamps, ascending. None where they do not tell frames apart: such a
        file is decoded from its start, and its frames are counted.
    packets: (packets,) int64 time stamps of the packets in order of decoding.
    starts: numbers of the packets where decoding may start, ascending; see `bitstream.Access`.
    proven: whether the packets alone prove all this.
    """

    frames: int
    fps: float | None
    times: np.ndarray | None = None
    packets: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    starts: tuple[int, ...] = ()
    proven: bool = False

    @cached_property
    def _shown(self) -> np.ndarray:
        """The numbers of the packets in the order of their time stamps."""
        return np.argsort(self.packets)

    def packet_of(self, time: int | None) -> int:
        """Return the number of the packet with a time stamp; -1 when there is none."""
        if time is None:
            return -1
        place = int(np.searchsorted(self.packets, time, sorter=self._shown))
        packet = int(self._shown[min(place, len(self._shown) - 1)])
        return packet if self.packets[packet] == time else -1

    def start_of(self, time: int) -> int:
        """Return the last packet from which decoding gives the frame of a time rightly."""
        packet = self.packet_of(time)
        before = (s for s in reversed(self.starts) if s <= packet and self.packets[s] <= time)
        return next(before, 0)


class IndexCache:
    """The indices of files that are not cheap to index, the most recent ones."""

    def __init__(self) -> None:
        self._indices: OrderedDict[tuple[str, int, int], FrameIndex] = OrderedDict()
        self._stamps = 0

    def get(self, path: Path) -> FrameIndex | None:
        """Return what is known of a file as it is now."""
        return self._indices.get(_key(path))

    def put(self, path: Path, index: FrameIndex) -> None:
        """Keep an index, and forget the oldest ones where there are too many."""
        self._indices[_key(path)] = index
        self._stamps += 1 + len(index.packets)
        while self._stamps > KEPT:
            _, oldest = self._indices.popitem(last=False)
            self._stamps -= 1 + len(oldest.packets)


def _key(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns


@dataclass
class Scan:
    """What the packets of a stream say.

    times: their time stamps in order of decoding.
    starts: numbers of the packets where decoding may start.
    timed: whether each packet has a time stamp of its own, which the container stores.
    proven: whether each packet is one shown frame, and the first is a start that all follow.
    """

    times: list[Any] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    timed: bool = False
    proven: bool = False


def scan(packets: Iterator[Any], stream: Any) -> Scan:
    """Read what all packets of a stream say, which come in order of decoding."""
    codec, found = stream.codec_context, Scan()
    parser = parser_of(codec.codec.canonical_name, codec.extradata)
    proven = parser is not None
    for number, packet in enumerate(packets):
        found.times.append(packet.pts)
        if packet.is_discard or packet.is_corrupt:
            proven = False
        if packet.is_keyframe and packet.has_sidedata("new_extradata"):
            proven = False
        if parser is not None:
            try:
                start, one_frame = parser.look(bytes(packet))
            except (ValueError, IndexError):
                proven, parser = False, None
                continue
            proven = proven and one_frame
            if start:
                found.starts.append(number)
    times = found.times
    stored = stream.container.format.name in TIMED
    found.timed = stored and bool(times) and None not in times and len(set(times)) == len(times)
    first = found.timed and found.starts[:1] == [0] and min(times) == times[0]
    found.proven = proven and first and stream.frames in (0, len(times))
    return found


def index_of(found: Scan, path: Path, stream: Any) -> FrameIndex:
    """Return the index of a file; it is decoded once where its packets do not prove the index.

    The frames end before the first damage or change of size.
    """
    if found.proven:
        packets = np.array(found.times, np.int64)
        times = np.sort(packets)
        starts = tuple(found.starts)
        return FrameIndex(len(times), rate(times, stream), times, packets, starts, proven=True)
    whole = Whole()
    decoded = [frame.pts for frame in whole_frames(path, whole)]
    del decoded[whole.frames :]
    ascending = None not in decoded and all(a < b for a, b in pairwise(decoded))
    fps = rate(decoded, stream) if ascending else possible_rate(stream.average_rate)
    if not (found.timed and ascending and set(decoded) <= set(found.times)):
        return FrameIndex(len(decoded), fps)
    packets, starts = np.array(found.times, np.int64), tuple(found.starts)
    return FrameIndex(len(decoded), fps, np.array(decoded, np.int64), packets, starts)


@dataclass
class Whole:
    """How far a file is whole.

    frames: number of frames before the first damage or change of size.
    damage: what is wrong with the frames from there on; empty when nothing is.
    """

    frames: int = 0
    damage: str = ""


def whole_frames(path: Path, whole: Whole) -> Iterator[Any]:
    """Yield the frames of straight decoding until one is damaged or of another size.

    FFmpeg's decoders go on after damage and mark the frames that they had to invent. B-frames shown
    just before a marked one are predicted from it, so they are yielded, and not counted as whole.

    Args:
        path: the file.
        whole: is told how far the file is whole.

    Raises:
        DataError: when the file cannot be opened as a video, or gives no frame.
    """
    from av.video.frame import PictureType

    size, unharmed = None, 0
    try:
        for frame in straight(path):
            size = size or (frame.width, frame.height)
            if frame.is_corrupt:
                whole.frames, whole.damage = unharmed, "are damaged"
                return
            if (frame.width, frame.height) != size:
                now = f"{frame.width}x{frame.height}"
                whole.damage = f"have {now} pixels, not {size[0]}x{size[1]}"
                return
            whole.frames += 1
            if frame.pict_type != PictureType.B:
                unharmed = whole.frames
            yield frame
    except DataError as error:
        if not whole.frames:
            raise
        whole.damage = f"cannot be decoded ({str(error).rpartition(': ')[2]})"


def rate(times: Sequence[int] | np.ndarray, stream: Any) -> float | None:
    """Return the frames per second of ascending time stamps; the header's where these agree."""
    told = possible_rate(stream.average_rate)
    if len(times) < 2 or times[-1] <= times[0] or not stream.time_base:
        return told
    measured = possible_rate(
        (len(times) - 1) / (float(times[-1] - times[0]) * float(stream.time_base))
    )
    if told and measured and abs(told - measured) <= RATE_TOLERANCE * measured:
        return told
    return measured
