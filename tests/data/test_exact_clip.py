"""Every frame of every kind of file is that of straight decoding, which PyAV does here itself."""

import random
from fractions import Fraction

import av
import numpy as np
import pytest
from video_kinds import CLOSED_265, GRID, IDS, OPEN_264, OPEN_265, QUIET, picture, straight, write

from siammae.data import open_clip
from siammae.data.packing.write_pack import Packer
from siammae.data.reading import bitstream, exact_clip, frame_index
from siammae.data.sets.videos import Videos
from siammae.system.errors import DataError


def check(path, expected, seed=0):
    """Every frame in order, one by one and in pairs: at random, and around every twelfth."""
    clip, rng = open_clip(path), random.Random(seed)
    assert clip.frames == len(expected)
    everything = np.stack(list(clip.in_order(range(clip.frames))))
    np.testing.assert_array_equal(everything, expected)
    near = [n for key in range(12, clip.frames, 12) for n in range(key - 3, key + 3)]
    for first in (*near, *rng.sample(range(clip.frames), 12)):
        pair = sorted({min(first, clip.frames - 1), rng.randrange(clip.frames)})
        read = clip.read(pair)
        np.testing.assert_array_equal(read, expected[pair], err_msg=f"{path.name} {pair}")
    np.testing.assert_array_equal(
        np.stack(list(open_clip(path).in_order(range(0, clip.frames, 5)))), expected[::5]
    )
    return clip


@pytest.fixture(params=["packets in memory", "packets sought"])
def held(request, monkeypatch):
    """Read small files as they are read, and as large ones are."""
    monkeypatch.setattr(exact_clip, "known_indices", frame_index.IndexCache())
    if request.param == "packets sought":
        monkeypatch.setattr(exact_clip, "HELD", 0)


def test_the_grid_is_large():
    assert len(GRID) >= 60
    assert len(set(IDS)) == len(GRID)


@pytest.mark.parametrize(("name", "codec", "options", "pix_fmt", "rate"), GRID, ids=IDS)
def test_every_frame_of_every_kind(held, tmp_path, name, codec, options, pix_fmt, rate):
    path = write(tmp_path / name, codec, options, pix_fmt, rate)
    check(path, straight(path))


def copy_from(source, path, begin, container_format=None):
    """Copy packets from a key frame on, as ``ffmpeg -ss -c copy`` does."""
    with av.open(str(source)) as old, av.open(str(path), "w", format=container_format) as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        begun = False
        for packet in old.demux(stream):
            begun = begun or (packet.is_keyframe and packet.dts is not None and packet.pts >= begin)
            if begun and packet.size:
                packet.stream = copy
                new.mux(packet)
    return path


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.ts"])
@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"bf": "3", "x264-params": OPEN_264 + ":repeat-headers=1"}),
        ("libx265", {"x265-params": OPEN_265 + QUIET}),
        ("mpeg2video", {"g": "12", "bf": "2"}),
    ],
)
def test_a_copy_that_begins_at_an_open_group(held, tmp_path, name, codec, options):
    whole = write(tmp_path / "whole.mkv", codec, options)
    with av.open(str(whole)) as container:
        keys = [p.pts for p in container.demux(video=0) if p.is_keyframe and p.size]
    path = copy_from(whole, tmp_path / name, keys[2])
    check(path, straight(path))


@pytest.mark.parametrize("name", ["named.mp4", "named.mkv", "named.avi"])
@pytest.mark.parametrize("content", ["mpegts", "avi", "mpeg", "matroska"])
def test_the_content_decides_and_not_the_name(tmp_path, name, content):
    path = tmp_path / name
    whole = write(tmp_path / "whole.mkv", "mpeg2video", {"g": "12"})
    copy_from(whole, path, 0, content)
    check(path, straight(path))


def test_of_two_streams_the_best_is_read(held, tmp_path):
    path = tmp_path / "two.mp4"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25, options={"g": "12"}) for _ in range(2)]
        for scale, stream in enumerate(streams, 1):
            stream.width, stream.height, stream.pix_fmt = 64 * scale, 48 * scale, "yuv420p"
        for number in range(40):
            for scale, stream in enumerate(streams, 1):
                pixels = picture(number + 100 * scale, (48 * scale, 64 * scale))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    check(path, straight(path))


@pytest.mark.parametrize("name", ["variable.mkv", "variable.mp4", "variable.webm"])
def test_the_rate_is_that_of_the_time_stamps(held, tmp_path, name):
    """Here 30 a second is written in the header, and every eighth frame is there."""
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    times = [8 * number - number % 3 for number in range(40)]
    path = write(tmp_path / name, codec, {"g": "12"}, rate=30, frames=40, times=times)
    clip = check(path, straight(path))
    assert clip.fps == pytest.approx(30 * 39 / (times[-1] - times[0]), rel=0.01)


