"""How long a training is: epochs or steps, times a length that leaves the warm-up as it is."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siammae.config.schema import Schedule
from siammae.system.errors import ConfigError

K400 = 239_789  # training clips


def schedule(**keys):
    unset = {"epochs": None, "warmup_epochs": None, "steps": None, "warmup_steps": None}
    return Schedule.model_validate({"length": 1.0, "evaluations": 1, **unset, **keys})


@pytest.mark.parametrize(("length", "steps"), [(1, 46_834), (5, 234_169)])
def test_the_paper_s_epochs_and_its_warm_up_in_steps(length, steps):
    """400 and 2000 epochs at batch 2048, both with 40 of warm-up."""
    paper = schedule(length=length, epochs=400, warmup_epochs=40)
    assert paper.in_steps(K400, 2048) == (steps, 4683)


@given(length=st.floats(0.02, 20), steps=st.integers(100, 10**6), warmup=st.integers(0, 1))
def test_the_length_multiplies_the_training_and_not_the_warm_up(length, steps, warmup):
    made = schedule(length=length, steps=steps, warmup_steps=warmup)
    assert made.in_steps(64, 32) == (round(length * steps), warmup)
    assert schedule(steps=steps, warmup_steps=warmup).in_steps(64, 32) == (steps, warmup)


@pytest.mark.parametrize("unit", ["steps", "epochs"])
@pytest.mark.parametrize("length", [0.1, 0.05])
def test_a_length_that_is_not_longer_than_the_warm_up_is_refused(unit, length):
    words = rf"warmup_{unit}=10(.0)? leaves nothing of length={length} times {unit}=100"
    with pytest.raises(ValueError, match=words):
        schedule(length=length, **{unit: 100, f"warmup_{unit}": 10})
    schedule(length=0.11, **{unit: 100, f"warmup_{unit}": 10})


def test_so_it_is_when_only_the_number_of_clips_tells():
    mixed = schedule(length=0.5, steps=100, warmup_epochs=10)
    assert mixed.in_steps(64, 32) == (50, 20)
    with pytest.raises(ConfigError, match=r"warm-up of 50 steps .* of 50 steps \(length=0.5\)"):
        mixed.in_steps(160, 32)


def test_lengths_are_told_without_torch():
    script = "import sys, siammae.config.schema; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
