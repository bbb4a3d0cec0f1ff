import itertools
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from deadly_clips import DeadlyClips
from hypothesis import given
from hypothesis import strategies as st

from siammae.data.augment.colour import ColourJitter
from siammae.data.augment.geometry import Box
from siammae.data.augment.pair_augment import Drawn, PairAugment
from siammae.data.augment.rotation import AnyAngle, NoRotation, RightAngles
from siammae.data.reading.clips import shrink
from siammae.data.sampling.loader import PairDataset, first_pairs, generator, make_loader
from siammae.data.sampling.targets import SingleTarget
from siammae.data.sets.videos import Videos
from siammae.system.errors import DataError, TrainingError

MOUNT = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]
CAN_MOUNT = (
    shutil.which("unshare") is not None
    and subprocess.run(MOUNT, capture_output=True, check=False).returncode == 0
)


def dataset(root, seed=0, gap=4, augment=None, **arguments):
    source = Videos(str(root), **{"short_side": None, **arguments})
    return PairDataset(source, SingleTarget(gap), NoRotation(), augment or PairAugment(32), seed)


def batches(data, first=0, last=24, workers=0):
    return list(make_loader(data, 8, first, last, workers))


def same(one, other):
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("frames", "size", "flip", "colour", "angle", "gap", "clip")
    )


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same(clips, workers):
    data = dataset(clips, augment=PairAugment(32, shared_crop=False, colour=ColourJitter()))
    alone, together = batches(data), batches(data, workers=workers)
    assert len(alone) == len(together) == 6
    assert all(same(a, b) for a, b in zip(alone, together, strict=True))


def test_a_later_start_goes_on_as_if_there_had_been_no_stop(clips):
    whole, rest = batches(dataset(clips)), batches(dataset(clips), first=12)
    assert all(same(a, b) for a, b in zip(whole[3:], rest, strict=True))


