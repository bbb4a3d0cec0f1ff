"""The command that lists runs, on records as the trainer writes them."""

import io
import shlex
import subprocess
import sys

import pytest
import yaml
from preloaded import run_command

from siammae import runs
from siammae.report.runs import difference, rerun
from siammae.report.runs.listing import Filter, age, find, listed
from siammae.system.errors import ConfigError
from siammae.tracking.record import Invocation, RunRecord


@pytest.fixture
def make(tmp_path):
    """make(name, state, ...) writes a run under ``runs``."""

    def write(name, state="finished", ratio=0.9, value=0.4, **told):
        record = RunRecord(tmp_path / "runs" / name)
        record.create({"mask_ratio": ratio, "seed": 0, "decoder": {"width": 128}})
        git = {"commit": "c0ffee", "dirty": told.get("dirty", False)}
        record.write_provenance({"created": 1.0, "git": git, "code_version": "v1"}, "a diff")
        task = told.get("task", [f"mask_ratio={ratio}", "seed=0"])
        overrides = dict(part.split("=", 1) for part in task)
        record.note_invocation(
            Invocation(None, ["-m", "siammae.train"], told.get("experiment"), overrides, [],
                       "demo", None, told.get("choices", {}), task)
        )  # fmt: skip
        if state == "finished":
            objective = {"benchmark": "sprites", "metric": "J&F-Mean", "value": value}
            record.write_summary({"objective": objective, "metrics": {"sprites/J&F-Mean": value}})
        error = {"error": "Traceback:\nno clips"} if state == "failed" else {}
        record.set_state(state, step=50, steps=200, **error)
        return record

    return write


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """command(...) -> (exit code, stdout, stderr) of ``siammae.runs`` on the runs of ``make``."""
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)

    def call(*words, answer=None):
        monkeypatch.setattr(sys, "argv", ["runs", *words])
        if answer is not None:
            monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        code = runs.main()
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def test_the_list_shows_state_progress_figure_and_error(make, command):
    make("aaaa000000", value=0.4321)
    make("bbbb000000", state="failed", ratio=0.5)
    code, out, _ = command()
    assert code == 0
    (line,) = [line for line in out.splitlines() if "aaaa000000" in line]
    assert "finished" in line
    assert "0.4321 sprites J&F-Mean" in line
    assert "mask_ratio=0.9" in line
    (line,) = [line for line in out.splitlines() if "bbbb000000" in line]
    assert "25%" in line
    assert "no clips" in out
    assert "Traceback" not in out


def test_what_all_rows_have_is_told_once(make, command):
    for name, ratio in (("aaaa000000", 0.9), ("bbbb000000", 0.5)):
        make(name, task=[f"mask_ratio={ratio}", "frame_gap=4"])
    _, out, _ = command()
    assert out.count("frame_gap=4") == 1
    assert "all with frame_gap=4" in out


def test_a_run_whose_owner_is_gone_is_interrupted(make, tmp_path):
    make("aaaa000000", state="running")
    (row,) = listed(tmp_path / "runs", Filter())
    assert row.state == "interrupted"


def test_filters_by_state_experiment_and_setting(make, tmp_path):
    folder = tmp_path / "runs"
    make("aaaa000000", ratio=0.9, experiment="decoder")
    make("bbbb000000", ratio=0.5)
    make("cccc000000", ratio=0.5, state="failed", choices={"decoder": "joint"})

    def names(*wanted, **more):
        return {row.record.signature for row in listed(folder, Filter(*wanted, **more))}

    assert names(("failed",)) == {"cccc000000"}
    assert names(experiment="decoder") == {"aaaa000000"}
    assert names(settings={"mask_ratio": "0.50"}) == {"bbbb000000", "cccc000000"}
    assert names(settings={"decoder.width": "64"}) == set()
    assert names(settings={"decoder": "joint"}) == {"cccc000000"}
    with pytest.raises(ConfigError, match="asked for no such run; those that did: decoder"):
        names(experiment="decodr")
    with pytest.raises(ConfigError, match="no run has such a key"):
        names(settings={"decoder.widht": "64"})
    with pytest.raises(ConfigError, match="no such state"):
        Filter(("faild",))


def test_a_signature_may_be_cut_short_while_it_names_one_run(make, tmp_path):
    for name in ("aaaa000000", "aabb000000"):
        make(name)
    assert find(tmp_path / "runs", "aab").signature == "aabb000000"
    with pytest.raises(ConfigError, match="2 runs begin so"):
        find(tmp_path / "runs", "aa")
    with pytest.raises(ConfigError, match="no run"):
        find(tmp_path / "runs", "f")


def test_diff_tells_settings_and_figures(make, command):
    one, other = make("aaaa000000", ratio=0.9, value=0.4), make("bbbb000000", ratio=0.5, value=0.45)
    assert difference.settings(one, other) == {"mask_ratio": (0.9, 0.5)}
    assert difference.figures(one, other) == {"sprites/J&F-Mean": (0.4, 0.45)}
    code, out, _ = command("diff", "aaaa", "bbbb")
    assert code == 0
    assert "+0.0500" in out
    assert "decoder.width" not in out


