"""Runs, studies and results of others: what they say is shown, and none of it is obeyed."""

import json
import subprocess
import sys

import optuna
import pytest
import yaml

from siammae.config.check import literal, read_run
from siammae.report import make_tables
from siammae.report.markdown import escaped
from siammae.report.runs import rerun
from siammae.report.studies import sweep_report
from siammae.report.wandb.snapshot import read_snapshot
from siammae.system.errors import DataError
from siammae.system.paths import ROOT
from siammae.tracking.record import RunRecord, read_runs

HTML = "<script>alert(1)</script><img src=x onerror=alert(1)>[a](javascript:alert(1))"
SCREEN = "\x1b[2J\x1b]0;owned\x07\u202e"
HARMFUL = [
    "hydra.run.dir=/tmp/elsewhere",
    "++hydra.launcher._target_=os.system",
    "+hydra.callbacks.x._target_=own.Callback",
    "hydra.job_logging.handlers.x.class=own.Handler",
    "hydra.searchpath=[file:///tmp]",
    "+hydra.job.env_set.LD_PRELOAD=/tmp/x.so",
    "hydra={run: {dir: /tmp}}",
    "hydra/launcher=ray",
    "+experiments@hydra.launcher=main",
    "~hydra.sweep",
    "--config-dir=/tmp",
    "-m",
    "experiments=../runs/abc/planted",
    "experiments=${data.root}",
    "data=[../x]",
    "trusted_packages=[evil]",
    "++trusted_packages=[evil]",
    "tracking.project=${oc.env:WANDB_API_KEY}",
    "data.root=${writable:/tmp/made}",
    "not an override",
]
SETTINGS = [
    "mask_ratio=0.5",
    "+decoder.width=64",
    "data.root=../clips",
    "frame_gap=[4,48]",
    "experiments=decoder",
    "preset=demo",
    "schedule.length=${equal_compute:}",
    "targets=null",
    "~rotation",
]


def asked(record, task):
    path = record.folder / "invocations.jsonl"
    row = json.loads(path.read_text().splitlines()[-1])
    path.write_text(json.dumps({**row, "task": task}) + "\n")


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_overrides_that_are_no_settings_are_named_and_not_given(make_run, capsys):
    record = make_run("abc", None, {}, state="failed")
    asked(record, [*HARMFUL, *SETTINGS])
    taken, refused = rerun.overrides(record)
    assert taken == [*SETTINGS, "hydra.mode=RUN"]
    assert refused == HARMFUL
    lines = rerun.command(record)
    assert not any(part in lines[-1] for part in HARMFUL[:6])
    named = [line for line in lines if line.startswith("# left out")]
    assert [line.partition("settings: ")[2] for line in named] == HARMFUL


def test_retry_trains_without_them(make_run, monkeypatch):
    record = make_run("abc", None, {}, state="failed")
    asked(record, ["hydra.run.dir=/tmp/elsewhere", "mask_ratio=0.5", "+hydra.x.y=1"])
    called, told = [], []

    def train(line, **ignored):
        called.append(line)
        return subprocess.CompletedProcess(line, 2, stderr="error: \x1b[2J")

    monkeypatch.setattr(rerun.subprocess, "run", train)
    failed = rerun.retry([record], told.append)
    assert called[0][3:] == [
        "mask_ratio=0.5", "hydra.mode=RUN", f"runs_dir={record.folder.parent}"
    ]  # fmt: skip
    assert sum("left out" in line for line in told) == 2
    assert failed == {"abc": r"\x1b[2J"}


def test_a_record_is_read_without_what_a_terminal_obeys(make_run, tmp_path):
    make_run("abc", 0.3, {"mask_ratio": SCREEN}, experiment=SCREEN, device=SCREEN)
    (tmp_path / "runs" / "\x1b[2J").mkdir()
    (record,), skipped = read_runs(tmp_path / "runs")
    texts = [record.config(), record.provenance(), record.invocations()]
    assert "\\u001b" not in json.dumps(texts)
    assert skipped == {r"\x1b[2J": "no run has such a name"}


def test_tables_stay_in_their_folder_and_are_text(make_run, tmp_path, capsys):
    for name, jf, ratio in (("a", 0.3, HTML), ("b", 0.4, f"0.5{SCREEN}")):
        make_run(name, jf, {"mask_ratio": ratio}, experiment="../../x", preset=HTML)
    make_run("c", None, {"mask_ratio": "1"}, experiment="../../x", state="failed", preset=HTML)
    state = tmp_path / "runs" / "c" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"error": f"{SCREEN}{HTML}"}))
    before = everything_below(tmp_path)
    out = tmp_path / "deep" / "tables"
    make_tables.make_tables(tmp_path / "runs", out, ROOT / "experiments")
    new = set(everything_below(tmp_path)) - set(before)
    assert all(path.startswith("deep") for path in new)
    (text,) = [path.read_text() for path in out.glob("*.md")]
    page = (out / "index.html").read_text()
    assert "alert(1)" in text
    assert "alert(1)" in page
    for written in (text, page, capsys.readouterr().out):
        assert not set(SCREEN) & set(written) - set("[2J]0;owned")
    for written in (text, page):
        assert "<script>alert" not in written
        assert "<img src=x" not in written
    assert "](javascript" not in text


