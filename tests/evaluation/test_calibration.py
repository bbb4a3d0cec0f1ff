"""The benchmark of predicted distributions: on real clips, by models whose answers are known."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Laplace, Normal, StudentT

from siammae.data.augment.normalising import MEAN, STD
from siammae.data.built_in.sprites import Sprites
from siammae.data.reading.video import open_clip
from siammae.evaluation.benchmarks.calibration import Calibration
from siammae.evaluation.benchmarks.suite import Suite
from siammae.evaluation.features import EncoderFeatures
from siammae.evaluation.scores.calibration import LEVELS
from siammae.methods.siammae import SiamMAE
from siammae.model.decoders import CrossSelfDecoder
from siammae.model.encoder import Encoder
from siammae.model.heads import PixelMean, Prediction
from siammae.model.masking.grid import AsymmetricGrid
from siammae.model.masking.uniform import AsymmetricRandom
from siammae.system.errors import ConfigError, DataError

CPU = torch.device("cpu")
CLIPS, PAIRS, HIDDEN = 5, 3, 12
SETTINGS = {"gap": [1, 9], "mask_ratio": 0.75, "image_size": 32, "patch_size": 8}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    made = Sprites(str(tmp_path_factory.mktemp("sprites")), clips=CLIPS, frames=12, sequences=0)
    made.prepare()
    return made


@pytest.fixture
def benchmark(source):
    return Calibration(source, pairs=PAIRS, **SETTINGS)


class Known(PixelMean):
    """The mean 0 and a given distribution around it."""

    def __init__(self, spread=Normal, scale=1.0):
        super().__init__(width=16, patch_size=8)
        self.spread, self.scale = spread, scale

    def predict(self, decoder, *inputs):
        mean = torch.zeros_like(self.restore(decoder, *inputs).mean)
        scale = torch.full_like(mean, self.scale)
        return Prediction(mean, self.spread(loc=mean, scale=scale, validate_args=False))


def model(head=None, masking=AsymmetricRandom):
    torch.manual_seed(0)
    return SiamMAE(
        Encoder(image_size=32, patch_size=8, width=32, depth=1, heads=4),
        CrossSelfDecoder(image_size=32, patch_size=8, encoder_width=32, width=16, depth=1, heads=2),
        PixelMean(width=16, patch_size=8) if head is None else head,
        masking(0.5),
    ).eval()


def features(of):
    return EncoderFeatures(of.encoder, CPU, model=of)


def test_a_model_that_says_what_the_control_says_has_its_figures(benchmark):
    control, result = benchmark.copy_first_mask(), benchmark.evaluate(features(model(Known())))
    assert result.metrics == pytest.approx(control.metrics)
    for row, same in zip(result.per_object, control.per_object, strict=True):
        assert row.pop("clip") == same.pop("clip")
        assert all(row[name] == pytest.approx(same[name]) for name in same)
    assert control.control == "knows nothing"
    # The values of a patch have mean 0 and an unbiased variance of 1.
    assert control.metrics["z2"] == pytest.approx(191 / 192, rel=1e-3)
    assert control.metrics["MSE"] == pytest.approx(191 / 192, rel=1e-3)
    expected = -0.5 * (np.log(2 * np.pi) + 191 / 192)
    assert control.value == pytest.approx(expected, rel=1e-3)
    assert control.metrics["AURG"] == control.metrics["correlation"] == 0


def test_one_temperature_takes_back_what_is_wrong_everywhere(benchmark):
    right = benchmark.copy_first_mask().metrics
    wrong = benchmark.evaluate(features(model(Known(scale=0.5)))).metrics
    assert wrong["temperature"] == pytest.approx(2, rel=0.02)
    assert wrong["log-likelihood"] < right["log-likelihood"] - 0.5
    for name in ("log-likelihood-scaled", "ECE-scaled", "sharpness-scaled", "z2-scaled"):
        assert wrong[name] == pytest.approx(right[name], rel=1e-4), name


@pytest.mark.parametrize("family", [Normal, Laplace])
def test_figures_are_those_of_scipy_on_the_same_pixels(benchmark, family):
    law = {Normal: stats.norm, Laplace: stats.laplace}[family](scale=0.7)
    result = benchmark.evaluate(features(model(Known(family, 0.7))))
    values = [benchmark.control(video)[0].z for video in benchmark.videos()]  # of scale 1
    for row, z in zip(result.per_object, values, strict=True):
        assert row["log-likelihood"] == pytest.approx(law.logpdf(z).mean(), rel=1e-5)
        below = [(z <= law.ppf(level)).mean() for level in LEVELS]
        assert row["below"] == pytest.approx(below, abs=1e-5)
        assert row["sharpness"] == pytest.approx(law.std())
    shares = np.mean([[(z <= law.ppf(level)).mean() for level in LEVELS] for z in values], axis=0)
    assert result.metrics["ECE"] == pytest.approx(np.abs(shares - LEVELS).mean(), abs=1e-5)


def test_a_clip_is_in_the_fit_of_the_others_alone(benchmark):
    """Clip 0 is scored with the temperature of the clips 1 and 3."""
    rows = benchmark.evaluate(features(model())).per_object
    known = [benchmark.predict(video, features(model()))[0] for video in benchmark.videos()]
    for half, other in ((known[0::2], known[1::2]), (known[1::2], known[0::2])):
        expected = np.sqrt(np.mean([np.square(each.z, dtype=float).mean() for each in other]))
        for each in half:
            place = [each is one for one in known].index(True)
            assert rows[place]["temperature"] == pytest.approx(expected, rel=1e-6)


def test_pairs_and_masks_do_not_depend_on_the_model(benchmark):
    """Not on its masking, which stays its own, nor on torch's random numbers."""
    one, other = model(), model(masking=AsymmetricGrid)
    first = benchmark.evaluate(features(one)).metrics
    torch.manual_seed(5)
    assert benchmark.evaluate(features(other)).metrics == first
    assert isinstance(other.masking, AsymmetricGrid)


