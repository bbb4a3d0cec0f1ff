"""Tables of declared experiments: their rows, columns, differences and the paper's figures."""

import csv
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from siammae.config.experiment import parse_experiment, read_experiments, spelled
from siammae.report import make_tables
from siammae.report.tables.render import cells, latex, markdown
from siammae.report.tables.statistics_table import read_defaults, tabulate
from siammae.report.tables.terminal import show

ROOT = Path(__file__).resolve().parents[2]


LABELS = ["joint", "cross", "cross-self"]
FIGURES = {  # by decoder and seed
    "joint": [0.30, 0.32, 0.31],
    "cross": [0.38, 0.42, 0.41],
    "cross_self": [0.40, 0.43, 0.44],
}


def declared(**changes):
    block = {
        "name": "decoder",
        "question": "Which decoder?",
        "source": "Table 2",
        "axes": {"decoder": list(FIGURES)},
        "rows": [
            {"set": {"decoder": "joint"}, "label": "joint", "paper": {"J&F-Mean": 50.1}},
            {"set": {"decoder": "cross"}, "label": "cross", "paper": {"J&F-Mean": 52.2}},
            {"set": None, "label": "MAE", "paper": {"J&F-Mean": 53.5, "mIoU": 28.1}},
            {"set": {"decoder": "cross_self"}, "label": "cross-self", "default": True,
             "paper": {"J&F-Mean": 58.1}},
        ],
    }  # fmt: skip
    return parse_experiment({**block, **changes}, "test")


@pytest.fixture
def table(make_run, tmp_path):
    """table(seeds, ...) of runs of each decoder."""

    def make(seeds=3, decoders=tuple(FIGURES), experiment=None):
        for decoder in decoders:
            for seed in range(seeds):
                overrides = {"decoder": decoder, "seed": str(seed)}
                name, figure = f"{decoder}{seed}", FIGURES[decoder][seed]
                make_run(name, figure, overrides, experiment="decoder", seed=seed)
        runs = make_tables.load_runs(tmp_path / "runs")
        experiment = experiment or declared()
        (selected,) = make_tables.select(runs, {experiment.name: experiment})
        return tabulate(selected, read_defaults(ROOT / "configs" / "train.yaml"))

    return make


def by_label(table):
    return table.rows.set_index("label")


def test_three_seeds_are_compared_with_the_default(table, capsys):
    made = table()
    rows = by_label(made)
    assert list(rows.index[:4]) == ["joint", "cross", "MAE", "cross-self"]
    joint = rows.loc["joint"]
    assert joint["J&F-Mean/diff"] == pytest.approx(-0.34 / 3)
    assert joint["J&F-Mean/diff_low"] < joint["J&F-Mean/diff"] < joint["J&F-Mean/diff_high"] < 0
    assert joint["J&F-Mean/mark"]
    assert joint["J&F-Mean/p_holm"] == pytest.approx(2 * joint["J&F-Mean/p"])
    assert rows.loc["cross", "J&F-Mean/pairing"] == "seeds"
    assert pd.isna(rows.loc["cross-self", "J&F-Mean/diff"])
    assert joint["J&F-Mean/low"] == pytest.approx(0.31 - 4.3027 * 0.01 / 3**0.5, abs=1e-6)
    show(made)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 120
    assert "31.0 ± 1.0 [28.5, 33.5]" in printed
    assert re.search(r"-11\.3\* \[-1\d\.\d, -\d\.\d\]", printed)
    assert "paired over seeds" in made.caption
    assert "Holm's correction for 2 comparisons" in made.caption


def test_rows_without_runs_stand_in_their_place(table):
    rows = by_label(table(seeds=1, decoders=("cross_self",)))
    assert list(rows.index[:4]) == ["joint", "cross", "MAE", "cross-self"]
    assert list(rows["n"][:4]) == [0, 0, 0, 1]
    assert list(rows["run"][:4]) == [False, False, False, True]
    assert list(rows["paper/J&F-Mean"][:4]) == [50.1, 52.2, 53.5, 58.1]
    assert rows["J&F-Mean"][:3].isna().all()


