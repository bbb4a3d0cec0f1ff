"""A run of two processes measures its encoder in both, with the figures of one process."""

import json

import pytest

TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python")
# Steps too small to change a weight: its figures do not depend on how gradients are averaged.
SMALL = ["benchmark=sprites", "benchmark.source.sequences=3", "benchmark.source.sequence_frames=4"]
SMALL += ["+benchmark.source.clips=1", "+benchmark.source.frames=4", "schedule.steps=4"]
SMALL += ["schedule.evaluations=2", "optim.base_lr=1e-30", "decoder.dropout=0.0", "pictures=0"]

# Each process notes which sequences it predicts.
NOTED = """
import os, sys
from siammae.evaluation.measuring.mask_benchmark import MaskBenchmark
predict = MaskBenchmark.predict
def noted(self, video, features):
    with open("noted-" + os.environ.get("RANK", "alone"), "a") as file:
        print(video, file=file)
    return predict(self, video, features)
MaskBenchmark.predict = noted
from siammae.train import main
sys.exit(main())
"""


def figures(folder):
    """What the benchmark and its controls gave, and the rows of the evaluations."""
    (run,) = (folder / "runs").glob("[!.]*")
    summary = json.loads((run / "summary.json").read_text())
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    measured = [{k: v for k, v in row.items() if k.startswith("sprites/")} for row in rows]
    return summary["benchmark"], summary["controls"], [row for row in measured if row]


@pytest.mark.slow
def test_two_processes_measure_what_one_does(train, tmp_path):
    data = f"benchmark.source.root={train.data}"
    for name, launch in {"one": (), "two": TWO}.items():
        (tmp_path / name).mkdir()
        done = train(tmp_path / name, *SMALL, data, script=NOTED, launch=launch)
        assert done.returncode == 0, done.stderr
    assert figures(tmp_path / "one") == figures(tmp_path / "two")
    assert len(figures(tmp_path / "two")[2]) == 2
    # Two evaluations, and that of the untrained encoder.
    first, second = ((tmp_path / f"two/noted-{rank}").read_text().split() for rank in (0, 1))
    assert first == ["sprites-00", "sprites-02"] * 3
    assert second == ["sprites-01"] * 3


@pytest.mark.slow
def test_a_sequence_that_one_process_cannot_read_is_left_out(train, tmp_path):
    script = NOTED.replace(
        "return predict", "if video == 'sprites-01': raise broken\n    return predict"
    )
    script = "from siammae.system.errors import DataError\nbroken = DataError('no frame')" + script
    data = f"benchmark.source.root={train.data}"
    done = train(tmp_path, *SMALL, data, script=script, launch=TWO)
    assert done.returncode == 0, done.stderr
    assert figures(tmp_path)[0]["failed"] == {"sprites-01": "no frame"}
    assert done.stdout.count("warning: sprites-01 was not measured: no frame") == 3
