"""Runs on a pack, typed as a user would: the unpacked run's pairs, and every step after a kill."""

import json
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest
from odd_files import write_odd_files
from preloaded import run_command
from tiny_runs import same_weights

from .conftest import KILLED_IN_A_STEP, START

CLIPS = ("data.clips=5", "data.frames=12")
PAIRS = ("frame_gap=[1,4]", "log_every=1")
READING = {
    "frames": (),
    "stream": ("data.streaming=true", "data.lanes=2", "data.window=2"),
}


def command(folder: Path, name: str, *arguments: str) -> str:
    """What a command of the package says."""
    done = run_command(
        [sys.executable, "-m", f"siammae.{name}", "progress=none", *arguments],
        cwd=folder, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def losses(run: Path) -> list[float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["train/loss"] for row in rows]


@pytest.fixture(scope="module")
def packed(train, tmp_path_factory) -> Path:
    """Of the built-in clips, a shard each."""
    folder = tmp_path_factory.mktemp("packed")
    root = f"data.root={train.data}"
    command(folder, "pack", "data=sprites", root, *CLIPS, "out=pack", "shard_mb=1")
    return folder / "pack"


@pytest.fixture(scope="module")
def undisturbed(train, tmp_path_factory, packed) -> dict[str, Path]:
    """A finished run for each way of reading."""
    folders = {}
    for name, reading in READING.items():
        folders[name] = tmp_path_factory.mktemp(name)
        done = train(folders[name], *PAIRS, "data=packed", *reading, root=packed)
        assert done.returncode == 0, done.stderr
    return folders


def test_a_packed_run_sees_the_unpacked_runs_pairs(train, tmp_path, undisturbed, only_run):
    """What JPEG costs is some thousandths of the loss; other pairs change it far more."""
    unpacked = train(tmp_path, *PAIRS, *CLIPS)
    assert unpacked.returncode == 0, unpacked.stderr
    expected = losses(only_run(tmp_path))
    packed = losses(only_run(undisturbed["frames"]))
    assert packed == pytest.approx(expected, rel=0.005)
    assert packed != expected
    assert losses(only_run(undisturbed["stream"])) != pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("reading", READING)
def test_a_packed_run_goes_on_in_the_middle_of_a_pass(
    train, tmp_path, packed, undisturbed, only_run, reading
):
    """Six steps are 24 visits, which end in the midst of the fifth pass over five clips."""
    settings = (*PAIRS, "data=packed", *READING[reading])
    killed = train(tmp_path, *settings, root=packed, script=START.format(patch=KILLED_IN_A_STEP))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = train(tmp_path, *settings, root=packed)
    assert again.returncode == 0, again.stderr
    assert "going on after step 6 of 12" in again.stdout
    runs = [only_run(folder) for folder in (tmp_path, undisturbed[reading])]
    assert runs[0].name == runs[1].name
    assert losses(runs[0]) == losses(runs[1])
    assert same_weights(*runs)


@pytest.fixture(params=["made", "real"])
def odd(request, tmp_path) -> tuple[Path, set[str]]:
    """Files that go wrong: what ``data.root`` names, and all names."""
    if request.param == "real":
        folder = request.getfixturevalue("real_data") / "odd"
        return folder, {path.name for path in folder.iterdir()}
    (tmp_path / "odd").mkdir()
    named = write_odd_files(tmp_path / "odd") / "list.txt"
    return named, set(named.read_text().splitlines())


def test_odd_files_go_from_audit_to_training(train, tmp_path, odd, only_run):
    """Each is in the manifest; each that the audit found usable is packed, and trained on."""
    root, names = odd
    where = ("data=videos", f"data.root={root}", "data.max_broken=1.0")
    command(tmp_path, "audit", *where, "out=odd.parquet")
    manifest = pd.read_parquet(tmp_path / "odd.parquet")
    assert set(manifest["path"]) == names
    usable = manifest[manifest["usable"] > 0]
    assert 0 < len(usable) < len(manifest)
    packing = (*where, "data.manifest=odd.parquet", "short_side=64", "out=pack")
    said = command(tmp_path, "pack", *packing)
    assert f"packed: {len(usable)} clips with {usable['usable'].sum()} frames" in said
    assert not (tmp_path / "pack" / "broken.json").exists()
    command(tmp_path, "pack", "out=pack", "--verify")
    done = train(tmp_path, "schedule.steps=6", "data=packed", root=tmp_path / "pack")
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads((only_run(tmp_path) / "summary.json").read_text())["data"]
    assert data["clips"] == len(usable)
    assert data["broken"] == {}
