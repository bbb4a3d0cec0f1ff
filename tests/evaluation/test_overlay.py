"""Masks drawn on frames: decoded again with PyAV, compared pixel by pixel."""

import av
import numpy as np
import pytest
import torch
from PIL import Image

from siammae.evaluation.benchmarks.davis import Davis
from siammae.evaluation.measuring.outputs import Outputs
from siammae.evaluation.pictures.overlay import draw_masks, write_overlay
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import DataError

RED, GREEN = np.array([128, 0, 0]), np.array([0, 128, 0])  # 1 and 2 of PASCAL VOC


def decode(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return np.stack(frames), float(stream.average_rate)


def write_frames(folder, count, height, width, grey=200):
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{3 * t:05d}.jpg" for t in range(count)]
    for path in paths:
        Image.fromarray(np.full((height, width, 3), grey, np.uint8)).save(path, quality=95)
    return paths


@pytest.mark.parametrize(("height", "width"), [(48, 64), (49, 63), (48, 63), (49, 64)])
def test_the_video_decodes_again_with_colours_where_the_masks_are(tmp_path, height, width):
    frames = write_frames(tmp_path / "frames", 5, height, width)
    predicted = np.zeros((5, height, width), np.uint8)
    for t in range(5):
        predicted[t, 8:32, 4 + 4 * t : 28 + 4 * t] = 1
    predicted[:, 36:, 40:] = 2
    write_overlay(tmp_path / "out", "walk", frames, predicted, fps=5)
    shown, rate = decode(tmp_path / "out" / "walk.mp4")
    assert shown.shape == (5, height + height % 2, width + width % 2, 3)
    assert rate == 5
    for t in range(5):
        inner = shown[t, 14:26, 10 + 4 * t : 22 + 4 * t].mean((0, 1))  # no contour there
        assert inner == pytest.approx(200 + 0.45 * (RED - 200), abs=6)
        assert shown[t, :6].mean((0, 1)) == pytest.approx([200] * 3, abs=6)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["walk.jpg", "walk.mp4"]


def test_contours_are_opaque_and_the_ground_is_untouched():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
    ids = np.zeros((40, 50), np.uint16)
    ids[10:30, 10:30], ids[15:35, 20:40] = 1, 2
    shown = draw_masks(pixels, ids)
    assert np.array_equal(shown[ids == 0], pixels[ids == 0])
    for row, column, colour in [(10, 15, RED), (20, 19, RED), (20, 20, GREEN), (34, 39, GREEN)]:
        assert np.array_equal(shown[row, column], colour)
    wanted = pixels[25, 30] + 0.45 * (GREEN - pixels[25, 30])
    assert np.abs(shown[25, 30] - wanted).max() <= 0.5 + 1e-6


def test_ids_beyond_a_byte_are_drawn():
    pixels, ids = np.full((20, 20, 3), 200, np.uint8), np.zeros((20, 20), np.uint16)
    ids[5:15, 5:15] = 256  # a byte of it is 0
    assert np.array_equal(draw_masks(pixels, ids)[5, 5], RED)
    ids[ids > 0] = 13_001
    assert not np.array_equal(draw_masks(pixels, ids)[10, 10], pixels[10, 10])


def test_the_sheet_shows_evenly_spaced_frames(tmp_path):
    frames = write_frames(tmp_path / "frames", 30, 45, 60)
    predicted = np.zeros((30, 45, 60), np.uint8)
    write_overlay(tmp_path, "run", frames, predicted)
    with Image.open(tmp_path / "run.jpg") as sheet:
        assert sheet.format == "JPEG"
        assert sheet.size == (4 * (240 + 4) + 4, 3 * (180 + 18 + 4) + 4)
        pixels = np.asarray(sheet)
    tile = pixels[4 + 18 + 50 : 4 + 18 + 90, 4 + 50 : 4 + 90]
    assert tile.mean() == pytest.approx(200, abs=3)
    assert pixels[4:22, 4:60].min() < 80  # the frame's number


class Blind:
    patch_size = 8
    device = torch.device("cpu")

    def __call__(self, images):
        return torch.nn.functional.avg_pool2d(images, 8).flatten(2).transpose(1, 2)


def test_davis_draws_what_it_predicts(davis2017, tmp_path):
    protocol = Propagation(top_k=3, queue=2, radius=4, temperature=0.05)
    out = tmp_path / "drawn"
    benchmark = Davis(str(davis2017), protocol)
    benchmark.outputs = Outputs(overlay=out)
    benchmark.copy_first_mask()
    assert not out.exists()  # the control is no prediction
    benchmark.evaluate(Blind())
    assert sorted(path.name for path in out.iterdir()) == [
        f"{name}.{kind}" for name in ("run", "walk") for kind in ("jpg", "mp4")
    ]
    shown, _ = decode(out / "walk.mp4")
    first = np.asarray(Image.open(davis2017 / "JPEGImages/480p/walk/00000.jpg"), float)
    red = first[16, 16] + 0.45 * (RED - first[16, 16])
    assert shown[0, 12:20, 12:20].mean((0, 1)) == pytest.approx(red, abs=10)


def test_what_does_not_fit_is_named_and_leaves_nothing(tmp_path):
    frames = write_frames(tmp_path / "frames", 3, 20, 30)
    predicted, out = np.zeros((3, 20, 30), np.uint8), tmp_path / "out"
    with pytest.raises(DataError, match="x has 3 frames but 2 predicted masks"):
        write_overlay(out, "x", frames, predicted[:2])
    with pytest.raises(DataError, match=r"00000\.jpg and its predicted mask differ in size"):
        write_overlay(out, "x", frames, predicted[:, :10])
    frames[2].write_bytes(b"")
    with pytest.raises(DataError, match=r"00006\.jpg cannot be read"):
        write_overlay(out, "x", frames, predicted)
    assert not list(out.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"overlay=.*file cannot be written"):
        write_overlay(tmp_path / "file", "x", frames, predicted)
