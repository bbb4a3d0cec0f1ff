"""The pictures' numbers against numpy, and the command through a real process."""

import sys
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from preloaded import run_command

from siammae.assembly.encoder_file import export_encoder
from siammae.data.built_in.sprites import write_video
from siammae.evaluation.pictures.clip import few_frames
from siammae.evaluation.pictures.encoder_pictures import (
    arrows,
    best_matches,
    encoder_pictures,
    principal_components,
    robust_unit,
)
from siammae.model.encoder import Encoder
from siammae.system.errors import DataError

SIZES = {"image_size": 32, "patch_size": 8, "width": 32, "depth": 2, "heads": 2}


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(**SIZES)


@pytest.mark.parametrize("shape", [(200, 12), (10, 40)])  # fewer rows than channels as well
def test_components_equal_numpy_s_up_to_sign(shape):
    rows = np.random.default_rng(0).normal(size=shape) * np.linspace(3, 1, shape[1]) + 5
    left, widths, axes = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    wanted = left[:, :3] * widths[:3]
    found = principal_components(torch.tensor(rows, dtype=torch.float32)).numpy()
    signs = np.sign((found * wanted).sum(0))
    assert np.allclose(found * signs, wanted, atol=1e-4)
    for axis, sign in zip(axes, signs, strict=False):
        assert (sign * axis)[np.abs(axis).argmax()] > 0


def test_the_range_leaves_outliers_out():
    values = torch.arange(101.0)[:, None].repeat(1, 2)
    values[100, 0] = 1e6
    unit = robust_unit(values)
    assert unit.min() == 0
    assert unit.max() == 1
    assert unit[50].tolist() == pytest.approx([0.5, 0.5])
    assert torch.isfinite(robust_unit(torch.ones(5, 3))).all()


def test_matches_equal_a_loop():
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(9, 5, generator=rng), torch.randn(7, 5, generator=rng)
    best, cosine = best_matches(a, b)
    for i, row in enumerate(a.double()):
        cosines = [float(row @ other / row.norm() / other.norm()) for other in b.double()]
        assert int(best[i]) == int(np.argmax(cosines))
        assert float(cosine[i]) == pytest.approx(max(cosines), abs=1e-5)


def test_arrows_point_to_a_known_shift():
    """The second frame is the first, moved by 2 patches right and 1 down."""
    picture = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    moved = torch.roll(picture, (8, 16), dims=(2, 3))
    tokens = torch.nn.functional.unfold(torch.cat([picture, moved]), 8, stride=8).transpose(1, 2)
    found = arrows(tokens, (8, 12))
    assert len(found["start"]) == 96
    inside = (found["start"][:, 0] < 10) & (found["start"][:, 1] < 7)
    move = found["end"] - found["start"]
    assert inside.sum() == 70
    assert (move[inside] == [2, 1]).all()
    assert found["cosine"] == pytest.approx(1, abs=1e-5)
    assert found["returns"].all()


def test_arrows_are_thinned_and_tell_what_does_not_return():
    rng = torch.Generator().manual_seed(0)
    tokens = torch.randn(2, 30 * 40, 8, generator=rng)
    found = arrows(tokens, (30, 40), points=10)
    assert len(found["start"]) == 8 * 10
    assert set(np.diff(np.unique(found["start"][:, 0]))) == {4}
    assert found["returns"].mean() < 0.6  # noise has few mutual matches
    # One patch of the second frame draws all: only its own best match is mutual.
    tokens[1] = -tokens[0].mean(0)
    tokens[1, 123] = tokens[0].mean(0)
    assert len(np.unique(arrows(tokens, (30, 40))["end"], axis=0)) <= 2


