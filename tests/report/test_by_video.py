"""Figures taken apart by video: against the benchmarks' own totals and statsmodels."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from siammae.data.built_in.label_names import JOINTS
from siammae.evaluation.declared_metrics import declared_in
from siammae.evaluation.measuring.metric import PLAIN, SHARE, Metric
from siammae.evaluation.scores import classes, davis, pck, tracks
from siammae.report.tables.by_video import by_video
from siammae.report.tables.intervals import estimate
from siammae.report.tables.metric_names import meaning

DECLARED = {metric.name: metric for metric in (*tracks.OF_TRACKS, classes.MIOU, *pck.OF_JOINTS)}


def declared(name, video, part=None):
    """A metric as a benchmark, or a suite of it, declares it."""
    metric = DECLARED[name]
    over = metric.over_videos and replace(metric.over_videos, video=video)
    metric = replace(metric, over_videos=over)
    return metric if part is None else metric.in_suite(part, True)


def objects(draw, counts):
    """Rows as DAVIS has them."""
    return [
        {"sequence": f"v{v}", "object": o, **{name: draw.uniform() for name in davis.METRICS}}
        for v, count in enumerate(counts)
        for o in range(1, count + 1)
    ]


def of_classes(draw, videos):
    return [
        {"video": f"v{v}", "class": c, "intersection": int(draw.integers(0, 50)), "union": 50 + c}
        for v in range(videos)
        for c in range(4)
        if draw.uniform() < 0.7
    ]


def of_joints(draw, videos):
    return [
        {
            "clip": f"v{v}", "joint": joint, "frames": 10 + v, "found": 9,
            **{f"hits@{t}{end}": int(draw.integers(0, 9)) for t in (0.1, 0.2)
               for end in ("", "-customary")},
        }
        for v in range(videos)
        for joint in JOINTS
    ]  # fmt: skip


def of_tracks(draw, counts):
    rows = [
        {"video": row["sequence"], "frames": 9, "covered": 1, **row}
        for row in objects(draw, counts)
    ]
    return [*rows, {"video": "v0", "object": 99, "frames": 3, "covered": 0}]


def cases():
    draw = np.random.default_rng(0)
    davis_rows, vip = objects(draw, [1, 4, 2, 3, 1]), of_classes(draw, 6)
    joints, mots = of_joints(draw, 5), of_tracks(draw, [2, 1, 5])
    yield from (
        (davis_rows, ("sequence", "object"), *item) for item in davis.total(davis_rows).items()
    )
    yield vip, ("video", "class"), "mIoU", classes.mean_iou(vip)[0]
    yield from (
        (joints, ("clip", "joint"), *item)
        for item in pck.total(joints).items()
        if item[0].startswith("PCK")
    )
    yield from (
        (mots, ("video", "object"), *item)
        for item in tracks.track_total(mots).items()
        if item[0] in ("J&F-Mean", "J-Mean", "F-Recall")
    )


@pytest.mark.parametrize(("rows", "units", "metric", "figure"), cases())
def test_the_videos_give_the_benchmarks_figure(rows, units, metric, figure):
    found = by_video(rows, declared(metric, units[0]), figure)
    assert found.figure() == pytest.approx(figure)
    assert found.contributions().mean() == pytest.approx(figure)
    assert set(found.videos) == {row[units[0]] for row in rows if row.get("covered") != 0}


@pytest.mark.parametrize(("rows", "units", "metric", "figure"), cases())
def test_a_contribution_is_the_derivative_by_the_videos_weight(rows, units, metric, figure):
    found = by_video(rows, declared(metric, units[0]), figure)
    number, step = len(found.videos), 1e-6
    heavier = np.ones((number, number)) + step * np.eye(number)
    slopes = (found.figure(heavier) - found.figure()) / step
    assert found.contributions() - figure == pytest.approx(number * slopes, abs=1e-4)


def test_a_suites_figure_is_found_among_the_rows_of_its_part():
    draw = np.random.default_rng(1)
    davis_rows, mots = objects(draw, [1, 2, 3]), of_tracks(draw, [2, 2])
    rows = [{"benchmark": "davis", **row} for row in davis_rows]
    rows += [{"benchmark": "mots", **row} for row in mots]
    for row in rows[len(davis_rows) :]:
        row.pop("sequence", None)
    figure = tracks.track_total(mots)["J&F-Mean"]
    of_part = declared("J&F-Mean", "video", "mots")
    assert by_video(rows, of_part, figure).videos == ("v0", "v1")
    figure = davis.total(davis_rows)["J&F-Mean"]
    of_part = declared("J&F-Mean", "sequence", "davis")
    assert by_video(rows, of_part, figure).videos == ("v0", "v1", "v2")


def test_records_of_before_declarations_are_taken_apart_too():
    """Among them a suite's, whose parts call their videos by different names."""
    draw = np.random.default_rng(2)
    davis_rows, vip = objects(draw, [1, 2, 3]), of_classes(draw, 6)
    rows = [{"benchmark": "davis", **row} for row in davis_rows]
    rows += [{"benchmark": "vip", **row} for row in vip]
    figures = {f"davis/{name}": value for name, value in davis.total(davis_rows).items()}
    figures["vip/mIoU"] = classes.mean_iou(vip)[0]
    known = declared_in({"metrics": figures, "per_object": rows})
    for name, figure in figures.items():
        assert by_video(rows, known[name], figure).figure() == pytest.approx(figure)
    assert known["davis/J-Decay"].better == "less"
    assert known["vip/mIoU"].unit == SHARE


