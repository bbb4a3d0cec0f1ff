import csv
import json
import re
import sys
from pathlib import Path

import pytest
from preloaded import run_command

from siammae.report import make_tables
from siammae.report.tables.render import escape_latex
from siammae.system.errors import DataError
from siammae.tracking.record import Invocation

ROOT = Path(__file__).resolve().parents[2]
ANALYSIS = ROOT / "analysis"


@pytest.fixture
def tables(tmp_path, capsys):
    """Make the tables of tmp_path/runs; returns the folder and what was printed."""

    def make(experiments=ROOT / "experiments"):
        out = tmp_path / "tables"
        make_tables.make_tables(tmp_path / "runs", out, experiments)
        return out, capsys.readouterr()

    return make


def rows(path):
    with path.open() as file:
        return {row["label"]: row for row in csv.DictReader(file)}


def two_by_two(make_run, **facts):
    for i, (ratio, gap) in enumerate([(0.9, 4), (0.9, 10), (0.95, 4), (0.95, 10)]):
        overrides = {"mask_ratio": str(ratio), "frame_gap": str(gap)}
        make_run(f"run{i}", 0.30 + 0.01 * i, overrides, **facts)


def test_a_multirun_becomes_one_table_with_controls(make_run, tables):
    two_by_two(make_run)
    out, printed = tables()
    assert sorted(p.name for p in out.iterdir()) == [
        "index.html",
        *(
            f"mask_ratio-frame_gap.{ending}"
            for ending in ("csv", "heatmap.pdf", "heatmap.png", "json", "md", "pdf", "png", "tex")
        ),
    ]
    table = rows(out / "mask_ratio-frame_gap.csv")
    assert list(table) == [
        "mask_ratio=0.9, frame_gap=4",
        "mask_ratio=0.9, frame_gap=10",
        "mask_ratio=0.95, frame_gap=4",
        "mask_ratio=0.95, frame_gap=10",
        "copy first mask",
        "untrained encoder",
    ]
    best = table["mask_ratio=0.95, frame_gap=10"]
    assert float(best["J&F-Mean"]) == pytest.approx(0.33)
    assert best["best"] == "True"
    assert best["signatures"] == "run3"
    assert table["mask_ratio=0.9, frame_gap=4"]["J&F-Mean/std"] == ""
    text = (out / "mask_ratio-frame_gap.md").read_text()
    assert "| **mask_ratio=0.95, frame_gap=10** | **33.0** | 35.0 | 31.0 | 0.670 | 1 |" in text
    assert "| copy first mask | 20.0 | 20.0 | 20.0 |  | 1 |" in text
    assert "33.0" in printed.out


def test_seeds_are_averaged_with_their_spread(make_run, tables):
    for seed, jf in enumerate([0.30, 0.34, 0.38]):
        overrides = {"mask_ratio": "0.9", "seed": str(seed)}
        make_run(f"a{seed}", jf, overrides, seed=seed)
        make_run(f"b{seed}", jf - 0.1, {"mask_ratio": "0.5", "seed": str(seed)}, seed=seed)
    out, _ = tables()
    table = rows(out / "mask_ratio.csv")
    assert float(table["mask_ratio=0.9"]["J&F-Mean"]) == pytest.approx(0.34)
    assert float(table["mask_ratio=0.9"]["J&F-Mean/std"]) == pytest.approx(0.04)
    assert table["mask_ratio=0.9"]["n"] == "3"
    assert table["untrained encoder"]["n"] == "3"
    assert float(table["untrained encoder"]["J&F-Mean"]) == pytest.approx(0.21)
    assert table["copy first mask"]["n"] == "1"
    assert "34.0 ± 4.0" in (out / "mask_ratio.md").read_text()


def test_unfinished_and_failed_runs_are_counted_and_not_averaged(make_run, tables):
    two_by_two(make_run)
    overrides = {"mask_ratio": "0.9", "frame_gap": "4", "seed": "1"}
    make_run("broken", 0.99, overrides, state="failed", seed=1)
    make_run("cut", None, {**overrides, "seed": "2"}, state="interrupted", seed=2)
    make_run("hopeless", 0.99, {**overrides, "seed": "3"}, state="pruned", seed=3)
    out, _ = tables()
    table = rows(out / "mask_ratio-frame_gap.csv")
    assert float(table["mask_ratio=0.9, frame_gap=4"]["J&F-Mean"]) == pytest.approx(0.30)
    text = (out / "mask_ratio-frame_gap.md").read_text()
    assert "1 run(s) failed, not in the figures: broken" in text
    assert "DataError: no clips" in text
    assert "1 run(s) interrupted, not in the figures: cut" in text
    assert "1 run(s) pruned, not in the figures: hopeless" in text