def test_each_picture_is_a_jpeg_and_the_encoder_is_left_as_it_was(encoder):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 50, 70, 3), np.uint8)
    encoder.train()
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    pictures = encoder_pictures(encoder, torch.device("cpu"), pixels, ["0", "4", "8"])
    assert list(pictures) == ["attention", "pca", "arrows"]
    for content in pictures.values():
        with Image.open(BytesIO(content)) as image:
            assert image.format == "JPEG"
            assert np.asarray(image).std() > 10
    assert encoder.training
    assert all(torch.equal(state[name], value) for name, value in encoder.state_dict().items())
    again = encoder_pictures(encoder, torch.device("cpu"), pixels, ["0", "4", "8"])
    assert again == pictures


def coloured(t, height=40, width=56):
    picture = np.full((height, width, 3), 10 * t, np.uint8)
    picture[8:24, 4 + t : 20 + t] = (220, 60, 60)
    return picture


@pytest.fixture
def clip(tmp_path):
    write_video(tmp_path / "clip.mp4", (coloured(t) for t in range(20)))
    return tmp_path / "clip.mp4"


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    for t in range(20):
        Image.fromarray(coloured(t)).save(tmp_path / "images" / f"{5 * t:05d}.png")
    (tmp_path / "images" / "notes.txt").write_text("no image")
    return tmp_path / "images"


def test_frames_are_the_right_ones(clip, images):
    pixels, names = few_frames(images, frames=3, every=4, start=2)
    assert names == ["00010", "00030", "00050"]
    assert np.array_equal(pixels, [coloured(t) for t in (2, 6, 10)])
    pixels, names = few_frames(sorted(images.glob("*.png")), frames=30, every=6)
    assert names == ["00000", "00030", "00060", "00090"]  # what there is
    assert few_frames(images, frames=8, every=50)[1] == ["00000", "00095"]
    pixels, names = few_frames(clip, frames=3, every=4, start=2)
    assert names == ["2", "6", "10"]
    assert [frame[30:, 30:].mean() for frame in pixels] == pytest.approx([20, 60, 100], abs=4)


def test_too_few_or_unequal_frames_are_named(images, tmp_path):
    with pytest.raises(DataError, match=r"images has 20 frame\(s\), 1 of them from start=19"):
        few_frames(images, frames=4, every=1, start=19)
    Image.new("RGB", (8, 8)).save(images / "00005.png")
    with pytest.raises(DataError, match=r"00005\.png and 00000\.png differ in size: \(8, 8\)"):
        few_frames(images, frames=4, every=1)
    with pytest.raises(DataError, match="no such file"):
        few_frames(tmp_path / "gone", frames=4, every=1)


def look(folder, *overrides):
    command = [sys.executable, "-m", "siammae.look", "device=cpu", *overrides]
    return run_command(command, cwd=folder, timeout=100)


def test_the_command(tmp_path, encoder, clip):
    run = tmp_path / "run"
    run.mkdir()
    export_encoder(encoder, SIZES, run / "encoder.safetensors")
    done = look(tmp_path, f"checkpoint={run}", f"video={clip}", "frames=3")
    assert done.returncode == 0, done.stderr
    wanted = [f"{name}-clip.jpg" for name in ("arrows", "attention", "pca")]
    assert sorted(path.name for path in (run / "pictures").iterdir()) == wanted
    assert done.stdout.count("written: ") == 3
    with Image.open(run / "pictures" / "pca-clip.jpg") as image:
        tile = round(56 * 180 / 40)
        assert image.size == (3 * (tile + 4) + 4, 2 * (180 + 18 + 4) + 4)


def test_the_command_s_errors_are_one_line(tmp_path, encoder):
    export_encoder(encoder, SIZES, tmp_path / "encoder.safetensors")
    given = ["checkpoint=encoder.safetensors", "video=gone.mp4"]
    for overrides, words in [
        (given, "gone.mp4: no such file"),
        ([*given, "frames=1"], "frames=1: should be greater than or equal to 2"),
    ]:
        done = look(tmp_path, *overrides)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == f"error: {words}"
        assert "Traceback" not in done.stderr
