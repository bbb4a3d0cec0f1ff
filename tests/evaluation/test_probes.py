"""The probes against loops and calculus, in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from siammae.evaluation.measuring.probes import (
    LinearProbe,
    NearestNeighbours,
    Samples,
    patch_classes,
    shares,
)


def blobs(rng, per_class, distance, dimensions=6):
    """Three Gaussian classes with the ids 2, 5 and 9."""
    centres = rng.normal(size=(3, dimensions))
    centres *= distance / np.linalg.norm(centres, axis=1, keepdims=True)
    target = np.repeat([0, 1, 2], per_class)
    features = centres[target] + rng.normal(size=(3 * per_class, dimensions))
    return torch.tensor(features), torch.tensor([2, 5, 9])[target]


def guesses(probe, features):
    return probe.ids[probe.scores(features).argmax(1)]


def test_separable_classes_are_told_apart():
    features, classes = blobs(np.random.default_rng(0), 60, 40)
    probe = LinearProbe(features, classes)
    assert probe.ids.tolist() == [2, 5, 9]
    assert (guesses(probe, features) == classes).all()


def test_random_labels_stay_near_chance_on_other_samples():
    rng = np.random.default_rng(0)
    features = torch.tensor(rng.normal(size=(4000, 6)))
    classes = torch.tensor(rng.integers(0, 4, 4000))
    for probe in (
        LinearProbe(features[:2000], classes[:2000]),
        NearestNeighbours(features[:2000], classes[:2000]),
    ):
        right = (guesses(probe, features[2000:]) == classes[2000:]).double().mean()
        assert 0.2 < right < 0.3


@pytest.mark.parametrize("l2", [1e-3, 0.1])
def test_the_gradient_vanishes_at_the_optimum(l2):
    """By the formula of softmax regression, not by autograd."""
    features, classes = blobs(np.random.default_rng(1), 40, 1.5)
    features = features * 7 + 3
    probe = LinearProbe(features, classes, l2)
    inputs = (features - features.mean(0)).numpy() / features.std(0, correction=0).numpy()
    exponents = np.exp(inputs @ probe.weight.numpy().T + probe.bias.numpy())
    shares = exponents / exponents.sum(1, keepdims=True)
    error = shares - (classes[:, None] == probe.ids).numpy()
    weight = error.T @ inputs / len(inputs) + l2 * probe.weight.numpy()
    assert np.abs(weight).max() < 2e-5
    assert np.abs(error.mean(0)).max() < 2e-5
    assert np.abs(probe.weight.numpy()).max() > 0.05  # and it is not the start


def test_the_scale_of_features_does_not_matter():
    features, classes = blobs(np.random.default_rng(2), 40, 1.5)
    factor = torch.logspace(-3, 3, 6, dtype=torch.float64)
    one, other = LinearProbe(features, classes), LinearProbe(features * factor + 5, classes)
    assert torch.allclose(one.scores(features), other.scores(features * factor + 5), atol=1e-3)


def test_a_constant_channel_and_inference_tensors():
    features, classes = blobs(np.random.default_rng(3), 40, 40)
    with torch.inference_mode():
        features = torch.cat([features, torch.full((120, 1), 3.0, dtype=torch.float64)], 1)
        probe = LinearProbe(features, classes)
        assert (guesses(probe, features) == classes).all()
    assert torch.isfinite(probe.weight).all()
    again = LinearProbe(features, classes)
    assert torch.equal(probe.weight, again.weight)


@pytest.mark.parametrize("top_k", [1, 3, 500])
def test_neighbours_equal_a_loop(top_k):
    rng = np.random.default_rng(4)
    bank, classes = blobs(rng, 15, 2)
    queries = torch.tensor(rng.normal(size=(20, 6)))
    shares = NearestNeighbours(bank, classes, top_k, 0.07).scores(queries)
    for query, found in zip(queries.numpy(), shares, strict=True):
        cosines = [q @ query / np.linalg.norm(q) / np.linalg.norm(query) for q in bank.numpy()]
        votes = dict.fromkeys([2, 5, 9], 0.0)
        for i in sorted(range(45), key=lambda i: -cosines[i])[:top_k]:
            votes[int(classes[i])] += np.exp(cosines[i] / 0.07)
        total = sum(votes.values())
        assert found.tolist() == pytest.approx([v / total for v in votes.values()], abs=1e-4)


def test_queries_in_parts_are_the_same(monkeypatch):
    rng = np.random.default_rng(5)
    bank, classes = blobs(rng, 15, 2)
    queries, probe = torch.tensor(rng.normal(size=(20, 6))), NearestNeighbours(bank, classes)
    whole = probe.scores(queries)
    monkeypatch.setattr("siammae.evaluation.measuring.probes.CHUNK", 45 * 3)
    assert torch.allclose(probe.scores(queries), whole, atol=1e-6)


@pytest.mark.parametrize("scale", [1, 2])
def test_the_class_of_a_patch_is_its_most_frequent_pixel(scale):
    rng = np.random.default_rng(6)
    ids = rng.choice([0, 1, 2, 7, 255], (16, 24), p=[0.2, 0.2, 0.2, 0.1, 0.3]).astype(np.uint8)
    ids[:4, :4] = 255
    counted = torch.arange(256) < 7
    found = patch_classes(torch.from_numpy(ids), (16 * scale, 24 * scale), 4 * scale, counted)
    assert len(found) == 4 * 6
    for number, one in enumerate(found.tolist()):
        top, left = number // 6 * 4, number % 6 * 4
        pixels = ids[top : top + 4, left : left + 4].ravel()
        votes = [int((pixels == c).sum()) for c in range(7)]
        if sum(votes) < 8:
            assert one == -1
        else:
            assert votes[one] == max(votes)
    assert -1 in found


def test_samples_have_a_class_and_are_few_of_each_frame():
    classes = torch.tensor([3, -1] * 20)
    tokens = torch.arange(40.0)[:, None]
    samples, again = Samples(), Samples()
    for taken in (samples, again):
        taken.add([(tokens, classes), (tokens, classes.roll(1) * 2)], [6, 6])
    drawn, of = samples.all()
    assert len(drawn) == 12
    assert (drawn[:6] % 2 == 0).all()
    assert (drawn[6:] % 2 == 1).all()
    assert of.tolist() == [3] * 6 + [6] * 6
    assert len(drawn.unique()) == 12
    assert torch.equal(drawn, again.all()[0])


def test_samples_of_frames_that_may_give_fewer_are_the_first_of_the_others():
    """A smaller share draws no other patches: sets that fit are sampled as without a bound."""
    classes, tokens = torch.tensor([3, -1, 4, 5] * 10), torch.arange(40.0)[:, None]
    large, small = Samples(), Samples()
    large.add([(tokens, classes)] * 3, [9, 9, 9])
    small.add([(tokens, classes)] * 3, [9, 2, 0])
    assert [len(drawn) for drawn in small.tokens] == [9, 2, 0]
    for some, all_of_it in zip(small.tokens, large.tokens, strict=True):
        assert torch.equal(some, all_of_it[: len(some)])


@given(st.integers(1, 500), st.integers(1, 300), st.integers(1, 5000))
def test_shares_keep_to_the_bound_and_are_even(frames, per_frame, most):
    each = shares(frames, per_frame, most)
    assert len(each) == frames
    assert sum(each) == min(most, frames * per_frame)
    assert max(each) - min(each) <= 1
