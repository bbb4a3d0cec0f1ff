"""The commands of the README at the smallest size, through real processes."""

import json
import shutil
import signal
import sys

import pytest
from preloaded import run_command

MEASURED = ["benchmark=sprites", "benchmark.source.sequences=1"]
MEASURED += ["benchmark.source.sequence_frames=4", "+benchmark.source.clips=1"]
MEASURED += ["+benchmark.source.frames=4", "schedule.steps=4", "pictures=0"]


@pytest.fixture
def measured(train):
    """Overrides for a run that is measured on one short sequence."""
    return [*MEASURED, f"benchmark.source.root={train.data}"]


def states(folder):
    return {
        path.parent.name: json.loads(path.read_text())["state"]
        for path in (folder / "runs").glob("*/state.json")
    }


def summaries(folder):
    return [json.loads(path.read_text()) for path in (folder / "runs").glob("*/summary.json")]


def tables(folder):
    from siammae.system.paths import ROOT

    command = [sys.executable, str(ROOT / "analysis" / "make_tables.py")]
    done = run_command(command, cwd=folder, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_multirun_its_table_and_its_repetition(train, tmp_path, measured):
    axes = ["-m", "mask_ratio=0.5,0.75", "frame_gap=2,4"]
    first = train(tmp_path, *axes, *measured)
    assert first.returncode == 0, first.stderr
    assert list(states(tmp_path).values()) == ["finished"] * 4
    for summary in summaries(tmp_path):
        assert summary["objective"]["metric"] == "J&F-Mean"
        assert summary["objective"]["value"] == summary["benchmark"]["metrics"]["J&F-Mean"]
        assert set(summary["controls"]) == {"copy_first_mask", "untrained_encoder"}
    again = train(tmp_path, *axes, *measured)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("finished before") == 4
    printed = tables(tmp_path)
    text = (tmp_path / "tables" / "mask_ratio-frame_gap.md").read_text()
    assert text.count("| mask_ratio=") + text.count("| **mask_ratio=") == 4
    assert "copy first mask" in text
    assert "untrained encoder" in text
    assert "tables/mask_ratio-frame_gap.png" in printed


def test_multiruns_that_start_in_the_same_second_have_ids_of_their_own(train, tmp_path):
    """Jobs of one share it, though their configurations are composed one after the other."""
    # A clock whose seconds stand still.
    script = """
import datetime, sys
import hydra.core.utils
class Still(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        still = {"year": 2030, "month": 1, "day": 1, "hour": 1, "minute": 1, "second": 1}
        return datetime.datetime.now(tz).replace(**still)
hydra.core.utils.datetime = Still
from siammae.train import main
sys.exit(main())
"""
    axes = ["-m", "mask_ratio=0.5,0.75", "schedule.steps=2", "schedule.warmup_steps=1"]
    for _ in range(2):
        done = train(tmp_path, *axes, "pictures=0", script=script)
        assert done.returncode == 0, done.stderr
    asked = [
        [json.loads(line)["id"] for line in path.read_text().splitlines()]
        for path in (tmp_path / "runs").glob("*/invocations.jsonl")
    ]
    (first, second), other = asked
    assert other == [first, second]
    assert first != second
    assert all(name.startswith("2030-01-01_01-01-01") for name in (first, second))


def test_an_experiment_brings_its_axes(train, tmp_path, measured):
    done = train(tmp_path, "-m", "experiments=decoder", *measured, drop=("decoder.dropout",))
    assert done.returncode == 0, done.stderr
    assert len(states(tmp_path)) == 3
    tables(tmp_path)
    text = (tmp_path / "tables" / "decoder.md").read_text()
    assert all(label in text for label in ("joint", "cross", "cross-self (default)", "58.1"))


def test_a_study_is_kept_in_a_file_and_goes_on_while_its_recipe_is_the_same(train, tmp_path):
    import optuna

    small = ["-m", "sweeps=masking", "schedule.warmup_steps=0", "pictures=0"]
    small += ["hydra.sweeper.sampler.n_startup_trials=4"]
    # 25 patches as in the demo preset, of which every ratio of the sweep leaves one.
    small += ["image_size=40"]
    for steps, total in ((3, 1), (4, 1), (3, 2)):
        done = train(
            tmp_path,
            *small,
            f"schedule.steps={steps}",
            f"hydra.sweeper.n_trials={total}",
            drop=("mask_ratio", "frame_gap"),
        )
        assert done.returncode == 0, done.stderr
    storage = f"sqlite:///{tmp_path}/runs/.studies.db"
    short, long = sorted(
        (optuna.load_study(study_name=name, storage=storage) for name in names(storage)),
        key=lambda study: -len(study.trials),
    )
    assert (len(short.trials), len(long.trials)) == (2, 1)
    assert short.study_name in done.stdout
    assert all(trial.state.name == "COMPLETE" for trial in [*short.trials, *long.trials])
    assert set(short.best_params) == {"mask_ratio", "masking", "frame_gap"}
    drawn = {trial.params["mask_ratio"] for trial in [*short.trials, *long.trials]}
    assert len(drawn) == 3  # no start draws what another has drawn


def names(storage):
    import optuna

    return optuna.get_all_study_names(storage=storage)


def test_a_failing_run_of_a_multirun_is_told_and_the_others_go_on(train, tmp_path):
    done = train(tmp_path, "-m", "optim.base_lr=1e38,0.01", "schedule.steps=6", "pictures=0")
    assert done.returncode == 1
    assert done.stderr.count("A lower optim.base_lr") == 2, done.stderr  # at once and at the end
    assert "error: 1 of 2 runs failed:" in done.stderr
    assert sorted(states(tmp_path).values()) == ["failed", "finished"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("mask_ratio=0.75,0.99", "mask_ratio=0.99 leaves no patch visible"),
        ("decoder.norm=middle,pre", "decoder.norm=middle"),
        ("+decoder.widht=3,4", "decoder.widht: no such key (did you mean 'decoder.width'?)"),
    ],
)
def test_a_bad_setting_in_a_multirun_is_told_before_anything_starts(train, tmp_path, values, words):
    done = train(tmp_path, "-m", values, "schedule.steps=4", "pictures=0")
    assert done.returncode == 2
    assert words in done.stderr
    assert states(tmp_path) == {}


