"""Against a plain version: the whole matrix, a mask, a sort, a loop over queries."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from siammae.data.augment.normalising import MEAN, STD
from siammae.evaluation.propagation.propagate import BLOCK, largest, make_bands, propagate
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.propagation.sequence import prepare, to_grid
from siammae.system.paths import CONFIGS


def brute_force(protocol, features, grid, first):
    """The definition, in float64, one query at a time, every copy of the first frame searched."""
    rows, columns = grid
    place = [(i // columns, i % columns) for i in range(rows * columns)]
    features = [F.normalize(frame.double(), dim=-1) for frame in features]
    labels = [first.double()]
    for t in range(1, len(features)):
        result = []
        for query, (y, x) in enumerate(place):
            votes = []
            for context, windowed in searched(protocol, t):
                for key, (v, u) in enumerate(place):
                    dy, dx = abs(y - v), abs(x - u)
                    if protocol.window == "disc":
                        inside = dy**2 + dx**2 < protocol.radius**2
                    else:
                        inside = max(dy, dx) <= protocol.radius
                    if inside or not windowed:
                        cosine = float(features[t][query] @ features[context][key])
                        votes.append((cosine, labels[context][key]))
            votes.sort(key=lambda vote: -vote[0])
            best = votes[: protocol.top_k]
            if protocol.ties == "keep":
                best = [vote for vote in votes if vote[0] >= best[-1][0] - 1e-12]
            weights = torch.tensor([c / protocol.temperature for c, _ in best]).double().softmax(0)
            result.append(sum(w * label for w, (_, label) in zip(weights, best, strict=True)))
        labels.append(torch.stack(result))
    return torch.stack(labels)


def searched(protocol, t):
    """Frames that frame t is compared with, and whether the window holds for each."""
    always = [(0, protocol.window_first)] if protocol.first_always else []
    queue = list(range(1, t))
    if protocol.start == "repeat":
        queue = [0] * protocol.queue + queue
    elif not protocol.first_always:
        queue = [0, *queue]
    kept = queue[-protocol.queue :] if protocol.queue else []
    return always + [(frame, True) for frame in kept]


@given(
    rows=st.integers(1, 8),
    columns=st.integers(1, 6),
    frames=st.integers(2, 4),
    top_k=st.integers(1, 30),
    queue=st.integers(0, 3),
    radius=st.sampled_from([0.5, 1, 1.5, 2, 3, 20]),
    window=st.sampled_from(["disc", "square"]),
    window_first=st.booleans(),
    first_always=st.booleans(),
    start=st.sampled_from(["grow", "repeat"]),
    ties=st.sampled_from(["drop", "keep"]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=80, deadline=None)
def test_equal_to_the_definition(
    rows,
    columns,
    frames,
    top_k,
    queue,
    radius,
    window,
    window_first,
    first_always,
    start,
    ties,
    seed,
):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(frames, rows * columns, 8, generator=generator)
    first = torch.rand(rows * columns, 3, generator=generator)
    protocol = Propagation(
        top_k,
        queue or int(not first_always),
        radius,
        0.2,
        window,
        window_first,
        first_always,
        start,
        ties,
    )
    ours = torch.stack(list(propagate(protocol, features, (rows, columns), first)))
    expected = brute_force(protocol, features, (rows, columns), first)
    torch.testing.assert_close(ours.double(), expected, atol=1e-5, rtol=0)


def test_ties_keep_their_vote():
    """Two patches with one feature: with ties both vote, without them one."""
    features = torch.tensor([[[1.0, 0], [1, 0], [0, 1]], [[1, 0], [0, 1], [0, 1]]])
    first = torch.eye(3)
    kept, dropped = (
        list(propagate(Propagation(1, 1, 9, 0.1, ties=ties), features, (1, 3), first))[1]
        for ties in ("keep", "drop")
    )
    torch.testing.assert_close(kept[0], torch.tensor([0.5, 0.5, 0]))
    assert sorted(dropped[0].tolist()) == [0, 0, 1]


def test_copies_of_the_first_frame_crowd_out_others():
    """videowalk at the first step: the k nearest are k copies of one patch."""
    features = torch.tensor([[[1.0, 0], [0.9, 0.1]], [[1, 0], [0, 1]]])
    repeated = Propagation(3, 2, 9, 1.0, start="repeat")
    labels = list(propagate(repeated, features, (1, 2), torch.eye(2)))[1]
    torch.testing.assert_close(labels[0], torch.tensor([1.0, 0]))


@given(
    blocks=st.integers(1, 50),
    rest=st.sampled_from([0, 0, 0, 17]),
    k=st.integers(1, 5),
    seed=st.integers(0, 100),
    ties=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_two_passes_find_the_largest(blocks, rest, k, seed, ties):
    length = blocks * BLOCK + rest  # two passes from 8 * k blocks on, when they are whole
    scores = torch.randn(4, length, generator=torch.Generator().manual_seed(seed))
    scores = scores.round() if ties else scores
    values, index = largest(scores, k)
    expected = scores.sort(dim=1, descending=True).values[:, :k]
    assert torch.equal(values, expected)
    assert torch.equal(scores.gather(1, index), values)
    assert all(len(set(row)) == len(row) for row in index.tolist())


def test_long_rows_take_the_second_path(monkeypatch):
    scores = torch.randn(3, (8 * 2 + 3) * BLOCK)
    expected = scores.topk(2).values
    widths, topk = [], torch.Tensor.topk
    monkeypatch.setattr(
        torch.Tensor, "topk", lambda t, *a, **o: widths.append(t.shape[1]) or topk(t, *a, **o)
    )
    values, _ = largest(scores, 2)
    assert widths == [19, 2 * BLOCK]  # blocks, then what the best two hold
    assert torch.equal(values, expected)


@given(
    blocks=st.integers(1, 50),
    k=st.integers(1, 5),
    values=st.sampled_from([2, 6, 1000]),
    outside=st.sampled_from([0.0, 0.5, 0.99, 1.0]),
    seed=st.integers(0, 100),
)
@settings(max_examples=60, deadline=None)
def test_ties_with_the_kth_are_all_found(blocks, k, values, outside, seed):
    """Also those in blocks beyond the best k; -inf, outside the window, ties with nothing."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(values, (4, blocks * BLOCK), generator=generator).float()
    hidden = torch.rand(scores.shape, generator=generator) < outside
    scores = scores.masked_fill(hidden, -torch.inf)
    values, index = largest(scores, k, ties=True)
    for row, found, places in zip(scores, values, index, strict=True):
        threshold = row.sort(descending=True).values[:k][-1]
        expected = row[(row >= threshold) & row.isfinite()]
        assert torch.equal(found[found.isfinite()], expected.sort(descending=True).values)
        assert torch.equal(row[places][found.isfinite()], found[found.isfinite()])
        assert len(set(places.tolist())) == len(places)