def test_a_declared_experiment_has_its_question_order_labels_and_the_papers_figures(
    make_run, tables
):
    for i, decoder in enumerate(["cross_self", "cross", "joint"]):
        make_run(f"run{i}", 0.4 - 0.01 * i, {"decoder": decoder}, experiment="decoder")
    out, _ = tables()
    table = rows(out / "decoder.csv")
    assert list(table) == ["joint", "cross", "cross-self", "copy first mask", "untrained encoder"]
    assert [table[name]["paper/J&F-Mean"] for name in ("joint", "cross", "cross-self")] == [
        "",
        "52.2",
        "58.1",
    ]
    assert table["cross-self"]["default"] == "True"
    text = (out / "decoder.md").read_text()
    assert "Which decoder should restore the future frame?" in text
    assert "| **cross-self (default)** | **40.0** |" in text
    assert "52.2‡" in text


def test_a_run_may_stand_in_two_tables(make_run, tables):
    two_by_two(make_run)
    from siammae.tracking.record import Invocation

    record = make_run("shared", 0.5, {"mask_ratio": "0.95"}, experiment="mask_ratio", id="m2")
    call = Invocation("m3", ["x"], None, {"decoder": "joint"}, ["decoder"], "demo", 0)
    record.note_invocation(call)
    out, _ = tables()
    assert "95% (default)" in (out / "mask_ratio.md").read_text()
    assert "decoder=joint" in rows(out / "decoder.csv")


@pytest.mark.parametrize("difference", [{"data": "d2"}, {"preset": "gpu"}, {"bench": "b2"}])
def test_what_cannot_be_compared_is_not_mixed(make_run, tables, difference):
    two_by_two(make_run)
    make_run("other", 0.9, {"mask_ratio": "0.9", "frame_gap": "4"}, created=9.0, **difference)
    out, _ = tables()
    assert float(
        rows(out / "mask_ratio-frame_gap.csv")["mask_ratio=0.9, frame_gap=4"]["J&F-Mean"]
    ) == pytest.approx(0.3)
    assert (out / "mask_ratio-frame_gap-2.csv").is_file()


def test_rows_of_other_code_than_the_newest_run_are_marked(make_run, tables):
    two_by_two(make_run)
    make_run("later", 0.9, {"mask_ratio": "0.5", "frame_gap": "4"}, code="c2", created=9.0)
    out, _ = tables()
    text = (out / "mask_ratio-frame_gap.md").read_text()
    assert "† marks rows with runs of other code than the newest run" in text
    labels = [line.split("|")[1].strip(" *") for line in text.splitlines() if "frame_gap=" in line]
    assert labels[0] == "mask_ratio=0.5, frame_gap=4"
    assert all(label.endswith("†") for label in labels[1:])
    assert len(labels) == 5
    assert "$^\\dagger$" in (out / "mask_ratio-frame_gap.tex").read_text()


def test_rows_of_one_code_have_no_mark(make_run, tables):
    two_by_two(make_run)
    out, _ = tables()
    assert "†" not in (out / "mask_ratio-frame_gap.md").read_text()


def test_of_two_runs_of_a_setting_and_seed_the_newest_counts(make_run, tables):
    two_by_two(make_run)
    make_run("again", 0.7, {"mask_ratio": "0.9", "frame_gap": "4"}, created=9.0, code="c2")
    out, _ = tables()
    table = rows(out / "mask_ratio-frame_gap.csv")
    assert float(table["mask_ratio=0.9, frame_gap=4"]["J&F-Mean"]) == pytest.approx(0.7)
    text = (out / "mask_ratio-frame_gap.md").read_text()
    assert "1 older run(s) of the same setting and seed left out: run0" in text