def test_results_of_others_name_no_file(tmp_path, capsys):
    from siammae.evaluation.measuring.result import BenchmarkResult

    kept = tmp_path / "runs" / ".evaluations"
    kept.mkdir(parents=True)
    result = BenchmarkResult("x", "J&F-Mean", {"J&F-Mean": 0.5}, control=HTML)
    facts = {"settings": {"preset": "../../../etc/x"}}
    for what in ({"encoder": "mine"}, {"control": "x"}):
        entry = {"key": "k", "label": HTML + SCREEN, "what": what, "created": 1.0}
        entry |= {"benchmark": {"name": "/../../x", "config": {}, "fingerprint": "f"}}
        entry |= {"result": result.as_dict() | facts, "code_version": "c"}
        (kept / f"{len(what)}{next(iter(what))}.json").write_text(json.dumps(entry))
    out = tmp_path / "deep" / "tables"
    make_tables.make_tables(tmp_path / "runs", out, ROOT / "experiments")
    assert not [path for path in tmp_path.iterdir() if path.name not in ("deep", "runs")]
    (text,) = [path.read_text() for path in out.glob("evaluation-*.md")]
    assert "<script>" not in text
    assert "\x1b" not in text + capsys.readouterr().out


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a\x1b[2J<script>"])
def test_the_report_of_a_study_stays_in_its_folder(tmp_path, monkeypatch, capsys, name):
    home = tmp_path / "home" / "user"
    home.mkdir(parents=True)
    monkeypatch.chdir(home)
    study = optuna.create_study(study_name=name, storage="sqlite:///s.db")
    study.optimize(lambda trial: trial.suggest_float("x|<img>", 0, 1), n_trials=2)
    monkeypatch.setattr(sys, "argv", ["sweep_report", name, "--storage", "sqlite:///s.db"])
    monkeypatch.setattr(sweep_report, "draw_study", lambda *ignored: {})  # takes seconds
    assert sweep_report.main() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert {path.name for path in home.iterdir()} == {"s.db", "studies"}
    (folder,) = (home / "studies").iterdir()
    text, page = ((folder / file).read_text() for file in ("report.md", "index.html"))
    for written in (text, page, capsys.readouterr().out):
        assert "\x1b[2J" not in written
    for written in (text, page):
        assert "<img>" not in written
        assert "<script>" not in written


def test_markdown_shows_a_text_as_it_is():
    assert escaped("a|b\\|c") == "a\\|b\\\\\\|c"
    assert escaped("a < b & c; &lt;") == "a &lt; b & c; &amp;lt;"
    assert escaped("x [1, 2] (3)") == "x [1, 2] (3)"
    assert escaped("![a](//x) [a][b] [b]: //x") == "![a]\\(//x) [a]\\[b] [b]\\: //x"
    assert escaped("a\n\n# b") == "a # b"


def test_references_in_a_record_are_text(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "known")
    from omegaconf import OmegaConf

    given = {"a": "${oc.env:SECRET}", "b": ["${writable:/tmp/x}"], "c": 1}
    resolved = OmegaConf.to_container(OmegaConf.create(literal(given)), resolve=True)
    assert resolved == given
    config = yaml.safe_load((ROOT / "configs" / "encoder" / "vit_demo8.yaml").read_text())
    with pytest.raises(DataError) as refused:
        read_run({"encoder": config | {"width": "${oc.env:SECRET}"}}, tmp_path, [])
    assert "known" not in str(refused.value)


def test_a_snapshot_names_no_folder_elsewhere(tmp_path):
    (tmp_path / "runs").mkdir()
    place = tmp_path / "snapshot"
    place.mkdir()
    content = {"source": "a/b", "pulled": 1.0, "folder": "../runs"}
    (place / "snapshot.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="lies outside the target"):
        read_snapshot(place)


def test_the_best_checkpoint_is_one_of_the_run(tmp_path):
    from siammae.assembly.checkpoint import Checkpoints

    record = RunRecord(tmp_path / "abc")
    record.checkpoints.mkdir(parents=True)
    (tmp_path / "planted.pt").touch()
    named = {"file": "../../planted.pt", "value": 1.0}
    (record.checkpoints / "best.json").write_text(json.dumps(named))
    assert Checkpoints(record.checkpoints, warn=print).best() is None