def test_the_command_names_commit_changes_and_every_override(make, command):
    make("aaaa000000", dirty=True, task=["+data.clips=3", "frame_gap=[4,48]", "experiments=x"])
    code, out, _ = command("command", "aaaa")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "git checkout c0ffee"
    assert lines[1].startswith("git apply ")
    assert lines[1].endswith("runs/aaaa000000/git.diff")
    told = "python -m siammae.train +data.clips=3 'frame_gap=[4,48]' experiments=x hydra.mode=RUN"
    assert lines[2].startswith("# experiments=x only states the question")
    assert lines[3] == told


def test_the_command_of_a_foreign_record_is_no_command_of_its_own(make, command):
    """Whatever stands in it: each line is a comment, or the training with quoted words."""
    quoted = "data.root='$(touch here)'"
    record = make("aaaa000000", task=["experiments=x\nrm -rf /", "x=$(touch here)", quoted])
    facts = record.provenance()
    facts["git"]["commit"] = "c0ffee; touch here\ntouch here"
    facts["resumes"] = [{"step": 3, "code_version": "v2\ntouch here"}]
    record.write_provenance(facts, "")
    code, out, _ = command("command", "aaaa")
    assert code == 0
    *comments, train = out.split("\npython -m siammae.train ")
    assert all(line.startswith("# ") for line in comments[0].splitlines())
    assert shlex.split(train) == [quoted, "hydra.mode=RUN"]


def test_rm_asks_first_and_spares_a_run_in_training(make, command):
    record, running = make("aaaa000000"), make("bbbb000000", state="running")
    assert command("rm", "aaaa", answer="n\n")[0] == 0
    assert record.folder.is_dir()
    code, _, err = command("rm", "aaaa", answer="")
    assert code == 2
    assert "--yes removes without asking" in err
    with running.claim():
        running.set_state("running")
        code, _, err = command("rm", "bbbb", "--yes")
        assert code == 2
        assert "is being trained" in err
    assert command("rm", "aaaa", answer="y\n")[0] == 0
    assert not record.folder.exists()
    assert running.folder.is_dir()


def test_retry_trains_the_failed_ones_only_and_tells_what_fails_again(make, command, monkeypatch):
    make("aaaa000000", state="failed", task=["mask_ratio=0.9", "runs_dir=elsewhere"])
    make("bbbb000000", state="failed", task=["mask_ratio=0.5"])
    make("cccc000000")
    started = []

    def train(line, **options):
        started.append(line[3:])
        if "mask_ratio=0.9" in line:
            record = make("aaaa000000")
            assert record.is_finished()
            return subprocess.CompletedProcess(line, 0, stderr="")
        return subprocess.CompletedProcess(line, 2, stderr="error: still no clips\n")

    monkeypatch.setattr(rerun.subprocess, "run", train)
    code, _, err = command("retry")
    assert code == 1
    assert started == [
        ["mask_ratio=0.9", "hydra.mode=RUN", "runs_dir=runs"],
        ["mask_ratio=0.5", "hydra.mode=RUN", "runs_dir=runs"],
    ]
    assert "1 of 2 runs failed:\n  bbbb000000: still no clips" in err
    code, _, err = command("retry", "cccc")
    assert code == 2
    assert "cccc000000 is finished, not failed" in err


def test_ages_are_for_people():
    assert [age(s) for s in (5, 119, 150, 7200, 200000)] == ["5 s", "119 s", "2 min", "2 h", "2 d"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--where", "mask_ratio"], "write KEY=VALUE"),
        (["--runs", "nowhere"], "nowhere is no folder"),
        (["runs_dir=nowhere"], "nowhere is no folder"),
        (["diff", "a", "b"], "no run in runs has a signature"),
    ],
)
def test_bad_input_gets_one_line(command, words, told):
    code, _, err = command(*words)
    assert code == 2
    assert told in err
    assert len(err.splitlines()) == 1


def test_an_unknown_command_is_told_with_those_that_there_are(command):
    with pytest.raises(SystemExit):
        command("foo")


@pytest.mark.slow
def test_the_command_of_a_run_leads_to_the_run_and_retry_mends_a_failed_one(tmp_path):
    """Through real processes: an experiment's run, made again by its own command."""
    small = ["encoder.width=32", "encoder.depth=1", "encoder.heads=2", "decoder.width=32"]
    small += ["decoder.heads=2", "image_size=32", "batch_size=8", "data.clips=1", "data.frames=8"]
    small += ["schedule.steps=2", "schedule.warmup_steps=1", "benchmark=none", "tracking=none"]
    small += ["mask_ratio=0.75", "pictures=0", "device=cpu", f"data.root={tmp_path / 'clips'}"]

    def start(module, *words):
        line = [sys.executable, "-m", module, *words]
        return run_command(line, cwd=tmp_path, timeout=200)

    wanted = ["-m", "experiments=direction", "frame_gap=2", *small]
    done = start("siammae.train", *wanted, "targets.direction=past")
    assert done.returncode == 0, done.stderr
    (folder,) = (path.parent for path in (tmp_path / "runs").glob("*/summary.json"))
    told = start("siammae.runs", "command", folder.name)
    words = told.stdout.splitlines()[-1].split()[3:]
    again_done = start("siammae.train", *words)
    assert "finished before" in again_done.stdout, again_done.stderr
    record = RunRecord(folder)
    record.forget_training()
    record.set_state("failed", error="the disk was full")
    done = start("siammae.runs", "retry")
    assert done.returncode == 0, done.stderr
    assert record.is_finished()
    assert yaml.safe_load((folder / "config.yaml").read_text())["targets"]["direction"] == "past"
