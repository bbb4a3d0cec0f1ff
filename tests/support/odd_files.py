"""Files that go wrong, made by PyAV, beside good ones of every kind."""

import struct
from pathlib import Path

import av
import numpy as np


def write_moving(
    path: Path, frames=40, codec="libx264", pix_fmt="yuv420p", options=None, container=None
):
    """A bright square goes over a pattern; the frame beside looks different."""
    rng = np.random.default_rng(1)
    ground = rng.integers(40, 90, (12, 16, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=25, options=options or {"g": "12"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, pix_fmt
        for number in range(frames):
            picture = ground.copy()
            picture[30:60, 2 * number : 2 * number + 30] = 220
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            out.mux(stream.encode(frame.reformat(format=pix_fmt)))
        out.mux(stream.encode())
    return path


def write_sound(path: Path):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        sound.sample_rate = 16000
        out.mux(stream.encode(sound))
        out.mux(stream.encode())
    return path


def write_turned(path: Path):
    """The track's matrix asks for a quarter clockwise: x' = -y, y' = x."""
    content = bytearray(write_moving(path, 12).read_bytes())
    one = 1 << 16
    matrix = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    place = content.index(b"tkhd") + 4 + 40
    content[place : place + 36] = matrix
    path.write_bytes(content)
    return path


def flip(path: Path, start: float):
    """Spoil some bytes from this share of the file on."""
    content = bytearray(path.read_bytes())
    place = int(len(content) * start)
    for offset in range(place, place + 60, 5):
        content[offset] ^= 0xFF
    path.write_bytes(content)
    return path


def write_odd_files(root: Path) -> Path:
    """A folder of them and a list, since not all have the name of a video."""
    (root / "plain").mkdir()
    write_moving(root / "plain" / "-good 'clip'! é.mp4")
    write_moving(root / "bframes.avi", codec="mpeg4", options={"bf": "2", "g": "40"})
    write_moving(root / "stream.ts", codec="mpeg2video", options={"bf": "2", "g": "12"})
    write_moving(root / "program.mpg", codec="mpeg2video", options={"bf": "2", "g": "12"})
    write_moving(root / "full chroma.mp4", pix_fmt="yuv444p")
    write_moving(root / "moving.gif", codec="gif", pix_fmt="rgb8", options={})
    if "libsvtav1" in av.codecs_available:
        write_moving(root / "av1.mp4", codec="libsvtav1", options={"preset": "12"})
    write_turned(root / "turned.mov")
    write_moving(root / "one.mp4", 1)
    write_moving(root / "two.mp4", 2)
    cut = write_moving(root / "cut.mp4", container={"movflags": "faststart"})
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 3 // 4])
    headless = write_moving(root / "headless.mp4")
    headless.write_bytes(headless.read_bytes()[: headless.stat().st_size // 2])
    write_moving(root / "whole.mkv", 60)
    flip(write_moving(root / "flipped.mkv", 60), 0.5)
    (root / "empty.mp4").write_bytes(b"")
    (root / "text.mp4").write_text("this is a text and no video\n" * 50)
    write_sound(root / "sound.mp4")
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*"))
    (root / "list.txt").write_text("\n".join([*names, "gone.mp4"]) + "\n")
    return root
