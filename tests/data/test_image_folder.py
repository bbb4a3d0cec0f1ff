"""Folders of images as clips: order, what counts as a frame, pixels, what is refused by name."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from siammae.data.reading.image_folder import ImageClip, images_of, in_order, read_image
from siammae.data.reading.video import Clip, open_clip
from siammae.data.sets.sequences import Sequences
from siammae.system.errors import DataError


def numbered(number, size=(24, 16)):
    """A picture whose grey is its number."""
    return Image.new("RGB", size, (number, number, number))


def write(folder, names):
    """Each name an image whose grey is its place in the list."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(names):
        numbered(place).save(folder / name, format="PNG")
    return folder


def greys(clip):
    return clip.read(range(clip.frames))[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    "names",
    [
        [f"{k}.png" for k in range(12)],  # UVO: 10 comes after 9
        [f"{k:08d}.png" for k in (7, 9, 10, 131, 132, 1000)],  # VSPW: numbers with gaps
        [f"{k:010d}.png" for k in range(5)],
        ["img_2_a.png", "img_10_a.PNG", "img_10_b.png"],
        ["-1 x.png", "é!'2.png"],
    ],
)
def test_frames_are_the_images_there_are_by_number(tmp_path, names):
    clip = ImageClip(write(tmp_path / "a clip", names), 15)
    assert isinstance(clip, Clip)
    assert (clip.frames, clip.fps, clip.step) == (len(names), 15, 1)
    assert greys(clip) == list(range(len(names)))


@given(st.lists(st.integers(0, 10**9), unique=True, min_size=2), st.data())
def test_zeros_before_a_number_do_not_matter(numbers, data):
    names = [f"{n:0{data.draw(st.integers(1, 12))}d}.jpg" for n in numbers]
    ordered = [int(name.removesuffix(".jpg")) for name in sorted(names, key=in_order)]
    assert ordered == sorted(numbers)


def test_hidden_files_and_others_are_no_frames(tmp_path):
    folder = write(tmp_path, ["1.png", "2.png", "3.png"])
    for name in ("._1.png", ".2.png", "Thumbs.db", "notes.txt"):
        (folder / name).write_bytes(b"x")
    (folder / "4.png").mkdir()
    assert images_of(folder) == ("1.png", "2.png", "3.png")


def test_an_empty_file_parts_a_clip(tmp_path):
    """Frames on both sides of a lost one are no neighbours."""
    folder = write(tmp_path, [f"{k}.png" for k in range(10)])
    (folder / "3.png").write_bytes(b"")
    (folder / "9.png").write_bytes(b"")
    assert greys(ImageClip(folder)) == [4, 5, 6, 7, 8]


def test_too_few_images_are_reported_with_an_empty_one(tmp_path):
    folder = write(tmp_path / "x", [f"{k}.png" for k in range(3)])
    (folder / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"x holds 1 image\(s\) in a row and 1 empty .* 1\.png"):
        ImageClip(folder)
    with pytest.raises(DataError, match=r"y holds 0 image\(s\) in a row; a pair needs two"):
        ImageClip(write(tmp_path / "y", []))
    with pytest.raises(DataError, match="z cannot be read: No such file"):
        ImageClip(tmp_path / "z")


def test_one_frame_twice_is_refused(tmp_path):
    folder = write(tmp_path, ["1.png", "01.png", "2.png"])
    with pytest.raises(DataError, match=r"has 01\.png and 1\.png, one frame twice"):
        ImageClip(folder)


def test_frames_of_two_sizes_are_named_both(tmp_path):
    folder = write(tmp_path, ["1.png", "2.png"])
    numbered(0, (10, 8)).save(folder / "3.png")
    clip = ImageClip(folder)
    assert len(clip.read([0, 1])) == 2
    with pytest.raises(DataError, match=r"3\.png has 10x8 pixels and .*1\.png 24x16"):
        clip.read([0, 2])


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"no image"])
@pytest.mark.parametrize("name", ["2.jpg", "2.png"])
def test_a_damaged_image_is_named(tmp_path, name, damage):
    folder = write(tmp_path, ["1.png"])
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(folder / name)
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(DataError, match=rf"{name} cannot be decoded"):
        ImageClip(folder).read([0, 1])


