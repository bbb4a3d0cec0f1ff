import av
import numpy as np
import pytest

from siammae.data.reading.decoding import upright
from siammae.data.reading.video import open_clip
from siammae.system.errors import DataError


def straight(path):
    """All frames by PyAV from the start: the independent reference."""
    with av.open(str(path), metadata_errors="ignore") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


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


@pytest.mark.parametrize("width", [36, 50, 98])
def test_any_even_width_is_read(tmp_path, clip_maker, width):
    path = clip_maker(tmp_path / "clip.mp4", 40, (64, width))
    expected = np.stack(straight(path))
    np.testing.assert_array_equal(open_clip(path).read([0, 4, 22, 39]), expected[[0, 4, 22, 39]])


def test_turned_video_is_read_upright(real_data):
    path = real_data / "odd" / "decord_video_90.mov"
    frames = open_clip(path).read([0, 1])
    np.testing.assert_array_equal(frames, [np.rot90(frame, -1) for frame in straight(path)[:2]])


class _Frame:
    """A decoder's frame with a display matrix."""

    def __init__(self, pixels, matrix):
        self.pixels, self.side_data = pixels, {"DISPLAYMATRIX": np.array(matrix, np.int32)}

    def to_ndarray(self, format):
        return self.pixels


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda pixels: pixels),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((-1, 0, 0, -1), lambda pixels: np.rot90(pixels, 2)),
        ((0, 1, -1, 0), lambda pixels: np.rot90(pixels, -1)),
        ((0, -1, 1, 0), lambda pixels: np.rot90(pixels, 1)),
        ((0, 1, 1, 0), lambda pixels: pixels.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1)),
    ],
)
def test_all_turns_and_mirrorings_of_a_display_matrix(matrix, shown):
    """(a, b, c, d) shows a pixel (x, y) at (a x + c y, b x + d y); a phone writes (0, 1, -1, 0)."""
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    a, b, c, d = (value << 16 for value in matrix)
    frame = _Frame(pixels, [a, b, 0, c, d, 0, 0, 0, 1 << 30])
    np.testing.assert_array_equal(upright(frame), shown(pixels))