@pytest.mark.parametrize("window", ["disc", "square"])
@pytest.mark.parametrize(("grid", "radius"), [((30, 55), 12), ((7, 29), 3.5), ((1, 40), 0.5)])
def test_bands_hold_just_their_windows(grid, radius, window):
    """Every pair of patches in a window is searched, no other is."""
    rows, columns = grid
    bands = make_bands(grid, radius, window, torch.device("cpu"))
    patches = torch.cat([band.patches for band in bands])
    assert sorted(patches.tolist()) == list(range(rows * columns))
    found = torch.zeros(rows * columns, rows, columns, dtype=torch.bool)
    for band in bands:
        found[band.patches, band.rows, band.columns] = band.penalty[:, :, 0] == 0
    y, x = (
        places.flatten().numpy()
        for places in torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    )
    dy, dx = np.abs(y[:, None] - y), np.abs(x[:, None] - x)
    inside = np.hypot(dy, dx) < radius if window == "disc" else np.maximum(dy, dx) <= radius
    assert np.array_equal(found.flatten(1).numpy(), inside)


@pytest.mark.parametrize(
    "protocol",
    [
        Propagation(5, 3, 12, 0.1, "square", True, ties="keep"),
        Propagation(7, 3, 20, 0.7),
        Propagation(7, 3, 6, 0.7, start="repeat"),
        Propagation(3, 2, 6, 0.1, window_first=True, first_always=False),
    ],
)
def test_large_grids_equal_the_whole_matrix(protocol):
    """Several bands, long rows: 30 x 55 patches as in DAVIS, with copies searched one by one."""
    grid, frames = (30, 55), 4
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(frames, 1650, 16, generator=generator)
    first = torch.rand(1650, 3, generator=generator)
    labels = list(propagate(protocol, features, grid, first))
    y, x = torch.arange(1650) // 55, torch.arange(1650) % 55
    dy, dx = (y[:, None] - y).abs(), (x[:, None] - x).abs()
    inside = torch.maximum(dy, dx) <= protocol.radius
    if protocol.window == "disc":
        inside = dy**2 + dx**2 < protocol.radius**2
    unit = F.normalize(features.double(), dim=-1)
    expected = [first.double()]
    for t in range(1, frames):
        scores = torch.cat(
            [
                (unit[t] @ unit[frame].T).masked_fill(~inside & windowed, -torch.inf)
                for frame, windowed in searched(protocol, t)
            ],
            dim=1,
        )
        bank = torch.cat([expected[frame] for frame, _ in searched(protocol, t)])
        best, index = scores.topk(protocol.top_k, dim=1)
        weights = (best / protocol.temperature).softmax(1)
        expected.append((weights.unsqueeze(2) * bank[index]).sum(1))
        torch.testing.assert_close(labels[t].double(), expected[t], atol=1e-5, rtol=0)


