import hashlib
import os
from pathlib import Path

import pytest

from siammae.data.sets.videos import Videos
from siammae.system.errors import DataError


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_a_tree_is_searched_and_sorted_by_relative_path(tmp_path):
    touch(tmp_path / "b.mp4", tmp_path / "a b" / "-é!'.AVI", tmp_path / "a b" / "notes.txt")
    touch(tmp_path / "c" / "d" / "e.webm", tmp_path / "._b.mp4")
    names = [p.relative_to(tmp_path).as_posix() for p in Videos(str(tmp_path)).videos()]
    assert names == ["a b/-é!'.AVI", "b.mp4", "c/d/e.webm"]


@pytest.mark.parametrize(
    "line",
    [
        "my dir/a clip.mp4",
        "my dir/a clip.mp4 17",
        "my dir/a clip.mp4 0 -1",
        "my dir/a clip.mp4,label with space",
        '"my dir/a clip.mp4",3',
    ],
)
def test_lists_of_other_projects(tmp_path, line):
    touch(tmp_path / "my dir" / "a clip.mp4")
    (tmp_path / "list.csv").write_text(f"# comment\n{line}\n\n{line}\n")
    assert Videos(str(tmp_path / "list.csv")).videos() == [tmp_path / "my dir" / "a clip.mp4"]


@pytest.mark.parametrize(
    "name",
    [
        "-dash.mp4",
        'it\'s "so"!.mp4',
        "# first.mp4",
        "a#b; $HOME `x`.mp4",
        "één, twee, ü 東京.webm",
        "tab\tinside.avi",
        "trailing space .mp4",
        os.fsdecode(b"latin\xe9.mp4"),
    ],
)
@pytest.mark.parametrize("column", ["", " 3", " 0 -1", ",label, with comma", "\tlabel"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_odd_names_in_folders_and_lists(tmp_path, name, column, start):
    touch(tmp_path / "my, dir" / name)
    folder = Videos(str(tmp_path))
    assert folder.videos() == [tmp_path / "my, dir" / name]
    assert len(folder.fingerprint()) == 10
    lines = os.fsencode(f"my, dir/{name}{column}\r\n# a comment\n")
    (tmp_path / "list.txt").write_bytes(start + lines)
    listed = Videos(str(tmp_path / "list.txt"))
    assert listed.videos() == folder.videos()
    (tmp_path / "my, dir" / "list.txt").write_bytes(os.fsencode(f"{name}{column}\n"))
    assert Videos(str(tmp_path / "my, dir" / "list.txt")).videos() == folder.videos()


@pytest.mark.parametrize(
    "line",
    [
        '"my ""best"", clip.mp4",3',
        '"my ""best"", clip.mp4" 3 7',
        "'my \"best\", clip.mp4' 0 -1",
        '"my ""best"", clip.mp4"',
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_lines_in_quotes(tmp_path, line, there):
    if there:
        touch(tmp_path / 'my "best", clip.mp4')
    (tmp_path / "list.csv").write_text(f"path,label\n{line}\n")
    videos = Videos(str(tmp_path / "list.csv"), max_broken=1.0).videos()
    assert videos == [tmp_path / 'my "best", clip.mp4']


def test_a_few_missing_files_count_as_broken_and_more_are_refused_by_name(tmp_path, capsys):
    names = [f"clip {n}.mp4" for n in range(20)]
    touch(*(tmp_path / name for name in names[1:]))
    (tmp_path / "list.txt").write_text("".join(f"{name} {n}\n" for n, name in enumerate(names)))
    source = Videos(str(tmp_path / "list.txt"))
    assert [path.name for path in source.videos()] == names
    before = source.fingerprint()
    err = capsys.readouterr().err
    assert err.startswith(f"note: data.root={source.root}: 1 of the 20 clips that it names are ")
    assert err.count("\n") == 1  # though it was looked at twice
    for name in names[1:8]:
        (tmp_path / name).unlink()
    wanted = r"list\.txt: 8 of the 20 clips that it names are missing: .*/clip 0\.mp4, .*clip 4.mp4"
    with pytest.raises(DataError, match=wanted + r" and 3 more; data\.max_broken=0\.05 allows 1"):
        source.videos()
    source.max_broken = 0.5
    assert source.fingerprint() != before


def test_links_are_followed_and_a_circle_ends(tmp_path):
    touch(tmp_path / "elsewhere" / "a.mp4", tmp_path / "root" / "b.mp4")
    (tmp_path / "root" / "link.mp4").symlink_to(tmp_path / "elsewhere" / "a.mp4")
    (tmp_path / "root" / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "round").symlink_to(tmp_path / "root")
    touch(tmp_path / "root" / ".download" / "set.zip.unpacked" / "half.mp4")
    names = [p.relative_to(tmp_path / "root") for p in Videos(str(tmp_path / "root")).videos()]
    assert [str(name) for name in names] == ["b.mp4", "folder/a.mp4", "link.mp4"]


def test_what_must_not_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path / "open.mp4", tmp_path / "closed" / "a.mp4")
    (tmp_path / "list.txt").write_text("closed/a.mp4\n")
    right, right_bytes = os.scandir, Path.read_bytes

    def scandir(folder="."):
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied", folder)
        return right(folder)

    def read_bytes(path):
        if path.name == "secret.txt":
            raise PermissionError(13, "Permission denied")
        return right_bytes(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    for root in (tmp_path, tmp_path / "list.txt"):
        with pytest.raises(DataError, match=r"/closed cannot be read: permission denied"):
            Videos(str(root)).videos()
    (tmp_path / "secret.txt").write_text("open.mp4\n")
    with pytest.raises(DataError, match=r"secret\.txt cannot be read: permission denied"):
        Videos(str(tmp_path / "secret.txt")).videos()


def test_the_fingerprint_of_a_folder_stays_as_it_was(tmp_path):
    """Runs are named by it."""
    touch(tmp_path / "x" / "a b.mp4", tmp_path / "c.avi")
    (tmp_path / "c.avi").write_bytes(b"four")
    (tmp_path / "list.txt").write_text("x/a b.mp4\ngone.mp4\n")
    rows = b"c.avi\0" + b"4\nx/a b.mp4\0" + b"1\n"
    assert Videos(str(tmp_path)).fingerprint() == hashlib.sha256(rows).hexdigest()[:10]
    rows = b"x/a b.mp4\0" + b"1\ngone.mp4\0-1\n"
    listed = Videos(str(tmp_path / "list.txt"), max_broken=0.5)
    assert listed.fingerprint() == hashlib.sha256(rows).hexdigest()[:10]


def test_fingerprint_follows_content_and_not_place(tmp_path):
    for name in ("one", "two"):
        touch(tmp_path / name / "x" / "a.mp4", tmp_path / name / "b.mp4")
    first, second = (Videos(str(tmp_path / name)) for name in ("one", "two"))
    assert first.fingerprint() == second.fingerprint()
    (tmp_path / "two" / "b.mp4").write_bytes(b"longer")
    assert first.fingerprint() != second.fingerprint()
    before = first.fingerprint()
    touch(tmp_path / "one" / "c.mp4")
    assert first.fingerprint() != before


def test_missing_and_empty_roots_are_named(tmp_path):
    with pytest.raises(DataError, match="gone: no such folder or list file"):
        Videos(str(tmp_path / "gone")).videos()
    with pytest.raises(DataError, match="holds no video"):
        Videos(str(tmp_path)).videos()
    touch(tmp_path / "clip.mp4")
    with pytest.raises(DataError, match="is a file, but no list"):
        Videos(str(tmp_path / "clip.mp4")).videos()