def of_decoder(make_run, name, decoder, settings, seed, created, fixed=()):
    config = {"decoder": {"_target_": decoder, **settings}}
    facts = {"seed": seed, "created": created, "config": config, "composed": config}
    overrides = {"decoder": decoder, **dict(fixed)}
    make_run(name, 0.3 + created / 10, overrides, axes=["decoder"], **facts)


def test_a_row_does_not_mix_runs_whose_defaults_differ(make_run, tables):
    """The same command before and after defaults of two decoders were changed."""
    runs = (("a", 0, 4, 4, 1.0), ("b", 1, 4, 4, 2.0), ("c", 1, 8, 2, 3.0))
    for name, seed, depth, heads, time in runs:
        of_decoder(make_run, name, "cross", {"depth": depth, "heads": 4}, seed, time)
        of_decoder(make_run, f"{name}-joint", "joint", {"depth": 4, "heads": heads}, seed, time)
        of_decoder(make_run, f"{name}-self", "self", {"depth": 4}, seed, time)
    out, _ = tables()
    table = rows(out / "decoder.csv")
    ns = {label: row["n"] for label, row in table.items() if label.startswith("decoder")}
    assert ns == {"decoder=cross": "1", "decoder=joint": "1", "decoder=self": "2"}
    assert float(table["decoder=cross"]["J&F-Mean"]) == pytest.approx(0.6)
    text = (out / "decoder.md").read_text()
    left_out = "2 older run(s) with other defaults left out"
    assert f"decoder=cross: {left_out} (decoder.depth 4 -> 8): a, b" in text
    assert f"decoder=joint: {left_out} (decoder.heads 4 -> 2): a-joint, b-joint" in text
    assert "of the same setting and seed left out: b-self" in text


def test_what_was_set_within_a_group_that_is_swept_is_another_table(make_run, tables):
    for name, seed, depth in (("a", 0, 4), ("b", 1, 8)):
        fixed = () if depth == 4 else (("decoder.depth", "8"),)
        of_decoder(make_run, name, "cross", {"depth": depth}, seed, 1.0 + seed, fixed)
        of_decoder(make_run, f"{name}2", "joint", {"depth": depth}, seed, 1.0 + seed, fixed)
    out, _ = tables()
    assert rows(out / "decoder.csv")["decoder=cross"]["signatures"] == "a"
    assert rows(out / "decoder-2.csv")["decoder=cross"]["signatures"] == "b"
    assert "unlike decoder: decoder.depth default -> 8" in (out / "decoder-2.md").read_text()


def test_a_run_that_stands_in_another_row_is_not_told_as_left_out(make_run, tables):
    """It was the default, which has changed since; now a row of its own names it."""
    from siammae.tracking.record import Invocation

    axes, now = ["decoder", "decoder.depth"], {"decoder": "cross", "decoder.depth": "4"}
    records = {}
    for name, depth, time in (("old", 4, 1.0), ("new", 8, 2.0)):
        facts = {"config": {"decoder": {"depth": depth}}, "created": time, "axes": axes}
        records[name] = make_run(name, 0.3, {"decoder": "cross"}, **facts)
    call = Invocation("m1", ["x"], None, now, axes, "demo", 0, time=3.0)
    records["old"].note_invocation(call)
    out, _ = tables()
    (table,) = out.glob("*.csv")
    assert {row["signatures"] for row in rows(table).values()} >= {"new", "old"}
    assert "left out" not in table.with_suffix(".md").read_text()


def test_repeated_multiruns_share_a_table(make_run, tables):
    two_by_two(make_run)
    make_run("more", 0.6, {"mask_ratio": "0.5", "frame_gap": "4"}, id="m2")
    out, _ = tables()
    assert len(list(out.glob("*.csv"))) == 1
    assert len(rows(out / "mask_ratio-frame_gap.csv")) == 7


def test_latex_is_balanced_and_escaped(make_run, tables):
    two_by_two(make_run)
    out, _ = tables()
    text = (out / "mask_ratio-frame_gap.tex").read_text()
    body = "".join(line for line in text.splitlines(True) if not line.startswith("%"))
    for environment in ("table", "tabular"):
        assert body.count(f"\\begin{{{environment}}}") == body.count(f"\\end{{{environment}}}") == 1
    assert body.count("{") == body.count("}")
    assert re.findall(r"(?<!\\)[_#%]", body.replace("\\label{tab:mask_ratio-frame_gap}", "")) == []
    cells = [line.count(" & ") for line in body.splitlines() if line.endswith("\\\\")]
    assert set(cells) == {5}
    assert [body.count(rule) for rule in ("\\toprule", "\\midrule", "\\bottomrule")] == [1, 2, 1]
    assert escape_latex("50% & a_b ± 1") == "50\\% \\& a\\_b $\\pm$ 1"