def test_what_is_scored_is_hidden_and_of_the_frames_that_are_told(benchmark):
    seen = []

    class Looking(SiamMAE):
        def forward(self, frames, generator=None, part=None, gap=None):
            restored = super().forward(frames, generator, gap=gap)
            seen.append((frames, gap, restored))
            return restored

    looking = model()
    looking.__class__ = Looking
    rows = benchmark.evaluate(features(looking)).per_object
    for row, (frames, gap, restored) in zip(rows, seen, strict=True):
        assert frames.shape == (PAIRS, 2, 3, 32, 32)
        assert row["gap"] == gap.flatten().tolist() == [1, 5, 9]
        target = restored.targets[0]
        assert restored.past.is_whole
        assert target.mask.hidden.shape == (PAIRS, HIDDEN)
        assert len({tuple(one) for one in target.mask.hidden.tolist()}) > 1
        # The model's own loss is the squared error of the same patches.
        assert row["MSE"] == pytest.approx(float(target.loss), rel=1e-5)
        assert row["MSE-of-gap"] == pytest.approx(
            [float(v) for v in _losses(looking, frames, target)], abs=1e-5
        )


def _losses(of, frames, target):
    from siammae.model.patches import gather_tokens, normalise_patches, patchify

    truth = normalise_patches(gather_tokens(patchify(frames[:, 1], 8), target.mask.hidden))
    return ((target.prediction.mean - truth) ** 2).mean(dim=(1, 2))


def test_the_past_is_restored_from_the_future_when_asked(source):
    ahead, back = (
        Calibration(source, pairs=1, **{**SETTINGS, "gap": 4}, direction=direction)
        for direction in ("future", "past")
    )
    video = ahead.videos()[0]
    there, again = ahead._pairs(video).frames, back._pairs(video).frames
    assert torch.equal(there.flip(1), again)


@pytest.mark.parametrize(("direction", "sign"), [("future", 1), ("past", -1), ("both", 1)])
def test_a_model_is_told_the_gap_s_sign(source, direction, sign):
    told = []

    class Noting(torch.nn.Module):
        def forward(self, gap):
            told.extend(gap.tolist())
            return torch.zeros(len(gap), 1, 16)

    noting = model()
    noting.gap_embedding = Noting()
    asked = Calibration(source, pairs=2, **{**SETTINGS, "gap": 4}, direction=direction)
    asked.evaluate(features(noting))
    assert told == [4 * sign] * len(told) != []


def test_a_model_that_was_trained_to_predict_is_asked_like_the_others(benchmark):
    """What it is trained with, a last frame of which nothing is visible, is its own matter."""
    trained, predicting = model(), model()
    predicting.predict = True
    first = benchmark.evaluate(features(trained)).metrics
    assert benchmark.evaluate(features(predicting)).metrics == first
    assert predicting.predict


def test_crops_have_the_size_of_the_training_s(source):
    """A sixteenth of the area, 32 pixels of 128, is taken as it is, at one place of both frames."""
    small = Calibration(source, pairs=2, **{**SETTINGS, "gap": 4}, crop_scale=[1 / 16, 1 / 16])
    video = small.videos()[0]
    mean, std = (np.array(values)[:, None, None] for values in (MEAN, STD))
    clip = open_clip(source.folder / "clips" / video)
    every = clip.read(range(clip.frames)).transpose(0, 3, 1, 2)  # (T, 3, H, W)
    for frames in small._pairs(video).frames.numpy():
        pixels = (frames * std + mean) * 255
        places = [_places(every, frame) for frame in pixels]
        assert {(t + 4, y, x) for t, y, x in places[0]} & places[1]


def _places(every, crop):
    """Time, row and column at which a crop (3, 32, 32) stands in a video."""
    corners = np.argwhere(np.abs(every[:, 0, :97, :97] - crop[0, 0, 0]) < 0.6)
    return {
        (t, y, x)
        for t, y, x in corners.tolist()
        if np.abs(every[t, :, y : y + 32, x : x + 32] - crop).max() < 0.6
    }


