"""Decoding a file from the first frame to the last, and what is found on the way.

Frames count as bad from the first damaged one on, see `whole_frames`.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from siammae.data.manifests.facts import Facts
from siammae.data.reading.decoding import opened, possible_rate, turn_of
from siammae.data.reading.frame_index import Whole, rate, whole_frames


def read_straight(path: Path, facts: Facts) -> Iterator[None]:
    """Decode a file once and fill in its facts.

    It yields after each frame as a sign of life, since a long video is no hanging decoder.

    Raises:
        DataError: when the file has no video, cannot be opened, or gives no frame.
    """
    with opened(path) as (container, stream):
        _describe(container, stream, facts)
        times: list[Any] = []
        whole = Whole()
        for frame in whole_frames(path, whole):
            if not times:
                facts.rotation = turn_of(frame)
                sides = (frame.width, frame.height)
                facts.width, facts.height = sides if facts.rotation % 180 == 0 else sides[::-1]
            times.append(frame.pts)
            yield
        facts.frames = len(times)
        if whole.damage:
            facts.first_bad = whole.frames
            facts.reason = f"frames from {whole.frames} on {whole.damage}"
        if None not in times:
            facts.fps = rate(times, stream)
            facts.variable_rate = _vary(times)


def _describe(container: Any, stream: Any, facts: Facts) -> None:
    """Fill in what the headers say."""
    codec = stream.codec_context
    facts.codec, facts.pixel_format = codec.codec.canonical_name, codec.pix_fmt
    facts.streams = len(container.streams.video)
    facts.header_frames = stream.frames or None
    facts.fps = possible_rate(stream.average_rate)
    if stream.duration is not None and stream.time_base is not None:
        facts.duration = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        facts.duration = container.duration / 1e6


def _vary(times: list[int]) -> bool | None:
    """Return whether steps differ by more than a tenth, rounding aside; None if unknown."""
    if len(times) < 3:
        return None
    steps = [after - before for before, after in pairwise(times)]
    mean = (times[-1] - times[0]) / len(steps)
    return max(steps) - min(steps) > max(2.0, mean / 10)
