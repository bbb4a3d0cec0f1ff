import av
import numpy as np
import pytest

from siammae.data.reading import video
from siammae.data.reading.video import open_clip
from siammae.system.errors import DataError


def straight(path):
    """All frames by PyAV from the start: the independent reference."""
    with av.open(str(path), metadata_errors="ignore") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("indices", [[0, 1], [3, 29], [11, 12, 13, 25], [36, 37]])
def test_frames_of_an_mp4_are_the_right_ones(tmp_path, clip_maker, read_number, indices):
    path = clip_maker(tmp_path / "clip.mp4", 40)
    clip = open_clip(path)
    assert clip.frames == 38  # the last two are never asked for
    frames = clip.read(indices)
    assert frames.dtype == np.uint8
    assert frames.shape == (len(indices), 64, 48, 3)
    assert [read_number(frame) for frame in frames] == indices
    np.testing.assert_allclose(frames, np.stack(straight(path))[indices], atol=3)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("clip.avi", "mpeg4", "yuv420p"),
        ("clip.ts", "mpeg2video", "yuv420p"),
        ("clip.mpg", "mpeg2video", "yuv420p"),
        ("clip.mp4", "libx264", "yuv444p"),
    ],
)
def test_files_on_which_seeking_goes_wrong_are_read_from_the_start(
    tmp_path, clip_maker, name, codec, pix_fmt
):
    path = clip_maker(tmp_path / name, 40, codec=codec, pix_fmt=pix_fmt)
    clip = open_clip(path)
    expected = straight(path)
    assert isinstance(clip, video._StraightClip)
    assert clip.frames == len(expected)
    np.testing.assert_array_equal(clip.read([7, 31]), np.stack(expected)[[7, 31]])


def test_without_decord_pyav_reads_all(tmp_path, clip_maker, read_number, monkeypatch):
    monkeypatch.setattr(video, "find_decord", lambda: None)
    frames = open_clip(clip_maker(tmp_path / "clip.mp4", 20)).read([5, 19])
    assert [read_number(frame) for frame in frames] == [5, 19]


def test_two_frames_are_enough_and_one_is_not(tmp_path, clip_maker):
    two = open_clip(clip_maker(tmp_path / "two.mp4", 2))
    assert two.frames == 2
    assert len(two.read([0, 1])) == 2
    with pytest.raises(DataError, match=r"one.mp4 has 1 frame\(s\); a pair needs two"):
        open_clip(clip_maker(tmp_path / "one.mp4", 1))


@pytest.mark.parametrize("content", [b"", b"this is a text and no video\n" * 50])
def test_what_is_no_video_is_named(tmp_path, content):
    path = tmp_path / "text.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"text\.mp4"):
        open_clip(path)


def test_truncated_file_is_named(tmp_path, clip_maker):
    path = clip_maker(tmp_path / "cut.mp4", 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"cut\.mp4"):
        open_clip(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.mp4: no such file"):
        open_clip(tmp_path / "gone.mp4")


def test_odd_real_files(real_data):
    """Each gives the frames that straight decoding gives, or one clear error."""
    bad = {"audio_only.mp4", "empty_0bytes.mp4", "h264_one_frame.mp4", "text_not_video.mp4"}
    bad.add("truncated_half_moov_front_or_missing.mp4")
    damaged = {"bitflipped_h264.mp4", "decord_corrupted.mp4", "decord_video_90.mov"}
    for path in sorted((real_data / "odd").iterdir()):
        if path.name in bad:
            with pytest.raises(DataError, match=path.name.replace(".", r"\.")):
                open_clip(path)
        elif path.name not in damaged:
            clip = open_clip(path)
            indices = sorted({0, clip.frames // 3, clip.frames - 1})
            expected = np.stack(straight(path))[indices].astype(int)
            assert np.abs(clip.read(indices) - expected).mean() < 3, path.name


def test_frames_that_cannot_be_decoded_are_an_error(real_data):
    clip = open_clip(real_data / "odd" / "decord_corrupted.mp4")
    assert len(clip.read([3, 9])) == 2
    with pytest.raises(DataError, match=r"decord_corrupted\.mp4"):
        clip.read([3, 40])


@pytest.mark.parametrize("width", [36, 48, 50, 72, 98])
def test_any_even_width_is_read(tmp_path, clip_maker, width):
    """decord's batches fail for some narrow frames."""
    path = clip_maker(tmp_path / "clip.mp4", 40, (64, width))
    expected = np.stack(straight(path))
    for indices in ([0, 4, 22, 26], [3, 9], [11, 37]):
        np.testing.assert_allclose(open_clip(path).read(indices), expected[indices], atol=3)


def test_turned_video_is_read_upright(real_data):
    path = real_data / "odd" / "decord_video_90.mov"
    frames = open_clip(path).read([0, 1])
    np.testing.assert_array_equal(frames, video._StraightClip(path).read([0, 1]))
