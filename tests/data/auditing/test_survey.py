"""Decoders that hang or crash, in real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import examiners
import pytest
from examiners import always_fail, misbehave
from processes import group_lives, wait_until

from siammae.data.auditing.run_audit import AuditSettings, audit
from siammae.data.manifests.facts import base_of, name_of
from siammae.data.sets.videos import Videos
from siammae.system.paths import ROOT


@pytest.fixture
def folder(tmp_path, moving_clip):
    good = moving_clip(tmp_path / "clips.mp4", 8).read_bytes()
    (tmp_path / "clips.mp4").unlink()
    root = tmp_path / "clips"
    root.mkdir()
    for number in range(4):
        (root / f"good{number}.mp4").write_bytes(good)
    return root


def spoil(root, *names):
    for name in names:
        (root / f"{name}.mp4").write_bytes((root / "good0.mp4").read_bytes())


def test_a_file_that_crashes_or_hangs_is_recorded_and_the_others_go_on(folder, tmp_path):
    spoil(folder, "0-segfault", "1-hang", "2-raises", "4-slow")
    begun = time.monotonic()
    settings = AuditSettings(workers=2, timeout=1.5)
    rows = audit(Videos(str(folder)), tmp_path / "m.parquet", settings, misbehave)
    assert time.monotonic() - begun < 60
    found = {row.path: (row.state, row.reader, row.reason) for row in rows}
    assert len(found) == 8
    assert found["0-segfault.mp4"] == ("broken", "none", "the decoder crashed (SIGSEGV)")
    assert found["1-hang.mp4"] == (
        "broken",
        "none",
        "the decoder hangs (no sign of life for 1.5 s)",
    )
    assert found["2-raises.mp4"] == (
        *("broken", "none"),
        "RuntimeError: a decoder's own kind of error",
    )
    # Longer than the limit in all, but never silent for so long.
    assert found["4-slow.mp4"] == ("whole", "video", "")
    assert all(found[f"good{number}.mp4"] == ("whole", "video", "") for number in range(4))


def test_more_crashes_than_processes(folder, tmp_path):
    spoil(folder, *(f"segfault{number}" for number in range(5)))
    settings = AuditSettings(workers=2, timeout=30)
    rows = audit(Videos(str(folder)), tmp_path / "m.parquet", settings, misbehave)
    assert [row.state for row in rows] == ["whole"] * 4 + ["broken"] * 5


def test_hanging_processes_end_with_their_parent(folder, tmp_path):
    spoil(folder, "hang0", "hang1")
    code = (
        "import sys; from pathlib import Path; from examiners import misbehave\n"
        "from siammae.data.auditing.run_audit import AuditSettings, audit\n"
        "from siammae.data.sets.videos import Videos\n"
        "if __name__ == '__main__':\n"
        "    audit(Videos(sys.argv[1]), Path(sys.argv[2]), AuditSettings(workers=2), misbehave)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    support = str(Path(examiners.__file__).parent)
    paths = os.pathsep.join([support, str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(tmp_path / "m.parquet")],
        env=os.environ | {"PYTHONPATH": paths},
        start_new_session=True,
    )
    journal = tmp_path / ".m.parquet.journal"
    wait_until(lambda: journal.is_file() and len(journal.read_text().splitlines()) == 4)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not group_lives(process.pid))


def test_unchanged_files_are_not_read_again(folder, tmp_path):
    manifest, source = tmp_path / "m.parquet", Videos(str(folder))
    first = {row.path: row for row in audit(source, manifest, AuditSettings(workers=1))}
    (folder / "good1.mp4").write_bytes(b"another file")
    status = (folder / "good2.mp4").stat()
    os.utime(folder / "good2.mp4", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    (folder / "good3.mp4").unlink()
    spoil(folder, "new")
    # Whatever is examined here raises: only changed and new files are.
    changed = audit(source, manifest, AuditSettings(workers=1), always_fail)
    found = {row.path: row.reason for row in changed}
    assert set(found) == {"good0.mp4", "good1.mp4", "good2.mp4", "new.mp4"}
    assert {name for name, reason in found.items() if "asked for" in reason} == {
        *("good1.mp4", "good2.mp4", "new.mp4")
    }
    assert changed[0] == first["good0.mp4"]
    again = audit(source, manifest, AuditSettings(workers=1, again="broken"))
    assert {row.path: row.reader for row in again} == {
        **dict.fromkeys(found, "video"),
        "good1.mp4": "none",
    }
    every = audit(source, manifest, AuditSettings(workers=1, again="all"), always_fail)
    assert {row.reader for row in every} == {"none"}


def test_names_of_any_bytes(tmp_path):
    odd = os.fsdecode(b"caf\xe9 \xff.mp4")
    assert name_of(tmp_path / "a b" / odd, base_of(str(tmp_path))) == "a b/caf\\xe9 \\xff.mp4"
    assert name_of(tmp_path / "x.mp4", tmp_path / "lists") == "../x.mp4"
