"""Reading frames of ordinary H.264 files without decoding what no wanted frame is predicted from.

In a usual encoding about half the frames are B-frames that no other frame refers to. They are
skipped where they are not asked for, as are whole groups of pictures and all that follows the last
wanted frame. What is decoded is decoded in full: pixels are those of decoding from the start, and
those of decord.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from siammae.system.errors import DataError

LARGEST = 32 << 20  # bytes of a file whose packets are held in memory while it is open


class SkippingClip:
    """An open file whose packets are all in memory; it is a `Clip`.

    Packets lie in order of decoding. The index of a frame is its place in order of display.

    Args:
        container: PyAV's container, whose one video stream is H.264.
        packets: packets of that stream.
        unsure: number of frames at the end that must not be asked for.
    """

    step = 1

    def __init__(self, container: Any, packets: list[Any], unsure: int):
        self.container, self.packets = container, packets
        self.shown = sorted(range(len(packets)), key=lambda i: packets[i].pts)
        self.keys = [i for i, packet in enumerate(packets) if packet.is_keyframe]
        self.frames = max(len(packets) - unsure, min(len(packets), 2))
        self.fps = possible_rate(container.streams.video[0].average_rate)

    @classmethod
    def open(cls, path: Path, unsure: int) -> "SkippingClip | None":
        """Open a file; None when it is large, of another kind, or has an unreliable index."""
        import av

        if path.stat().st_size > LARGEST:
            return None
        packets: list[Any] = []
        try:
            container = av.open(str(path), metadata_errors="ignore")
        except (av.error.FFmpegError, OSError, ValueError):
            return None
        with suppress(av.error.FFmpegError, OSError, ValueError):
            if is_plain(container):
                packets = _packets(container)
        if packets:
            return cls(container, packets, unsure)
        container.close()
        return None

    def __del__(self) -> None:
        # At once: PyAV's objects refer to each other, and would wait for the collector of cycles.
        self.packets.clear()
        self.container.close()

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """Return frames at ``indices`` (n, H, W, 3); raises as `in_order`."""
        wanted = sorted(set(indices))
        found = dict(zip(wanted, self.in_order(wanted), strict=True))
        return np.stack([found[index] for index in indices])

    def in_order(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield frames (H, W, 3) at ascending ``indices``, one by one.

        Raises:
            DataError: when a frame cannot be decoded, is damaged, consists of two fields (whose
                colours decord interpolates otherwise), or has to be turned.
        """
        import av

        context = self.container.streams.video[0].codec_context
        wanted = [self.shown[index] for index in indices]
        try:
            for key, group in groupby(wanted, self._key):
                yield from self._decode(context, key, set(group))
        except (av.error.FFmpegError, ValueError) as error:
            raise DataError(f"{self.container.name} cannot be decoded: {error}") from None
        finally:
            context.flush_buffers()

    def _key(self, packet: int) -> int:
        """Return where decoding has to start: the last key frame that is shown no later."""
        pts = self.packets[packet].pts
        before = [key for key in self.keys if key <= packet and self.packets[key].pts <= pts]
        return before[-1] if before else 0

    def _decode(self, context: Any, key: int, wanted: set[int]) -> Iterator[np.ndarray]:
        """Yield the frames of packets that are decoded from one key frame on."""
        times = sorted(self.packets[packet].pts for packet in wanted)
        skips = None
        for number in range(key, max(wanted) + 1):
            if skips != (number not in wanted):
                skips = number not in wanted
                context.skip_frame = "NONREF" if skips else "DEFAULT"
            yield from _pixels(context.decode(self.packets[number]), times)
        yield from _pixels(context.decode(None), times)  # those that waited for their turn
        if times:
            raise ValueError("it lacks frames that its index promises")
        context.flush_buffers()  # ready for another group


def is_plain(container: Any) -> bool:
    """Return whether a container has one video stream, H.264 of the usual pixel format."""
    streams = container.streams.video
    if len(streams) != 1:
        return False
    context = streams[0].codec_context
    return context.name == "h264" and context.pix_fmt == "yuv420p"


def possible_rate(rate: Any) -> float | None:
    """Return a header's frames per second, or None when they cannot be true."""
    return float(rate) if rate and 0 < rate < 1000 else None


def _packets(container: Any) -> list[Any]:
    """Return the packets of a plain file's stream; none when its index is unreliable."""
    stream = container.streams.video[0]
    # A process reads with one thread, and skipping would reach others' frames late.
    stream.codec_context.thread_count = 1
    stream.codec_context.thread_type = "NONE"
    packets = [packet for packet in container.demux(stream) if packet.size]
    return packets if len(packets) == stream.frames and _in_order(packets) else []


def _in_order(packets: list[Any]) -> bool:
    """Return whether every packet is shown at a time of its own and the first is a key frame."""
    times = [packet.pts for packet in packets]
    return (
        bool(packets)
        and packets[0].is_keyframe
        and None not in times
        and len(set(times)) == len(times)
        and not any(packet.is_discard or packet.is_corrupt for packet in packets)
    )


def _pixels(frames: list[Any], times: list[int]) -> Iterator[np.ndarray]:
    """Yield the pixels of wanted frames, whose time stamps are taken off the list."""
    for frame in frames:
        if times and frame.pts == times[0]:
            if getattr(frame, "rotation", 0) or frame.is_corrupt or frame.interlaced_frame:
                raise ValueError("a frame is damaged, of two fields, or to be turned")
            times.pop(0)
            yield frame.to_ndarray(format="rgb24")
