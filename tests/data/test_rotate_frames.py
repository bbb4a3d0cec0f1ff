"""Turned crops against PIL and numpy, at any angle and size: no black corner, no double blur."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from siammae.data.augment.colour import NEUTRAL, ColourJitter
from siammae.data.augment.geometry import Box
from siammae.data.augment.normalising import MEAN, STD
from siammae.data.augment.pair_augment import PairAugment
from siammae.data.augment.rotate_frames import cut_out, quarter_turns
from siammae.data.sampling.batch import Sample, Visit, collate

SIDE = 48


WAVES = np.random.default_rng(0).uniform([-0.012, -0.012, 0], [0.012, 0.012, 6], (3, 3, 3))


def waves(y, x):
    """A continuous picture in 0..255, of three channels; its waves have at least 60 pixels."""
    channels = [
        sum(np.sin(2 * np.pi * (y * v + x * u) + p) for v, u, p in three) for three in WAVES
    ]
    return 127.5 + 40 * np.stack(channels, axis=-1)


def smooth(height, width):
    """The picture at the middles of pixels."""
    return waves(*np.mgrid[0.5:height, 0.5:width]).round().astype(np.uint8)


def batch_of(*samples, interpolates=True):
    """(frames, boxes, angles, flip) of each sample."""
    made = []
    for frames, boxes, angles, flip in samples:
        angle = np.array(angles, np.float32)
        parts, crop = cut_out(frames, boxes, angle, interpolates)
        colour = np.tile(np.float32(NEUTRAL), (len(parts), 1))
        gaps = list(range(1, len(parts)))
        made.append(Sample(parts, np.full(len(parts), flip), colour, angle, gaps, 0, False, crop))
    return collate([Visit(made, {})])


def pixels(frames):
    """Normalised frames to (..., S, S, 3), 0..255."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return ((frames * std + mean) * 255).movedim(-3, -1).numpy()


def applied(*samples, interpolates=True, side=SIDE):
    return pixels(PairAugment(side).apply(batch_of(*samples, interpolates=interpolates)))


