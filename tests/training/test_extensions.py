"""All options of the method and of its extensions together: every pair of options in some run.

The runs are a covering array: for each two factors, each pair of their options stands in one run at
least. Each is trained for two steps, and once more with an interruption between them.
"""

import itertools
import os
import shutil

import pytest
import torch
from hydra import compose, initialize_config_dir

from siammae.assembly.checkpoint import load_checked
from siammae.assembly.identity import identify
from siammae.config.check import check
from siammae.launching.registration import register_with_hydra
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS
from siammae.tracking.wandb import Tracker
from siammae.training.session import Session

TINY = [
    "encoder.width=16", "encoder.depth=1", "encoder.heads=2", "decoder.width=16",
    "decoder.depth=1", "decoder.heads=2", "image_size=32", "batch_size=8", "data.clips=3",
    "data.frames=12", "data.workers=0", "frame_gap=[1,4]", "schedule.steps=2",
    "schedule.warmup_steps=0", "benchmark=none", "tracking=none", "checkpoint_every=1",
    "log_every=1", "pictures=1", "device=cpu", "progress=none",
]  # fmt: skip

FACTORS = {
    "rotation": [
        "none", "right_angles", "small", "any", "right_angles rotation.applies_to=future",
        "any rotation.applies_to=independent",
    ],
    "targets": [
        "single", "single targets.direction=past",
        "multi targets.spacing=random targets.gap_embedding=learned",
        "past_and_future targets.count=3 targets.loss_gap_power=1",
        "predict targets.spacing=doubling targets.gap_embedding=none",
    ],
    "uncertainty": [
        "none", "gaussian", "laplace uncertainty.scale_per=patch", "beta_nll",
        "ensemble uncertainty.members=2",
        "ensemble uncertainty.members=2 uncertainty@uncertainty.member=gaussian",
        "dropout uncertainty.samples=2",
    ],
    "masking": [
        "asymmetric", "symmetric", "grid", "motion masking.toward=still",
        "uncertainty masking.estimate=error masking.warmup=0",
        "uncertainty masking.warmup=0.5 masking.estimate=predicted masking.toward=certain",
    ],
    "decoder": ["cross_self", "cross", "joint"],
    "encoding": ["siamese", "joint"],
    "mask_ratio": ["0.5", "0.9"],
    "accumulate": ["1", "2"],
    "precision": ["fp32", "bf16"],
    "augment": ["small_crops", "spatial_jitter augment.colour.strength=1"],
}  # fmt: skip

# Two options that are refused together, and what the error names.
REFUSED = [
    ("masking=uncertainty", "encoding=joint", "encoding=joint"),
    ("masking.estimate=predicted", "uncertainty=none", "uncertainty=none"),
    ("masking.estimate=predicted", "uncertainty=dropout", "uncertainty=dropout"),
    ("masking=motion", "augment=spatial_jitter", "augment.shared_crop=false"),
    ("masking.estimate=error", "augment=spatial_jitter", "augment.shared_crop=false"),
    ("masking.estimate=error", "rotation.applies_to=future", "rotation.applies_to=future"),
    ("masking.estimate=error", "rotation.applies_to=independent", "applies_to=independent"),
    ("masking=motion", "rotation.applies_to=future", "rotation.applies_to=future"),
    ("masking=motion", "rotation.applies_to=independent", "rotation.applies_to=independent"),
]


def overrides(run):
    """A run's settings as on the command line."""
    return [word for factor, option in run.items() for word in f"{factor}={option}".split()]


def is_refused(run):
    """Whether two of a run's options make no sense together."""
    words = overrides(run)
    return any(one in words and other in words for one, other, _ in REFUSED)


def pairs_of(run):
    """Pairs of (factor, option)."""
    return set(itertools.combinations(sorted(run.items()), 2))


def sensible_pairs():
    """Of all options of each two factors."""
    two = itertools.combinations(sorted(FACTORS.items()), 2)
    pairs = (
        ((a, one), (b, other))
        for (a, ours), (b, theirs) in two
        for one, other in itertools.product(ours, theirs)
    )
    return {pair for pair in pairs if not is_refused(dict(pair))}


def covering():
    """Runs in which every sensible pair stands; each starts from one that is missing, and takes for
    every further factor the option with most missing pairs."""
    left, runs = sensible_pairs(), []
    while left:
        run = dict(min(left))
        for factor in sorted(FACTORS.keys() - run.keys()):
            options = [o for o in FACTORS[factor] if not is_refused({**run, factor: o})]
            run[factor] = max(options, key=lambda o: len(pairs_of({**run, factor: o}) & left))
        runs.append(run)
        left -= pairs_of(run)
    return runs


RUNS = covering()


@pytest.fixture(scope="module")
def carry_out(tmp_path_factory):
    """carry_out(run, folder) trains a run to its end, or on from where its folder is."""
    register_with_hydra()
    data = tmp_path_factory.mktemp("clips")

    def make(run, folder):
        with initialize_config_dir(str(CONFIGS)):
            settings = [*TINY, f"data.root={data}", f"runs_dir={folder}", *overrides(run)]
            config = compose("train", settings)
        wanted = identify(check(config), "demo")
        wanted.record.create(wanted.settings.as_dict(), wanted.settings.composed)
        parts = (wanted.source, wanted.benchmark, Tracker(), wanted.facts)
        Session(wanted.settings, wanted.record, *parts).run()
        return wanted.record

    return make


def test_the_runs_cover_every_pair_that_makes_sense():
    seen = set().union(*(pairs_of(run) for run in RUNS))
    assert sensible_pairs() <= seen
    assert not any(is_refused(run) for run in RUNS)
    assert len(RUNS) < 100  # of some 60,000 combinations


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(RUNS)))
def test_options_train_together_and_a_resume_is_bit_equal(number, carry_out, tmp_path):
    torch.set_num_threads(1)
    whole = carry_out(RUNS[number], tmp_path / "whole")
    last = load_checked(whole.checkpoints / "step-00000002.pt")
    assert all(value.isfinite().all() for value in last["model"].values())
    assert len(list((whole.folder / "pictures").glob("restored-*.jpg"))) == 1

    resumed = tmp_path / "resumed" / whole.signature
    shutil.copytree(whole.folder, resumed, ignore=shutil.ignore_patterns("step-00000002*"))
    (resumed / "summary.json").unlink()
    record = carry_out(RUNS[number], tmp_path / "resumed")
    assert record.folder == resumed
    again = load_checked(record.checkpoints / "step-00000002.pt")
    assert last["model"].keys() == again["model"].keys()
    for name, value in last["model"].items():
        assert torch.equal(value, again["model"][name]), name


@pytest.mark.parametrize(("one", "other", "named"), REFUSED)
def test_options_that_make_no_sense_together_are_refused_by_name(one, other, named):
    """Before anything is built: the check alone sees the settings."""
    group = "masking=uncertainty" if one.startswith("masking.estimate") else None
    turning = ["rotation=any"] if other.startswith("rotation.") else []
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        config = compose("train", [*([group] if group else []), one, *turning, other])
    with pytest.raises(ConfigError, match=named) as caught:
        check(config)
    assert "masking" in str(caught.value)
    assert os.linesep not in str(caught.value)
