"""Packers that are killed, and disks that are full."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest
from processes import hear_interrupts

from siammae.data.packing.layout import shards
from siammae.data.packing.verify_pack import verify_pack


def command(clips, out):
    overrides = [f"data.root={clips}", "data.short_side=null", f"out={out}", "workers=2"]
    return [sys.executable, "-m", "siammae.pack", *overrides]


def same(ours, theirs):
    """Whether two packs are the same, byte for byte."""
    names = [path.name for path in sorted(theirs.glob("*.tar"))] + ["index.arrow"]
    assert [path.name for path in sorted(ours.glob("*.tar"))] + ["index.arrow"] == names
    return all((ours / name).read_bytes() == (theirs / name).read_bytes() for name in names)


@pytest.fixture(scope="module")
def many(clip_maker, tmp_path_factory):
    """Ten clips, which take a moment."""
    root = tmp_path_factory.mktemp("many")
    for number in range(10):
        clip_maker(root / f"{number}.mp4", 120, (240, 320))
    return root


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(many, pack, tmp_path):
    rng = random.Random(1)
    out = tmp_path / "out"
    pack(many, tmp_path / "whole")
    for _ in range(4):
        before = len(shards(out)) if out.exists() else 0
        process = subprocess.Popen(command(many, out), cwd=tmp_path, stdout=subprocess.PIPE)
        # When work has begun: the start takes longest, and nothing can go wrong in it.
        while process.poll() is None and not list(out.glob(".packing/*.part")):
            time.sleep(0.002)
        while process.poll() is None and rng.random() < 0.5 and len(shards(out)) == before:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for path in shards(out).values():
            assert path.read_bytes() == (tmp_path / "whole" / path.name).read_bytes()
    said = []
    pack(many, out, said, workers=2)
    assert verify_pack(out, 1, lambda line: None, lambda *_: None) == []
    assert same(out, tmp_path / "whole")
    assert [path.name for path in (out / ".packing").iterdir()] == ["lock"]


def test_ctrl_c_says_how_to_go_on(many, tmp_path):
    out = tmp_path / "out"
    given = command(many, out)
    for _ in range(5):  # on a busy machine it may be through before the signal comes
        process = subprocess.Popen(
            given, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts
        )
        while process.poll() is None and not list(out.glob(".packing/*.part")):
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        if process.returncode:
            break
        shutil.rmtree(out)
    assert process.returncode == 130
    assert err.splitlines() == [
        "interrupted",
        "finished shards are kept; the same command goes on",
    ]
    assert not list(out.glob(".packing/*.part"))


def test_a_full_disk_loses_nothing_finished(clips, whole_pack, tmp_path):
    """Files may not exceed a size: some shards can be written, others not."""
    sizes = sorted(path.stat().st_size for path in whole_pack.glob("*.tar"))
    limit = (sizes[-2] + sizes[-1]) // 2
    out = tmp_path / "out"

    def run(limited):
        how = (
            (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limited else None
        )
        given = command(clips, out)
        return subprocess.run(given, cwd=tmp_path, preexec_fn=how, capture_output=True, text=True)

    full = run(limited=True)
    assert full.returncode == 2, full.stdout + full.stderr
    (line,) = full.stderr.splitlines()
    assert line.startswith(f"error: out={out} cannot be written: {os.strerror(27)}; ")
    assert "finished shards are kept, and the same command goes on when there is room" in line
    assert not list(out.glob(".packing/*.part"))
    kept = {path: path.stat().st_mtime_ns for path in shards(out).values()}
    again = run(limited=False)
    assert again.returncode == 0, again.stdout + again.stderr
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert same(out, whole_pack)


def test_damaged_reasons_of_broken_clips_hinder_nothing(clips, whole_pack, pack, tmp_path):
    out, said = tmp_path / "out", []
    pack(clips, out)
    for content in (b"\xff", b"[1]", b'{"x": 1}'):
        (out / "broken.json").write_bytes(content)
        (out / "index.arrow").unlink()
        shards(out)[0].unlink()
        pack(clips, out, said)
        assert same(out, whole_pack)
    assert sum("broken.json is damaged" in line for line in said) == 3


def test_nothing_can_be_written(clips, pack, tmp_path):
    (tmp_path / "file").write_text("")
    from siammae.system.errors import DataError

    with pytest.raises(DataError, match=r"out=.*file/out cannot be written: Not a directory"):
        pack(clips, tmp_path / "file" / "out")
