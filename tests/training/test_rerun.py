"""When a run is trained, trained anew, or only told."""

import json

import pytest

from siammae.launching.single_run import is_outdated
from siammae.system.errors import ConfigError
from siammae.tracking.record import RunRecord

from .conftest import START

SHORT = ("schedule.steps=4", "pictures=0", "checkpoint_every=1")


def test_a_run_that_another_process_finishes_in_between_is_told_and_kept(train, tmp_path, only_run):
    """Between the first look at the run and its lock."""
    patch = """
from siammae.tracking.record import RunRecord
create = RunRecord.create
def create_late(self, *configs):
    create(self, *configs)
    (self.folder / "encoder.safetensors").write_text("theirs")
    self.write_summary({"objective": {"benchmark": None, "metric": "-train/loss", "value": -0.25}})
    self.set_state("finished")
RunRecord.create = create_late
"""
    done = train(tmp_path, *SHORT, script=START.format(patch=patch))
    assert done.returncode == 0, done.stderr
    assert "finished before, train/loss 0.2500 (less is better)" in done.stdout
    run = only_run(tmp_path)
    assert (run / "encoder.safetensors").read_text() == "theirs"
    assert json.loads((run / "summary.json").read_text())["objective"]["value"] == -0.25
    assert len((run / "invocations.jsonl").read_text().splitlines()) == 1


def test_rerun_takes_up_nothing_of_a_run_that_was_killed(train, tmp_path, only_run):
    patch = """
from siammae.training.loop import Trainer
step = Trainer.train_step
def killed(self, number, batches):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, number, batches)
Trainer.train_step = killed
"""
    train(tmp_path, *SHORT, script=START.format(patch=patch))
    assert (only_run(tmp_path) / "checkpoints" / "step-00000002.pt").is_file()
    again = train(tmp_path, *SHORT, "rerun=true")
    assert again.returncode == 0, again.stderr
    assert "going on after" not in again.stdout
    rows = (only_run(tmp_path) / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2, 3, 4]


@pytest.fixture
def edited(tmp_path):
    """A finished run whose record knows another version of one file."""
    from siammae.tracking.provenance import provenance

    record = RunRecord(tmp_path / "abc")
    record.create({"seed": 0})
    facts, diff = provenance()
    facts["code_files"]["methods/siammae.py"] = "other"
    facts["code_version"] = "other"
    record.write_provenance(facts, diff)
    record.write_summary({"objective": {"metric": "J", "value": 0.5}})
    record.set_state("finished")
    return record


def test_a_run_of_other_code_is_returned_with_the_files_that_differ(edited, capsys):
    assert not is_outdated(edited, "warn")
    told = capsys.readouterr().err
    assert told == (
        "warning: run abc was trained with other code: siammae/methods/siammae.py; "
        "rerun=true trains it anew\n"
    )


def test_a_run_of_other_code_is_refused_or_trained_anew_where_asked(edited, capsys):
    with pytest.raises(ConfigError, match=r"siammae/methods/siammae\.py; rerun=true"):
        is_outdated(edited, "error")
    assert is_outdated(edited, "rerun")
    assert capsys.readouterr().err == ""


def test_only_a_run_that_has_a_checkpoint_can_go_on_with_other_code(edited):
    edited.set_state("interrupted")
    assert not is_outdated(edited, "rerun")  # nothing was trained yet
    edited.checkpoints.mkdir()
    (edited.checkpoints / "step-00000003.pt").touch()
    assert is_outdated(edited, "rerun")


def test_the_command_trains_a_run_of_other_code_anew_where_asked(train, tmp_path, only_run):
    assert train(tmp_path, *SHORT).returncode == 0
    path = only_run(tmp_path) / "provenance.json"
    known = json.loads(path.read_text())
    known["code_files"]["methods/siammae.py"] = known["code_version"] = "other"
    path.write_text(json.dumps(known))
    told = train(tmp_path, *SHORT)
    assert "finished before" in told.stdout
    assert "siammae/methods/siammae.py; rerun=true trains it anew" in told.stderr
    refused = train(tmp_path, *SHORT, "stale=error")
    assert refused.returncode == 2
    assert "other code: siammae/methods/siammae.py" in refused.stderr
    again = train(tmp_path, *SHORT, "stale=rerun")
    assert (again.returncode, again.stderr) == (0, "")
    assert "finished before" not in again.stdout
    assert json.loads(path.read_text())["code_version"] != "other"


def test_a_refused_value_leaves_no_run_behind(train, tmp_path):
    """Whether a key, or a value that only the object itself can refuse."""
    patch = """
from siammae.training.session import Session
from siammae.system.errors import ConfigError
def refuse(self):
    raise ConfigError("uncertainty.members=0: must be 2 or more")
Session._model = refuse
"""
    for overrides, script in (
        (["+decoder.widht=3"], None),
        ([], START.format(patch=patch)),
    ):
        done = train(tmp_path, *SHORT, *overrides, script=script)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert [path for path in (tmp_path / "runs").glob("*") if path.name[0] != "."] == []
