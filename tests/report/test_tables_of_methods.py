"""Methods choose options of other groups, and still stand in one table."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from siammae.config.experiment import read_experiments
from siammae.launching.registration import register_with_hydra
from siammae.report.tables.runs_frame import load
from siammae.report.tables.selection import implied_by, select
from siammae.system.paths import CONFIGS, ROOT

EXPERIMENTS = read_experiments(ROOT / "experiments")


@pytest.fixture
def run_row(make_run, tmp_path):
    """run_row(row, *more): a record of a row's run as the command leaves it."""
    register_with_hydra()

    def make(name, setting, *more, seed=0, data="d1"):
        overrides = {key: str(value) for key, value in setting.items()} | dict(
            each.split("=", 1) for each in more
        )
        given = [f"{key}={value}" for key, value in overrides.items()]
        with initialize_config_dir(str(CONFIGS)):
            composed = OmegaConf.to_container(compose("train", [*given, f"seed={seed}"]))
        facts = {"composed": composed, "experiment": "methods", "seed": seed, "data": data}
        make_run(name, 0.3, overrides, **facts, axes=list(EXPERIMENTS["methods"].keys))

    return make


def tables(tmp_path):
    runs, skipped = load(tmp_path / "runs")
    assert not skipped
    return {table.name: len(table.runs) for table in select(runs, EXPERIMENTS)}


def test_all_methods_of_the_experiment_are_rows_of_one_table(run_row, tmp_path):
    rows = EXPERIMENTS["methods"].rows
    for number, row in enumerate(rows):
        for seed in (0, 1):
            # The clips' classes are part of a run that learns from them, and of no other.
            data = "d1-c1" if "supervised" in str(row.set) else "d1"
            run_row(f"r{number}s{seed}", row.set, seed=seed, data=data)
    assert tables(tmp_path) == {"methods": 2 * len(rows)}


def test_what_a_command_sets_beside_the_method_still_parts_tables(run_row, tmp_path):
    run_row("a", {"method": "mae"})
    run_row("b", {"method": "mae"}, "decoder.width=64")
    run_row("c", {"method": "simclr"}, "optim.base_lr=0.5")
    assert set(tables(tmp_path).values()) == {1}


def test_what_methods_imply_are_the_groups_that_they_choose():
    implied = implied_by(["method"])
    assert {"decoder", "targets", "augment", "mask_ratio", "frame_gap"} <= set(implied)
    assert "data.repeated_sampling" in implied
    assert not {"encoder", "optim", "data", "schedule", "method"} & set(implied)
    assert implied_by(["mask_ratio"]) == []
