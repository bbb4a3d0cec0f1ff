"""What is drawn, read from the artists, against figures chosen by the test."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import to_hex

from siammae.config.experiment import read_experiments
from siammae.report.figures.bars import bars
from siammae.report.figures.curves import curve
from siammae.report.figures.figure_data import Subject
from siammae.report.figures.figures import draw
from siammae.report.figures.heatmap import heatmap
from siammae.report.figures.histories import read_histories
from siammae.report.figures.quality_speed import front, quality_speed
from siammae.report.figures.training_curves import training_curves
from siammae.report.tables.runs_frame import load
from siammae.report.tables.selection import select
from siammae.report.tables.statistics_table import read_defaults, tabulate
from siammae.system.paths import ROOT

JF = "J&F-Mean"


@pytest.fixture
def made(tmp_path):
    """The subject of the only table of tmp_path/runs, through the real functions."""

    def make(**columns):
        runs, _ = load(tmp_path / "runs")
        (selected,) = select(runs, read_experiments(ROOT / "experiments"))
        table = tabulate(selected, read_defaults(ROOT / "configs" / "train.yaml"))
        old = [column for column in table.rows if column.split("/")[-1] in ("low", "high", "mark")]
        table.rows = table.rows.drop(columns=old)
        measured = table.rows[~table.rows["control"] & table.rows[JF].notna()].index
        for name, values in columns.items():
            table.rows[f"{JF}/{name}"] = pd.Series(values, measured, dtype=object)
        used = {name for names in table.rows["signatures"] for name in names}
        return Subject(table, "sprites", read_histories(tmp_path / "runs", used))

    return make


def three_ratios(make_run, **facts):
    """Two seeds each, made in no order."""
    for ratio, jf in (("0.95", 0.36), ("0.5", 0.30), ("0.75", 0.40)):
        for seed in (0, 1):
            overrides = {"mask_ratio": ratio, "seed": str(seed)}
            make_run(f"r{ratio}s{seed}", jf + 0.02 * seed, overrides, seed=seed, **facts)


def grid(make_run):
    for i, (ratio, gap) in enumerate([("0.9", "4"), ("0.9", "10"), ("0.5", "4"), ("0.5", "10")]):
        make_run(f"run{i}", 0.30 + 0.01 * i, {"mask_ratio": ratio, "frame_gap": gap})


def whiskers(axes):
    """Ends of each error bar of bars that lie."""
    segments = [container.lines[2][0].get_segments()[0] for container in axes.containers
                if hasattr(container, "has_xerr")]  # fmt: skip
    return [tuple(sorted(segment[:, 0])) for segment in segments]


def test_bars_are_the_means_in_the_order_of_the_table_with_its_intervals(make_run, made):
    three_ratios(make_run)
    subject = made(low=[0.29, 0.38, 0.33], high=[0.34, 0.45, 0.41], mark=["", True, False])
    figure = bars(subject).figure
    (axes,) = figure.axes
    lengths = [patch.get_width() for patch in axes.patches]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "mask_ratio=0.5",
        "mask_ratio=0.75",
        "mask_ratio=0.95 (default)",
    ]
    np.testing.assert_allclose(lengths, [31, 41, 37])
    np.testing.assert_allclose(whiskers(axes), [(29, 34), (38, 45), (33, 41)])
    assert [text.get_text() for text in axes.texts] == ["31.0", "41.0*", "37.0"]
    assert [text.xy[0] for text in axes.texts] == pytest.approx([34, 45, 41])
    lines = {
        line.get_label(): line.get_xdata()[0] for line in axes.lines if line.get_label()[0] != "_"
    }
    assert lines == {"copy first mask (20.0)": 20.0, "untrained encoder (20.5)": 20.5}
    assert "95% interval over seeds" in bars(subject).caption


def test_without_intervals_whiskers_are_deviations_and_of_one_seed_there_is_none(make_run, made):
    three_ratios(make_run)
    for seed in (0, 1):
        make_run(f"r0.95s{seed}", None, {}, state="failed")
    make_run("single", 0.5, {"mask_ratio": "0.95", "seed": "0"})
    subject = made()
    (axes,) = bars(subject).figure.axes
    deviation = 100 * np.std([0.30, 0.32], ddof=1)
    np.testing.assert_allclose(
        whiskers(axes), [(31 - deviation, 31 + deviation), (41 - deviation, 41 + deviation)]
    )
    assert subject.spread == "± standard deviation over seeds"


def test_a_curve_has_numbers_in_order_a_band_and_the_papers_point(make_run, made):
    three_ratios(make_run, experiment="mask_ratio")
    subject = made(low=[0.29, 0.38, 0.33], high=[0.34, 0.45, 0.41])
    (axes,) = curve(subject).figure.axes
    mean = next(line for line in axes.lines if line.get_label() == "mean")
    np.testing.assert_allclose(mean.get_xydata(), [(0.5, 31), (0.75, 41), (0.95, 37)])
    (band,) = (part for part in axes.collections if isinstance(part, PolyCollection))
    corners = {tuple(np.round(corner, 6)) for corner in band.get_paths()[0].vertices}
    assert {(0.5, 29), (0.5, 34), (0.75, 38), (0.75, 45), (0.95, 33), (0.95, 41)} <= corners
    paper = next(line for line in axes.lines if line.get_label().startswith("paper"))
    np.testing.assert_allclose(paper.get_xydata(), [(0.95, 58.1)])
    assert "Table 2d" in paper.get_label()
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["0.5", "0.75", "0.95"]
    assert "How much of the future frame" in curve(subject).figure.get_suptitle()


def test_a_drawn_range_is_a_line_over_what_it_covers(make_run, made):
    for i, gap in enumerate(["48", "4", "16", "[4,48]"]):
        make_run(f"run{i}", 0.3 + i / 100, {"frame_gap": gap}, experiment="frame_gap")
    (axes,) = curve(made()).figure.axes
    drawn = next(line for line in axes.lines if "drawn from 4 to 48" in line.get_label())
    np.testing.assert_allclose(drawn.get_xydata(), [(4, 33), (48, 33)])
    mean = next(line for line in axes.lines if line.get_label() == "mean")
    np.testing.assert_allclose(mean.get_xydata(), [(4, 31), (16, 32), (48, 30)])
    assert not any(isinstance(part, PolyCollection) for part in axes.collections)  # one seed
    paper = next(line for line in axes.lines if line.get_label().startswith("paper"))
    np.testing.assert_allclose(paper.get_xydata(), [(4, 58.1), (48, 58.1)])


def test_rates_over_decades_have_a_logarithmic_axis(make_run, made):
    for i, rate in enumerate(["0.001", "1e-05", "0.0001"]):
        make_run(f"run{i}", 0.3, {"optim.base_lr": rate})
    (axes,) = curve(made()).figure.axes
    assert axes.get_xscale() == "log"


def test_a_heat_map_has_both_axes_in_order_and_says_its_figures(make_run, made):
    grid(make_run)
    subject = made(low=[0.31] * 4, high=[0.35, np.nan, np.nan, np.nan])
    axes = heatmap(subject).figure.axes[0]
    (mesh,) = (part for part in axes.collections if isinstance(part, QuadMesh))
    np.testing.assert_allclose(mesh.get_array(), [[32, 33], [30, 31]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.5", "0.9"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["4", "10"]
    assert [text.get_text().splitlines()[0] for text in axes.texts] == [
        "32.0",
        "33.0",
        "30.0",
        "31.0",
    ]


def test_each_figure_only_where_it_makes_sense(make_run, made):
    grid(make_run)
    subject = made()
    assert curve(subject) is None
    assert training_curves(subject) is None
    assert quality_speed(subject) is None
    words = made_of(subject, [{"decoder": name} for name in "abcd"], ["decoder"])
    assert heatmap(words) is None
    assert curve(words) is None
    assert bars(words) is not None


def made_of(subject, settings, axes):
    """The subject with other settings."""
    rows = subject.table.rows.copy()
    rows["setting"] = [*settings, *[{}] * (len(rows) - len(settings))]
    table = type(subject.table)(**{**vars(subject.table), "rows": rows, "axes": axes})
    return Subject(table, subject.benchmark, subject.histories)


def history(offset, steps=range(1, 6), **extra):
    rows = [{"step": n, "pairs_seen": 32 * n, "train/loss": 1 / n + offset} for n in steps]
    return rows + [
        {"step": n, "pairs_seen": 32 * n, f"sprites/{JF}": n / 10} for n in extra.get("at", ())
    ]


def test_training_curves_are_means_over_seeds_of_each_setting(make_run, made):
    for ratio in ("0.5", "0.9"):
        for seed in (0, 1):
            facts = {"seed": seed, "history": history(seed + float(ratio), at=(2, 4))}
            make_run(f"r{ratio}s{seed}", 0.3, {"mask_ratio": ratio, "seed": str(seed)}, **facts)
    subject = made()
    loss, measured = training_curves(subject).figure.axes
    steps = np.arange(1, 6)
    for line, ratio in zip(loss.lines, (0.5, 0.9), strict=True):
        np.testing.assert_allclose(line.get_xdata(), 32 * steps)
        np.testing.assert_allclose(line.get_ydata(), 1 / steps + ratio + 0.5)
    band = loss.collections[0].get_paths()[0].vertices
    deviation = np.std([0, 1], ddof=1)
    ends = sorted(y for x, y in band if x == 32)
    assert (ends[0], ends[-1]) == pytest.approx((2 - deviation, 2 + deviation))
    np.testing.assert_allclose(measured.lines[0].get_xydata(), [(64, 20), (128, 40)])


def test_a_seed_that_came_less_far_counts_only_where_it_was(make_run, made):
    for seed, steps in ((0, (1, 2, 3, 4)), (1, (1, 3))):
        facts = {"seed": seed, "history": history(seed, steps)}
        make_run(f"a{seed}", 0.3, {"mask_ratio": "0.5", "seed": str(seed)}, **facts)
        make_run(f"b{seed}", 0.3, {"mask_ratio": "0.9", "seed": str(seed)}, **facts)
    (loss,) = training_curves(made()).figure.axes
    between = (1 / 1 + 1 + 1 / 3 + 1) / 2  # of seed 1 at step 2
    expected = [1.5, (0.5 + between) / 2, 1 / 3 + 0.5, 0.25]
    np.testing.assert_allclose(loss.lines[0].get_ydata(), expected)


def test_a_row_of_few_steps_is_averaged_with_its_neighbour(make_run, tmp_path):
    """As at step 300, one step after a due measurement: the curve must keep the mean, not jump."""
    told = {75: 0.8, 150: 0.6, 224: 0.5, 299: 0.4, 300: 7.9, 374: 0.3}
    rows = [{"step": n, "pairs_seen": 32 * n, "train/loss": v, "a/b": v} for n, v in told.items()]
    make_run("run", 0.3, {}, history=rows)
    read = read_histories(tmp_path / "runs", ["run"])["run"]
    pairs, loss = read.curve("train/loss")
    assert pairs == [32 * step for step in (75, 150, 224, 300, 374)]
    assert loss == pytest.approx([0.8, 0.6, 0.5, (75 * 0.4 + 7.9) / 76, 0.3])
    assert len(read.curve("a/b")[0]) == 6  # a measurement is no mean over steps
    rows.insert(0, {"step": 1, "pairs_seen": 32, "train/loss": 9.0})
    make_run("early", 0.3, {}, history=rows)
    early = read_histories(tmp_path / "runs", ["early"])["early"].curve("train/loss")
    assert early[0] == pairs
    assert early[1] == pytest.approx([(9.0 + 74 * 0.8) / 75, *loss[1:]])
    spans = np.diff([0, *pairs]) / 32
    given = np.diff([0, *told])
    assert spans @ loss == pytest.approx(given @ list(told.values()))


def test_rows_that_a_damaged_record_repeats_count_once(make_run, tmp_path):
    rows = [{"step": n, "pairs_seen": 32 * n, "train/loss": 1 / n} for n in (1, 2, 3)]
    strange = [{"step": 3, "pairs_seen": None, "train/loss": 5.0}, {"step": 3, "train/loss": 5.0}]
    make_run("whole", 0.3, {}, history=rows)
    make_run("damaged", 0.3, {}, history=[*rows[:2], *rows[:2], *strange, rows[2]])
    read = read_histories(tmp_path / "runs", ["whole", "damaged"])
    assert read["damaged"].curve("train/loss") == read["whole"].curve("train/loss")


def test_quality_against_time_is_of_one_device(make_run, made):
    for i, (seconds, jf) in enumerate([(7200, 0.3), (14400, 0.5), (10800, 0.2)]):
        make_run(f"run{i}", jf, {"decoder": "abc"[i]}, seconds=seconds, device="H100")
    (axes,) = quality_speed(made()).figure.axes
    points = {
        tuple(np.round(line.get_xydata()[0], 6))
        for line in axes.lines
        if len(line.get_xdata()) == 1
    }
    assert points == {(2, 30), (4, 50), (3, 20)}
    steps = next(line for line in axes.lines if "faster" in line.get_label())
    np.testing.assert_allclose(steps.get_xydata(), [(2, 30), (4, 50)])
    assert axes.get_xlabel() == "training time on H100 (hours)"
    make_run("run0", 0.3, {"decoder": "a"}, seconds=7200, device="cpu")
    assert quality_speed(made()) is None


def test_time_of_a_run_that_did_not_note_it_comes_from_its_speed(make_run, tmp_path):
    rows = [{"step": n, "pairs_seen": 100 * n, "speed/pairs_per_second": 50.0} for n in (1, 2, 3)]
    make_run("old", 0.3, {}, history=rows)
    found = read_histories(tmp_path / "runs", ["old", "elsewhere"])
    assert found["old"].seconds == pytest.approx(6.0)
    assert found["elsewhere"].rows == []
    assert found["elsewhere"].seconds is None


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12),
    st.booleans(),
)
def test_the_front_is_what_none_beats(points, larger):
    cost, quality = (pd.Series(values) for values in zip(*points, strict=True))
    sign = 1 if larger else -1

    def beaten(one):
        return any(
            other[0] <= one[0] and sign * other[1] >= sign * one[1] and other != one
            for other in points
        )

    found = [points[i] for i in front(cost, quality, larger)]
    assert found == sorted({point for point in points if not beaten(point)})


def test_a_setting_has_one_color_in_all_figures(make_run, made):
    for i, ratio in enumerate(["0.5", "0.75", "0.9"]):
        make_run(
            f"run{i}", 0.3 + i / 10, {"mask_ratio": ratio}, history=history(i), seconds=100 + i
        )
    subject = made()
    colors = [subject.looks[index].color for index in subject.trained.index]
    assert len(set(colors)) == 3
    (bar_axes,) = bars(subject).figure.axes
    assert [to_hex(patch.get_facecolor()) for patch in bar_axes.patches] == colors
    assert [line.get_color() for line in training_curves(subject).figure.axes[0].lines] == colors
    for picture in (curve(subject), quality_speed(subject)):
        marks = [line for line in picture.figure.axes[0].lines if len(line.get_xdata()) == 1]
        assert [line.get_color() for line in marks if line.get_color() in colors] == colors


@pytest.mark.parametrize("count", [2, 4, 8, 16])
def test_nothing_covers_anything_however_many_and_long_the_labels(make_run, made, count):
    rng = np.random.default_rng(count)
    for i in range(count):
        name = f"cross_self_with_$a$_long_name_{i}" if i % 2 else f"b{i}"
        facts = {"history": history(i), "seconds": float(rng.uniform(50, 100))}
        make_run(f"run{i}", float(rng.uniform(0.3, 0.4)), {"decoder": name, "x": str(i)}, **facts)
    subject = made()
    spots = [{"decoder": str(i), "x": "0", "y": "0"} for i in range(count)]
    subject = made_of(subject, spots, ["decoder", "x", "y"])  # bars in a row, colors in turn
    for kind in (bars, training_curves, quality_speed):
        figure = kind(subject).figure
        FigureCanvasAgg(figure).draw()
        boxes = [figure._suptitle, *figure.legends]
        for axes in figure.axes:
            boxes += axes.get_yticklabels() if kind is bars else axes.texts
        covering = [
            (str(one), str(other))
            for one, other in combinations(boxes, 2)
            if one.get_window_extent().overlaps(other.get_window_extent())
        ]
        assert covering == [], kind
        inside = figure.bbox.padded(1)
        assert all(inside.containsx(box.get_window_extent().x0) for box in boxes), kind
        assert all(inside.containsx(box.get_window_extent().x1) for box in boxes), kind


def test_files_are_written_and_those_of_figures_that_are_gone_removed(make_run, tmp_path):
    grid(make_run)
    out = tmp_path / "out"
    out.mkdir()
    stale = out / "mask_ratio-frame_gap.curve.png"
    stale.write_text("old")
    runs, _ = load(tmp_path / "runs")
    (selected,) = select(runs, {})
    table = tabulate(selected, read_defaults(ROOT / "configs" / "train.yaml"))
    found = draw(table, selected.runs, tmp_path / "runs", out)
    assert [drawn.paths[0].name for drawn in found] == [
        "mask_ratio-frame_gap.png",
        "mask_ratio-frame_gap.heatmap.png",
    ]
    assert all(path.stat().st_size > 1000 for drawn in found for path in drawn.paths)
    assert not stale.exists()


def test_labels_of_a_few_settings_stand_at_their_points(make_run, made):
    """The demo's four settings, at its figures and times."""
    for name, ratio, gap, jf, seconds in [
        ("a", "0.9", "4", 0.439, 67.9),
        ("b", "0.9", "10", 0.371, 68.13),
        ("c", "0.95", "4", 0.440, 67.44),
        ("d", "0.95", "10", 0.365, 66.67),
    ]:
        make_run(name, jf, {"mask_ratio": ratio, "frame_gap": gap}, seconds=seconds)
    (axes,) = quality_speed(made()).figure.axes
    assert len([text for text in axes.texts if text.get_text()]) == 4
