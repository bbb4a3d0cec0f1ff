"""Archives fetched side by side and unpacked, with every kind of interruption in between."""

import fcntl
import hashlib
import io
import random
import re
import shutil
import tarfile
import zipfile

import pytest

from siammae.data.downloading import install as module
from siammae.data.downloading.catalog import Source
from siammae.data.downloading.download_folder import lost_files
from siammae.data.downloading.install import install
from siammae.system.errors import DataError
from siammae.system.file_tree import UNDER_WAY

FILES = {f"SET/frames/{name}/{t:05d}.jpg": f"{name}{t}" for name in "abc" for t in range(4)}


def packed(files):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as file:
        for name, text in files.items():
            file.writestr(name, text)
    return body.getvalue()


def quiet(*progress):
    pass


@pytest.fixture
def source(loopback):
    body = loopback.files["set.zip"] = packed(FILES)
    return Source(
        url=loopback.url("set.zip"),
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        strip="SET",
    )


def tree(root):
    """Visible files."""
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and UNDER_WAY not in path.parts
    }


WHOLE = {name.removeprefix("SET/"): text for name, text in FILES.items()}


def test_files_come_to_lie_under_the_root_and_nothing_else_stays(source, tmp_path):
    stages = []
    install([source], tmp_path / "new" / "root", lambda *what: stages.append(what[1]))
    assert tree(tmp_path / "new" / "root") == WHOLE
    kept = {path.name for path in (tmp_path / "new" / "root" / UNDER_WAY).iterdir()}
    assert kept == {"lock", "set.zip.files"}
    assert list(dict.fromkeys(stages)) == ["fetching", "checking", "measuring", "unpacking", "done"]


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar"])
def test_a_disk_without_room_is_reported_before_anything_is_unpacked(
    loopback, tmp_path, monkeypatch, kind
):
    files = {f"SET/{t}.txt": "x" * 100_000 for t in range(30)}  # 3 MB in a few kB
    if kind == "zip":
        body = packed(files)
    else:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w" if kind == "tar" else "w:gz") as file:
            for name, text in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(text)
                file.addfile(info, io.BytesIO(text.encode()))
        body = raw.getvalue()
    loopback.files[f"set.{kind}"] = body
    source, right = Source(url=loopback.url(f"set.{kind}"), strip="SET"), shutil.disk_usage
    fetched = []

    def on_transfer(name, what, *sizes):
        fetched.append(what)
        if what == "checking":  # the archive itself had room
            monkeypatch.setattr(shutil, "disk_usage", lambda path: right(path)._replace(free=10**6))

    with pytest.raises(DataError) as error:
        install([source], tmp_path, on_transfer)
    wanted = "needs 3.1 MB to unpack, .* has 1.0 MB free; the archive is kept"  # blocks of 4096
    assert re.search(wanted, str(error.value))
    assert "\n" not in str(error.value)
    assert "unpacking" not in fetched
    assert tree(tmp_path) == {}
    monkeypatch.setattr(shutil, "disk_usage", right)
    install([source], tmp_path, quiet)
    assert len(tree(tmp_path)) == 30
    assert len(loopback.asked) == 1


def test_what_is_done_is_not_asked_for_again(source, loopback, tmp_path):
    install([source], tmp_path, quiet)
    install([source], tmp_path, quiet)
    assert len(loopback.asked) == 1


def test_a_lost_or_truncated_file_is_named_and_comes_back(source, loopback, tmp_path):
    assert lost_files(source, tmp_path) is None
    install([source], tmp_path, quiet)
    assert lost_files(source, tmp_path) == []
    (tmp_path / "frames/b/00002.jpg").unlink()
    assert lost_files(source, tmp_path) == ["frames/b/00002.jpg"]
    install([source], tmp_path, quiet)
    assert tree(tmp_path) == WHOLE
    (tmp_path / "frames/c/00001.jpg").write_text("c")
    assert lost_files(source, tmp_path) == ["frames/c/00001.jpg"]
    with pytest.raises(DataError, match=r"remove them.*frames/c/00001\.jpg"):
        install([source], tmp_path, quiet)
    assert len(loopback.asked) == 3
    (tmp_path / "frames/c/00001.jpg").unlink()
    install([source], tmp_path, quiet)
    assert tree(tmp_path) == WHOLE
    assert len(loopback.asked) == 3  # the archive was kept


