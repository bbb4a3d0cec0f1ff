"""Inputs of the training: videos, images, manifests, archives and packs."""

import os
import shutil
import tarfile
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from video_kinds import write

from siammae.data import open_clip
from siammae.data.auditing.examine import examine
from siammae.data.downloading.unpack import unpack
from siammae.data.manifests.manifest import Journal, read_manifest, write_manifest
from siammae.data.packing.pack_plan import PackSettings
from siammae.data.packing.packed import Packed
from siammae.data.packing.write_pack import Packer
from siammae.data.reading.clips import Clips
from siammae.data.sets.images import Images
from siammae.data.sets.sequences import Sequences
from siammae.data.sets.videos import Videos
from siammae.system.errors import DataError
from tests.storm.kind import Kind, skipped

FRAMES = 30
CODECS: dict[str, tuple[str, dict[str, str], str]] = {
    "h264.mp4": ("libx264", {"g": "12", "bf": "3"}, "yuv420p"),
    "h264.mkv": ("libx264", {"bf": "3", "x264-params": "open-gop=1:keyint=12"}, "yuv420p"),
    "h264.ts": ("libx264", {"g": "12", "bf": "3"}, "yuv420p"),
    "hevc.mp4": ("libx265", {"x265-params": "keyint=12:log-level=none"}, "yuv420p"),
    "mpeg4.avi": ("mpeg4", {"g": "12", "bf": "2"}, "yuv420p"),
    "mpeg2.mpg": ("mpeg2video", {"g": "12", "bf": "2"}, "yuv420p"),
    "vp9.webm": ("libvpx-vp9", {"g": "20", "deadline": "realtime"}, "yuv420p"),
    "mjpeg.mov": ("mjpeg", {}, "yuvj420p"),
    "moving.gif": ("gif", {}, "rgb8"),
}


def make_videos(folder: Path) -> None:
    """A clip of each codec."""
    folder.mkdir(parents=True)
    for name, (codec, options, pix_fmt) in CODECS.items():
        write(folder / name, codec, options, pix_fmt, frames=FRAMES)


def make_packs(folder: Path) -> None:
    """Six clips, and a pack of them."""
    clips = folder / "clips"
    clips.mkdir(parents=True)
    for number in range(6):
        write(clips / f"{number}.mp4", frames=6 + number)
    source = Videos(str(clips), short_side=None)
    settings = PackSettings(source.fingerprint(), 1, 90, None, 64)
    quiet = partial(Packer, workers=1, max_broken=0.0, note=lambda _: None)
    quiet(source.footage(), folder / "pack", settings, on_progress=lambda *_: None).run()
    shutil.rmtree(folder / "pack/.packing")


def make_manifests(folder: Path) -> None:
    """Clips with the manifest of an audit, and the journal of one under way."""
    clips = folder / "clips"
    clips.mkdir(parents=True)
    facts = []
    for number in range(3):
        path = write(clips / f"{number}.mp4", frames=12)
        facts += [list(examine(path, path.name))[-1]]
    write_manifest(folder / "audit.parquet", facts)
    for row in facts:
        Journal(folder / "next.parquet").add(row)
    os.utime(clips, (1, 1))


def make_archives(folder: Path) -> None:
    """The same texts in archives of each form."""
    inner = folder / "inner"
    inner.mkdir(parents=True)
    for number in range(8):
        (inner / f"{number}.txt").write_text(f"{number} {'lorem ipsum ' * 150 * number}")
    for form in ("tar", "tar.gz", "tar.xz"):
        with tarfile.open(folder / f"x.{form}", f"w:{form.partition('.')[2]}") as archive:
            archive.add(inner, "inner")
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(inner.iterdir()):
            packed.write(path, f"inner/{path.name}")
    shutil.rmtree(inner)