@pytest.mark.parametrize("ties", ["drop", "keep"])
def test_half_precision_products(ties):
    """fp16, as on a GPU: masks keep their meaning, labels stay near those of fp32."""
    grid, frames = (13, 26), 4
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(frames, 338, 32, generator=generator)
    first = torch.rand(338, 3, generator=generator)
    window = {"window": "square", "window_first": True, "ties": ties}
    half, full = (
        torch.stack(
            list(
                propagate(
                    Propagation(338 * 4, 2, 4, 0.5, precision=precision, **window),
                    features,
                    grid,
                    first,
                )
            )
        )
        for precision in ("fp16", "fp32")
    )
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, atol=2e-3, rtol=0)


@pytest.mark.parametrize("columns", [144, 150])
def test_fewer_candidates_than_k_in_long_rows(columns):
    """Wide frames and a small window: most of a long row is outside, and so is what fills it up."""
    grid, frames = (13, columns), 7
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(frames, grid[0] * columns, 4, generator=generator)
    first = torch.rand(grid[0] * columns, 2, generator=generator)
    protocol = Propagation(7, 20, 1, 0.2, "disc", window_first=True)  # a patch and its past selves
    labels = list(propagate(protocol, features, grid, first))
    unit = F.normalize(features, dim=-1)
    expected = [first]
    for t in range(1, frames):
        cosines = torch.stack([(unit[t] * unit[s]).sum(-1) for s in range(t)])
        weights = (cosines / 0.2).softmax(0).unsqueeze(-1)
        expected.append((weights * torch.stack(expected)).sum(0))
    torch.testing.assert_close(torch.stack(labels), torch.stack(expected), atol=1e-5, rtol=0)


def test_features_that_do_not_fill_the_grid():
    with pytest.raises(ValueError, match="11 patches do not fill a grid of 3 x 4"):
        list(propagate(Propagation(), torch.randn(2, 11, 4), (3, 4), torch.rand(11, 2)))


