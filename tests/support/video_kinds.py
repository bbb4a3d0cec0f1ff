"""Clips of every usual kind, made by PyAV, and straight decoding, their independent reference."""

from fractions import Fraction
from itertools import product

import av
import numpy as np

OPEN_264 = "open-gop=1:keyint=12:min-keyint=12:scenecut=0"
CLOSED_265, OPEN_265 = "open-gop=0:keyint=12:min-keyint=12", "open-gop=1:keyint=12:min-keyint=12"
QUIET = ":log-level=none"


def grid():
    """Yield name, encoder, options, pixel format and frames a second of each kind of clip."""
    for suffix, (groups, options) in product(
        ("mp4", "mkv", "mov", "ts", "avi", "flv"),
        {
            "long groups": {"x264-params": "keyint=250"},
            "closed groups": {"g": "12", "bf": "3"},
            "open groups": {"bf": "3", "x264-params": OPEN_264},
            "no B-frames": {"g": "10", "bf": "0", "refs": "4"},
            "pyramid": {"g": "250", "bf": "16", "x264-params": "b-pyramid=strict:b-adapt=0"},
            "refreshed bit by bit": {"g": "12", "x264-params": "intra-refresh=1"},
            "fields": {"g": "12", "flags": "+ildct+ilme"},
        }.items(),
    ):
        yield f"h264 {groups}.{suffix}", "libx264", options, "yuv420p", 25
    for suffix, (groups, params) in product(
        ("mp4", "mkv", "ts"), {"closed groups": CLOSED_265, "open groups": OPEN_265}.items()
    ):
        yield f"hevc {groups}.{suffix}", "libx265", {"x265-params": params + QUIET}, "yuv420p", 30
    ten = {"x265-params": OPEN_265 + QUIET}
    yield "hevc 10 bits.mp4", "libx265", ten, "yuv420p10le", Fraction(24000, 1001)
    yield "h264 10 bits.mp4", "libx264", {"g": "12", "bf": "3"}, "yuv420p10le", 60
    yield "h264 full colour.mp4", "libx264", {"g": "12", "bf": "3"}, "yuv444p", 12
    for suffix, bframes in product(("mp4", "mkv", "avi", "mov"), ("0", "2")):
        yield f"mpeg4 {bframes}.{suffix}", "mpeg4", {"g": "12", "bf": bframes}, "yuv420p", 25
    for suffix, bframes in product(("mpg", "vob", "ts", "mp4", "mkv"), ("0", "2")):
        yield f"mpeg2 {bframes}.{suffix}", "mpeg2video", {"g": "12", "bf": bframes}, "yuv420p", 25
    yield "mpeg1.mpg", "mpeg1video", {"g": "12", "bf": "2"}, "yuv420p", 25
    altref = {"g": "20", "auto-alt-ref": "1", "lag-in-frames": "10", "deadline": "realtime"}
    for codec, suffix in product(("libvpx", "libvpx-vp9"), ("webm", "mkv")):
        yield f"{codec}.{suffix}", codec, altref, "yuv420p", 15
    yield "vp9.mp4", "libvpx-vp9", altref, "yuv420p", 30
    yield "mjpeg.avi", "mjpeg", {}, "yuvj420p", 25
    yield "mjpeg.mov", "mjpeg", {}, "yuvj420p", 25
    yield "prores.mov", "prores_ks", {}, "yuv422p10le", 25
    yield "wmv.wmv", "wmv2", {"g": "12"}, "yuv420p", 25
    yield "flv.flv", "flv", {"g": "12"}, "yuv420p", 25
    yield "phone.3gp", "mpeg4", {"g": "12"}, "yuv420p", 15
    yield "moving.gif", "gif", {}, "rgb8", 10


GRID = list(grid())
IDS = [name for name, *_ in GRID]


def picture(number, size=(48, 64)):
    """Detail that moves by a broken number of pixels, so that no two frames are alike."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    wave = np.sin((columns + 1.7 * number) / 3) + np.cos((rows - 0.9 * number) / 4)
    pixels = np.stack([128 + 50 * wave, 120 + 40 * np.sin(wave * 3), 60 + rows], -1)
    pixels[:8, :] = 16 + 200 * (number % 2)
    return pixels.astype(np.uint8)


def write(
    path,
    codec="libx264",
    options=None,
    pix_fmt="yuv420p",
    rate=25,
    frames=70,
    times=None,
    size=(64, 48),
):
    """Write a clip of a size (width, height); ``times``: of each frame, in units of 1 / rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame = frame.reformat(*size, format=pix_fmt)
            frame.pts, frame.time_base = times[number] if times else number, 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def straight(path):
    """All frames by PyAV from the start: the independent reference."""
    with av.open(str(path)) as container:
        frames = container.decode(container.streams.best("video"))
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
