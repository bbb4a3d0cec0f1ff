"""The classifier against plain formulas in float64, and what becomes of the number of classes."""

import pytest
import torch
from plain_vit import assert_same_gradients, encode, linear, part, weights_of

from siammae.assembly.build import build_model
from siammae.assembly.flops import gflops_per_pair
from siammae.assembly.identity import identify
from siammae.methods.supervised import Supervised
from siammae.model.encoder import Encoder
from siammae.system.errors import ConfigError, DataError

CLASSES = 5


def build(label_smoothing=0.1):
    torch.manual_seed(0)
    encoder = Encoder(image_size=32, patch_size=8, width=32, depth=2, heads=4)
    return Supervised(encoder, CLASSES, label_smoothing)


def plain_loss(weights, images, label, smoothing):
    """-sum over classes of q log softmax of the frames' mean scores; q has 1 - s on the true class
    and s / K on each."""
    scores = 0
    for frame in images.double().unbind(1):
        cls = encode(part(weights, "encoder"), frame, 8, 4)[:, 0]
        scores = scores + linear(weights, "classifier", cls) / images.shape[1]
    logs = scores - scores.exp().sum(-1, keepdim=True).log()
    wanted = torch.full_like(logs, smoothing / CLASSES)
    for sample, number in enumerate(label.tolist()):
        wanted[sample, number] += 1 - smoothing
    return -(wanted * logs).sum(-1).mean(), scores


@pytest.mark.parametrize(("frames", "smoothing"), [(1, 0.1), (3, 0.0)])
def test_loss_and_gradients_are_those_of_plain_formulas(frames, smoothing):
    model = build(smoothing)
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(4, frames, 3, 32, 32, generator=generator)
    label = torch.tensor([0, 4, 2, 2])
    outcome = model(images, label=label)
    outcome.total.backward()
    weights = weights_of(model)
    wanted, scores = plain_loss(weights, images, label, smoothing)
    wanted.backward()
    assert outcome.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    right = sum(int(row.argmax()) == n for row, n in zip(scores, label.tolist(), strict=True))
    assert outcome.metrics["train/accuracy"].item() == right / 4
    assert_same_gradients(model, weights)


def test_the_picture_says_what_is_found_and_what_is_true():
    model, images, label = build(), torch.randn(2, 2, 3, 32, 32), torch.tensor([1, 3])
    outcome = model(images, label=label)
    columns = model.columns(images, outcome, label=label)
    assert torch.equal(columns[1].images, images[:, 1])
    found = outcome.scores.argmax(1).tolist()
    assert columns[0].labels == [f"{found[0]}, true 1", f"{found[1]}, true 3"]


def test_the_number_of_classes_becomes_part_of_the_run(settings_of, put_classes):
    root = put_classes(run=2, walk=1, wave=1)
    overrides = ["method=supervised", "data=videos", f"data.root={root}", "benchmark=none"]
    found = identify(settings_of(*overrides), None)
    assert found.settings.as_dict()["method"]["classes"] == 3
    assert found.settings.as_dict()["method"]["label_smoothing"] == 0.1
    assert build_model(found.settings).classifier.out_features == 3
    assert gflops_per_pair(found.settings) > 0
    given = identify(settings_of(*overrides, "method.classes=3"), None)
    assert given.record.signature == found.record.signature
    with pytest.raises(ConfigError, match=r"method\.classes=4: the clips have 3"):
        identify(settings_of(*overrides, "method.classes=4"), None)
    # The same files in other classes are another run, and so is another number of them.
    (root / "walk").rename(root / "stand")
    (root / "wave").rename(root / "walk")
    assert identify(settings_of(*overrides), None).record.signature != found.record.signature


def test_clips_without_classes_or_with_one_are_refused_before_anything_starts(
    settings_of, put_classes
):
    root = put_classes(run=2)
    overrides = ["method=supervised", "data=videos", "benchmark=none"]
    for folder, words in ((root, "1 class, run"), (root / "run", "2 of 2 clips have no class")):
        with pytest.raises(DataError, match=words) as told:
            identify(settings_of(*overrides, f"data.root={folder}"), None)
        assert len(str(told.value).splitlines()) == 1


@pytest.fixture
def put_classes(tmp_path):
    """Files of videos' names in class folders; nobody opens them."""

    def make(**classes):
        for name, count in classes.items():
            (tmp_path / "set" / name).mkdir(parents=True)
            for number in range(count):
                (tmp_path / "set" / name / f"{name}{number}.mp4").write_bytes(b"x")
        return tmp_path / "set"

    return make


def test_what_does_nothing_is_refused(settings_of):
    settings_of("method=supervised", "targets=chained", "frame_gap=8")
    for overrides, word in (
        (["targets=multi", "frame_gap=8"], "targets.gap_embedding=learned: .* does not use it"),
        (["decoder=cross_self"], "decoder: method=supervised does not use it"),
        (["method.label_smoothing=1"], r"label_smoothing 1 is outside \[0, 1\)"),
        (["~method.classes"], "classes"),
    ):
        with pytest.raises(ConfigError, match=word):
            settings_of("method=supervised", *overrides)
