"""Files that are replaced whole, and what killed processes leave of them."""

import errno
import os
import subprocess
import sys
import time

import pytest

from siammae.system import atomic_files
from siammae.system.atomic_files import replacing, write_atomic

# Dies in the middle of a write.
DIE = """
import os, signal, sys
from pathlib import Path
from siammae.system.atomic_files import replacing
with replacing(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def as_a_new_process(monkeypatch):
    monkeypatch.setattr(atomic_files, "_swept", set())


def hidden(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_what_a_killed_process_left_is_removed_at_the_next_write(tmp_path):
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", DIE, str(tmp_path / "a.json")], env=known, check=False)
    assert len(hidden(tmp_path)) == 1
    assert not (tmp_path / "a.json").exists()
    write_atomic(tmp_path / "b.json", "whole")  # of another name
    assert hidden(tmp_path) == []
    assert (tmp_path / "b.json").read_text() == "whole"


def test_what_may_be_somebody_s_is_kept_until_it_is_old(tmp_path):
    """Of a live process, of another machine, of an earlier version, and of somebody else."""
    live = f".a.json.{atomic_files.place_of_numbers()}-{os.getppid()}.partial"
    elsewhere, earlier, strange = ".a.json.00000000-7.partial", ".a.json.7.partial", ".mine.partial"
    for name in (live, elsewhere, earlier, strange):
        (tmp_path / name).write_text("half")
    write_atomic(tmp_path / "b.json", "whole")
    assert hidden(tmp_path) == sorted([live, elsewhere, earlier, strange])
    then = time.time() - 2 * 3600
    for name in (live, elsewhere, earlier, strange):
        os.utime(tmp_path / name, (then, then))
    atomic_files._swept.clear()
    write_atomic(tmp_path / "b.json", "whole")
    assert hidden(tmp_path) == [strange]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomic(path, "old")

    def full(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic_files, "sync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert hidden(tmp_path) == []


def test_a_suffix_is_kept_for_those_who_write_by_it(tmp_path):
    with replacing(tmp_path / "a.mp4", ".mp4") as partial:
        assert partial.suffix == ".mp4"
        partial.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
