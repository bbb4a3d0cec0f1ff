"""Exact reading: a frame is handed out only after its time stamp has identified it.

In a usual encoding about half the frames are B-frames that no other frame refers to. In H.264 they
are skipped where they are not asked for; whole groups of pictures, and all that follows the last
wanted frame, are skipped in all codecs whose packets say where decoding may start.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from siammae.data.reading.clip import Clip
from siammae.data.reading.decoding import failures, open_container, reason_of, straight, upright
from siammae.data.reading.frame_index import FrameIndex, IndexCache, index_of, scan
from siammae.system.errors import DataError

HELD = 32 << 20  # bytes of a file whose packets are held in memory while it is open

known_indices = IndexCache()  # of this process


class ExactClip(Clip):
    """An open file, of which frames are decoded from where that is known to give them rightly.

    Args:
        path: path of the file.

    Raises:
        DataError: when it is no video.
    """

    step = 1

    def __init__(self, path: Path):
        self.path = path
        self.packets: list[Any] = []  # of a small file, in order of decoding
        self.container, self.stream = open_container(path)
        try:
            self.index = self._indexed()
        except failures() as error:
            raise DataError(f"{path} cannot be read: {reason_of(error)}") from None
        self.codec = self.stream.codec_context.codec.canonical_name
        self.frames, self.fps = self.index.frames, self.index.fps
        self.size: tuple[int, ...] | None = None

    def __del__(self) -> None:
        # At once: PyAV's objects refer to each other, and would wait for the collector of cycles.
        if hasattr(self, "container"):
            self.packets.clear()
            self.container.close()

    def _indexed(self) -> FrameIndex:
        """Return the file's index, found as cheaply as it can be."""
        held = self.path.stat().st_size <= HELD
        index = known_indices.get(self.path)
        if index is not None and not held:
            return index
        packets = self._demuxed()
        if held:
            self.packets = list(packets)
            packets = iter(self.packets)
        if index is None:
            index = index_of(scan(packets, self.stream), self.path, self.stream)
            if not (held and index.proven):  # else it is as cheap to find again as to keep
                known_indices.put(self.path, index)
        return index

    @override
    def read(self, indices: Sequence[int]) -> np.ndarray:
        wanted = sorted(set(indices))
        found = dict(zip(wanted, self.in_order(wanted), strict=True))
        return np.stack([found[index] for index in indices])

    @override
    def in_order(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        if indices and not 0 <= indices[0] <= indices[-1] < self.frames:
            raise DataError(f"{self.path} has frames 0 to {self.frames - 1}, not {list(indices)}")
        frames = self._counted(indices) if self.index.times is None else self._timed(indices)
        try:
            for frame in frames:
                yield self._checked(frame)
        except failures() as error:
            raise DataError(f"{self.path} cannot be decoded: {reason_of(error)}") from None

    def _checked(self, frame: Any) -> np.ndarray:
        """Return the pixels of a frame.

        Raises:
            DataError: when they are damaged, or of another size than those before.
        """
        pixels = upright(frame)
        self.size = self.size or pixels.shape
        if frame.is_corrupt:
            raise DataError(f"{self.path} is damaged at {frame.time} s")
        if pixels.shape != self.size:
            height, width = self.size[:2]
            raise DataError(f"{self.path} changes its size of {width}x{height} at {frame.time} s")
        return pixels

    def _counted(self, indices: Sequence[int]) -> Iterator[Any]:
        """Yield frames at ascending indices, counted from the first frame on."""
        wanted = set(indices)
        for number, frame in enumerate(straight(self.path)):
            if number in wanted:
                yield frame
            if not indices or number >= indices[-1]:
                return
        raise DataError(f"{self.path} ends before frame {indices[-1]}")

    def _timed(self, indices: Sequence[int]) -> Iterator[Any]:
        """Yield frames at ascending indices, recognised by their time stamps."""
        assert self.index.times is not None
        wanted = [int(self.index.times[index]) for index in indices]
        try:
            for start, group in groupby(wanted, self.index.start_of):
                yield from self._decode(start, list(group))
        finally:
            self.stream.codec_context.flush_buffers()

    def _decode(self, start: int, times: list[int]) -> Iterator[Any]:
        """Yield the frames of ascending times, which are decoded from one packet on."""
        needed = {self.index.packet_of(time) for time in times}
        skips, last = self.index.proven and self.codec == "h264", max(needed)
        self.stream.codec_context.flush_buffers()
        for number, packet in self._packets_from(start):
            if number > last:
                break
            context = self.stream.codec_context
            if skips:
                context.skip_frame = "DEFAULT" if number in needed else "NONREF"
            yield from _found(context.decode(packet), times)
        yield from _found(self.stream.codec_context.decode(None), times)
        if times:
            raise DataError(f"{self.path} lacks frames that its packets promise")

    def _packets_from(self, start: int) -> Iterator[tuple[int, Any]]:
        """Yield packets from a number on, each with its number.

        Raises:
            DataError: when they are not those of the index.
        """
        if self.packets:
            yield from enumerate(self.packets[start:], start)
            return
        for number, packet in self._sought(start):
            if packet.pts != self.index.packets[number]:
                raise DataError(f"{self.path} gives other packets after a seek")
            if number >= start:
                yield number, packet

    def _sought(self, start: int) -> Iterator[tuple[int, Any]]:
        """Yield packets of a large file from ``start`` or an earlier one on, each with its number.

        Where a seek does not arrive there, the file is opened again and read from its beginning.
        """
        first = None
        with suppress(*failures()):
            self.container.seek(int(self.index.packets[start]), stream=self.stream)
            first = next(self._demuxed(), None)
        number = -1 if first is None else self.index.packet_of(first.pts)
        if not 0 <= number <= start:
            self.container.close()
            self.container, self.stream = open_container(self.path)
            yield from enumerate(self._demuxed())
        else:
            yield from enumerate(chain([first], self._demuxed()), number)

    def _demuxed(self) -> Iterator[Any]:
        return (packet for packet in self.container.demux(self.stream) if packet.size)


def _found(frames: list[Any], times: list[int]) -> Iterator[Any]:
    """Yield the frames of wanted times, which are taken off the list.

    Raises:
        ValueError: when any frame is damaged, since others may be predicted from it unmarked.
    """
    for frame in frames:
        if frame.is_corrupt:
            raise ValueError(f"the frame at {frame.time} s is damaged")
        if times and frame.pts == times[0]:
            times.pop(0)
            yield frame
