"""Plans against records that the tests write where the trainer would."""

import json
import sys

import numpy as np
import pytest
from scipy.stats import nct, t

from siammae import plan
from siammae.launching.registration import register_with_hydra
from siammae.planning.coming import chosen, coming
from siammae.planning.cost import estimate, samples
from siammae.planning.power import seeds_needed, spread

TINY = ["data.clips=1", "data.frames=4", "benchmark.source.sequences=1", "tracking=none"]


def silent(*told):
    """Nobody listens."""


@pytest.fixture
def overrides(tmp_path):
    register_with_hydra()
    return [*TINY, f"runs_dir={tmp_path / 'runs'}"]


def finish(run, value=0.4, speed=10.0, wall=40.0, device="cpu"):
    """The record that a training of this run would leave."""
    record = run.identity.record
    record.create(run.settings.as_dict(), run.settings.composed)
    record.write_provenance({"device": device, "created": 1.0}, "")
    steps = run.identity.settings.schedule.steps
    seconds = steps * run.identity.settings.batch_size / speed
    record.write_summary(
        {
            "objective": {"benchmark": "sprites", "metric": "J&F-Mean", "value": value},
            "seconds": seconds,
            "wall_seconds": seconds + wall,
            "pairs_per_second": speed,
        }
    )
    record.set_state("finished", step=steps, steps=steps)
    return record


def states(runs):
    return [run.state for run in runs]


def test_a_run_is_the_same_in_every_table_that_asks_for_it(overrides):
    plans = coming(overrides, ["decoder", "direction"], silent)
    assert [run.label for run in plans["decoder"]] == ["joint", "cross", "cross-self"]
    assert [run.label for run in plans["direction"]] == ["past from future", "future from past"]
    shared = plans["decoder"][2]
    assert shared.signature == plans["direction"][1].signature
    assert shared.tables == ["decoder", "direction"]
    assert plans["decoder"][0].tables == ["decoder"]


def test_rows_that_are_one_run_are_named(overrides, capsys):
    runs = coming([*overrides, "seed=0,1"], ["main"], silent)["main"]
    plan.show("main", "main", runs, {})
    told = "one and the same run: SiamMAE (paper: ViT-S/16) and SiamMAE, patches of 8 pixels"
    assert capsys.readouterr().out.count(told) == 1
    plan.show("decoder", "decoder", coming(overrides, ["decoder"], silent)["decoder"], {})
    assert "one and the same" not in capsys.readouterr().out


def test_states_are_those_of_the_records_and_nothing_is_written(overrides, tmp_path):
    runs = coming([*overrides, "seed=0,1"], ["decoder"], silent)["decoder"]
    assert [run.seed for run in runs] == [0, 0, 0, 1, 1, 1]
    assert len({run.signature for run in runs}) == 6
    assert states(runs) == ["new"] * 6
    assert not (tmp_path / "runs").exists()
    finish(runs[0])
    runs[1].identity.record.create(runs[1].settings.as_dict())
    runs[1].identity.record.set_state("failed", error="no clips")
    runs[2].identity.record.create(runs[2].settings.as_dict())
    runs[2].identity.record.set_state("running")  # and no one holds the lock
    runs[2].identity.record.checkpoints.mkdir()
    for step in (100, 350):
        (runs[2].identity.record.checkpoints / f"step-{step:08d}.pt").touch()
    again = coming([*overrides, "seed=0,1"], ["decoder"], silent)["decoder"]
    assert states(again) == ["finished", "failed", "interrupted", "new", "new", "new"]
    assert plan.steps_of(again[0]) == (700, 0)
    assert plan.steps_of(again[2]) == (700, 350)


def test_the_trainer_finds_the_run_under_the_planned_signature(overrides, tmp_path):
    """Seeds are not composed anew: the signature must be that of a whole composition."""
    planned = coming([*overrides, "seed=0,3"], ["direction"], silent)["direction"]
    for run in planned:
        alone = [part for part in run.overrides if not part.startswith("experiments=")]
        (found,) = coming(alone, [], silent)["command line"]
        assert found.signature == run.signature


def test_files_that_are_missing_are_told_and_the_rest_is_planned(overrides, tmp_path):
    axes = [*overrides, "benchmark=davis2017", f"benchmark.root={tmp_path / 'gone'}"]
    axes = [part for part in axes if "source" not in part]
    (run,) = coming(axes, [], silent)["command line"]
    assert run.state == "unknown"
    assert "gone" in run.problem
    assert plan.steps_of(run) == (700, 700)
    plans = coming(axes, ["decoder", "direction"], silent)
    assert plans["decoder"][2].key == plans["direction"][1].key
    assert plans["decoder"][2].tables == ["decoder", "direction"]


def test_time_is_that_of_runs_alike_else_of_the_same_encoder(overrides):
    runs = coming(overrides, ["decoder"], silent)["decoder"]
    finish(runs[0], speed=10.0, wall=40.0)
    records = [runs[0].identity.record]
    (sample,) = samples(records)
    batch = runs[0].identity.settings.batch_size
    same = estimate(runs[0].settings.as_dict(), 350, [sample])
    assert same.seconds == pytest.approx(350 * batch / 10.0 + 40.0)
    assert "the same settings" in same.basis
    other = estimate(runs[1].settings.as_dict(), 350, [sample])
    assert "the same encoder" in other.basis
    assert other.gpu_hours == 0
    (bigger,) = coming([*overrides, "encoder.width=256"], [], silent)["command line"]
    assert estimate(bigger.settings.as_dict(), 350, [sample]) is None