def test_another_url_is_another_archive(source, loopback, tmp_path):
    install([source], tmp_path, quiet)
    loopback.files["new/set.zip"] = packed({**FILES, "SET/more.txt": "more"})
    newer = Source(url=loopback.url("new/set.zip"), strip="SET")
    install([newer], tmp_path, quiet)
    assert tree(tmp_path) == {**WHOLE, "more.txt": "more"}


@pytest.mark.parametrize("after", range(len(FILES)))
def test_an_interrupted_extraction_heals(source, loopback, tmp_path, after):
    class Killed(BaseException):
        pass

    done = []

    def on_transfer(name, what, *sizes):
        done.append(what)
        if done.count("unpacking") > after:
            raise Killed

    part = module._Archive(source, tmp_path, on_transfer, module.threading.Event())
    with pytest.raises(Killed):
        part.run()
    assert tree(tmp_path) == {}  # nothing half-made is where a benchmark would look
    install([source], tmp_path, quiet)
    assert tree(tmp_path) == WHOLE
    assert len(loopback.asked) == 1  # the archive was kept


def test_an_interruption_while_files_move_into_place_heals(source, loopback, tmp_path, monkeypatch):
    (tmp_path / "frames").mkdir()  # so that folders below it move one by one
    right, moved = module._move, []

    def dies(old, new):
        if len(moved) == 4:
            raise OSError(5, "Input/output error")
        moved.append(new)
        right(old, new)

    monkeypatch.setattr(module, "_move", dies)
    with pytest.raises(DataError, match="Input/output error"):
        install([source], tmp_path, quiet)
    assert 0 < len(tree(tmp_path)) < len(WHOLE)
    monkeypatch.setattr(module, "_move", right)
    install([source], tmp_path, quiet)
    assert tree(tmp_path) == WHOLE
    assert len(loopback.asked) == 1


def test_files_of_the_user_are_not_written_over(source, tmp_path):
    (tmp_path / "frames/a").mkdir(parents=True)
    (tmp_path / "frames/a/00001.jpg").write_text("mine")
    (tmp_path / "frames/a/00002.jpg").write_text("a2")  # the archive's own
    with pytest.raises(DataError, match=r"1 files are there already.*frames/a/00001\.jpg"):
        install([source], tmp_path, quiet)
    assert tree(tmp_path) == {"frames/a/00001.jpg": "mine", "frames/a/00002.jpg": "a2"}


def test_one_that_fails_does_not_hold_up_the_others(loopback, tmp_path):
    sources = []
    for number in range(5):
        loopback.files[f"{number}.zip"] = packed({f"{number}/x.txt": str(number)})
        sources.append(Source(url=loopback.url(f"{number}.zip"), extract_to="all"))
    del loopback.files["1.zip"]
    loopback.files["3.zip"] = packed({"../evil": "x"})
    with pytest.raises(DataError) as raised:
        install(sources, tmp_path, quiet)
    first, second = sorted(str(raised.value).splitlines())
    assert "3.zip: the member '../evil' lies outside the target" in first + second
    assert "1.zip: the server answers 404" in first + second
    assert tree(tmp_path) == {f"all/{n}/x.txt": str(n) for n in (0, 2, 4)}
    assert (tmp_path / UNDER_WAY / "3.zip.bad").is_file()


@pytest.mark.timeout(30)
def test_two_archives_are_fetched_at_once(loopback, tmp_path):
    """One that stalls does not keep the other from being done."""
    loopback.files["slow.zip"] = packed({"slow.bin": random.Random(0).randbytes(20_000).hex()})
    loopback.files["fast.zip"] = packed({"fast.bin": "x"})
    assert len(loopback.files["fast.zip"]) < 4096 < len(loopback.files["slow.zip"])
    loopback.stall, done = 4096, []

    def on_transfer(name, what, *_):
        if what == "done":
            done.append(name)
            loopback.stall = None

    sources = [Source(url=loopback.url(f"{name}.zip")) for name in ("slow", "fast")]
    install(sources, tmp_path, on_transfer)
    assert done == ["fast.zip", "slow.zip"]


def test_two_commands_do_not_write_into_one_folder(source, tmp_path):
    (tmp_path / UNDER_WAY).mkdir()
    with (tmp_path / UNDER_WAY / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another process downloads into it"):
            install([source], tmp_path, quiet)


def test_a_root_that_cannot_be_made(source, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"root=.*cannot be written"):
        install([source], tmp_path / "file" / "root", quiet)
