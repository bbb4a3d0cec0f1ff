import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siammae.data.reading import video
from siammae.data.reading.h264_seek import SkippingClip
from siammae.data.reading.video import in_order, open_clip
from siammae.system.errors import DataError

# What encoders do with references; x264's own names.
ENCODINGS = {
    "x264's defaults": {},
    "short groups": {"g": "12"},
    "open groups": {"g": "12", "x264-params": "open-gop=1"},
    "many B-frames": {"g": "250", "bf": "16", "x264-params": "b-pyramid=strict:b-adapt=0"},
    "B-frames that nothing refers to": {"bf": "3", "x264-params": "b-pyramid=none:b-adapt=0"},
    "no B-frames": {"bf": "0", "refs": "4"},
    "refreshed bit by bit": {"x264-params": "intra-refresh=1"},
}


def moving(number, size=(48, 64)):
    """Detail that moves by a broken number of pixels, so that prediction leaves residues."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    wave = np.sin((columns + 1.7 * number) / 3) + np.cos((rows - 0.9 * number) / 4)
    return np.stack([128 + 50 * wave, 120 + 40 * np.sin(wave * 3), 60 + rows], -1).astype(np.uint8)


def write(path, options, frames=70):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(moving(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def straight(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture(scope="module", params=ENCODINGS)
def encoded(request, tmp_path_factory):
    path = write(tmp_path_factory.mktemp("encoded") / "clip.mp4", ENCODINGS[request.param])
    return path, straight(path)


@given(wanted=st.sets(st.integers(0, 67), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_equal_to_straight_decoding(encoded, wanted):
    """Bit for bit, whatever the frames, and again from the same open file."""
    path, expected = encoded
    clip = SkippingClip.open(path, 2)
    assert (clip.frames, clip.fps, clip.step) == (68, 25.0, 1)
    for _ in range(2):
        np.testing.assert_array_equal(clip.read(sorted(wanted)), expected[sorted(wanted)])


def test_every_frame(encoded):
    """At once and one by one, the latter also where others take over in the middle."""
    path, expected = encoded
    clip = open_clip(path)
    np.testing.assert_array_equal(np.stack(list(in_order(clip, range(0, 68, 3)))), expected[:68:3])
    first = SkippingClip.open(path, 2)

    def breaks_off(indices):
        yield from first.in_order(indices[:20])
        raise DataError("damaged")

    clip.clip.in_order = breaks_off
    wanted = range(20, 68)
    np.testing.assert_allclose(np.stack(list(in_order(clip, wanted))), expected[20:68], atol=1)
    np.testing.assert_array_equal(SkippingClip.open(path, 0).read(range(70)), expected)


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name != "open groups"])
def test_equal_to_decord(encoding, tmp_path):
    """Which read these files before: runs of then and now see the same pixels. In open groups it
    is wrong after a seek."""
    decord = pytest.importorskip("decord")
    path = write(tmp_path / "clip.mp4", ENCODINGS[encoding])
    reader = decord.VideoReader(str(path), num_threads=1)
    clip = open_clip(path)
    assert isinstance(clip, video._PlainClip)
    assert clip.frames == len(reader) - video.UNSURE_FRAMES
    assert clip.fps == pytest.approx(reader.get_avg_fps())
    wanted = [3, 11, 30, 31, 66]
    np.testing.assert_array_equal(clip.read(wanted), reader.get_batch(wanted).asnumpy())


def test_frames_that_nothing_needs_are_not_decoded(tmp_path):
    """Counted by what the decoder gives out."""
    options = ENCODINGS["B-frames that nothing refers to"]
    clip = SkippingClip.open(write(tmp_path / "clip.mp4", options), 2)
    context, given = clip.container.streams.video[0].codec_context, []

    class Counting:
        def __setattr__(self, name, value):
            setattr(context, name, value)

        def decode(self, packet):
            frames = context.decode(packet)
            given.extend(frames)
            return frames

        def flush_buffers(self):
            context.flush_buffers()

    read = list(SkippingClip._decode(clip, Counting(), 0, {clip.shown[60]}))
    assert len(read) == 1
    assert len(given) < 30  # of 61 up to there


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("clip.mp4", "mpeg4", "yuv420p"),
        ("clip.mp4", "libx264", "yuv444p"),
        ("clip.mp4", "libx264", "yuv420p10le"),
        ("clip.webm", "libvpx-vp9", "yuv420p"),
    ],
)
def test_other_files_are_left_to_others(tmp_path, clip_maker, name, codec, pix_fmt):
    path = clip_maker(tmp_path / name, 10, codec=codec, pix_fmt=pix_fmt)
    assert SkippingClip.open(path, 2) is None
    assert len(open_clip(path).read([1, 5])) == 2


def test_large_files_are_not_held_in_memory(tmp_path, clip_maker, monkeypatch):
    path = clip_maker(tmp_path / "clip.mp4", 20)
    monkeypatch.setattr("siammae.data.reading.h264_seek.LARGEST", path.stat().st_size - 1)
    assert SkippingClip.open(path, 2) is None
    assert not isinstance(open_clip(path), video._PlainClip)


def test_what_goes_wrong_is_read_the_other_way(tmp_path, clip_maker, read_number):
    path = clip_maker(tmp_path / "clip.mp4", 40)
    clip = open_clip(path)
    clip.clip.packets = [packet for packet in clip.clip.packets if packet.pts][:1] * 40  # nonsense
    assert [read_number(frame) for frame in clip.read([5, 30])] == [5, 30]


def test_interlaced_video_is_read_as_before(tmp_path):
    decord = pytest.importorskip("decord")
    path = write(tmp_path / "clip.mp4", {"flags": "+ildct+ilme"})
    expected = decord.VideoReader(str(path), num_threads=1).get_batch([3, 30]).asnumpy()
    np.testing.assert_array_equal(open_clip(path).read([3, 30]), expected)


def test_real_files_give_the_pixels_that_decord_gives(real_data):
    """Those of the whole ones; turned and damaged files are read by it anyway."""
    decord = pytest.importorskip("decord")
    taken = 0
    for path in sorted((real_data / "clips").glob("*.mp4"))[::6]:
        clip = SkippingClip.open(path, 2)
        if clip is None:
            continue
        wanted = [clip.frames // 5, clip.frames // 2, clip.frames - 1]
        theirs = decord.VideoReader(str(path), num_threads=1).get_batch(wanted).asnumpy()
        np.testing.assert_array_equal(clip.read(wanted), theirs, err_msg=path.name)
        taken += 1
    assert taken > 3


def test_a_clip_that_is_dropped_leaves_nothing_to_the_collector(tmp_path, clip_maker):
    """Which comes late in a process that makes few objects: memory would grow meanwhile."""
    path = clip_maker(tmp_path / "clip.mp4", 20)
    clip = SkippingClip.open(path, 2)
    clip.read([3])
    packets, container = clip.packets, clip.container
    assert len(packets) == 20
    del clip
    assert not packets
    assert not list(container.streams)
