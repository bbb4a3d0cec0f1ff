"""Every part of the storm runs, at a size of seconds, and its table shows what it tried."""

import json
import random
import sys

import pytest
from preloaded import run_command

from siammae.system.paths import ROOT
from tests.storm.damages import OF_BYTES, change_value


def storm(out, *words):
    command = [sys.executable, "-m", "tests.storm", "--out", out, *words]
    return run_command(command, cwd=ROOT, timeout=280)


@pytest.mark.parametrize("part", ["frames", "foreign"])
def test_a_small_storm_finds_nothing_wrong(tmp_path, part):
    done = storm(tmp_path, "--part", part, "--share", "0.002")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = json.loads((tmp_path / f"{part}.json").read_text())["lines"]
    assert len(lines) >= {"kills": 4}.get(part, 8)
    for line in lines:
        assert line["tried"] >= 1
        assert f"| {part} | {line['what']} | {line['tried']:,}" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("part", ["kills", "damage"])
def test_a_small_storm_of_slow_parts_finds_nothing_wrong(tmp_path, part):
    test_a_small_storm_finds_nothing_wrong(tmp_path, part)


def test_one_damaged_input_is_tried_again_by_its_name(tmp_path):
    done = storm(tmp_path, "--part", "damage", "--case", "archive zip/3")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "x.zip: " in line]
    assert "clean error: x.zip: " in line
    assert not list(tmp_path.iterdir())  # no table of one input


@pytest.mark.parametrize("way", OF_BYTES, ids=lambda way: way.__name__)
def test_every_way_of_damage_changes_something(way):
    before = random.Random(0).randbytes(5000)
    changed = bytearray(before)
    way(changed, random.Random(1))
    assert changed != before


def test_a_value_of_a_text_is_changed(tmp_path):
    for name, text in (("a.json", '{"a": {"b": 1}}'), ("a.yaml", "a: {b: 1}\n")):
        path = tmp_path / name
        path.write_text(text)
        change_value(path, random.Random(3))
        assert path.read_text().strip() != text.strip()
