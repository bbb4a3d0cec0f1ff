"""KITTI flow, on pairs in its own layout, against true motion and a loop over pixels."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from siammae.evaluation.benchmarks.kitti_flow import KittiFlow, patch_flow
from siammae.evaluation.files.kitti import read_flow
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import DataError

PATCH, GRID = 4, (10, 14)
SHAPE = (GRID[0] * PATCH, GRID[1] * PATCH)
PROTOCOL = Propagation(top_k=3, queue=2, radius=5, temperature=0.05)


class Texture:
    """The pixels of a patch as its feature."""

    patch_size = PATCH
    device = torch.device("cpu")

    def __call__(self, images):
        return torch.nn.functional.unfold(images, PATCH, stride=PATCH).transpose(1, 2)


def write_flow(path, flow, valid):
    """Three 16-bit channels: u and v times 64 plus 2 ** 15, and whether they are known."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = np.dstack((np.round(flow * 64 + 2**15), valid)).astype(np.uint16)
    rgb[~valid] = 0
    cv2.imwrite(str(path), rgb[..., ::-1])  # as BGR


def write_pair(root, number, right, down, every=3):
    """Noise whose second frame is moved by whole pixels; the flow is known in some columns."""
    noise = np.random.default_rng(number).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    images = root / "training/image_2"
    images.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).save(images / f"{number:06d}_10.png")
    moved = np.roll(noise, (down, right), axis=(0, 1))
    Image.fromarray(moved).save(images / f"{number:06d}_11.png")
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    stays = (x + right >= 0) & (x + right < SHAPE[1]) & (y + down >= 0) & (y + down < SHAPE[0])
    flow = np.broadcast_to((right, down), (*SHAPE, 2)).astype(float)
    known = x % every == 0
    write_flow(root / f"training/flow_noc/{number:06d}_10.png", flow, known & stays)
    write_flow(root / f"training/flow_occ/{number:06d}_10.png", flow, known)


def measured(root, protocol, **options):
    """The benchmark on the pairs that are there."""
    return KittiFlow(str(root), protocol, allow_missing=True, **options)


@pytest.fixture
def root(tmp_path):
    write_pair(tmp_path, 0, 2 * PATCH, -3 * PATCH)
    write_pair(tmp_path, 1, -PATCH, 0)
    return tmp_path


def test_exact_matches_have_no_error(root):
    result = measured(root, PROTOCOL, close=PATCH).evaluate(Texture())
    assert result.failed == {}
    assert result.metrics == {"within-4-px": 1, "EPE (px)": pytest.approx(0), "in-window": 1}
    assert [row["patches"] for row in result.per_object] == [7 * 12, 10 * 13]
    assert result.settings["pairs"] == 2
    assert "no standard protocol" in result.settings["note"]
    idle = {"queue", "start", "window_first", "first_always", "top_k", "temperature", "labels"}
    assert not idle & set(result.settings)
    assert result.settings["radius"] == PROTOCOL.radius
    soft = measured(root, PROTOCOL, match="soft").settings()
    assert idle & set(soft) == {"top_k", "temperature"}


def test_no_motion_by_hand(root):
    control = measured(root, PROTOCOL, control_patch=PATCH, close=PATCH).copy_first_mask()
    first, second = np.hypot(2, 3) * PATCH, PATCH
    expected = (84 * first + 130 * second) / 214
    assert control.metrics["EPE (px)"] == pytest.approx(expected)
    assert control.metrics["within-4-px"] == pytest.approx(130 / 214)
    assert control.value == control.metrics["within-4-px"]


def test_what_leaves_the_frame_counts_only_when_asked(root):
    result = measured(root, PROTOCOL, occluded=True, close=PATCH).evaluate(Texture())
    assert [row["patches"] for row in result.per_object] == [140, 140]
    assert result.metrics["within-4-px"] < 0.95
    assert result.settings["flow"] == "flow_occ"


def test_a_flow_out_of_the_window_is_told(root):
    result = measured(root, Propagation(radius=2, temperature=0.05), close=PATCH).evaluate(
        Texture()
    )
    far, near = result.per_object
    assert far["in-window"] == 0
    assert far["within-4-px"] < 0.2
    assert near["in-window"] == near["within-4-px"] == 1


