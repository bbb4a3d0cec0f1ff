"""A run whose frames turn, through the real entry point: killed, and gone on with."""

import signal

import pytest
import torch

from .conftest import KILLED_IN_A_STEP, START

TURNS = [
    "rotation=any",
    "rotation.applies_to=independent",
    "augment.shared_crop=false",
    "augment.colour.strength=1",
]
KILLED = START.format(patch=KILLED_IN_A_STEP)


@pytest.mark.slow
def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(train, tmp_path, only_run):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    done = train(whole, *TURNS)
    assert done.returncode == 0, done.stderr
    assert train(parts, *TURNS, script=KILLED).returncode == -signal.SIGKILL
    again = train(parts, *TURNS, "data.workers=2")
    assert again.returncode == 0, again.stderr
    assert "going on after step 6 of 12" in again.stdout
    runs = only_run(whole), only_run(parts)
    assert runs[0].name == runs[1].name
    last = "checkpoints/step-00000012.pt"
    one, other = (torch.load(run / last, weights_only=True)["model"] for run in runs)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert list((runs[0] / "pictures").glob("restored-*.jpg"))