def test_half_precision_features_and_an_iterator():
    features = torch.randn(4, 12, 16).bfloat16()
    first = torch.rand(12, 2)
    ours = list(propagate(Propagation(3, 2, 2), iter(features), (3, 4), first))
    same = list(propagate(Propagation(3, 2, 2), features.float(), (3, 4), first))
    torch.testing.assert_close(torch.stack(ours), torch.stack(same))


def test_a_label_follows_its_patch():
    """A feature that moves one patch a frame takes its label along."""
    grid, frames = (4, 7), 5
    features = torch.zeros(frames, 28, 5)
    features[..., 0] = 1.0
    for t in range(frames):
        features[t, 7 + t] = torch.tensor([0.0, 5.0, 0, 0, 0])
    first = torch.zeros(28, 2)
    first[:, 0] = 1
    first[7] = torch.tensor([0.0, 1.0])
    labels = list(propagate(Propagation(1, 2, 2.5, 0.1), features, grid, first))
    for t in range(frames):
        assert labels[t].argmax(1).nonzero().flatten().tolist() == [7 + t]


@pytest.mark.parametrize("shape", [(1, 1), (6, 5), (13, 4), (30, 55)])
def test_bands_cover_every_query_once(shape):
    bands = make_bands(shape, 3, "disc", torch.device("cpu"))
    covered = [i for band in bands for i in range(band.queries.start, band.queries.stop)]
    assert covered == list(range(shape[0] * shape[1]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"top_k": 0},
        {"queue": -1},
        {"radius": 0},
        {"temperature": 0.0},
        {"window": "round"},
        {"start": "slow"},
        {"ties": "some"},
        {"labels": "wrong"},
        {"input_size": [1, 2, 3]},
        {"multiple": 0},
        {"score_at": "input"},
    ],
)
def test_senseless_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Propagation(**wrong)


@pytest.mark.parametrize(
    ("preset", "task", "shape", "patch", "wanted"),
    [
        ("dino", "objects", (480, 854), 16, (480, 832)),  # DINO: the long side down to 64s
        ("dino", "objects", (480, 1152), 8, (480, 1152)),
        ("dino", "objects", (854, 480), 16, (832, 480)),
        (
            "cropmae",
            "parts",
            (480, 854),
            16,
            (448, 880),
        ),  # long side 880, short in 64s
        ("cropmae", "objects", (480, 854), 16, (480, 880)),
        ("crw", "parts", (480, 854), 16, (560, 560)),
        ("paper", "objects", (480, 854), 16, (480, 848)),
        ("paper", "keypoints", (240, 320), 16, (320, 320)),
    ],
)
def test_input_sizes_of_the_published_scripts(preset, task, shape, patch, wanted):
    settings = yaml.safe_load((CONFIGS / "protocol" / f"{preset}.yaml").read_text())[task]
    protocol = Propagation(**{k: v for k, v in settings.items() if k != "_target_"})
    assert protocol.input_shape(shape, patch) == wanted


def test_hard_labels_are_those_that_pil_s_nearest_takes():
    """As DINO's script: the pixel in the middle of a patch, not its upper left one."""
    ids = torch.randint(3, (48, 80), generator=torch.Generator().manual_seed(0))
    hot = F.one_hot(ids, 3).permute(2, 0, 1).float()
    ours = to_grid(Propagation(labels="hard"), hot, (3, 5)).argmax(0)
    small = Image.fromarray(ids.byte().numpy()).resize((5, 3), Image.Resampling.NEAREST)
    assert np.array_equal(ours.numpy(), np.asarray(small))


def test_plain_resizing_is_opencv_s():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 60), np.uint8)
    protocol = Propagation(resize="plain")
    ours = prepare(pixels, (24, 32), protocol, torch.device("cpu"))[0]
    theirs = cv2.resize(pixels.transpose(1, 2, 0).astype(np.float32) / 255, (32, 24))
    theirs = (theirs - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    np.testing.assert_allclose(ours.numpy().transpose(1, 2, 0), theirs, atol=1e-5)
