import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from siammae.data.augment.colour import NEUTRAL, ColourJitter
from siammae.data.augment.geometry import Box, resize_matrices
from siammae.data.augment.normalising import MEAN, STD
from siammae.data.augment.pair_augment import PairAugment
from siammae.data.sampling.batch import Sample, Visit, collate


def batch_of(pairs, flips, colour=NEUTRAL):
    samples = [
        Sample(
            list(crops),
            np.full(len(crops), flip),
            np.tile(np.float32(colour), (len(crops), 1)),
            np.zeros(len(crops), np.float32),
            [4],
            0,
            False,
        )
        for crops, flip in zip(pairs, flips, strict=True)
    ]
    return collate([Visit(samples, {})])


def torchvision_resize(crop, size):
    """One frame (h, w, 3) to (3, size, size), 0..255."""
    pixels = torch.from_numpy(crop).permute(2, 0, 1).float()
    bicubic = v2.InterpolationMode.BICUBIC
    return v2.functional.resize(pixels, [size, size], bicubic, antialias=True).clamp(0, 255)


def in_pixels(frames):
    """Normalised frames to 0..255."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return (frames * std + mean) * 255


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("shared", [True, False])
def test_equal_to_torchvision(size, shared):
    """Crops of several sizes in one batch, each as torchvision's antialiased bicubic resizes it;
    those of a pair may differ in size, too."""
    rng = np.random.default_rng(0)
    shapes = [(40, 40), (61, 37), (33, 90), (20, 25)]
    second = shapes if shared else shapes[::-1]
    pairs = [
        [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in both]
        for both in zip(shapes, second, strict=True)
    ]
    flips = [False, True, False, True]
    result = PairAugment(size, shared_crop=shared).apply(batch_of(pairs, flips))
    assert result.shape == (4, 2, 3, size, size)
    assert result.dtype == torch.float32
    for crops, flip, ours in zip(pairs, flips, result, strict=True):
        theirs = torch.stack([torchvision_resize(crop, size) for crop in crops])
        theirs = theirs.flip(-1) if flip else theirs
        torch.testing.assert_close(in_pixels(ours), theirs, atol=2e-3, rtol=0)


def by_readers(augment, pairs, flips):
    """A batch as readers send it that resize."""
    done = [
        augment.by_reader(list(p), np.full(len(p), flip))
        for p, flip in zip(pairs, flips, strict=True)
    ]
    return batch_of([frames for frames, _ in done], [flip[0] for _, flip in done])


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("size", [32, 224])
def test_readers_resize_as_the_device_does_within_rounding(shared, size):
    """Both passes round to a byte: half a level of the first, which the second's weights, whose
    absolute values sum to at most 1.25, hand on, and half of the second. Weights of 15 bits add
    little. Only content that overshoots 0..255 between the passes would differ more."""
    rng = np.random.default_rng(0)
    shapes = [(240, 240), (161, 237), (133, 190), (20, 25), (size, size)]
    second = shapes if shared else shapes[::-1]
    pairs = [
        [rng.integers(60, 196, (h, w, 3), np.uint8) for h, w in both]
        for both in zip(shapes, second, strict=True)
    ]
    flips = [False, True, False, True, True]
    there = PairAugment(size, shared_crop=shared).apply(batch_of(pairs, flips))
    augment = PairAugment(size, shared_crop=shared, resize="host")
    batch = by_readers(augment, pairs, flips)
    assert batch.frames.shape == (5, 2, size, size, 3)
    assert not batch.flip.any()
    here = augment.apply(batch)
    torch.testing.assert_close(
        in_pixels(here), in_pixels(there), atol=0.5 * 1.25 + 0.5 + 0.1, rtol=0
    )


def test_readers_resize_as_torchvision_does_with_bytes():
    crops = [np.random.default_rng(0).integers(0, 256, (97, 130, 3), np.uint8) for _ in range(2)]
    (first, second), flip = PairAugment(64, resize="host").by_reader(crops, np.full(2, True))
    assert not flip.any()
    for ours, crop in ((first, crops[0]), (second, crops[1])):
        pixels = torch.from_numpy(crop).permute(2, 0, 1).contiguous()
        bicubic = v2.InterpolationMode.BICUBIC
        theirs = v2.functional.resize(pixels, [64, 64], bicubic, antialias=True).flip(-1)
        np.testing.assert_array_equal(ours, theirs.permute(1, 2, 0).numpy())


def test_a_place_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="resize 'gpu' is neither device nor host"):
        PairAugment(32, resize="gpu")


@given(length=st.integers(1, 90), extra=st.integers(0, 20), size=st.integers(1, 64))
@settings(max_examples=50, deadline=None)
def test_matrices_average_and_never_look_beyond_the_crop(length, extra, size):
    matrix = resize_matrices(torch.tensor([length]), length + extra, size)[0]
    assert matrix.shape == (size, length + extra)
    torch.testing.assert_close(matrix.sum(1), torch.ones(size), atol=1e-5, rtol=0)
    assert not matrix[:, length:].any()


@given(h=st.integers(8, 300), w=st.integers(8, 300), seed=st.integers(0, 10_000))
@pytest.mark.parametrize("shared", [True, False])
def test_crops_lie_in_the_frame_and_keep_to_the_ranges(shared, h, w, seed):
    augment = PairAugment(32, (0.5, 1.0), (0.75, 4 / 3), shared_crop=shared)
    for box in augment.draw(np.random.default_rng(seed), 2, h, w).boxes:
        assert 0 <= box.top <= box.top + box.height <= h
        assert 0 <= box.left <= box.left + box.width <= w
        is_fallback = box.height == box.width == min(h, w)
        assert is_fallback or box.height * box.width >= 0.5 * h * w - (h + w)


def test_without_a_scale_the_centre_is_taken():
    drawn = PairAugment(32, None, flip=0.0).draw(np.random.default_rng(0), 2, 60, 100)
    assert drawn.boxes == [(0, 20, 60, 60)] * 2
    assert not drawn.flip.any()


def test_a_box_cuts_its_part():
    frame = np.arange(6 * 5 * 3).reshape(6, 5, 3)
    np.testing.assert_array_equal(Box(1, 2, 3, 2).cut(frame), frame[1:4, 2:4])


@pytest.mark.parametrize(("flip", "share"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_share_of_flips(flip, share):
    rng = np.random.default_rng(0)
    flips = [PairAugment(32, flip=flip).draw(rng, 2, 50, 50).flip for _ in range(800)]
    assert np.mean(flips) == pytest.approx(share, abs=0.06)


def draws_of_before(rng, height, width):
    """A pair's flip and crop as they were drawn before there was jitter, written out."""
    flip = rng.random() < 0.5
    while True:
        area = height * width * rng.uniform(0.5, 1.0)
        ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if w <= width and h <= height:
            top = rng.integers(0, height - h + 1)
            return flip, (top, rng.integers(0, width - w + 1), h, w)


