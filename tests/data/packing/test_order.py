"""The order of a stream: no clip twice, none missed, and how well it is shuffled."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siammae.data.packing.order import WindowedOrder
from siammae.data.sampling.loader import VisitChunks


@st.composite
def orders(draw):
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=12))
    shard = np.repeat(np.arange(len(sizes)) * 3, sizes)
    shard = np.random.default_rng(draw(st.integers(0, 99))).permutation(shard)
    return shard, draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 7))


@given(orders(), st.integers(0, 9), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_every_clip_comes_once_in_every_pass(given_order, seed, number):
    shard, window, lanes, granule = given_order
    order = WindowedOrder(shard, window, lanes, granule)
    visits = range(number * len(shard), (number + 1) * len(shard))
    assert sorted(order.turn(seed, visit) for visit in visits) == list(range(len(shard)))


@given(orders(), st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_a_lane_reads_window_after_window(given_order, seed):
    shard, window, lanes, granule = given_order
    order = WindowedOrder(shard, window, lanes, granule)
    for lane in range(lanes):
        visits = [v for v in range(len(shard)) if v // granule % lanes == lane]
        places = [order.place(visit)[1] for visit in visits]
        assert places == list(range(places[0], places[0] + len(places))) if places else True
        met = [tuple(order.shards(seed, visit)[0]) for visit in visits]
        changes = sum(one != two for one, two in pairwise(met))
        assert changes == max(0, len(set(met)) - 1)
        for visit, shards in zip(visits, met, strict=True):
            assert shard[order.turn(seed, visit)] in shards
            assert len(shards) <= window


def test_processes_of_a_run_read_shards_of_their_own():
    shard = np.repeat(np.arange(40), 8)
    order = WindowedOrder(shard, 5, lanes=4, granule=2)  # 8 visits a step, 2 parts, 2 ranks
    of_rank = []
    for rank in range(2):
        chunks = VisitChunks(0, len(shard), 2, rank, 2)
        of_rank.append({int(shard[order.turn(1, v)]) for chunk in chunks for v in chunk})
    assert not of_rank[0] & of_rank[1]  # the cuts of 4 lanes fall between windows of 40 clips
    assert of_rank[0] | of_rank[1] == set(range(40))


def test_passes_and_seeds_differ_and_a_copy_agrees():
    shard = np.repeat(np.arange(12), 5)
    order = WindowedOrder(shard, 3)
    passes = [[order.turn(seed, n * 60 + i) for i in range(60)] for seed in (0, 1) for n in (0, 1)]
    assert len({tuple(one) for one in passes}) == 4
    again = pickle.loads(pickle.dumps(order))
    assert [again.turn(1, 60 + i) for i in range(60)] == passes[3]


@pytest.mark.parametrize("within", [1, 5, 20])
def test_the_quality_that_is_stated(within):
    """Two clips of one shard come within k visits as often as the docstring says."""
    shards, each, window = 12, 6, 4
    shard = np.repeat(np.arange(shards), each)
    order = WindowedOrder(shard, window)
    n, close, pairs = window * each, 0, 0
    for number in range(150):
        place = np.empty(len(shard), int)
        place[[order.turn(3, number * len(shard) + i) for i in range(len(shard))]] = range(
            len(shard)
        )
        for one in range(0, len(shard), each):
            gaps = np.abs(place[one] - place[one + 1 : one + each])
            close, pairs = close + int((gaps <= within).sum()), pairs + len(gaps)
    stated = within * (2 * n - within - 1) / (n * (n - 1))
    assert close / pairs == pytest.approx(stated, abs=4 * (stated / pairs) ** 0.5)


def test_any_place_of_a_pass_is_as_likely_for_a_clip():
    shard = np.repeat(np.arange(8), 4)
    order = WindowedOrder(shard, 3)
    passes = 1000
    counts = np.zeros(32)
    for number in range(passes):
        counts[[order.turn(0, number * 32 + i) for i in range(32)].index(5)] += 1
    expected = passes / 32
    assert ((counts - expected) ** 2 / expected).sum() < 62  # chi-square, 31 degrees: p = 0.001
