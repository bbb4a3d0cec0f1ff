"""The command, in real processes."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

COMMAND = [sys.executable, "-m", "siammae.audit", "data=videos", "progress=none"]
CLIPS = 200


def start(folder, *arguments):
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        start_new_session=True,
        preexec_fn=hear_interrupts,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def hear_interrupts():
    """What a shell starts in the background ignores them, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def run(folder, *arguments):
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=100)
    return process.returncode, out, err


def lines_of(journal):
    return journal.read_text().splitlines() if journal.is_file() else []


def wait_until(holds, process=None):
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.005)


def group_lives(number):
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def many(tmp_path_factory, clip_maker):
    """As many clips as a process cannot read between two looks."""
    root = tmp_path_factory.mktemp("many") / "clips"
    root.mkdir()
    content = clip_maker(root / "0.mp4", 40).read_bytes()
    for number in range(1, CLIPS):
        (root / f"{number}.mp4").write_bytes(content)
    return root


def test_after_a_kill_only_unread_files_are_read(many, tmp_path):
    arguments = [f"data.root={many}", "out=m.parquet", "workers=2"]
    journal = tmp_path / ".m.parquet.journal"
    process = start(tmp_path, *arguments)
    wait_until(lambda: len(lines_of(journal)) > 4, process)
    process.kill()
    process.communicate()
    wait_until(lambda: not group_lives(process.pid))  # no process of it is left
    assert not (tmp_path / "m.parquet").exists()
    before = {}
    for line in lines_of(journal):
        row = json.loads(line)
        before[row["path"]] = row["seconds"]
    assert len(before) < CLIPS
    with journal.open("a") as file:
        file.write('{"path": "torn')  # as a crash in the middle of a write leaves it

    code, out, err = run(tmp_path, *arguments, "--strict")
    assert (code, err) == (0, "")
    assert f"{len(before)} of {CLIPS} clips were read before" in out
    assert not journal.exists()
    rows = pd.read_parquet(tmp_path / "m.parquet")
    assert len(rows) == CLIPS
    assert rows["path"].is_unique
    assert (rows["reader"] == "decord").all()
    after = dict(zip(rows["path"], rows["seconds"], strict=True))
    assert {name: after[name] for name in before} == before


def test_ctrl_c_tells_how_to_go_on(many, tmp_path):
    process = start(tmp_path, f"data.root={many}", "out=m.parquet", "workers=2")
    wait_until(lambda: len(lines_of(tmp_path / ".m.parquet.journal")) > 4, process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "interrupted; the same command goes on where it stopped\n"
    assert len(lines_of(tmp_path / ".m.parquet.journal")) > 4
    wait_until(lambda: not group_lives(process.pid))


def test_summary_default_place_and_strict(tmp_path, clip_maker):
    root = tmp_path / "my clips"
    root.mkdir()
    clip_maker(root / "good.mp4", 30)
    clip_maker(root / "wide.avi", 20, (48, 96), codec="mpeg4")
    (root / "bad.mp4").write_text("no video")
    before = sorted(root.iterdir())
    code, out, err = run(tmp_path, f"data.root={root}", "--strict")
    assert (code, err) == (1, "")
    for told in ("mpeg4", "h264", "48x64", "nobody (broken)", "broken: bad.mp4: no video that"):
        assert told in out
    assert sorted(root.iterdir()) == before  # data may lie on a read-only place
    (manifest,) = (tmp_path / "audits").glob("videos-my clips-*.parquet")
    assert f"data.manifest={manifest.relative_to(tmp_path)}" in out
    assert list(pd.read_parquet(manifest)["usable"]) == [0, 30, 20]
    code, out, _ = run(tmp_path, f"data.root={root}")
    assert code == 0
    assert "3 of 3 clips were read before" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("data.root=gone", "data.root=gone: no such folder or list file"),
        ("data.root=.", "holds no video"),
        ("", "data.root"),
        ("data.root=clips out=/dev/null/m.parquet", "out=/dev/null/m.parquet cannot be written"),
        ("data.root=clips out=clips", "out=clips is a folder; name a file"),
        ("data.root=clips workers=0", "workers=0: an int of at least 1 is needed"),
        ("data.root=clips timeout_s=-1", "timeout_s=-1: a number of seconds above 0 is needed"),
        ("data.root=clips again=some", "again=some: must be one of none, broken, all"),
        ("data=nothing", "data=nothing: no such option"),
    ],
)
def test_one_clear_error(tmp_path, arguments, told):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "clips").mkdir()
    if "clips" in arguments:
        (tmp_path / "empty" / "clips" / "x.mp4").write_text("x")
    code, _, err = run(tmp_path / "empty", *arguments.split())
    assert code == 2
    assert len(err.splitlines()) == 1, err
    assert err.startswith("error: ")
    assert told in err


def test_two_audits_of_one_manifest(many, tmp_path):
    first = start(tmp_path, f"data.root={many}", "out=m.parquet", "workers=1")
    wait_until(lambda: lines_of(tmp_path / ".m.parquet.journal"), first)
    code, _, err = run(tmp_path, f"data.root={many}", "out=m.parquet")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert code == 2
    assert err == "error: out=m.parquet is being written by another audit; wait for it\n"
