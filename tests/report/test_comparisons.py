"""Over what a difference is paired, and that it is scipy's."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from siammae.evaluation.measuring.metric import SHARE, Metric, OverVideos
from siammae.report.tables.comparisons import Compared

MIOU = Metric("mIoU", "more", SHARE)
JF = Metric("J&F-Mean", "more", SHARE, over_videos=OverVideos(video="sequence"))


def runs(name, figures, videos=None):
    """A run for each seed; figures by seed, videos: each video's by seed."""
    rows = []
    for seed, figure in figures.items():
        objects = [
            {"sequence": video, "object": 1, JF.name: value[seed]}
            for video, value in (videos or {}).items()
        ]
        facts = {"signature": f"{name}{seed}", "seed": seed}
        rows.append({**facts, f"metric/{JF}": figure, "per_object": objects})
    return pd.DataFrame(rows)


def by_videos(name, values):
    """One run a seed of values (videos, seeds), whose figure is their mean."""
    values = np.asarray(values)
    figures = dict(enumerate(values.mean(axis=0)))
    return runs(name, figures, {f"v{i}": dict(enumerate(row)) for i, row in enumerate(values)})


def compared(ours, default, metrics=(JF,)):
    return Compared({"ours": ours, "default": default}, "default", list(metrics))


def test_three_common_seeds_are_paired():
    ours = runs("a", {0: 0.40, 1: 0.43, 2: 0.44, 5: 0.9})
    default = runs("b", {2: 0.41, 1: 0.39, 0: 0.38, 7: 0.1})
    columns = compared(ours, default).columns("ours", JF)
    scipys = stats.ttest_rel([0.40, 0.43, 0.44], [0.38, 0.39, 0.41])
    assert columns[f"{JF}/pairing"] == "seeds"
    assert columns[f"{JF}/diff"] == pytest.approx(0.03)
    assert columns[f"{JF}/p"] == pytest.approx(scipys.pvalue)
    assert columns[f"{JF}/diff_low"] == pytest.approx(scipys.confidence_interval().low)


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_seeds_are_paired_over_videos(seeds):
    draw = np.random.default_rng(0)
    ours, default = draw.uniform(size=(2, 8, seeds))
    found = compared(by_videos("a", ours), by_videos("b", default))
    columns = found.columns("ours", JF)
    scipys = stats.ttest_rel(ours.mean(axis=1), default.mean(axis=1))
    assert columns[f"{JF}/pairing"] == "videos"
    assert columns[f"{JF}/diff"] == pytest.approx(ours.mean() - default.mean())
    assert columns[f"{JF}/p"] == pytest.approx(scipys.pvalue)
    assert list(found.of["ours", JF.name].differences) == [f"v{i}" for i in range(8)]


def test_a_video_that_failed_in_one_run_is_left_out_of_both():
    values = np.random.default_rng(0).uniform(size=(7, 1))
    found = compared(by_videos("a", values[:6] + 0.1), by_videos("b", values)).of["ours", JF.name]
    assert found.estimate.mean == pytest.approx(0.1)
    assert found.left_out == ("v6",)


def test_two_seeds_without_videos_are_paired_over_seeds():
    found = compared(runs("a", {0: 0.4, 1: 0.5}), runs("b", {0: 0.3, 1: 0.3}))
    assert found.columns("ours", JF)[f"{JF}/pairing"] == "seeds"
    assert not found.columns("ours", JF)[f"{JF}/mark"]


@pytest.mark.parametrize(
    ("ours", "default"),
    [({0: 0.4}, {0: 0.3}), ({0: 0.4, 1: 0.4, 2: 0.4}, {3: 0.3, 4: 0.3, 5: 0.3})],
)
def test_without_seeds_or_videos_in_common_nothing_is_claimed(ours, default):
    columns = compared(runs("a", ours), runs("b", default)).columns("ours", JF)
    assert columns[f"{JF}/pairing"] == ""
    assert np.isnan(columns[f"{JF}/diff"])
    assert not columns[f"{JF}/mark"]


def test_few_videos_are_no_pairing():
    values = np.random.default_rng(0).uniform(size=(4, 1))
    found = compared(by_videos("a", values), by_videos("b", values / 2))
    assert found.columns("ours", JF)[f"{JF}/pairing"] == ""


def test_marks_are_of_the_whole_table():
    """p = 0.03 is marked alone and not among four."""
    draw = np.random.default_rng(0)
    default = runs("d", dict(enumerate(draw.normal(0.4, 0.01, size=5))))
    base = default[f"metric/{JF}"].to_numpy()
    shift = np.array([1.0, 0.2, 0.9, 0.1, 0.6])
    table = {"default": default, "one": runs("a", dict(enumerate(base + 0.01 * shift)))}
    alone = Compared(table, "default", [JF]).columns("one", JF)
    assert 0.0125 < alone[f"{JF}/p"] < 0.05
    assert alone[f"{JF}/mark"]
    for i in range(3):
        noise = np.array([1, -1, 2, -2, 0.5 + i])
        table[f"other{i}"] = runs(f"o{i}", dict(enumerate(base + 0.01 * noise)))
    among = Compared(table, "default", [JF]).columns("one", JF)
    assert among[f"{JF}/p"] == alone[f"{JF}/p"]
    assert among[f"{JF}/p_holm"] == pytest.approx(4 * alone[f"{JF}/p"])
    assert not among[f"{JF}/mark"]


def test_a_metric_that_was_not_measured_is_not_compared():
    found = compared(runs("a", {0: 0.4}), runs("b", {0: 0.3}), [JF, MIOU])
    assert np.isnan(found.columns("ours", MIOU)["mIoU/diff"])
