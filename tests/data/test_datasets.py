import pytest

from siammae.config.errors import DataError
from siammae.data.datasets import Videos


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


def test_a_listed_file_that_is_missing_is_kept_to_be_counted_as_broken(tmp_path):
    (tmp_path / "list.txt").write_text("gone a.mp4 3\n")
    assert [p.name for p in Videos(str(tmp_path / "list.txt")).videos()] == ["gone a.mp4"]


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