def make_images(folder: Path) -> None:
    """Two clips of images."""
    for name, suffix in (("one", "png"), ("two", "jpg")):
        (folder / name).mkdir(parents=True)
        rng = np.random.default_rng(1)
        for number in range(5):
            pixels = rng.integers(0, 256, (32, 40, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:05d}.{suffix}")


def read_video(name: str, folder: Path) -> dict[str, Any]:
    """Frames of a clip in pairs, and its facts."""
    clip = open_clip(folder / name)
    found: dict[str, Any] = {"facts": (clip.frames, clip.fps, clip.step)}
    for first in range(0, min(clip.frames, 2 * FRAMES), 2):
        wanted = [first, min(first + 1, clip.frames - 1)]
        try:
            for number, frame in zip(wanted, clip.read(wanted), strict=True):
                found[str(number)] = frame
        except DataError as error:
            found |= {str(number): skipped(error) for number in wanted}
    return found


def audit_video(folder: Path) -> dict[str, Any]:
    """What an audit finds of each clip; only its facts can change."""
    found: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        facts = [row for row in examine(path, path.name) if row is not None][-1]
        found[path.name] = skipped(facts.reason) if facts.reason else facts.usable
    return found


def frames_of(clips: Clips) -> dict[str, Any]:
    """All frames of all clips by number of the clip, as a training reads them."""
    found: dict[str, Any] = {}
    for number in range(len(clips)):
        try:
            clip = clips.open(number)
            found[clips.name(number)] = clip.read(range(clip.frames))
        except DataError as error:
            found[clips.name(number)] = skipped(error)
    return found


def read_pack(folder: Path) -> dict[str, Any]:
    """A pack in its folder."""
    return frames_of(Packed(root=str(folder / "pack")).footage())


def stream_pack(folder: Path) -> dict[str, Any]:
    """The same as from a server, of which `file://` is one."""
    source = Packed(
        root=f"file://{folder / 'pack'}", streaming=True, window=2, cache=str(folder / "cache")
    )
    return frames_of(source.footage())


def read_audited(folder: Path) -> dict[str, Any]:
    """The clips that a manifest leaves, and how far."""
    source = Videos(str(folder / "clips"), manifest=str(folder / "audit.parquet"))
    clips = source.footage()
    rows = {row.path: row for row in read_manifest(folder / "audit.parquet")}
    lengths = {f"clip {clips.name(n)}": clips.open(n).frames for n in range(len(clips))}
    return {**rows, **lengths}


def read_journal(folder: Path) -> dict[str, Any]:
    """The rows of an audit that was ended."""
    return {str(row.path): row for row in Journal(folder / "next.parquet").rows()}


def unpack_one(form: str, folder: Path) -> dict[str, Any]:
    """The members of an archive."""
    unpack(folder / f"x.{form}", folder / "out", "inner")
    return {path.name: path.read_bytes() for path in (folder / "out").rglob("*.txt")}


def read_images(folder: Path) -> dict[str, Any]:
    """Clips of images."""
    return frames_of(Sequences(str(folder), short_side=None).footage())


def read_singles(folder: Path) -> dict[str, Any]:
    """The same images, each a clip of its own."""
    return frames_of(Images(str(folder), short_side=None).footage())


KINDS = [
    *(
        Kind(f"video {name}", make_videos, partial(read_video, name), name, 0.03)
        for name in CODECS
    ),
    Kind("audit of videos", make_videos, audit_video, "*.*", 0.03),
    Kind("pack: shards", make_packs, read_pack, "*.tar", 0.06, can_tell=True),
    Kind("pack: shards, streamed", make_packs, stream_pack, "*.tar", 0.03, can_tell=True),
    Kind("pack: index.arrow", make_packs, read_pack, "index.arrow", 0.04, can_tell=True),
    Kind("pack: pack.json", make_packs, stream_pack, "pack.json", 0.04, can_tell=True),
    Kind("audit: manifest", make_manifests, read_audited, "audit.parquet", 0.03),
    Kind("audit: journal", make_manifests, read_journal, ".next.parquet.journal", 0.02),
    *(
        Kind(f"archive {form}", make_archives, partial(unpack_one, form), f"x.{form}", 0.015,
             can_tell=form != "tar")
        for form in ("tar", "tar.gz", "tar.xz", "zip")
    ),
    Kind("images: png", make_images, read_images, "*.png", 0.02, can_tell=True),
    Kind("images: jpg", make_images, read_images, "*.jpg", 0.02),
    Kind("single images: png", make_images, read_singles, "*.png", 0.02, can_tell=True),
    Kind("single images: jpg", make_images, read_singles, "*.jpg", 0.02),
]  # fmt: skip
