"""A real run with uncertainty: what it leaves, and that an interruption changes nothing."""

import json
import signal

import pytest
import torch
from PIL import Image

from siammae.evaluation.measuring.metric import undeclared
from siammae.training.training_metrics import training_metric

from .conftest import KILLED_IN_A_STEP, START

# Random passes when a picture is made, several decoders, and a stop between two checkpoints.
OPTIONS = ("uncertainty=ensemble", "uncertainty@uncertainty.member=dropout", "pictures=2")
OPTIONS += ("uncertainty.members=2", "uncertainty.member.samples=2", "decoder.dropout=0.0")
KILLED = START.format(patch=KILLED_IN_A_STEP)


@pytest.mark.slow
def test_a_run_shows_its_uncertainty_and_goes_on_after_a_kill(train, tmp_path, only_run):
    for name, script in (("whole", None), ("killed", KILLED)):
        (tmp_path / name).mkdir()
        done = train(tmp_path / name, *OPTIONS, script=script)
        assert done.returncode == (-signal.SIGKILL if script else 0), done.stderr
    again = train(tmp_path / "killed", *OPTIONS)
    assert again.returncode == 0, again.stderr

    whole, killed = (only_run(tmp_path / name) for name in ("whole", "killed"))
    assert whole.name == killed.name
    last = "checkpoints/step-00000012.pt"
    one, other = (torch.load(run / last, weights_only=True)["model"] for run in (whole, killed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert sum("decoder.1." in name for name in one) > 10

    rows = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert all(row["train/sigma"] > 0 for row in rows)
    assert all(row["train/mse"] <= row["train/loss"] for row in rows)  # an average is nearer
    figures = json.loads((whole / "summary.json").read_text())["metrics"]
    assert all(training_metric(name) != undeclared(name) for name in figures)
    assert figures["train/mse"] == rows[-1]["train/mse"]
    assert figures["train/sigma"] == rows[-1]["train/sigma"]

    shown = sorted(path.name for path in (whole / "pictures").glob("uncertainty-*.jpg"))
    grids = (whole / "pictures").glob("restored-*.jpg")
    assert [name.replace("uncertainty", "restored") for name in shown] == sorted(
        path.name for path in grids
    )
    assert len(shown) == 2
    for name in (f"pictures/{name}" for name in shown):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
        with Image.open(whole / name) as picture:
            assert picture.width > 6 * 112