@pytest.mark.parametrize(
    "content", [{"seconds": "x"}, {"pairs_per_second": -1}, {"pairs_per_second": 9.0}, []]
)
def test_a_damaged_summary_is_no_help_and_no_harm(overrides, content):
    runs = coming([*overrides, "seed=0,1"], [], silent)["command line"]
    for run in runs:
        finish(run, speed=10.0, wall=40.0)
    records = [run.identity.record for run in runs]
    (records[0].folder / "summary.json").write_text(json.dumps(content))
    assert samples(records) == samples(records[1:])
    assert spread(records, {record.signature for record in records}) is None


def test_gpu_hours_are_of_the_device_that_was_measured(overrides):
    (run,) = coming(overrides, [], silent)["command line"]
    finish(run, speed=3200.0, wall=0.0, device="NVIDIA H100")
    told = estimate(run.settings.as_dict(), 700, samples([run.identity.record]))
    assert told.device == "NVIDIA H100"
    assert told.gpu_hours == pytest.approx(told.seconds / 3600)


def test_the_spread_is_of_paired_differences_of_common_seeds(overrides):
    runs = coming([*overrides, "seed=0,1,2"], ["direction"], silent)["direction"]
    rng = np.random.default_rng(0)
    values = {0: rng.normal(size=3), 1: rng.normal(size=3)}
    for i, run in enumerate(runs):
        finish(run, value=float(values[i % 2][i // 2]))
    found = spread([run.identity.record for run in runs], {run.signature for run in runs})
    assert found.paired
    assert found.degrees == 2
    assert found.deviation == pytest.approx(np.std(values[0] - values[1], ddof=1))


def test_without_two_seeds_no_spread_is_invented(overrides):
    runs = coming(overrides, ["direction"], silent)["direction"]
    for run in runs:
        finish(run)
    records = [run.identity.record for run in runs]
    assert spread(records, {run.signature for run in runs}) is None
    assert spread([], set()) is None


@pytest.mark.parametrize(("difference", "deviation"), [(1, 0.3), (1, 1), (1, 2.5), (0.5, 3)])
def test_the_seeds_have_the_power_that_is_promised_and_one_less_has_not(difference, deviation):
    n = seeds_needed(difference, deviation)

    def power(n):  # of a two-sided t test, from the noncentral t distribution
        bound, shift = t.ppf(0.975, n - 1), difference / deviation * np.sqrt(n)
        return nct.sf(bound, n - 1, shift) + nct.cdf(-bound, n - 1, shift)

    assert power(n) >= 0.8 - 1e-6
    assert n == 2 or power(n - 1) < 0.8


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sweeps=masking"], "draws its runs as it goes"),
        (["--difference", "0"], "a number above 0 is needed"),
        (["experiments=direction", "seed=0,x"], "seed=x: a seed is a whole number"),
        (["experiments=direction", "seed=1.5"], "seed=1.5: a seed is a whole number"),
    ],
)
def test_what_cannot_be_planned_is_refused(words, told, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["plan", *words])
    with pytest.raises(SystemExit, match="2"):
        raise SystemExit(plan.main())
    err = capsys.readouterr().err
    assert told in err
    assert "Traceback" not in err


def test_all_is_every_experiment_and_a_typo_gets_the_nearest():
    known = ["decoder", "frame_gap"]
    assert chosen(["experiments=all", "seed=1"], known) == (known, ["seed=1"])
    assert chosen(["experiments=decoder,frame_gap"], known) == (known, [])
    with pytest.raises(Exception, match="did you mean 'decoder'"):
        chosen(["experiments=decodr"], known)


def test_the_command_prints_every_table_and_the_sums(overrides, tmp_path, monkeypatch, capsys):
    words = ["plan", "experiments=decoder,direction", *overrides, "--difference", "2"]
    monkeypatch.setattr(sys, "argv", words)
    for run, value in zip(
        coming([*overrides, "seed=0,1"], ["decoder"], silent)["decoder"],
        (0.40, 0.42, 0.45, 0.41, 0.44, 0.46),
        strict=True,
    ):
        finish(run, value)
    assert plan.main() == 0
    told = capsys.readouterr().out
    assert "Which decoder should restore the future frame?" in told
    assert "4 different runs: 3 finished, 1 new" in told
    assert "1 estimated from 2 finished with the same settings" in told
    assert "seeds needed to tell 2 points of sprites J&F-Mean apart" not in told  # seed 0 alone
    monkeypatch.setattr(sys, "argv", [*words, "seed=0,1"])
    assert plan.main() == 0
    assert "seeds needed to tell 2 points of sprites J&F-Mean apart" in capsys.readouterr().out


@pytest.mark.slow
def test_calibration_measures_what_no_run_tells_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    small = ["encoder.width=32", "encoder.depth=1", "encoder.heads=2", "decoder.width=32"]
    small += ["decoder.heads=2", "batch_size=8", "device=cpu", "data.clips=1", "data.frames=8"]
    small += [f"data.root={tmp_path / 'sprites'}", f"runs_dir={tmp_path / 'runs'}"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["plan", *small, "frame_gap=2", "--calibrate"])
    assert plan.main() == 0
    told = capsys.readouterr().out
    assert "calibrating: " in told
    assert "1 estimated from 1 finished with" in told
    assert not (tmp_path / "runs").exists()