def test_each_figure_names_its_runs(make_run, tables):
    two_by_two(make_run)
    out, _ = tables()
    content = json.loads((out / "mask_ratio-frame_gap.json").read_text())
    behind = content["rows"]["mask_ratio=0.9, frame_gap=10"]["run1"]
    assert behind["commit"] == "f00"
    assert behind["command"] == "-m siammae.train mask_ratio=0.9 frame_gap=10"
    assert behind["seed"] == 0


def command(*arguments, cwd):
    script = [sys.executable, str(ANALYSIS / "make_tables.py"), *arguments]
    return run_command(script, cwd=cwd, timeout=100)


def test_without_runs_it_says_what_to_run(tmp_path):
    done = command(cwd=tmp_path)
    assert done.returncode == 2
    assert "error: runs holds no run" in done.stderr
    assert "python -m siammae.train -m mask_ratio=0.9,0.95 frame_gap=4,10" in done.stderr


def test_unknown_folders_are_named_and_the_last_lines_name_the_files(make_run, tmp_path):
    two_by_two(make_run)
    (tmp_path / "runs" / "holiday").mkdir()
    (tmp_path / "runs" / "run0" / "summary.json").write_text("{")
    done = command("--out", "elsewhere", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "skipped runs/holiday" in done.stderr
    assert "skipped runs/run0" in done.stderr
    lines = done.stdout.splitlines()
    start = lines.index("tables and pictures:")
    assert "  elsewhere/mask_ratio-frame_gap.png" in lines[start:]
    assert all((tmp_path / line.strip()).is_file() for line in lines[start + 1 :])


def test_a_benchmark_of_other_figures_has_its_own_columns(make_run, tables):
    """Joints instead of masks: its objective decides; errors in pixels are no percents."""
    for name, pck in (("one", 0.4), ("two", 0.5)):
        record = make_run(name, 0.1, {"decoder": name})
        figures = {"PCK@0.1": pck, "PCK@0.2": pck + 0.1, "EPE (px)": 3.256}
        record.write_summary(
            {
                "benchmark": {"name": "jhmdb", "metrics": figures},
                "metrics": {f"jhmdb/{key}": value for key, value in figures.items()},
                "controls": {"copy_first_mask": {"metrics": dict.fromkeys(figures, 0.3)}},
                "objective": {"benchmark": "jhmdb", "metric": "PCK@0.1", "value": pck},
            }
        )
    out, _ = tables()
    text = (out / "decoder.md").read_text()
    assert "| setting | PCK@0.1 | PCK@0.2 | EPE (px) | loss | n |" in text
    assert "| **decoder=two** | **50.0** | 60.0 | 3.26 |" in text
    assert "| copy first mask | 30.0 |" in text


def test_runs_without_a_benchmark_show_their_loss_which_makes_none_the_best(make_run, tables):
    for name, loss in (("one", 0.4), ("two", 0.3)):
        record = make_run(name, 0.1, {"decoder": name})
        objective = {"benchmark": None, "metric": "-train/loss", "value": -loss}
        record.write_summary({"metrics": {"train/loss": loss}, "objective": objective})
    out, _ = tables()
    text = (out / "decoder.md").read_text()
    assert "| setting | loss | n |" in text
    assert "| decoder=two | 0.300 | 1 |" in text


def test_without_a_finished_run_there_is_no_table_and_it_is_told(make_run, tables, tmp_path):
    for name in ("one", "two"):
        make_run(name, None, {"decoder": name}, state="failed")
    going = make_run("three", None, {"decoder": "three"}, state="running")
    out, printed = tables()
    told = "decoder: no finished run yet, 1 interrupted, 2 failed (DataError: no clips)"
    assert told in printed.out.splitlines()
    assert [path.name for path in out.iterdir()] == ["index.html"]
    assert told in (out / "index.html").read_text()
    with going.claim(), pytest.raises(DataError) as error:
        make_tables.explained(tmp_path / "runs", ROOT / "experiments", "decoder/one/jf")
    assert str(error.value) == told.replace("interrupted", "running")


@pytest.mark.parametrize(("experiment", "multirun"), [("decoder", "m1"), (None, "m1")])
def test_a_run_made_again_stays_in_its_table(make_run, tables, experiment, multirun):
    """siammae.runs retry adds a call without a multirun to those of the run."""
    for name in ("joint", "cross_self"):
        make_run(name, 0.3, {"decoder": name}, experiment=experiment, id=multirun)
    record = make_run("cross", None, {"decoder": "cross"}, experiment=experiment, state="failed")
    call = Invocation(None, ["x", "decoder=cross", "hydra.mode=RUN"], experiment,
                      {"decoder": "cross"}, [], "demo", None)  # fmt: skip
    record.note_invocation(call)
    out, printed = tables()
    assert [path.name for path in out.glob("*.csv")] == ["decoder.csv"]
    assert "no finished run yet" not in printed.out
    assert "1 run(s) failed, not in the figures: cross" in (out / "decoder.md").read_text()


def test_a_run_that_failed_before_its_files_were_read_is_in_the_table_of_its_settings(
    make_run, tables
):
    two_by_two(make_run)
    make_run("early", None, {"mask_ratio": "0.9", "frame_gap": "4", "seed": "1"}, seed=1,
             state="failed", data=None, bench=None)  # fmt: skip
    out, printed = tables()
    assert "no finished run yet" not in printed.out
    text = (out / "mask_ratio-frame_gap.md").read_text()
    assert "1 run(s) failed, not in the figures: early" in text


def test_what_is_trained_later_takes_no_name(make_run, tables, tmp_path):
    """Another recipe, then the first one once more: the plain name stays with the first."""
    made = (("a", 0.1, 0), ("b", 5.0, 0), ("c", 0.1, 1), ("d", 5.0, 1))
    for time, (name, lr, seed) in enumerate(made, 1):
        facts = {"composed": composed(seed=seed, lr=lr), "created": float(time), "seed": seed}
        make_run(name, 0.3, {"mask_ratio": "0.9", "seed": str(seed)}, id=name, **facts)
        out, _ = tables()
        assert rows(out / "mask_ratio.csv")["mask_ratio=0.9"]["signatures"].split()[0] == "a"
    # Trained anew, its record has another date; who asked for it first is kept.
    (tmp_path / "runs" / "a" / "provenance.json").write_text(
        (tmp_path / "runs" / "a" / "provenance.json").read_text().replace("1.0", "99.0")
    )
    out, _ = tables()
    assert rows(out / "mask_ratio.csv")["mask_ratio=0.9"]["signatures"] == "a c"
    assert rows(out / "mask_ratio-2.csv")["mask_ratio=0.9"]["signatures"] == "b d"
    cells = (f"{name}/mask_ratio=0.9/jf" for name in ("mask_ratio", "mask_ratio-2"))
    plain, second = (make_tables.explained(tmp_path / "runs", tmp_path, cell) for cell in cells)
    told = "mask_ratio-2 is unlike mask_ratio: optim.base_lr 0.1 -> 5.0"
    assert f"there is also mask_ratio-2\n{told}" in plain
    assert f"there is also mask_ratio\n{told}" in second


def composed(**settings):
    """A configuration as it is composed: the masking follows from an axis."""
    optim = {"base_lr": settings.pop("lr", 0.1)}
    masking = {"_target_": "x", "ratio": "${mask_ratio}"}
    return {"mask_ratio": 0.9, "frame_gap": [4, 48], "optim": optim, "masking": masking, **settings}


def test_runs_of_another_recipe_are_another_table_and_the_difference_is_told(make_run, tables):
    """The same command, but a file of the configuration was changed between the seeds."""
    for seed, lr in ((0, 0.1), (1, 0.1), (2, 5.0)):
        settings = {"mask_ratio": "0.9", "seed": str(seed)}
        facts = {"composed": composed(seed=seed, lr=lr), "created": float(seed)}
        make_run(f"run{seed}", 0.3 + seed / 10, settings, seed=seed, id=f"m{seed}", **facts)
    out, _ = tables()
    older, newest = (rows(out / f"mask_ratio{n}.csv")["mask_ratio=0.9"] for n in ("", "-2"))
    assert (newest["n"], older["n"]) == ("1", "2")
    assert float(older["J&F-Mean"]) == pytest.approx(0.35)
    assert "unlike mask_ratio: optim.base_lr 0.1 -> 5.0" in (out / "mask_ratio-2.md").read_text()


def test_what_follows_from_an_axis_is_no_other_recipe(make_run, tables):
    for i, ratio in enumerate((0.9, 0.95)):
        facts = {"composed": composed(mask_ratio=ratio)}
        make_run(f"run{i}", 0.3, {"mask_ratio": str(ratio)}, **facts)
    out, _ = tables()
    assert [path.name for path in out.glob("*.csv")] == ["mask_ratio.csv"]
    assert {"mask_ratio=0.9", "mask_ratio=0.95"} < set(rows(out / "mask_ratio.csv"))


def test_two_spellings_of_a_number_are_one_row(make_run, tables):
    for seed, ratio in enumerate(("0.9", "0.90")):
        facts = {"composed": composed(), "seed": seed}
        make_run(f"run{seed}", 0.3, {"mask_ratio": ratio, "seed": str(seed)}, **facts)
    out, _ = tables()
    assert rows(out / "mask_ratio.csv")["mask_ratio=0.9"]["n"] == "2"


def test_single_runs_are_told_apart_by_what_they_were_set_to(make_run, tables):
    """What a command leaves out is filled in from the configuration."""
    choices = {"decoder": "cross_self"}
    for name, settings in (("one", {"mask_ratio": "0.8"}), ("two", {"decoder": "joint"})):
        made = composed(mask_ratio=float(settings.get("mask_ratio", 0.9)))
        facts = {"composed": made, "choices": {**choices, **settings}}
        record = make_run(name, 0.3, settings, id=None, **facts)
        call = record.invocations()[-1]
        call["axes"] = []
        (record.folder / "invocations.jsonl").write_text(json.dumps(call) + "\n")
    out, _ = tables()
    assert {"mask_ratio=0.8, decoder=cross_self", "mask_ratio=0.9, decoder=joint"} < set(
        rows(out / "single-runs.csv")
    )


def test_the_caption_tells_seconds_and_no_places_of_a_mixtures_parts(make_run, tables):
    """Runs whose parts lie elsewhere are of one table."""
    for i, gap in enumerate(("0.1", "0.5")):
        overrides = {"frame_gap": gap, "data.parts.films.root": f"/disk{i}/films"}
        make_run(f"run{i}", 0.3, overrides, composed={"frame_gap_unit": "seconds"})
    out, _ = tables()
    assert list(out.glob("*.md")) == [out / "frame_gap.md"]
    text = (out / "frame_gap.md").read_text()
    assert "frame_gap in seconds" in text
    assert "/disk" not in text
    signatures = [row["signatures"] for row in rows(out / "frame_gap.csv").values()]
    assert {"run0", "run1"} <= set(signatures)


def test_a_new_file_of_code_marks_no_row_and_an_edited_one_does(make_run, tables):
    files = {"model/decoders.py": "a"}
    for name, version, known in [
        ("one", "c1", files),
        ("two", "c2", {**files, "model/gated.py": "b"}),
        ("three", "c3", {"model/decoders.py": "edited", "model/gated.py": "b"}),
    ]:
        record = make_run(
            name, 0.3, {"mask_ratio": name}, code=version, created=float(len(name)), id="m"
        )
        facts = {**record.provenance(), "code_files": known}
        (record.folder / "provenance.json").write_text(json.dumps(facts))
        out, _ = tables()
        text = (out / "mask_ratio.md").read_text() if name != "one" else ""
        assert ("†" in text) == (name == "three")


def test_a_benchmarks_own_control_has_its_name_in_the_table(make_run, tables):
    for ratio in ("0.5", "0.9"):
        record = make_run(f"run{ratio}", 0.3, {"mask_ratio": ratio})
        summary = record.summary()
        summary["controls"]["copy_first_mask"]["control"] = "no motion"
        (record.folder / "summary.json").write_text(json.dumps(summary))
    out, _ = tables()
    text = (out / "mask_ratio.md").read_text()
    assert "| no motion |" in text
    assert "copy first mask" not in text
    behind = json.loads((out / "mask_ratio.json").read_text())
    assert "no motion" in json.dumps(behind)