@pytest.mark.parametrize("size", [2, 3])
def test_processes_take_the_batches_in_turn(clips, size):
    whole = batches(dataset(clips), first=3, last=27)
    for rank in range(size):
        mine = list(make_loader(dataset(clips), 8, 3, 27, 0, rank, size))
        assert len(mine) == 6 // size
        assert all(same(a, b) for a, b in zip(mine, whole[rank::size], strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_frames_held_in_memory_are_those_of_the_files(clips, workers):
    """Also in later passes, when the files are not read any more."""
    read = batches(dataset(clips, short_side=40))
    held = batches(dataset(clips, short_side=40, in_memory=True), workers=workers)
    assert all(same(a, b) for a, b in zip(read, held, strict=True))


def test_a_clip_in_memory_is_decoded_once(clips, monkeypatch):
    data = dataset(clips, in_memory=True)
    first = [data[visit] for visit in range(6)]
    monkeypatch.setattr(
        "siammae.data.reading.clips.open_clip", lambda path: pytest.fail(f"opened {path}")
    )
    assert sorted(v.samples[0].clip for v in first) == sorted(
        data[visit].samples[0].clip for visit in range(6, 12)
    )


def test_seeds_differ(clips):
    assert not any(
        same(a, b) for a, b in zip(batches(dataset(clips)), batches(dataset(clips, 1)), strict=True)
    )


def test_every_pass_visits_every_clip_once_in_a_new_order(clips):
    data = dataset(clips)
    visits = [data[visit].samples[0].clip for visit in range(18)]
    passes = [visits[:6], visits[6:12], visits[12:]]
    assert [sorted(one) for one in passes] == [list(range(6))] * 3
    assert passes[0] != passes[1] or passes[1] != passes[2]


@pytest.mark.parametrize("direction", ["future", "past"])
def test_both_frames_come_from_the_clip_at_the_gap(clips, read_number, direction):
    """The numbers in the frames, read back out of uncropped pixels, differ by the gap, which is
    negative where the restored frame is the earlier one."""

    class Whole(PairAugment):
        def draw(self, rng, frames, height, width):
            drawn = super().draw(rng, frames, height, width)
            return Drawn([Box(0, 0, height, width)] * frames, False, drawn.colour)

    source, augment = Videos(str(clips), short_side=None), Whole(32)
    data = PairDataset(source, SingleTarget([3, 9], direction), NoRotation(), augment, 0)
    seen = []
    for visit in range(12):
        for sample in data[visit].samples:
            given, restored = (read_number(frame) for frame in sample.frames)
            assert [restored - given] == sample.gap
            seen.append(restored - given if direction == "future" else given - restored)
    assert set(seen) <= set(range(3, 10))
    assert len(set(seen)) > 2


def test_jitter_leaves_the_pairs_as_they_are(clips):
    """Clips, gaps, flips and first crops of all pairs: runs with and without it are comparable."""
    plain = batches(dataset(clips))
    jitter = PairAugment(32, shared_crop=False, colour=ColourJitter())
    jittered = batches(dataset(clips, augment=jitter))
    for one, other in zip(plain, jittered, strict=True):
        for name in ("clip", "gap", "flip"):
            assert torch.equal(getattr(one, name), getattr(other, name))
        assert torch.equal(one.size[:, 0], other.size[:, 0])
        assert not torch.equal(one.size[:, 1], other.size[:, 1])
        assert not torch.equal(one.colour, other.colour)
        for before, after, (h, w) in zip(
            one.frames[:, 0], other.frames[:, 0], one.size[:, 0].tolist(), strict=True
        ):
            assert torch.equal(before[:h, :w], after[:h, :w])


@pytest.mark.parametrize("rotation", [NoRotation(), RightAngles("independent")])
def test_readers_that_resize_send_the_same_pairs(clips, rotation):
    """Same clips, frames, crops, mirroring, turns and colours; pixels within rounding, see
    test_augment."""
    made = {}
    for place in ("device", "host"):
        augment = PairAugment(32, shared_crop=False, colour=ColourJitter(), resize=place)
        data = PairDataset(
            Videos(str(clips), short_side=None), SingleTarget(4), rotation, augment, 0
        )
        made[place] = batches(data, last=12, workers=2 if place == "host" else 0)
        made[place] = [(batch, augment.apply(batch)) for batch in made[place]]
    for (there, device), (here, host) in zip(made["device"], made["host"], strict=True):
        assert here.frames.shape == (8, 2, 32, 32, 3)
        assert here.frames.dtype == torch.uint8
        for name in ("clip", "gap", "colour", "angle"):
            assert torch.equal(getattr(here, name), getattr(there, name))
        assert (device - host).abs().mean() < 0.01
        assert (device - host).abs().max() < 0.2


def test_readers_cannot_resize_what_is_turned_by_any_angle(clips):
    source = Videos(str(clips))
    with pytest.raises(ValueError, match="resize 'host' leaves nothing around a crop"):
        PairDataset(source, SingleTarget(4), AnyAngle(), PairAugment(32, resize="host"), 0)


def test_pairs_of_a_visit_share_the_clip_and_differ_in_place(clips):
    samples = dataset(clips, repeated_sampling=4)[0].samples
    assert len(samples) == 4
    assert len({sample.clip for sample in samples}) == 1
    assert len({sample.frames[0].tobytes() for sample in samples}) > 1


@pytest.mark.parametrize("shared", [True, False])
def test_crops_lie_in_the_corner_of_the_canvas(clips, shared):
    batch = batches(dataset(clips, augment=PairAugment(32, shared_crop=shared)))[0]
    assert batch.frames.shape[:2] == (8, 2)
    assert batch.frames.dtype == torch.uint8
    assert torch.equal(batch.size[:, 0], batch.size[:, 1]) == shared
    sizes = batch.size.flatten(0, 1).tolist()
    for frame, (height, width) in zip(batch.frames.flatten(0, 1), sizes, strict=True):
        assert not frame[height:].any()
        assert not frame[:, width:].any()
        assert frame[:height, :width].any()


def test_clips_shorter_than_the_gap_are_counted(clips):
    batch = batches(dataset(clips, gap=500))[0]
    assert batch.short == 8
    assert (batch.gap < 60).all()
    assert batches(dataset(clips))[0].short == 0


@pytest.fixture
def with_broken(clips, tmp_path):
    shutil.copytree(clips, tmp_path / "clips")
    (tmp_path / "clips" / "broken.mp4").write_text("no video")
    return tmp_path / "clips"


def test_a_broken_clip_is_replaced_and_named(with_broken):
    """Always by the same clip, whatever the number of workers."""
    alone, together = batches(dataset(with_broken)), batches(dataset(with_broken), workers=2)
    assert all(same(a, b) for a, b in zip(alone, together, strict=True))
    assert all(len(batch.clip) == 8 for batch in alone)
    broken = dict(itertools.chain.from_iterable(batch.broken.items() for batch in alone))
    assert list(broken) == [str(with_broken / "broken.mp4")]
    assert "broken.mp4 cannot be opened as a video" in broken[str(with_broken / "broken.mp4")]


def test_nothing_readable_is_an_error_with_the_reason(tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(
        DataError, match=r"no clip could be read: .*a\.mp4 cannot be opened as a video"
    ):
        batches(dataset(tmp_path))


def test_fixed_pairs_for_pictures(clips):
    first, second = first_pairs(dataset(clips), 5), first_pairs(dataset(clips), 5)
    assert len(first.clip) == 6  # whole visits
    assert same(first, second)


def test_large_frames_are_made_smaller_and_small_ones_left():
    frames = np.random.default_rng(0).integers(0, 255, (2, 90, 120, 3), np.uint8)
    assert shrink(frames, 45).shape == (2, 45, 60, 3)
    expected = frames.reshape(2, 45, 2, 60, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(shrink(frames, 45), expected, atol=1)
    assert shrink(frames, 90) is frames
    assert shrink(frames, None) is frames


@given(st.lists(st.integers(0, 2**70) | st.sampled_from([0, 2**32 - 1, 2**32, 2**64]), min_size=1))
def test_the_generator_is_numpys_own(numbers):
    expected = np.random.default_rng(numbers).integers(0, 2**63, 4)
    np.testing.assert_array_equal(generator(*numbers).integers(0, 2**63, 4), expected)


@pytest.mark.skipif(not CAN_MOUNT, reason="needs the right to mount a file system")
def test_too_little_shared_memory_is_one_line_within_seconds(clips, tmp_path):
    """Docker gives 64 MB; the trainer waited for ever, and did not end at a SIGTERM either."""
    arguments = [
        *("data=videos", f"data.root={clips}", "data.workers=2", "image_size=64", "batch_size=128"),
        *("schedule.steps=20", "schedule.warmup_steps=2", "benchmark=none", "tracking=none"),
        *("progress=none", f"runs_dir={tmp_path / 'runs'}"),
    ]
    mount = "mount -t tmpfs -o size=256k tmpfs /dev/shm && exec "
    train = shlex.join([sys.executable, "-m", "siammae.train", *arguments])
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount + train], capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert "docker run --shm-size=2g" in errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("bad", [0, 4])
def test_a_reader_that_is_killed_is_one_line_within_seconds(clips, bad):
    data = dataset(clips)
    data.clips = DeadlyClips(bad=bad)
    with pytest.raises(TrainingError, match=r"reads clips is gone.*the same command"):
        batches(data, last=10, workers=1)