def test_without_a_run_of_the_default_there_is_no_difference_and_it_is_told(table):
    made = table(decoders=("joint", "cross"))
    assert by_label(made)["J&F-Mean/diff"].isna().all()
    assert "of the default (cross-self) no run is finished: no differences" in made.notes


def test_of_one_seed_without_videos_no_difference_is_claimed(table):
    made = table(seeds=1)
    assert by_label(made)["J&F-Mean/diff"].isna().all()
    told = (
        "no difference of joint, cross: one seed in common with the default (it takes two), and "
        "figures by video are not known"
    )
    assert told in made.notes
    assert "one seed each" in made.caption


def test_each_metric_of_the_paper_is_a_column(table):
    made = table()
    heads, lines = cells(made, str)
    assert heads[-2:] == ["paper J&F", "paper mIoU"]
    assert [line[-2:] for line in lines[1:3]] == [["52.2", ""], ["53.5", "28.1"]]
    assert cells(made, str, narrow=True)[0][-1] == "paper J&F"


def test_an_experiment_chooses_its_columns(table):
    made = table(experiment=declared(metrics=["F-Mean", "vram", "loss"]))
    assert [metric.name for metric in made.metrics] == ["F-Mean", "train/loss"]
    assert made.objective.name == "F-Mean"
    told = "metric vram of the experiment was not measured; shown: F-Mean, train/loss"
    assert told in made.notes


def test_rank_agreement_needs_three_rows(table):
    told = [note for note in table().notes if "Kendall" in note]
    assert len(told) == 1
    assert "tau 1.00" in told[0]
    assert "3 rows" in told[0]
    rows = [dict(row.model_dump(), paper={}) for row in declared().rows[:1]]
    rows += [row.model_dump() for row in declared().rows[1:]]
    made = table(experiment=declared(rows=rows))
    told = [note for note in made.notes if "Kendall" in note]
    assert told[0].endswith("needs 3 rows with a figure of both, there are 2")


def test_a_pruned_run_is_told_and_left_out(table, make_run):
    overrides = {"decoder": "joint", "seed": "3"}
    make_run("cut", 0.99, overrides, experiment="decoder", seed=3, state="pruned")
    made = table()
    assert by_label(made).loc["joint", "n"] == 3
    assert "1 run(s) pruned, not in the figures: cut" in made.notes


def test_latex_has_as_many_cells_in_each_row_and_no_bare_sign(table):
    text = latex(table())
    body = [line for line in text.splitlines() if not line.startswith("%")]
    columns = re.search(r"\\begin\{tabular\}\{(l r*)\}".replace(" ", ""), text)[1]
    rows = [line for line in body if line.endswith("\\\\")]
    assert {line.count(" & ") + 1 for line in rows} == {len(columns)}
    joined = "\n".join(body)
    assert joined.count("{") == joined.count("}")
    assert re.findall(r"(?<!\\)[_#%±Δ]", joined.replace("\\label{tab:decoder}", "")) == []
    assert joined.count("$") % 2 == 0
    assert "$-11.3$$^{*}$ [$-" in joined
    assert "% runs, seeds, commits and files behind each figure: decoder.json" in text