def test_a_short_clip_gives_the_gap_that_it_has(source):
    far = Calibration(source, pairs=2, **{**SETTINGS, "gap": 40})
    assert far.copy_first_mask().per_object[0]["gap"] == [far._pairs(far.videos()[0]).gaps[0]] * 2
    assert far.copy_first_mask().per_object[0]["gap"][0] in (9, 11)  # of a clip of 12


def test_a_broken_clip_is_named_and_the_rest_is_measured(source, tmp_path):
    for path in source.videos():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "00001.mp4").write_bytes(b"no video")
    benchmark = Calibration(source, root=str(tmp_path), pairs=2, **SETTINGS)
    result = benchmark.copy_first_mask()
    assert list(result.failed) == ["00001.mp4"]
    assert result.settings["clips"] == CLIPS - 1
    (tmp_path / "00003.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match="no clip of one half"):
        benchmark.copy_first_mask()


def test_clips_of_a_folder_are_spread_over_it(source):
    folder = str(source.folder / "clips")
    benchmark = Calibration(source, root=folder, clips=3, **SETTINGS)
    assert benchmark.videos() == ["00000.mp4", "00002.mp4", "00004.mp4"]
    with pytest.raises(DataError, match=r"benchmark.root=.*no such folder"):
        Calibration(source, root=f"{folder}/none", **SETTINGS).prepare()
    with pytest.raises(DataError, match="takes two"):
        Calibration(source, root=folder, clips=1, **SETTINGS).prepare()


def test_what_does_not_fit_is_refused_by_name(source, benchmark):
    with pytest.raises(ConfigError, match="a whole model, decoder and head"):
        benchmark.evaluate(EncoderFeatures(model().encoder, CPU))
    student = Known(lambda loc, scale, **_: StudentT(3.0, loc, scale))
    with pytest.raises(ConfigError, match="StudentT"):
        benchmark.evaluate(features(model(student)))
    with pytest.raises(ConfigError, match=r"benchmark\.gap=null"):
        Calibration(source, **{**SETTINGS, "gap": None}).evaluate(features(model()))
    with pytest.raises(ConfigError, match=r"image_size=64: the model takes 32"):
        Calibration(source, **{**SETTINGS, "image_size": 64}).evaluate(features(model()))
    with pytest.raises(ConfigError, match=r"mask_ratio=0.99 leaves 0 of 16"):
        Calibration(source, **{**SETTINGS, "mask_ratio": 0.99}).evaluate(features(model()))


WRONG = {"pairs": 0, "gap": [4, 2], "mask_ratio": 1.0, "direction": "up", "seed": -1, "clips": 0}
WRONG |= {"crop_scale": [0.5, 2.0], "patch_size": 7}


@pytest.mark.parametrize("key", WRONG)
def test_values_out_of_range_are_refused_by_name(source, key):
    with pytest.raises(ValueError, match=key):
        Calibration(source, **{**SETTINGS, key: WRONG[key]})


def test_a_broken_model_is_told(benchmark):
    with pytest.raises(DataError, match="NaN"):
        benchmark.evaluate(features(model(Known(scale=float("nan")))))


def test_a_suite_passes_the_model_on(benchmark):
    suite = Suite("both", {"calibration": benchmark}, "calibration/ECE")
    assert suite.needs_model
    alone = benchmark.evaluate(features(model()))
    together = suite.evaluate(features(model()))
    assert together.metrics == {f"calibration/{k}": v for k, v in alone.metrics.items()}


def test_gaps_in_seconds_are_those_of_the_clips_rate(source):
    """The built-in clips have 30 frames a second."""
    told = {**SETTINGS, "gap": [1 / 30, 0.3]}
    timed = Calibration(source, pairs=PAIRS, **told, gap_unit="seconds")
    counted = Calibration(source, pairs=PAIRS, **SETTINGS)
    assert timed.copy_first_mask().per_object == counted.copy_first_mask().per_object
    assert timed.settings()["gap_unit"] == "seconds"
    assert "gap_unit" not in counted.settings()
    with pytest.raises(ValueError, match="must be an int >= 1"):
        Calibration(source, **told)


def test_gaps_are_of_the_video_where_not_every_frame_is_stored(source, monkeypatch):
    def every_second(path):
        clip = open_clip(path)
        clip.step = 2
        return clip

    monkeypatch.setattr("siammae.data.reading.clips.open_clip", every_second)
    rows = Calibration(source, pairs=PAIRS, **SETTINGS).copy_first_mask().per_object
    assert {tuple(row["gap"]) for row in rows} == {(2, 4, 8)}  # 1, 5 and 9 are 1, 2 and 4 stored


def test_a_clip_without_a_rate_fails_by_name(source, monkeypatch):
    class Timeless:
        def __init__(self, path):
            self.clip = open_clip(path)
            self.frames, self.fps, self.step = self.clip.frames, None, 1

    monkeypatch.setattr("siammae.data.reading.clips.open_clip", Timeless)
    timed = Calibration(source, pairs=PAIRS, **SETTINGS, gap_unit="seconds")
    with pytest.raises(DataError, match=r"00000\.mp4 has no frame rate"):
        timed.control(timed.videos()[0])