def test_a_record_that_declares_its_metrics_is_believed():
    """Also against the names that benchmarks of ours use, and where a name is not declared."""
    stored = asdict(Metric("mIoU", "less", "m"))
    known = declared_in({"metrics": {"mIoU": 0.5, "J-Mean": 0.5}, "declared": [stored]})
    assert known == {"mIoU": Metric("mIoU", "less", "m")}
    assert meaning("J-Mean", known) == Metric("J-Mean", "neither", PLAIN)


def test_what_the_rows_do_not_give_is_not_paired():
    rows = objects(np.random.default_rng(0), [1, 2])
    assert by_video(rows, declared("J-Mean", "sequence"), 0.123) is None
    assert by_video(rows, declared("coverage-objects", "sequence"), 0.5) is None
    assert by_video(rows, declared("J-Mean", "video"), 0.5) is None
    assert by_video([], declared("J-Mean", "sequence"), 0.5) is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=5, max_size=40), st.integers(0, 1000))
def test_the_test_over_videos_is_a_regression_with_errors_clustered_by_video(counts, seed):
    """An intercept to the objects' differences; statsmodels does not linearise as we do."""
    draw = np.random.default_rng(seed)
    runs = [objects(draw, counts) for _ in range(2)]
    figures = [
        by_video(rows, declared("J-Mean", "sequence"), davis.total(rows)["J-Mean"]) for rows in runs
    ]
    found = estimate(figures[0].contributions() - figures[1].contributions())
    differences = [a["J-Mean"] - b["J-Mean"] for a, b in zip(*runs, strict=True)]
    groups = np.repeat(np.arange(len(counts)), counts)
    reference = sm.OLS(differences, np.ones(len(differences))).fit(
        cov_type="cluster", cov_kwds={"groups": groups}, use_t=True
    )
    low, high = reference.conf_int()[0]
    assert [found.mean, found.low, found.high, found.p] == pytest.approx(
        [reference.params[0], low, high, reference.pvalues[0]], rel=1e-6, abs=1e-12
    )


def test_the_interval_of_an_miou_is_near_the_bootstraps():
    """Over many videos the linearised interval and resampled videos have to agree."""
    rows = of_classes(np.random.default_rng(3), 200)
    found = by_video(rows, declared("mIoU", "video"), classes.mean_iou(rows)[0])
    interval = estimate(found.contributions())

    number = len(found.videos)  # a video without any class counts nothing

    def statistic(drawn, axis):
        return found.figure(np.apply_along_axis(np.bincount, -1, drawn, minlength=number))

    resampled = stats.bootstrap((np.arange(number),), statistic, vectorized=True, rng=0,
                                n_resamples=2000, batch=200, method="percentile")  # fmt: skip
    assert interval.low == pytest.approx(resampled.confidence_interval.low, abs=0.004)
    assert interval.high == pytest.approx(resampled.confidence_interval.high, abs=0.004)
