"""Listing many files: in an order of names alone, without a look at any, in little memory."""

import os
import pickle
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siammae.system.errors import DataError
from siammae.system.file_list import FileList
from siammae.system.file_tree import by_folder, walk

# A byte that is no UTF-8, and what names may hold but seldom do.
NAMES = st.text("ab.é \n\udc80", min_size=1, max_size=3).filter(lambda n: n not in (".", ".."))
FOLDERS = st.lists(NAMES, max_size=2).map(lambda parts: "".join(f"{part}/" for part in parts))
FILES = st.lists(NAMES.map("{}.jpg".format), min_size=1, max_size=4, unique=True)
TREES = st.dictionaries(FOLDERS, FILES, max_size=4)


def is_jpeg(name):
    return name.endswith(".jpg")


@given(TREES, st.data())
def test_every_file_of_every_folder_is_there_by_its_number(tree, data):
    files = FileList(Path("/root"), tree.items())
    wanted = [f"{folder}{name}" for folder, names in tree.items() for name in names]
    assert len(files) == len(wanted)
    assert [files.relative(number) for number in range(len(files))] == wanted
    assert list(files) == [Path(f"/root/{name}") for name in wanted]
    assert files.counts() == [len(names) for names in tree.values()]
    part = data.draw(st.slices(len(wanted)))
    assert files[part] == [Path(f"/root/{name}") for name in wanted[part]]
    sent = pickle.loads(pickle.dumps(files))
    assert (list(sent), sent.folders, sent.hash()) == (list(files), files.folders, files.hash())


@given(TREES, TREES)
def test_a_hash_is_that_of_the_names_and_not_of_the_root(one, other):
    first, second = FileList(Path("/a"), one.items()), FileList(Path("/b"), other.items())
    assert FileList(Path("/b"), one.items()).hash() == first.hash()
    assert (first.hash() == second.hash()) == (list(one.items()) == list(other.items()))


@given(TREES)
@settings(max_examples=25, deadline=None)
def test_a_tree_is_listed_by_its_names_whatever_the_order_of_their_making(tree):
    found = []
    for backwards in (False, True):
        with tempfile.TemporaryDirectory() as made:
            root = Path(made)
            for folder, names in sorted(tree.items(), reverse=backwards):
                (root / folder).mkdir(parents=True, exist_ok=True)
                for name in sorted([*names, "other.txt"], reverse=backwards):
                    (root / folder / name).touch()
            files = FileList(root, by_folder(root, is_jpeg))
            found.append([files.relative(number) for number in range(len(files))])
    assert found[0] == found[1]
    assert sorted(found[0]) == sorted(
        f"{folder}{name}"
        for folder, names in tree.items()
        for name in names
        if not any(part.startswith(".") for part in folder.split("/")) and not name.startswith("._")
    )


def test_folders_come_level_by_level_in_the_order_of_their_names(tmp_path):
    for name in ("b/1.jpg", "a b/2.jpg", "a/c/3.jpg", "a/9.jpg", "a/10.jpg", "4.jpg", "c/no.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(by_folder(tmp_path, is_jpeg)) == [
        ("", ["4.jpg"]),
        ("a/", ["10.jpg", "9.jpg"]),
        ("a/c/", ["3.jpg"]),
        ("a b/", ["2.jpg"]),
        ("b/", ["1.jpg"]),
    ]


def test_hidden_folders_are_left_out_and_links_are_followed_but_not_round(tmp_path):
    for name in ("root/.cache/1.jpg", "root/in/._2.jpg", "root/in/3.jpg", "far/4.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "root/out").symlink_to(tmp_path / "far")
    (tmp_path / "far/round").symlink_to(tmp_path / "root")
    # Nobody looks where a link of an image leads: there may be a million of them.
    (tmp_path / "root/in/gone.jpg").symlink_to(tmp_path / "gone.jpg")
    found = list(by_folder(tmp_path / "root", is_jpeg))
    assert found == [("in/", ["3.jpg", "gone.jpg"]), ("out/", ["4.jpg"])]
    assert "in/gone.jpg" in walk(tmp_path / "root")


def test_no_file_is_looked_at(tmp_path, monkeypatch):
    for number in range(20):
        (tmp_path / f"{number}.jpg").touch()
    looks = []
    for name in ("stat", "lstat", "open"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda path, *a, _real=real, **k: looks.append(path) or _real(path, *a, **k)
        )
    assert len(FileList(tmp_path, by_folder(tmp_path, is_jpeg))) == 20
    assert looks == [str(tmp_path)]


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match="gone cannot be read: no such file"):
        list(by_folder(tmp_path / "gone", is_jpeg))
