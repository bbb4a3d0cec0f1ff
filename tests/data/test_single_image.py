"""Single images of every form and colour: upright RGB, or one line that says what is wrong."""

import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from siammae.data.reading.clip import Clip
from siammae.data.reading.single_image import ORIENTATION, SingleImage, read_upright, turned
from siammae.system.errors import DataError

Y, X = np.mgrid[:40, :56]
SMOOTH = Image.fromarray(np.stack([4 * X, 5 * Y, 255 - 4 * X], axis=-1).astype(np.uint8))


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_an_image_is_a_clip_of_one_frame(tmp_path):
    SMOOTH.save(tmp_path / "a.png")
    clip = SingleImage(tmp_path / "a.png")
    assert isinstance(clip, Clip)
    assert (clip.frames, clip.fps, clip.step) == (1, None, 1)
    assert np.array_equal(clip.read([0])[0], np.asarray(SMOOTH))
    assert np.array_equal(next(clip.in_order([0])), np.asarray(SMOOTH))
    with pytest.raises(DataError, match=r"gone\.jpg cannot be read as an image: No such file"):
        SingleImage(tmp_path / "gone.jpg").read([0])  # no sooner


@pytest.mark.parametrize(
    ("mode", "name", "form"),
    [
        *[(mode, "a.JPEG", "JPEG") for mode in ("RGB", "L", "CMYK")],
        *[(mode, "a.png", "PNG") for mode in ("RGB", "L", "LA", "1", "P", "RGBA")],
        *[(mode, "a.webp", "WEBP") for mode in ("RGB", "RGBA")],
        ("RGB", "a.bmp", "BMP"),
        ("RGB", "a.ppm", "PPM"),
        ("RGB", "named wrongly.JPEG", "PNG"),  # as one of ImageNet
        ("P", "still.jpg", "GIF"),
        ("CMYK", "print.jpg", "TIFF"),
    ],
)
def test_pixels_are_those_that_pillow_makes_rgb(tmp_path, mode, name, form):
    SMOOTH.convert(mode).save(tmp_path / name, form)
    pixels = read_upright(tmp_path / name)
    assert (pixels.shape, pixels.dtype) == ((40, 56, 3), np.uint8)
    assert pixels.flags.c_contiguous
    with Image.open(tmp_path / name) as image:
        difference = np.abs(pixels.astype(int) - np.asarray(image.convert("RGB")).astype(int))
    # Two builds of libjpeg may differ by a rounding or two.
    assert difference.max() <= (3 if form == "JPEG" else 0)


def test_of_a_transparent_palette_the_colours_count(tmp_path):
    palette = SMOOTH.quantize(16)
    palette.save(tmp_path / "a.png", transparency=bytes(range(16)))
    assert np.array_equal(read_upright(tmp_path / "a.png"), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize(("kind", "form"), [(np.uint16, "PNG"), (np.uint16, "TIFF")])
def test_of_sixteen_bits_the_upper_eight_count(tmp_path, kind, form):
    wide = (X * 1000 + Y).astype(kind)
    Image.fromarray(wide).save(tmp_path / "a.png", form)
    assert np.array_equal(read_upright(tmp_path / "a.png"), np.dstack([wide >> 8] * 3))


def test_sixteen_bits_of_each_colour(tmp_path):
    import cv2

    wide = np.random.default_rng(0).integers(0, 1 << 16, (6, 8, 3), np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), wide[..., ::-1])
    assert np.array_equal(read_upright(tmp_path / "a.png"), wide >> 8)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "cmyk.jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_the_camera_was_held(tmp_path, name, orientation):
    note = Image.Exif()
    note[ORIENTATION] = orientation
    image = SMOOTH.convert("CMYK") if name.startswith("cmyk") else SMOOTH
    image.save(tmp_path / name, exif=note)
    with Image.open(tmp_path / name) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB")).astype(int)
    found = read_upright(tmp_path / name)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 3


@given(st.one_of(st.integers(), st.sampled_from([0, 9, 65536])).filter(lambda n: not 1 <= n <= 8))
def test_other_notes_turn_nothing(orientation):
    pixels = np.asarray(SMOOTH)
    assert np.array_equal(turned(pixels, orientation), pixels)


def test_a_damaged_note_spoils_no_pixels(tmp_path):
    note = Image.Exif()
    note[ORIENTATION] = 6
    SMOOTH.save(tmp_path / "a.jpg", exif=note)
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    place = data.index(b"Exif\0\0") + 6
    data[place : place + 26] = b"\xff" * 26
    (tmp_path / "a.jpg").write_bytes(data)
    assert read_upright(tmp_path / "a.jpg").shape == (40, 56, 3)


@pytest.mark.parametrize(("name", "form"), [("a.webp", "WEBP"), ("a.png", "PNG"), ("a.jpg", "GIF")])
def test_an_animation_is_no_single_image(tmp_path, name, form):
    SMOOTH.save(tmp_path / name, form, save_all=True, append_images=[SMOOTH.rotate(90)])
    with pytest.raises(DataError, match=r"holds 2 frames; a single image is needed$"):
        read_upright(tmp_path / name)


def test_a_cameras_second_picture_is_left_out(tmp_path):
    SMOOTH.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[SMOOTH.rotate(90)])
    assert np.abs(read_upright(tmp_path / "a.jpg") - np.asarray(SMOOTH).astype(int)).max() < 40


def test_a_small_file_cannot_ask_for_all_memory(tmp_path):
    Image.new("L", (10_000, 9_000)).save(tmp_path / "a.jpg", quality=5)
    # Above a size Pillow warns, above twice that it refuses; the header alone is read.
    for name, width in (("a.png", 10_000), ("b.png", 100_000)):
        Image.new("1", (8, 8)).save(tmp_path / name)
        data = bytearray((tmp_path / name).read_bytes())
        data[16:24] = width.to_bytes(4) + (9_000).to_bytes(4)
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
        (tmp_path / name).write_bytes(data)
    for name in ("a.jpg", "a.png", "b.png"):
        with pytest.raises(DataError, match=rf"{name} cannot be read as an image: .*") as told:
            read_upright(tmp_path / name)
        assert "pixels" in str(told.value)
        assert "\n" not in str(told.value)


def test_real_numbers_and_forms_that_start_programs_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "a.jpg", "TIFF")
    with pytest.raises(DataError, match=r"a\.jpg has real numbers as values"):
        read_upright(tmp_path / "a.jpg")
    SMOOTH.save(tmp_path / "b.jpg", "EPS")
    with pytest.raises(DataError, match=r"b\.jpg cannot be read as an image: no known form"):
        read_upright(tmp_path / "b.jpg")


@pytest.mark.parametrize("options", [{}, {"interlace": 1}])
def test_every_wrong_bit_of_a_png_is_named(tmp_path, options):
    noise = np.random.default_rng(0).integers(0, 255, (5, 6, 3), np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(noise).save(path, **options)
    whole = path.read_bytes()
    for place in range(len(whole)):
        spoiled = bytearray(whole)
        spoiled[place] ^= 1 << place % 8
        path.write_bytes(spoiled)
        with pytest.raises(DataError, match=r"a\.png cannot be read as an image: ") as told:
            read_upright(path)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp"])
def test_every_cut_is_one_line(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    path = tmp_path / name
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 7):  # a JPEG is whole without its last two bytes
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="cannot be read as an image") as told:
            read_upright(path)
        assert "\n" not in str(told.value)
