"""A table in parts: each group under its heading, the default first in each, in every format."""

import csv
import re
from pathlib import Path

import pytest

from siammae.config.experiment import parse_experiment
from siammae.report import make_tables
from siammae.report.page.sections import section_of_runs
from siammae.report.tables.parts import parts
from siammae.report.tables.render import csv as as_csv
from siammae.report.tables.render import latex, markdown
from siammae.report.tables.statistics_table import read_defaults, tabulate
from siammae.report.tables.terminal import show
from siammae.system.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


REFERENCE = "${equal_compute:}"
ROWS = [
    {"set": {}, "label": "1 target", "default": True},
    {"set": {"targets.count": 2}, "label": "2 targets", "group": "equal steps"},
    {"set": {"targets.count": 3}, "label": "3 targets", "group": "equal steps"},
    {"set": {"targets.count": 2, "schedule.length": rf"\{REFERENCE}"}, "label": "2 shorter",
     "group": "equal compute"},
    {"set": None, "label": "the paper's", "paper": {"J&F-Mean": 58.1}},
]  # fmt: skip
HEADINGS = ["equal steps", "equal compute"]
LABELS = {
    "equal steps": ["1 target (default)", "2 targets", "3 targets"],
    "equal compute": ["1 target (default)", "2 shorter"],
}
EVERYWHERE = ["the paper's", "copy first mask", "untrained encoder"]
FIGURES = {"1 target": 0.40, "2 targets": 0.45, "3 targets": 0.42, "2 shorter": 0.38}


def declared(rows=ROWS):
    return parse_experiment(
        {"name": "frames", "question": "How many?", "design": "rows", "rows": rows}, "test"
    )


@pytest.fixture
def selected(make_run, tmp_path):
    """The runs of the table, three seeds a row, as the command line asks for them."""
    for number, row in enumerate(declared().run_rows):
        for seed in range(3):
            overrides = {k: str(v) for k, v in (row.set or {}).items()} | {"seed": str(seed)}
            figure = FIGURES[row.label] + (0.01, -0.01, 0.002 * number)[seed]
            make_run(f"r{number}s{seed}", figure, overrides, experiment="frames", seed=seed)
    runs = make_tables.load_runs(tmp_path / "runs")
    (found,) = make_tables.select(runs, {"frames": declared()})
    return found


@pytest.fixture
def table(selected):
    return tabulate(selected, read_defaults(ROOT / "configs" / "train.yaml"))


def test_a_reference_is_matched_as_it_stands_on_the_command_line(table):
    rows = table.rows.set_index("label")
    assert rows.loc["2 shorter", "setting"]["schedule.length"] == REFERENCE
    assert rows.loc["2 shorter", "n"] == 3
    setting = {"targets.count": "2", "schedule.length": REFERENCE}
    assert declared().settings({}, {})[-1] == setting


def test_each_part_opens_with_the_default_and_is_compared_with_it(table):
    cut = parts(table)
    assert [heading for heading, _ in cut] == HEADINGS
    for heading, part in cut:
        labels = [label.removesuffix(" (default)") for label in LABELS[heading]]
        assert part.rows["label"].tolist() == [*labels, *EVERYWHERE]
        compared = part.rows[part.rows["run"] & ~part.rows["default"] & ~part.rows["control"]]
        for _, row in compared.iterrows():
            expected = FIGURES[row["label"]] - FIGURES["1 target"]
            assert row["J&F-Mean/diff"] == pytest.approx(expected, abs=0.003)
    best = [part.rows.loc[list(part.best), "label"].tolist() for _, part in cut]
    assert best == [["2 targets"], ["1 target"]]
    assert "Holm's correction for 3 comparisons" in table.caption


def first_cells(lines):
    return [line.split("|")[1].strip().strip("*") for line in lines]


def test_markdown_has_a_heading_and_a_table_for_each(table):
    text = markdown(table)
    cut = text.split("\n### ")[1:]
    assert [part.splitlines()[0] for part in cut] == HEADINGS
    for part, heading in zip(cut, HEADINGS, strict=True):
        lines = [line for line in part.splitlines() if line.startswith("|")]
        assert first_cells(lines[2:]) == [*LABELS[heading], *EVERYWHERE]
        assert len({line.count("|") for line in lines}) == 1
    assert text.count("Holm's correction") == 1


def test_latex_has_a_tabular_for_each_in_one_float(table):
    text = latex(table)
    assert text.count("\\begin{table}") == text.count("\\caption{") == 1
    found = re.findall(r"\\textbf\{([^}]*)\}\\\\\[2pt\]\n\\begin\{tabular\}", text)
    assert found == HEADINGS
    bodies = text.split("\\begin{tabular}")[1:]
    for body, heading in zip(bodies, HEADINGS, strict=True):
        rows = body.partition("\\midrule\n")[2].partition("\\bottomrule")[0].splitlines()
        labels = [row.partition(" & ")[0] for row in rows if " & " in row]
        plain = [label.removeprefix("\\textbf{").removesuffix("}") for label in labels]
        assert plain == [*LABELS[heading], *EVERYWHERE]


def test_csv_names_the_part_of_each_row(table):
    rows = list(csv.DictReader(as_csv(table).splitlines()))
    assert next(iter(rows[0])) == "group"
    for heading in HEADINGS:
        part = [row for row in rows if row["group"] == heading]
        labels = [label.removesuffix(" (default)") for label in LABELS[heading]]
        assert [row["label"] for row in part] == [*labels, *EVERYWHERE]
        assert [row["best"] for row in part].count("True") == 1
    assert len(rows) == sum(map(len, LABELS.values())) + 2 * len(EVERYWHERE)


def test_the_terminal_shows_a_table_for_each_and_the_caption_once(table, capsys):
    show(table)
    printed = capsys.readouterr().out
    places = [printed.index(f"frames: {heading}") for heading in HEADINGS]
    assert places == sorted(places)
    assert printed.count("1 target (default)") == 2
    assert " ".join(printed.split()).count("Holm's correction for 3") == 1
    assert max(map(len, printed.splitlines())) <= 120


def test_the_page_has_a_grid_for_each(table, selected, tmp_path):
    section = section_of_runs(table, selected.runs, tmp_path / "runs", [], [])
    assert [grid.heading for grid in section.grids] == HEADINGS
    for grid in section.grids:
        assert [row[0].text for row in grid.rows] == [*LABELS[grid.heading], "the paper's"]
        assert [row[0].text for row in grid.last] == EVERYWHERE[1:]
        text = make_tables.write_page(tmp_path, [section], []).read_text()
        assert f"<h3>{grid.heading}</h3>" in text


def test_the_default_has_no_group(table):
    rows = [{**ROWS[0], "group": "equal steps"}, *ROWS[1:]]
    with pytest.raises(ConfigError, match="the default opens every group; leave its group out"):
        declared(rows)


def test_a_table_without_groups_is_one_part(selected):
    selected.declared = declared([{k: v for k, v in row.items() if k != "group"} for row in ROWS])
    table = tabulate(selected, read_defaults(ROOT / "configs" / "train.yaml"))
    assert parts(table) == [("", table)]
    assert "group" not in table.rows
    assert "###" not in markdown(table)
