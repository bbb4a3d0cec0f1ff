"""When a run is trained, trained anew, or only told."""

import json

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
    assert "finished before, -train/loss -0.2500" in done.stdout
    run = only_run(tmp_path)
    assert (run / "encoder.safetensors").read_text() == "theirs"
    assert json.loads((run / "summary.json").read_text())["objective"]["value"] == -0.25
    assert len((run / "invocations.jsonl").read_text().splitlines()) == 1


def test_rerun_takes_up_nothing_of_a_run_that_was_killed(train, tmp_path, only_run):
    patch = """
from siammae.training.loop import Trainer
step = Trainer._step
def killed(self, number, batches):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, number, batches)
Trainer._step = killed
"""
    train(tmp_path, *SHORT, script=START.format(patch=patch))
    assert (only_run(tmp_path) / "checkpoints" / "step-00000002.pt").is_file()
    again = train(tmp_path, *SHORT, "rerun=true")
    assert again.returncode == 0, again.stderr
    assert "going on after" not in again.stdout
    rows = (only_run(tmp_path) / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2, 3, 4]
