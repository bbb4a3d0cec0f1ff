"""How long runs of equal computation are, against counts of this very configuration."""

import subprocess
import sys

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from siammae.assembly.flops import gflops_per_pair
from siammae.config.check import check
from siammae.config.experiment import read_experiments
from siammae.launching.registration import register_with_hydra
from siammae.planning.coming import coming
from siammae.system.paths import CONFIGS, ROOT

SMALL = ["image_size=32", "mask_ratio=0.75", "decoder.depth=2"]
LENGTH = "schedule.length=${equal_compute:}"


@pytest.fixture
def composed():
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        yield lambda *overrides: compose("train", [*overrides])


@pytest.mark.parametrize(
    "model",
    [
        SMALL,
        [*SMALL, "decoder=joint", "encoding=joint"],
        [*SMALL, "decoder=cross", "encoder.patch_size=4", "encoder.depth=1", "mask_ratio=0.5"],
    ],
)
@pytest.mark.parametrize("targets", ["multi", "predict"])
def test_all_steps_together_cost_what_those_of_pairs_cost(composed, model, targets):
    several = composed(*model, f"targets={targets}", "targets.count=3", LENGTH)
    pairs = composed(*model)
    steps = [check(config).schedule.in_steps(1, 32)[0] for config in (several, pairs)]
    step = [gflops_per_pair(check(config)) for config in (several, pairs)]
    assert abs(steps[0] * step[0] - steps[1] * step[1]) < 0.6 * step[0]
    assert steps[0] < 0.8 * steps[1]


def test_of_one_target_the_length_is_the_whole(composed):
    one = ["targets=multi", "targets.count=1", "targets.gap_embedding=none"]
    assert composed(*SMALL, *one, LENGTH).schedule.length == 1.0
    assert composed(*SMALL, LENGTH).schedule.length == 1.0


def test_several_cost_less_than_as_many_pairs(composed):
    """The past frame is encoded, and its keys and values made, once for all."""
    pairs, *several = (
        gflops_per_pair(check(composed(*SMALL, "targets=multi", f"targets.count={count}",
                                       "targets.gap_embedding=none")))
        for count in (1, 2, 3)
    )  # fmt: skip
    for count, cost in enumerate(several, start=2):
        assert cost < 0.8 * count * pairs
    assert several[1] - several[0] == pytest.approx(several[0] - pairs, rel=1e-9)


def test_the_length_follows_from_no_seed_and_draws_nothing(composed):
    several = ["targets=multi", LENGTH]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    lengths = {composed(*SMALL, *several, f"seed={seed}").schedule.length for seed in (0, 1)}
    assert len(lengths) == 1
    assert torch.equal(before, torch.get_rng_state())
    (length,) = lengths
    assert length == float(f"{length:.4g}")


def test_the_experiment_resolves_it_in_each_runs_own_configuration(tmp_path):
    register_with_hydra()
    tiny = ["data.clips=1", "data.frames=4", "benchmark=none", "tracking=none"]
    given = [*tiny, *SMALL, f"runs_dir={tmp_path / 'runs'}", "seed=0"]
    runs = {
        run.label: run for run in coming(given, ["multi_frame"], lambda *told: None)["multi_frame"]
    }
    assert {run.problem for run in runs.values()} == {""}
    assert list(runs) == [
        row.label for row in read_experiments(ROOT / "experiments")["multi_frame"].rows
    ]
    assert {run.steps for label, run in runs.items() if "fewer" not in label} == {700}
    for count in (2, 4):
        run = runs[f"{count} targets, fewer steps"]
        pairs, several = runs["1 target"].settings, run.settings
        expected = 700 * gflops_per_pair(pairs) / gflops_per_pair(several)
        assert run.steps == pytest.approx(expected, abs=1)
        assert run.settings.composed["schedule"]["length"] == "${equal_compute:}"
        assert run.settings.schedule.length == several.schedule.length
    assert len({run.signature for run in runs.values()}) == len(runs)


def test_a_row_without_it_needs_no_torch():
    script = f"""
import sys
from hydra import compose, initialize_config_dir
from siammae.config.check import read_settings
from siammae.launching.registration import register_with_hydra
register_with_hydra()
with initialize_config_dir({str(CONFIGS)!r}):
    read_settings(compose("train", ["experiments=multi_frame", "targets=multi"]))
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_a_configuration_keeps_the_reference(composed):
    config = composed(*SMALL, "targets=multi", LENGTH)
    kept = OmegaConf.to_container(config, resolve=False)
    assert kept["schedule"]["length"] == "${equal_compute:}"


@pytest.mark.parametrize(
    "method",
    [
        ["method=mae"],
        ["method=mae_st", "targets.frames=4", "decoder.depth=2"],
        ["method=simclr"],
        ["method=dino", "method.prototypes=16", "method.hidden=16"],
        ["method=supervised"],
        ["method=rsp"],
        ["method=tobo"],
        ["method=catmae"],
        ["method=multi_anchor"],
        ["method=cropmae"],
    ],
)
def test_of_any_method_the_length_follows_from_the_cost_of_a_reference(composed, method):
    config = composed(*method, "schedule.length=${equal_compute:0.25}")
    classes = ["method.classes=2"] if "supervised" in method[0] else []
    own = gflops_per_pair(check(composed(*method, *classes)))
    assert config.schedule.length == float(f"{0.25 / own:.4g}")


def test_the_reference_of_the_experiment_is_the_demos_own_cost(composed):
    rows = read_experiments(ROOT / "experiments")["methods_compute"].rows
    (default,) = (row for row in rows if row.default)
    assert composed(*(f"{key}={value}" for key, value in default.set.items())).schedule.length == 1
    lengths = {row.set["schedule.length"] for row in rows}
    assert len(lengths) == 1
