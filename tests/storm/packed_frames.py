"""The same through packs, streams and the loader of the training."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from loopback import Loopback
from video_kinds import straight
from whole_frames import Whole

from siammae.data.augment.rotation import NoRotation
from siammae.data.packing.pack_plan import PackSettings
from siammae.data.packing.packed import Packed
from siammae.data.packing.write_pack import Packer
from siammae.data.sampling.loader import PairDataset, make_loader
from siammae.data.sampling.targets import SingleTarget
from siammae.data.sets.videos import ClipSource, Videos
from tests.storm.order import Line, Order

FRAMES = 5_000  # through each kind of pack
PAIRS = 2_000  # through the loader, from each source
QUALITY, LOST = 95, 14.0  # of JPEG, and how much it changes a pixel on average at the most

SHORT = 0.5  # of the clips, a stride may leave fewer than the two frames of a pair
Frames = dict[str, np.ndarray]  # of straight decoding, by the name of the clip


def storm(order: Order, clips: list[Path]) -> list[Line]:
    """Read packs of the clips, streamed ones too, and let the loader read all of them."""
    expected = {path.name: straight(path).astype(np.int16) for path in clips}
    folder, lines = clips[0].parent, []
    videos = Videos(str(folder), short_side=None)
    lines.append(of_loader(order, "training loader, videos", videos, expected, 0.0))
    for stride in (1, 4):
        pack = make_pack(folder, order.work / f"pack-{stride}", stride)
        packed = Packed(root=str(pack))
        what = f"pack, stride {stride}"
        lines.append(of_pack(order, what, packed, expected, stride))
        lines.append(of_loader(order, f"training loader, {what}", packed, expected, LOST))
        with served(pack) as url:
            cache = str(order.work / f"cache-{stride}")
            stream = Packed(root=url, streaming=True, window=2, cache=cache)
            what = f"pack over HTTP, stride {stride}"
            lines.append(of_pack(order, what, stream, expected, stride))
            lines.append(of_loader(order, f"training loader, {what}", stream, expected, LOST))
    return lines


def make_pack(clips: Path, out: Path, stride: int) -> Path:
    """Pack a folder of clips as siammae.pack does; those of fewer than two frames are left out."""
    source = Videos(str(clips), short_side=None)
    settings = PackSettings(source.fingerprint(), stride, QUALITY, None, 64)
    Packer(source.footage(), out, settings, 1, SHORT, lambda _: None, lambda *_: None).run()
    return out


@contextmanager
def served(pack: Path) -> Iterator[str]:
    """The URL of a pack that this process serves."""
    server = Loopback()
    server.files = {
        f"p/{path.name}": path.read_bytes() for path in pack.iterdir() if path.is_file()
    }
    try:
        yield server.url("p")
    finally:
        server.server.shutdown()
        server.server.server_close()


def of_pack(order: Order, what: str, source: ClipSource, expected: Frames, stride: int) -> Line:
    """Read frames of a pack at random; each must be most like the frame that it is packed from."""
    line, clips = Line(what, order.count(FRAMES)), source.footage()
    rng, visit = random.Random(order.seed), 0
    while line.tried < line.asked and not order.is_over:
        number = clips.turn(order.seed, visit)
        clip, frames = clips.open(number), expected[Path(clips.name(number)).name]
        visit += 1
        if clip.frames != len(range(0, len(frames), stride)) or clip.step != stride:
            line.note("wrong length", f"{clips.name(number)} has {clip.frames} frames")
        for _ in range(10):
            wanted = sorted({rng.randrange(clip.frames) for _ in range(2)})
            for index, pixels in zip(wanted, clip.read(wanted), strict=True):
                right = is_frame(pixels, frames, index * stride, LOST)
                failure = "" if right else f"{clips.name(number)} frame {index} of {wanted}"
                line.note("right" if right else "wrong", failure)
    order.say(f"{what}: {line.tried:,} frames, {line.wrong} wrong")
    return line


def of_loader(order: Order, what: str, source: ClipSource, expected: Frames, lost: float) -> Line:
    """Have the loader make batches; the frames of a pair must lie apart by the gap that it says."""
    line = Line(f"{what}: pairs and their gaps", order.count(PAIRS))
    data = PairDataset(source, SingleTarget([1, 24]), NoRotation(), Whole(32), order.seed)
    # A loader of one visit a batch, without readers of its own: they are tested to give the same.
    for batch in make_loader(data, data.pairs, 0, line.asked // data.pairs + 1, 0):
        for frames, size, gap, clip in zip(
            batch.frames.numpy(), batch.size, batch.gap, batch.clip, strict=True
        ):
            name = Path(data.clips.name(int(clip))).name
            one, two = (part[:h, :w] for part, (h, w) in zip(frames, size.tolist(), strict=True))
            right = any(
                is_frame(two, expected[name], first + int(gap), lost)
                for first in numbers(one, expected[name], lost)
            )
            line.note("right" if right else "wrong", "" if right else f"{name} gap {int(gap)}")
        if order.is_over:
            break
    order.say(f"{line.what}: {line.tried:,}, {line.wrong} wrong")
    return line


def apart(pixels: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Mean difference of a picture from each frame, (T,)."""
    return np.abs(frames - pixels.astype(np.int16)).mean((1, 2, 3))


def numbers(pixels: np.ndarray, frames: np.ndarray, lost: float) -> list[int]:
    """Return the numbers of the frames that a picture can be: of equal ones, all."""
    differences = apart(pixels, frames)
    least = differences.min()
    return np.flatnonzero(differences == least).tolist() if least <= lost else []


def is_frame(pixels: np.ndarray, frames: np.ndarray, number: int, lost: float) -> bool:
    """Whether a picture is most like the frame of that number, and like it at all."""
    return number in numbers(pixels, frames, lost)
