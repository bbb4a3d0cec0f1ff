"""Real trainings of seconds in a study: what is stopped, kept, reported and taken up again."""

import json
from pathlib import Path

import optuna
import pytest
from hydra.core.utils import JobStatus
from optuna.trial import TrialState, create_trial

from siammae.launching.hydra_adapter import single_run
from siammae.launching.studies.storage import open_storage
from siammae.system.paths import CONFIGS
from siammae.train import job

TINY = [
    "encoder.width=32",
    "encoder.depth=1",
    "encoder.heads=2",
    "decoder.width=32",
    "decoder.depth=1",
    "decoder.heads=2",
    "image_size=32",
    "mask_ratio=0.75",
    "batch_size=8",
    "data.clips=3",
    "data.frames=12",
    "frame_gap=4",
    "seed=0",
    "schedule.steps=8",
    "schedule.warmup_steps=2",
    "schedule.evaluations=4",
    "benchmark=none",
    "tracking=none",
    "checkpoint_every=100",
    "log_every=3",
    "pictures=0",
    "device=cpu",
    "precision=fp32",
    "progress=none",
]
MEDIAN = ["hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=1"]
DRAWN = ["optim.base_lr=choice(0.01)"]
DISTRIBUTION = {"optim.base_lr": optuna.distributions.CategoricalDistribution([0.01])}


@pytest.fixture
def train(studies):
    """train(...) runs trials of the study ``test``."""
    studies.configs, studies.name = CONFIGS, "train"
    task = job.__wrapped__  # without the decorator that parses the command line

    studies.train = lambda *arguments: studies(*TINY, *DRAWN, *arguments, job=task)
    return studies


def excellent(studies, value=1.0):
    """A complete trial that no run of seconds can match; a loss is never below 0."""
    study = optuna.create_study(
        study_name="test", storage=open_storage(studies.url), direction="maximize"
    )
    way = dict.fromkeys((1, 2, 3, 4), value)
    study.add_trial(
        create_trial(
            params={"optim.base_lr": 0.01},
            distributions=DISTRIBUTION,
            value=value,
            intermediate_values=way,
        )
    )


def single(*arguments):
    """A run outside of a study."""
    status = single_run(str(CONFIGS), "train", [*TINY, *arguments], job.__wrapped__)
    assert status == JobStatus.COMPLETED


def only_run():
    (run,) = (path for path in Path("runs").iterdir() if not path.name.startswith("."))
    return run


def state():
    return json.loads((only_run() / "state.json").read_text())["state"]


@pytest.mark.slow
def test_a_hopeless_run_is_stopped_kept_and_trained_on_when_it_is_asked_for(train, capsys):
    excellent(train)
    train.train(*MEDIAN, "hydra.sweeper.n_trials=2")
    pruned = train.load().trials[1]
    assert pruned.state == TrialState.PRUNED
    assert pruned.value == pruned.intermediate_values[1] < 0
    assert list(pruned.intermediate_values) == [1]
    assert state() == "pruned"
    assert pruned.user_attrs["run"] == only_run().name
    assert not (only_run() / "summary.json").exists()
    asked = json.loads((only_run() / "invocations.jsonl").read_text())
    assert (asked["study"], asked["trial"]) == ("test", 1)
    told = capsys.readouterr()
    assert "stopped by the study's pruner at evaluation 1 of 4, after step 2 of 8" in told.out
    assert "failed" not in told.err

    # In the same study again: no step more, and the same answer.
    train.train(*MEDIAN, "hydra.sweeper.n_trials=3")
    again = train.load().trials[2]
    assert again.state == TrialState.PRUNED
    assert again.intermediate_values == pruned.intermediate_values
    rows = (only_run() / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in rows]
    assert steps == [2]

    # Outside of a study: it goes on from its checkpoint.
    single("optim.base_lr=0.01")
    assert state() == "finished"
    provenance = json.loads((only_run() / "provenance.json").read_text())
    assert [resume["step"] for resume in provenance["resumes"]] == [2]

    # Found by its signature: the value at once, and those on its way.
    train.train(*MEDIAN, "hydra.sweeper.n_trials=4")
    found = train.load().trials[3]
    summary = json.loads((only_run() / "summary.json").read_text())
    assert found.state == TrialState.COMPLETE
    assert found.value == summary["objective"]["value"]
    assert found.intermediate_values[1] == pytest.approx(pruned.intermediate_values[1])
    assert found.intermediate_values[4] == found.value