def test_fixed_rates_are_those_of_the_header(tmp_path):
    path = write(tmp_path / "clip.mp4", rate=Fraction(30000, 1001), frames=30)
    assert open_clip(path).fps == 30000 / 1001


def test_a_size_that_changes_ends_the_clip(held, tmp_path):
    first, second = tmp_path / "first.h264", tmp_path / "second.h264"
    write(first, frames=30)
    with av.open(str(second), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 80, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(picture(number, (80, 96)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    joined = tmp_path / "joined.h264"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    clip = open_clip(joined)
    assert clip.frames == 30
    np.testing.assert_array_equal(clip.read([0, 29]), straight(first)[[0, 29]])


def test_frames_that_are_not_there_are_an_error(tmp_path):
    clip = open_clip(write(tmp_path / "clip.mp4", frames=20))
    with pytest.raises(DataError, match=r"clip\.mp4 has frames 0 to 19"):
        clip.read([3, 20])


def test_a_pack_and_training_see_the_same_frames(tmp_path):
    """Of open groups, with a stride; JPEG changes pixels by little, and a frame beside by much."""
    from siammae.data.packing.pack_plan import PackSettings
    from siammae.data.packing.packed import Packed

    path = write(tmp_path / "clips.mkv", "mpeg4", {"g": "12", "bf": "2"})
    folder = tmp_path / "clips"
    folder.mkdir()
    path = path.rename(folder / "clip.mkv")
    source, expected = Videos(str(folder)), straight(path)
    settings = PackSettings(source.fingerprint(), 4, 95, None, 64)
    Packer(source.footage(), tmp_path / "pack", settings, 1, 0.0, print, lambda *_: None).run()
    for clips, stride in ((Packed(str(tmp_path / "pack")).footage(), 4), (source.footage(), 1)):
        clip = clips.open(0)
        assert clip.frames == len(range(0, 70, stride))
        right = expected[::stride].astype(int)
        apart = np.abs(clip.read(range(clip.frames)) - right).mean((1, 2, 3))
        assert apart.max() < 12
        assert np.abs(right[1:] - right[:-1]).mean((1, 2, 3)).min() > 24


def test_frames_that_nothing_needs_are_not_decoded(tmp_path, monkeypatch):
    """Counted by what the decoder gives out."""
    options = {"bf": "3", "x264-params": "b-pyramid=none:b-adapt=0"}
    clip, given = open_clip(write(tmp_path / "clip.mp4", options=options)), []
    found = exact_clip._found
    monkeypatch.setattr(
        exact_clip, "_found", lambda frames, times: found(given.extend(frames) or frames, times)
    )
    assert len(clip.read([60])) == 1
    assert 1 <= len(given) < 30  # of 61 up to there


def test_the_same_pixels_as_decord_gives(real_data):
    """Of the real clips on which it is right, which runs of before have seen."""
    decord = pytest.importorskip("decord")
    for path in sorted((real_data / "clips").glob("*.mp4"))[::6]:
        clip = open_clip(path)
        if not clip.index.proven or clip.codec != "h264":
            continue
        wanted = [clip.frames // 5, clip.frames // 2, clip.frames - 3]
        theirs = decord.VideoReader(str(path), num_threads=1).get_batch(wanted).asnumpy()
        np.testing.assert_array_equal(clip.read(wanted), theirs, err_msg=path.name)


def test_cases_that_were_wrong(real_data):
    """The inputs on which readers of before were wrong."""
    for path in sorted((real_data / "cases" / "frames").iterdir()):
        check(path, straight(path))
    files = real_data / "cases" / "files"
    changes = open_clip(files / "changes_size_midway.mkv")
    assert changes.frames == 90
    assert changes.read([0, 89]).shape == (2, 240, 320, 3)
    with pytest.raises(DataError, match=r"damaged_header\.mp4"):
        open_clip(files / "damaged_header.mp4")


def test_a_clip_that_is_dropped_leaves_nothing_to_the_collector(tmp_path):
    """Which comes late in a process that makes few objects: memory would grow meanwhile."""
    clip = open_clip(write(tmp_path / "clip.mp4", frames=20))
    clip.read([3])
    packets, container = clip.packets, clip.container
    assert len(packets) == 20
    del clip
    assert not packets
    assert not list(container.streams)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_damaged_parameters_leave_it_to_decoding(tmp_path, codec):
    """The container's record is cut anywhere, and no error comes out; early, it proves nothing."""
    encoder = {"h264": "libx264", "hevc": "libx265"}[codec]
    options = {"x265-params": CLOSED_265 + QUIET} if codec == "hevc" else {}
    with av.open(str(write(tmp_path / "clip.mp4", encoder, options, frames=4))) as container:
        extradata = container.streams.video[0].codec_context.extradata
    parsers = [bitstream.parser_of(codec, extradata[:length]) for length in range(len(extradata))]
    assert None in parsers
    slice_of_4 = b"\0\0\0\2\x65\x88"
    assert not any(parser.look(slice_of_4).one_frame for parser in parsers[:16] if parser)
