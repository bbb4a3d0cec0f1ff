"""Two processes that share a benchmark's videos give the figures of one, bit for bit."""

import json
import os
import subprocess
import sys

import pytest
import shared_figures

from siammae.evaluation.measuring.share import by_first
from siammae.system.paths import ROOT
from siammae.training.distributed import Team

from .conftest import write_davis

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
NAMES = ["walk", "run", "swim", "sit", "jump"]


@pytest.fixture(scope="module")
def by_rank(tmp_path_factory):
    """What one process measures, and what two do, by rank."""
    folder = tmp_path_factory.mktemp("shared")
    for name in ("whole", "damaged", "lost"):
        write_davis(folder / name, NAMES)
    damaged = [f"lost/JPEGImages/480p/{name}" for name in NAMES]
    damaged += [f"damaged/JPEGImages/480p/{name}" for name in ("run", "sit")]  # the second's share
    for frames in damaged:
        (folder / frames / "00002.jpg").write_bytes(b"no image")
    one = shared_figures.measured(folder, Team())
    done = subprocess.run(
        [sys.executable, *TORCHRUN, shared_figures.__file__, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return one, [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.slow
def test_figures_rows_and_failures_are_those_of_one_process(by_rank):
    one, two = by_rank
    for name in ("davis", "damaged", "parts", "suite"):
        for rank in (0, 1):
            assert two[rank][name]["result"] == one[name]["result"]
            assert two[rank][name]["control"] == one[name]["control"]
    assert list(one["damaged"]["result"]["failed"]) == ["run", "sit"]
    assert "00002.jpg" in one["damaged"]["result"]["failed"]["sit"]


@pytest.mark.slow
def test_each_process_measures_every_other_video(by_rank):
    one, two = by_rank
    assert one["davis"]["seen"] == NAMES
    assert [two[rank]["davis"]["seen"] for rank in (0, 1)] == [NAMES[::2], NAMES[1::2]]


@pytest.mark.slow
def test_what_cannot_be_split_is_left_to_the_first_in_a_suite_too(by_rank):
    one, two = by_rank
    assert two[0]["parts"]["seen"] == one["parts"]["seen"] != []
    assert two[1]["parts"]["seen"] == []
    assert set(one["parts"]["seen"]) <= set(two[0]["suite"]["seen"])
    assert not set(one["parts"]["seen"]) & set(two[1]["suite"]["seen"])


@pytest.mark.slow
def test_a_part_that_fails_as_a_whole_fails_in_all_processes(by_rank):
    one, two = by_rank
    assert {f"lost/{name}" for name in NAMES} < set(one["suite"]["result"]["failed"])
    assert "00002.jpg" in one["lost"]
    assert [two[rank]["lost"] for rank in (0, 1)] == [one["lost"]] * 2


def test_one_process_is_asked_nothing_of_others():
    class NoOthers(Team):
        def gather(self, value):
            raise AssertionError("one process has nobody to ask")

    assert by_first(NoOthers(), lambda: 3) == 3


@pytest.mark.slow
def test_the_command_measures_keeps_and_prints_once(tmp_path):
    write_davis(tmp_path / "DAVIS", NAMES[:3])
    chosen = ["features=timm", "model=vit_tiny_patch16_224", "pretrained=false", "device=cpu"]
    chosen += ["benchmark=davis2017", f"benchmark.root={tmp_path / 'DAVIS'}"]
    chosen += ["benchmark.workers=0"]

    def evaluate(*words):
        return subprocess.run(
            [sys.executable, *words, *chosen],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=250,
        )

    one = evaluate("-m", "siammae.evaluate", "out=one", "results_dir=kept/one")
    two = [
        evaluate(*TORCHRUN, "-m", "siammae.evaluate", f"out={out}", "results_dir=kept/two")
        for out in ("two", "again")
    ]
    assert [done.returncode for done in (one, *two)] == [0, 0, 0], two[0].stderr
    assert two[0].stdout.count("on davis2017") == 1
    assert two[1].stdout.count("measured before, ") == 1
    for name in ("result.json", "per_object.csv"):
        for out in ("two", "again"):
            assert (tmp_path / out / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    kept = [
        {path.name for path in (tmp_path / "kept" / of).glob("*.json")} for of in ("one", "two")
    ]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 2
    wrong = evaluate(*TORCHRUN, "-m", "siammae.evaluate", "benchmark.year=1999")
    assert sum(line.startswith("error: ") for line in wrong.stderr.splitlines()) == 1
    assert "To enable traceback" not in wrong.stderr  # torchrun's own report has the line as well
