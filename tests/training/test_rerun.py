"""When a run is trained, trained anew, or only told."""

import json

START = "import os, signal, sys\n{patch}\nfrom siammae.train import main\nsys.exit(main())"
SHORT = ("schedule.steps=4", "pictures=0", "checkpoint_every=1")


def test_a_run_that_another_process_finishes_in_between_is_told_and_kept(train, tmp_path, only_run):
    """Between the first look at the run and its lock."""
    patch = """
from siammae.tracking.record import RunRecord
create = RunRecord.create
def create_late(self, config):
    create(self, config)
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