def test_a_png_with_a_wrong_bit_is_named_and_no_other_pixels_are_read(tmp_path):
    """Of all chunks, and of the pixels, whose checksums Pillow skips."""
    folder = write(tmp_path, ["1.png"])
    noise = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    Image.fromarray(noise).resize((24, 16)).save(folder / "2.png")
    whole = (folder / "2.png").read_bytes()
    clip = ImageClip(folder)
    clip.read([0, 1])
    for place in range(len(whole)):
        spoiled = bytearray(whole)
        spoiled[place] ^= 1 << place % 8
        (folder / "2.png").write_bytes(spoiled)
        with pytest.raises(DataError, match=r"2\.png cannot be decoded: ") as told:
            clip.read([0, 1])
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("RGB", "a.jpg"), ("L", "a.jpg"), ("CMYK", "a.jpg"), ("RGB", "a.png"), ("L", "a.png"),
        ("P", "a.png"), ("RGBA", "a.png"), ("RGB", "a.webp"), ("RGB", "a.bmp"), ("RGB", "a.ppm"),
    ],
)  # fmt: skip
def test_pixels_are_those_that_pillow_reads(tmp_path, mode, name):
    y, x = np.mgrid[:40, :56]
    smooth = np.stack([4 * x, 5 * y, 255 - 4 * x], axis=-1).astype(np.uint8)
    Image.fromarray(smooth).convert(mode).save(tmp_path / name)
    pixels = read_image(tmp_path / name)
    assert pixels.shape == (40, 56, 3)
    assert pixels.dtype == np.uint8
    with Image.open(tmp_path / name) as image:
        # Two builds of libjpeg may differ by a rounding or two.
        difference = np.abs(pixels.astype(int) - np.asarray(image.convert("RGB")).astype(int))
    assert difference.max() <= (3 if name.endswith("jpg") else 0)


def test_a_jpeg_is_one_whatever_its_name_and_16_bits_are_refused(tmp_path):
    numbered(90).save(tmp_path / "a.png", format="JPEG")
    assert read_image(tmp_path / "a.png").tolist() == np.full((16, 24, 3), 90).tolist()
    Image.fromarray(np.full((4, 4), 1005, np.uint16)).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"b\.png has mode I;16; a frame has 8 bits"):
        read_image(tmp_path / "b.png")


def test_any_tree_of_images(tmp_path):
    for name in ("b", "a b/-é!", "a b", ".hidden"):
        write(tmp_path / name, ["1.png", "2.png"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "a b" / "film.mp4").write_bytes(b"x")
    source = Sequences(str(tmp_path), fps=12.5, short_side=8)
    names = [path.relative_to(tmp_path).as_posix() for path in source.videos()]
    assert names == ["a b", "a b/-é!", "b"]
    clip = source.footage().open(1)
    assert clip.fps == 12.5
    assert clip.read([0, 1]).shape == (2, 8, 12, 3)


def test_a_fingerprint_follows_content_and_not_place(tmp_path):
    roots = [write(tmp_path / one / "clip", ["1.png", "2.png"]).parent for one in ("x", "y")]
    first, second = (Sequences(str(root)) for root in roots)
    assert first.fingerprint() == second.fingerprint()
    numbered(0, (99, 98)).save(roots[0] / "clip" / "2.png")
    assert first.fingerprint() != second.fingerprint()
    before = second.fingerprint()
    numbered(0).save(roots[1] / "clip" / "3.png")
    assert second.fingerprint() != before


def test_what_is_missing_is_one_clear_line(tmp_path):
    with pytest.raises(DataError, match=r"data.root=.*gone: no such folder"):
        Sequences(str(tmp_path / "gone")).videos()
    with pytest.raises(DataError, match=r"holds no image \(looked for .*\.jpg"):
        Sequences(str(tmp_path)).videos()
    with pytest.raises(ValueError, match="fps=0: must be above 0"):
        Sequences(str(tmp_path), fps=0)


@pytest.mark.parametrize("read", [read_image, open_clip])
def test_a_pipe_is_refused_at_once(tmp_path, read):
    """Who opens it to read waits until somebody writes."""
    os.mkfifo(tmp_path / "x.jpg")
    with pytest.raises(DataError, match=r"no regular file|no such file"):
        read(tmp_path / "x.jpg")