JITTERS = {
    "off": {},
    "of no strength": {"colour": ColourJitter(strength=0)},
    "spatial": {"shared_crop": False},
    "colour": {"colour": ColourJitter()},
    "both": {"shared_crop": False, "colour": ColourJitter(shared=True)},
}


@pytest.mark.parametrize("jitter", JITTERS)
def test_jitter_changes_no_other_draw(jitter):
    """Flip, first crop, and what the generator gives afterwards are those of before."""
    augment = PairAugment(32, **JITTERS[jitter])
    rng, before = np.random.default_rng(7), np.random.default_rng(7)
    for _ in range(50):
        drawn, (flip, box) = augment.draw(rng, 2, 90, 90), draws_of_before(before, 90, 90)
        assert (*drawn.flip, drawn.boxes[0]) == (flip, flip, box)
        assert rng.bit_generator.state == before.bit_generator.state
        assert (drawn.boxes[1] == box) == augment.shared_crop
        assert (drawn.colour == np.float32(NEUTRAL)).all() == (augment.colour is None)


@pytest.mark.parametrize("jitter", ["off", "of no strength"])
@pytest.mark.parametrize("many", [1, 3, 8, 32])
def test_without_jitter_pixels_are_those_of_before_bit_for_bit(jitter, many):
    """What was computed when all frames of a pair had one crop and no colour, written out."""
    rng = np.random.default_rng(many)
    shapes, flips = rng.integers(20, 70, (many, 2)), rng.random(many) < 0.5
    pairs = [rng.integers(0, 256, (2, h, w, 3), np.uint8) for h, w in shapes]
    batch = batch_of(pairs, flips)
    height, width = batch.frames.shape[2:4]
    pixels = batch.frames.permute(0, 1, 4, 2, 3).reshape(many, 6, height, width).float()
    rows = resize_matrices(batch.size[:, 0, 0], height, 32)
    columns = resize_matrices(batch.size[:, 0, 1], width, 32)
    columns = torch.where(batch.flip[:, :1].reshape(-1, 1, 1), columns.flip(1), columns)
    resized = rows.unsqueeze(1) @ (pixels @ columns.transpose(1, 2).unsqueeze(1))
    resized = resized.clamp(0, 255).view(many, 2, 3, 32, 32)
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    result = PairAugment(32, **JITTERS[jitter]).apply(batch)
    assert torch.equal(result, (resized / 255 - mean) / std)


def test_colour_is_changed_after_the_crop_is_resized():
    """torchvision's order, too: its contrast is about the mean of the crop, not of the frame."""
    rng = np.random.default_rng(0)
    pairs = [[rng.integers(0, 256, (30, 44, 3), np.uint8) for _ in range(2)]]
    augment = PairAugment(32, colour=ColourJitter())
    result = augment.apply(batch_of(pairs, [True], (1.0, 1.6, 1.0, 0.0)))[0]
    for crop, ours in zip(pairs[0], result, strict=True):
        theirs = torchvision_resize(crop, 32).flip(-1) / 255
        theirs = v2.functional.adjust_contrast(theirs, 1.6) * 255
        torch.testing.assert_close(in_pixels(ours), theirs, atol=0.25, rtol=0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"crop_scale": [0.0, 1.0]},
        {"crop_scale": [0.9, 0.5]},
        {"flip": 1.5},
        {"shared_crop": "crop"},
    ],
)
def test_senseless_ranges_are_refused(arguments):
    with pytest.raises(ValueError, match=r"crop_scale|flip|shared_crop"):
        PairAugment(32, **arguments)