def test_markdown_has_as_many_cells_in_each_row(table):
    lines = [line for line in markdown(table()).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1


def test_every_setting_of_every_experiment_finds_its_row(make_run, tmp_path):
    """The repository's own files: what they run is what their rows declare."""
    experiments = read_experiments(ROOT / "experiments")
    for experiment in experiments.values():
        for number, row in enumerate(experiment.run_rows):
            overrides = {key: spelled(value) for key, value in (row.set or {}).items()}
            name = f"{experiment.name}{number}"
            make_run(name, 0.3, {**overrides, "seed": "0"}, experiment=experiment.name)
    tables, _ = make_tables.tabulated(
        make_tables.load_runs(tmp_path / "runs"), ROOT / "experiments"
    )
    assert [table.name for _, table in tables] == sorted(experiments)
    for _, table in tables:
        rows = table.rows[~table.rows["control"]]
        expected = experiments[table.name].rows
        assert rows["label"].tolist() == [row.label for row in expected]
        assert rows["run"].tolist() == [row.set is not None for row in expected]


def test_the_csv_has_what_the_page_needs(table, make_run, tmp_path):
    table()
    out = tmp_path / "tables"
    make_tables.make_tables(tmp_path / "runs", out, ROOT / "experiments")
    with (out / "decoder.csv").open() as file:
        row = next(csv.DictReader(file))
    for part in ("", "/std", "/low", "/high", "/diff", "/diff_low", "/diff_high", "/p", "/p_holm",
                 "/mark", "/pairing"):  # fmt: skip
        assert f"J&F-Mean{part}" in row
    assert {"n", "paper/J&F-Mean", "signatures", "run", "control", "default", "label"} <= row.keys()
    assert row["behind"] == "decoder.json"


def test_a_gap_that_clips_cannot_give_is_told_under_the_table_and_beside_it(make_run, tmp_path):
    runs = (("500", 0, 96), ("500", 1, 96), ("30", 0, 24), ("30", 1, 0), ("4", 0, 0), ("90", 0, 95))
    for gap, seed, short in runs:
        overrides = {"frame_gap": gap, "seed": str(seed)}
        make_run(f"g{gap}s{seed}", 0.3, overrides, seed=seed, short=short)
    make_run("old", 0.3, {"frame_gap": "8", "seed": "0"})  # its summary does not tell
    out = tmp_path / "tables"
    make_tables.make_tables(tmp_path / "runs", out, ROOT / "experiments")
    content = json.loads((out / "frame_gap.json").read_text())
    told = [note for note in content["notes"] if "smaller gap" in note]
    rest = "of the pairs had a smaller gap than drawn, their clips are too short"
    shares = {"30": "12%", "90": "99%", "500": "100%"}
    assert told == [f"frame_gap={gap}: {share} {rest}" for gap, share in shares.items()]
    assert f"- {told[-1]}" in (out / "frame_gap.md").read_text()
    assert content["rows"]["frame_gap=500"]["g500s1"]["short_gap_pairs"] == 96


def test_a_run_whose_figures_lack_a_video_is_told(make_run, tmp_path):
    make_run("whole", 0.3, {"frame_gap": "4", "seed": "0"}, seed=0)
    failed = {"walk": "walk/00001.png is damaged"}
    make_run("lacks", 0.4, {"frame_gap": "30", "seed": "0"}, seed=0, failed=failed, videos=3)
    out = tmp_path / "tables"
    make_tables.make_tables(tmp_path / "runs", out, ROOT / "experiments")
    note = "lacks: figures without 1 of 3 videos that failed: walk"
    assert note in json.loads((out / "frame_gap.json").read_text())["notes"]
    assert f"- {note}" in (out / "frame_gap.md").read_text()


def test_the_same_metric_on_another_part_of_a_suite_is_compared_too(make_run, tmp_path):
    """The experiment of rotation asks both what turns and what does not."""
    for decoder, figures in FIGURES.items():
        for seed, figure in enumerate(figures):
            overrides = {"decoder": decoder, "seed": str(seed)}
            run = make_run(f"{decoder}{seed}", figure, overrides, experiment="decoder", seed=seed)
            summary = json.loads((run.folder / "summary.json").read_text())
            parts = {"upright/J&F-Mean": figure, "upright/J-Mean": 0.5}
            parts["turning/J&F-Mean"] = figure / 2
            summary["metrics"] = {f"sprites/{name}": value for name, value in parts.items()}
            summary["benchmark"]["metrics"] = parts
            (run.folder / "summary.json").write_text(json.dumps(summary))
    asked = declared(metrics=["upright/J&F-Mean", "upright/J-Mean", "turning/J&F-Mean"])
    runs = make_tables.load_runs(tmp_path / "runs")
    (selected,) = make_tables.select(runs, {"decoder": asked})
    made = tabulate(selected, read_defaults(ROOT / "configs" / "train.yaml"))
    heads, lines = cells(made, str)
    assert heads[:7] == [
        "setting", "upright/J&F", "Δ upright/J&F", "upright/J", "turning/J&F", "Δ turning/J&F", "n",
    ]  # fmt: skip
    assert lines[0][2].startswith("-11.3*")
    assert lines[0][4:6][0] == "15.5"
    assert lines[0][5].startswith("-5.7*")
    assert "Holm's correction for 2 comparisons of each metric" in made.caption
