"""The benchmark of data: what it writes follows from what it timed, on small clips."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from analysis.benchmarks import data as benchmark_data
from analysis.benchmarks import data_clips, data_memory
from analysis.benchmarks.data_baseline import UsualPairs
from analysis.benchmarks.data_ways import BARE, BATCHES, DEVICE, HOST, UNPACKED, USUAL, Way
from siammae.data.augment.normalising import MEAN, STD
from siammae.data.sets.videos import Videos

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two of 60 frames, 96x96."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(2):
        pictures = data_memory._pictures(number)
        data_clips.write_video_file(folder / f"{number}.mp4", pictures, 96, 96)
    return folder


def run(*options):
    parser = argparse.ArgumentParser()
    benchmark_data.add_arguments(parser)
    return benchmark_data.run(parser.parse_args(list(options)))


@pytest.mark.slow
def test_the_command_prints_and_writes_ratios(tmp_path, clips, monkeypatch, capsys):
    """Of real footage, which is measured twice; the wide table shows each figure of the JSON."""
    monkeypatch.setattr(data_clips, "FRAMES", 60)
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "figures.json"
    options = ["--clips", str(clips), "--number", "1", "--rounds", "2", "--passes", "2"]
    assert run(*options, "--out", str(file)) == 0
    told, figures = capsys.readouterr().out, json.loads(file.read_text())
    assert "real footage" in told
    assert figures["machine"]["command"]
    assert [table["goals"] for table in figures["tables"]] == [True, False]
    for table in figures["tables"]:
        rows = {row["way"]: row for row in table["rows"]}
        assert list(rows) == [USUAL, UNPACKED, DEVICE, HOST, BATCHES, BARE]
        assert rows[USUAL]["times_usual"] == rows[BARE]["share_of_bare"] == [1, 1, 1]
        for row in rows.values():
            for key in ("pairs_per_second", "times_usual", "share_of_bare"):
                low, middle, high = row[key]
                assert 0 < low <= middle <= high
        assert f"{rows[DEVICE]['times_usual'][1]:.2f}" in told
    goals = [line for line in told.splitlines() if "reached" in line or "missed" in line]
    assert len(goals) == 3


def test_a_ratio_is_of_one_round(monkeypatch):
    """Seconds by a clock that other work slows down in the second round."""
    seconds = iter([1.0, 0.1, 0.2, 10.0])  # usual, fast; then fast, usual
    clock = [0.0]

    def work(pairs):
        clock[0] += next(seconds)
        return pairs

    monkeypatch.setattr("time.process_time", lambda: clock[0])
    ways = [Way(USUAL, 1, lambda _: work(10)), Way(BARE, 4, lambda passes: work(10 * passes))]
    for way in ways:
        monkeypatch.setattr(way, "run", _unless_first(way.run))
    usual, bare = benchmark_data.compare(ways, 2)
    assert usual["pairs_per_second"] == pytest.approx([1, 5.5, 10])
    assert bare["times_usual"] == pytest.approx([40, 120, 200])
    assert usual["share_of_bare"] == pytest.approx([1 / 200, (1 / 40 + 1 / 200) / 2, 1 / 40])


def _unless_first(call):
    """The first call, which warms up, does nothing."""
    calls = []
    return lambda passes: call(passes) if calls or calls.append(passes) else 0


def test_tables_of_markdown(tmp_path):
    spread = [1.0, 2.0, 3.0]
    row = {"pairs_per_second": spread, "times_usual": spread, "share_of_bare": [0.5, 0.6, 0.7]}
    rows = [{"way": way, **row} for way in (USUAL, UNPACKED, DEVICE)]
    table = {"title": "clips", "goals": True, "rows": rows}
    benchmark_data.write(tmp_path / "x.md", {"cpu": "a"}, [table], benchmark_data.show_speed)
    lines = (tmp_path / "x.md").read_text().splitlines()
    assert lines[0] == "clips"
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    assert "| 1.5 reached |" in lines[5]
    assert "| 55.0 missed | 60% (50% to 70%) | 90% missed |" in lines[6]
    assert lines[-1] == "* cpu: a"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rounds", "0"], "--rounds must be at least 1"),
        (["--out", "x.txt"], "x.txt: a name that ends with .json or .md"),
        (["--clips", "nowhere"], "--clips nowhere: no such folder"),
        (["--memory", "--pairs", "2000"], "--pairs 2000: more than 2000 are needed"),
    ],
)
def test_wrong_options_are_told_in_a_line(options, words, capsys):
    assert run(*options) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def test_the_usual_path_crops_and_mirrors_a_pair_as_one(tmp_path):
    """Of a clip in which nothing moves the two frames are alike, and each pair has its own crop."""
    path, picture = tmp_path / "still.mp4", next(data_memory._pictures(0))
    data_clips.write_video_file(path, iter([picture] * 60), 96, 96)
    usual = UsualPairs(32, seed=0)
    pairs = [usual.read(path).numpy() for _ in range(4)]
    for pair in pairs:
        assert pair.shape == (2, 3, 32, 32)
        pixels = pair * np.array(STD)[:, None, None] + np.array(MEAN)[:, None, None]
        assert -0.01 <= pixels.min() <= pixels.max() <= 1.01
        assert np.abs(pixels[0] - pixels[1]).mean() < 0.02
    assert np.abs(pairs[0] - pairs[1]).mean() > 0.2


def test_drawn_clips_are_what_the_title_says(tmp_path, monkeypatch):
    import av

    monkeypatch.setattr(data_clips, "FRAMES", 20)
    (path,) = data_clips.make_clips(tmp_path / "made", 1, None)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (340, 256, 20)
        assert stream.average_rate == 30
        assert [packet.is_keyframe for packet in container.demux(stream)].count(True) == 1


def test_memory_is_that_of_all_processes(clips, monkeypatch):
    """Those of the readers, too; at the early moment and at the last."""
    monkeypatch.setattr(data_memory, "EARLY", 80)
    source = Videos(str(clips), workers=1)
    found = data_memory.grow(source, 200)
    assert {80, 200} <= set(found)
    alone = data_memory._own(data_memory.os.getpid()) / 2**10
    assert all(megabytes > alone + 20 for megabytes in found.values())