def by_pil(frame, box, degrees, flip):
    """The whole frame resized as its crop, mirrored, turned about the crop's middle, and cut."""
    height, width = frame.shape[:2]
    size = (width * SIDE // box.width, height * SIDE // box.height)
    x, y = (box.left * SIDE // box.width + SIDE // 2, box.top * SIDE // box.height + SIDE // 2)
    bicubic, channels = Image.Resampling.BICUBIC, []
    for channel in np.moveaxis(frame.astype(np.float32), -1, 0):
        picture = Image.fromarray(channel).resize(size, bicubic)
        middle = (size[0] - x if flip else x, y)
        if flip:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        turned = np.asarray(picture.rotate(degrees, bicubic, center=middle))
        top, left = y - SIDE // 2, middle[0] - SIDE // 2
        channels.append(turned[top : top + SIDE, left : left + SIDE])
    return np.stack(channels, axis=-1)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("degrees", [0, 10, -37.5, 45, 90, 133, 180, -90])
@pytest.mark.parametrize("shape", [(48, 48), (96, 72), (110, 140), (40, 60)])
def test_equal_to_pil_which_turns_the_whole_frame(shape, degrees, flip):
    """The direction too: counter-clockwise after mirroring. Crops as large, larger and smaller."""
    height, width = shape
    frame = smooth(4 * height, 4 * width)
    box = Box(height, 2 * width, height, width)
    ours = applied(([frame, frame], [box] * 2, [degrees, 0], flip))[0, 0]
    theirs = by_pil(frame, box, degrees, flip)
    assert np.ptp(theirs) > 60
    assert np.abs(ours - theirs).max() < 3  # PIL interpolates once more, between coarse pixels
    step = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    down, across = np.meshgrid(step, step, indexing="ij")
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    x, y = across * cosine - down * sine, across * sine + down * cosine
    x = -x if flip else x
    exact = waves(1.5 * height + y * height, 2.5 * width + x * width)
    assert np.abs(ours - exact).max() < 1


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_quarter_turns_are_exact(quarters, flip):
    """numpy's of the upright result, bit for bit, each frame by its own."""
    rng = np.random.default_rng(quarters)
    frame = rng.integers(0, 256, (90, 120, 3), np.uint8)
    box = Box(5, 9, 70, 55)
    turned = applied(
        ([frame, frame, frame], [box] * 3, [0, 90 * quarters, 180], flip), interpolates=False
    )[0]
    upright = applied(([frame, frame, frame], [box] * 3, [0, 0, 0], flip), interpolates=False)[0]
    np.testing.assert_array_equal(turned[0], upright[0])
    np.testing.assert_array_equal(turned[1], np.rot90(upright[1], quarters))
    np.testing.assert_array_equal(turned[2], np.rot90(upright[2], 2))


def test_quarter_turns_of_a_batch_go_by_sample_and_frame():
    images = torch.rand(5, 3, 2, 7, 7)
    quarters = torch.arange(15).view(5, 3) % 4
    turned = quarter_turns(images, 90.0 * (quarters - 4 * (quarters > 2)).float())  # -90 is 270
    for b in range(5):
        for t in range(3):
            expected = torch.rot90(images[b, t], int(quarters[b, t]), (-2, -1))
            assert torch.equal(turned[b, t], expected)


@pytest.mark.parametrize("shape", [(48, 48), (96, 96), (91, 130)])
def test_at_zero_degrees_nothing_is_blurred_more_than_without_rotation(shape):
    """Of noise, the hardest picture: at whole scales the very pixels, else the same contrast."""
    frame = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    sample = ([frame, frame], [Box(20, 30, *shape)] * 2, [0, 0], True)
    turned, plain = applied(sample), applied(sample, interpolates=False)
    assert np.std(turned) == pytest.approx(np.std(plain), rel=0.03)
    inner = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    away = np.abs(turned - plain)[inner]
    assert away.max() < 0.01 if shape[0] % SIDE == 0 else away.mean() < 4
    sample = ([smooth(200, 200)] * 2, *sample[1:])
    assert np.abs(applied(sample) - applied(sample, interpolates=False))[inner].max() < 1.5


def test_fine_stripes_do_not_alias():
    """Stripes of 2 pixels, halved and turned by 45 degrees, are grey."""
    frame = np.zeros((400, 400, 3), np.uint8)
    frame[:, ::2] = 255
    turned = applied(([frame, frame], [Box(120, 120, 144, 144)] * 2, [45, 20], False))
    assert np.abs(turned - 127.5).max() < 12


@given(
    frame=st.tuples(st.integers(6, 90), st.integers(6, 90)),
    part=st.tuples(*[st.floats(0.1, 1)] * 4),
    degrees=st.floats(-360, 360),
    flip=st.booleans(),
    side=st.sampled_from([16, 40]),
)
@settings(max_examples=60, deadline=None)
def test_no_corner_is_black(frame, part, degrees, flip, side):
    """A white frame stays white, wherever the crop lies; a black one has no white from nowhere."""
    sizes = [max(1, int(share * length)) for share, length in zip(part[:2], frame, strict=True)]
    corner = [
        int(share * (n - size)) for share, n, size in zip(part[2:], frame, sizes, strict=True)
    ]
    box, white = Box(*corner, *sizes), np.full((*frame, 3), 255, np.uint8)
    large = np.full((97, 101, 3), 255, np.uint8)  # beside it, so that the canvas has zeros
    samples = [
        ([white] * 2, [box] * 2, [degrees, 0], flip),
        ([large] * 2, [Box(0, 0, 97, 101)] * 2, [0, 45], flip),
    ]
    np.testing.assert_allclose(applied(*samples, side=side), 255, atol=0.01)


@given(degrees=st.floats(-180, 180), height=st.integers(8, 60), width=st.integers(8, 60))
@settings(max_examples=40, deadline=None)
def test_what_is_cut_out_is_of_the_frame_where_it_has_it(degrees, height, width):
    """The crop in the middle, all around the frame's own pixels: nothing is reflected there."""
    frame = np.arange(200 * 200 * 3, dtype=np.int64).reshape(200, 200, 3).astype(np.uint8)
    box = Box(70, 65, height, width)
    (part,), crop = cut_out([frame], [box], np.float32([degrees]), True)
    down, across = (part.shape[0] - height) // 2, (part.shape[1] - width) // 2
    assert crop.tolist() == [[height, width]]
    assert part.shape[:2] == (height + 2 * down, width + 2 * across)
    np.testing.assert_array_equal(
        part, Box(70 - down, 65 - across, height + 2 * down, width + 2 * across).cut(frame)
    )


def test_beyond_the_frame_it_is_reflected_at_the_frame_s_edge():
    frame = smooth(60, 60)
    (part,), _ = cut_out([frame], [Box(0, 30, 30, 30)], np.float32([45]), True)
    down, across = (part.shape[0] - 30) // 2, (part.shape[1] - 30) // 2
    np.testing.assert_array_equal(
        part,
        np.pad(frame, ((down, 0), (0, across), (0, 0)), "symmetric")[
            : part.shape[0], 30 - across :
        ],
    )


def test_a_frame_looks_the_same_whatever_is_beside_it():
    """Larger crops beside it, as in another part of the batch, and more frames."""
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (200, 210, 3), np.uint8)
    small = ([frame] * 2, [Box(3, 4, 60, 50), Box(90, 9, 45, 40)], [17, -120], True)
    large = ([frame] * 2, [Box(0, 0, 200, 210)] * 2, [45, 3], False)
    alone, together = applied(small), applied(large, small)
    np.testing.assert_allclose(alone[0], together[1], atol=0.02)


def test_many_points_are_sampled_in_parts(monkeypatch):
    frame = smooth(200, 210)
    samples = [
        ([frame] * 3, [Box(3, 4, 160, 150)] * 3, [i, 2 * i, 3 * i], bool(i % 2)) for i in range(4)
    ]
    whole = applied(*samples)
    monkeypatch.setattr("siammae.data.augment.rotate_frames.POINTS", 5 * (4 * SIDE) ** 2)
    np.testing.assert_array_equal(whole, applied(*samples))


def test_colour_is_changed_after_turning():
    """Contrast is about the mean of what the network sees."""
    frame = smooth(120, 120)
    batch = batch_of(([frame] * 2, [Box(30, 30, 60, 60)] * 2, [30, 60], False))
    batch.colour = torch.tensor([1.0, 1.5, 1.0, 0.0]).expand(1, 2, 4)
    plain, strong = (
        pixels(PairAugment(SIDE, colour=colour).apply(batch)) for colour in (None, ColourJitter())
    )
    grey = plain @ [0.2989, 0.587, 0.114]
    mean = grey.mean(axis=(2, 3))[..., None, None, None]
    np.testing.assert_allclose(strong, (mean + 1.5 * (plain - mean)).clip(0, 255), atol=0.05)