def test_a_kill_at_any_evaluation_leaves_one_row_of_figures_each(train, tmp_path, measured):
    """In the evaluation of step 2; then between the figures of the end and the summary."""
    kills = (
        "import siammae.training.session as there\nthere.measure =",
        "from siammae.tracking.record import RunRecord\nRunRecord.write_summary =",
    )
    kill = "lambda *parts: os.kill(os.getpid(), signal.SIGKILL)"
    overrides = [*measured, "schedule.evaluations=2"]
    for where in kills:
        script = f"import os, signal\n{where} {kill}\nfrom siammae.train import main\nmain()"
        done = train(tmp_path, *overrides, script=script)
        assert done.returncode == -signal.SIGKILL, done.stderr
    done = train(tmp_path, *overrides)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").glob("*/metrics.jsonl")
    rows = [json.loads(line) for line in run.read_text().splitlines()]
    assert [row["step"] for row in rows if "sprites/J&F-Mean" in row] == [2, 4]
    resumes = json.loads((run.parent / "provenance.json").read_text())["resumes"]
    assert [resume["step"] for resume in resumes] == [2, 4]


def test_evaluate_measures_a_run_as_the_run_did(train, tmp_path, measured):
    done = train(tmp_path, *measured)
    assert done.returncode == 0, done.stderr
    (summary,) = summaries(tmp_path)
    run = tmp_path / "runs" / summary["signature"]
    (checkpoint,) = (run / "checkpoints").glob("step-00000004.pt")
    wanted = [part for part in measured if "benchmark" in part]
    for path in (run, run / "encoder.safetensors", checkpoint):
        command = [sys.executable, "-m", "siammae.evaluate", f"checkpoint={path}", "out=out"]
        told = run_command(
            [*command, "device=cpu", *wanted],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert told.returncode == 0, told.stderr
        result = json.loads((tmp_path / "out" / "result.json").read_text())
        assert result["metrics"] == pytest.approx(summary["benchmark"]["metrics"], abs=1e-6)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("gone", "gone: no such file"),
        (".", "holds no encoder.safetensors and no checkpoints"),
        ("text.safetensors", "is damaged or no safetensors file"),
    ],
)
def test_evaluate_names_what_is_wrong_with_a_checkpoint(tmp_path, path, words):
    (tmp_path / "text.safetensors").write_text("no tensors")
    done = run_command(
        [sys.executable, "-m", "siammae.evaluate", f"checkpoint={path}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_videos_of_a_folder_with_a_broken_one(train, tmp_path):
    train(tmp_path, "schedule.steps=3", "pictures=0", "runs_dir=other")
    clips = tmp_path / "clips"
    clips.mkdir()
    source = next(train.data.glob("*/clips/00000.mp4"))
    for number in range(5):
        shutil.copy(source, clips / f"{number}.mp4")
    (clips / "broken.mp4").write_text("no video")
    videos = ["data=videos", "schedule.steps=4", "pictures=0"]
    strict = train(tmp_path, *videos, root=clips)
    assert strict.returncode == 2
    assert "1 of 6 clips cannot be read, more than data.max_broken=0.05" in strict.stderr
    assert "broken.mp4" in strict.stderr
    done = train(tmp_path, *videos, "data.max_broken=0.5", "data.short_side=64", root=clips)
    assert done.returncode == 0, done.stderr
    assert "warning: skipped a clip" in done.stdout
    (summary,) = summaries(tmp_path)
    assert summary["data"]["clips"] == 6
    assert list(summary["data"]["broken"]) == [str(clips / "broken.mp4")]


def test_videos_that_are_measured_on_drawn_clips_are_told_so(train, tmp_path):
    train(tmp_path, "schedule.steps=3", "pictures=0", "runs_dir=other")
    clips = tmp_path / "clips"
    clips.mkdir()
    shutil.copy(next(train.data.glob("*/clips/00000.mp4")), clips / "own.mp4")
    settings = ["schedule.steps=2", "pictures=0", *MEASURED]
    source = f"benchmark.source.root={train.data}"
    own = train(tmp_path, "data=videos", *settings, source, root=clips)
    drawn = train(tmp_path, *settings)
    for done, told in ((own, True), (drawn, False)):
        assert done.returncode == 0, done.stderr
        assert ("measured on drawn clips" in done.stdout) == told


def test_real_clips(train, tmp_path, real_data, only_run):
    done = train(
        tmp_path, "data=videos", "schedule.steps=4", "frame_gap=[4,48]", root=real_data / "clips"
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((only_run(tmp_path) / "summary.json").read_text())
    assert summary["data"]["clips"] == 48
    assert summary["data"]["broken"] == {}