def test_soft_matches_average_positions(root):
    benchmark = measured(root, PROTOCOL, match="soft")
    found = benchmark.predict("000001", Texture())
    images = [
        np.asarray(Image.open(root / f"training/image_2/000001_{t}.png"), float) / 255
        for t in (10, 11)
    ]
    mean, std = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
    source, target = (
        ((image - mean) / std)
        .reshape(GRID[0], PATCH, GRID[1], PATCH, 3)
        .transpose(0, 2, 1, 3, 4)
        .reshape(*GRID, -1)
        for image in images
    )
    for row, column in ((0, 0), (4, 7), (9, 13)):
        scores = []
        for r, c in np.ndindex(GRID):
            if (r - row) ** 2 + (c - column) ** 2 < PROTOCOL.radius**2:
                a, b = source[row, column], target[r, c]
                scores.append((a @ b / np.sqrt((a @ a) * (b @ b)), c - column, r - row))
        best = sorted(scores)[-3:]
        weights = np.exp([s / PROTOCOL.temperature for s, _, _ in best])
        expected = np.average([(x, y) for _, x, y in best], axis=0, weights=weights)
        assert found[row, column] == pytest.approx(expected, abs=1e-3)


def test_an_unknown_match_is_refused(root):
    with pytest.raises(ValueError, match="match 'best' is none of argmax, soft"):
        measured(root, PROTOCOL, match="best")


@settings(max_examples=30)
@given(
    st.tuples(st.integers(3, 20), st.integers(3, 20)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(0, 2**32 - 1),
)
def test_mean_flow_of_patches_against_a_loop(shape, grid, seed):
    rng = np.random.default_rng(seed)
    flow, valid = rng.normal(size=(*shape, 2)), rng.random(shape) < 0.4
    mean, count = patch_flow(flow, valid, grid)
    for row, column in np.ndindex(grid):
        inside = []
        for y, x in np.ndindex(shape):
            centre = (y + 0.5) / shape[0] * grid[0], (x + 0.5) / shape[1] * grid[1]
            if valid[y, x] and (int(centre[0]), int(centre[1])) == (row, column):
                inside.append(flow[y, x])
        assert count[row, column] == len(inside)
        if inside:
            assert mean[row, column] == pytest.approx(np.mean(inside, axis=0))


def test_flow_files_are_read_to_64ths_of_a_pixel(tmp_path):
    flow = np.array([[[-512, 511.984375], [1 / 64, -300.5]]])
    write_flow(tmp_path / "f.png", flow, np.array([[True, False]]))
    read, valid = read_flow(tmp_path / "f.png")
    assert read[0, 0].tolist() == flow[0, 0].tolist()  # right, down
    assert valid.tolist() == [[True, False]]


def test_bad_files_are_named(root, tmp_path):
    with pytest.raises(DataError, match=r"flow_noc holds no 000000_10\.png"):
        KittiFlow(str(tmp_path / "none"), PROTOCOL).prepare()
    path = root / "training/flow_noc/000000_10.png"
    Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(path)
    benchmark = measured(root, PROTOCOL, close=PATCH)
    assert "three 16-bit channels" in benchmark.evaluate(Texture()).failed["000000"]
    write_flow(path, np.zeros((*SHAPE, 2)), np.zeros(SHAPE, bool))
    assert "known nowhere" in benchmark.copy_first_mask().failed["000000"]
    path.write_bytes(b"no image")
    assert "cannot be read" in benchmark.copy_first_mask().failed["000000"]
    (root / "training/image_2/000001_11.png").write_bytes(b"")
    with pytest.raises(DataError, match="000001_11"):
        benchmark.evaluate(Texture())


def test_pairs_that_are_missing_are_named_or_left_out(root):
    with pytest.raises(
        DataError, match=r"198 of the 200 pairs: 000002, .* and 193 more; allow_mis"
    ):
        KittiFlow(str(root), PROTOCOL).prepare()
    (root / "training/image_2/000001_11.png").unlink()
    with pytest.raises(DataError, match="199 of the 200 pairs: 000001, 000002"):
        KittiFlow(str(root), PROTOCOL).prepare()
    result = measured(root, PROTOCOL).copy_first_mask()
    assert {row["pair"] for row in result.per_object} == {"000000"}
    assert (result.settings["pairs"], result.settings["official_pairs"]) == (1, 200)
    (root / "training/image_2/000000_10.png").unlink()
    with pytest.raises(DataError, match=r"200 of the 200 pairs.*KITTI's flow of 2015 has"):
        measured(root, PROTOCOL).prepare()
    for number in range(200):
        write_pair(root, number, 0, 0)
    assert len(KittiFlow(str(root), PROTOCOL).videos()) == 200


def test_fingerprint_follows_the_flow(root):
    before = measured(root, PROTOCOL, close=PATCH).fingerprint()
    assert measured(root, PROTOCOL, occluded=True).fingerprint() != before
    write_pair(root, 2, 0, 0)
    assert measured(root, PROTOCOL, close=PATCH).fingerprint() != before
