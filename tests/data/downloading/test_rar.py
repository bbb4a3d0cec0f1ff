"""RAR archives, by programs of this machine where it has one, and by a stand-in."""

import shutil
import stat
import sys

import pytest
from rar_writer import rar

from siammae.data.downloading import rar as module
from siammae.data.downloading.catalog import Source
from siammae.data.downloading.install import install
from siammae.data.downloading.unpack import BadArchive
from siammae.system.errors import DataError

FILES = {
    "UCF-101/A b/-x é!.avi": b"hello" * 1000,
    'UCF-101/A b/it\'s "#1".avi': b"two",
    "UCF-101/c.txt": b"",
}
# What stands in for a program: it unpacks members that are stored as they are.
STAND_IN = """\
#!{python}
import rarfile, sys
rarfile.RarFile(sys.argv[-1]).extractall(".")
"""


def quiet(*progress):
    pass


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".download" not in path.parts
    }


@pytest.fixture(params=[program[0] for program in module.PROGRAMS])
def program(request, monkeypatch):
    """One that this machine has, alone."""
    (chosen,) = [each for each in module.PROGRAMS if each[0] == request.param]
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    monkeypatch.setattr(module, "PROGRAMS", (chosen,))
    return chosen


def write(path, body):
    path.write_bytes(body)
    return path


def test_files_are_written_and_the_leading_folder_dropped(program, tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    archive = write(tmp_path / "-a (1).rar", rar(FILES))
    module.unpack_rar(archive, tmp_path / "out", "UCF-101", False, quiet)
    assert tree(tmp_path / "out") == {k.removeprefix("UCF-101/"): v for k, v in FILES.items()}


def test_archives_inside_are_unpacked_where_they_lie(program, tmp_path):
    classes = {"brush_hair": b"1", "wave": b"22"}
    inner = {f"{name}.rar": rar({f"{name}/a!b@c.avi": body}) for name, body in classes.items()}
    archive = write(tmp_path / "hmdb51_org.rar", rar(inner))
    module.unpack_rar(archive, tmp_path / "out", None, True, quiet)
    assert tree(tmp_path / "out") == {f"{k}/a!b@c.avi": body for k, body in classes.items()}


@pytest.mark.parametrize(
    ("files", "links", "why"),
    [
        ({"../evil": b"x"}, {}, "outside the target"),
        ({"/tmp/evil": b"x"}, {}, "absolute name"),
        ({"a": b"x"}, {"link": "../../secret"}, r"a link|neither a file nor a folder"),
        ({"a": b"x"}, {"link": "a"}, r"a link|neither a file nor a folder"),
    ],
)
def test_what_leads_elsewhere_is_refused(program, tmp_path, files, links, why):
    archive = write(tmp_path / "a.rar", rar(files, links))
    with pytest.raises(BadArchive, match=rf"a\.rar.*({why}).*refused"):
        module.unpack_rar(archive, tmp_path / "deep" / "out", None, False, quiet)
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


@pytest.mark.parametrize("damage", ["cut", "flipped", "other"])
def test_damage_is_reported_and_the_archive_kept(program, tmp_path, damage):
    body = bytearray(rar(FILES))
    if damage == "cut":
        del body[len(body) // 2 :]
    elif damage == "flipped":
        if program[0] in ("bsdtar", "cmake"):
            pytest.skip("libarchive does not check stored members of RAR 5")
        body[500] ^= 255
    else:
        body[:] = b"<html>not found</html>"
    archive = write(tmp_path / "a.rar", bytes(body))
    with pytest.raises(DataError, match=r"a\.rar cannot be unpacked .*remove it to fetch it anew"):
        module.unpack_rar(archive, tmp_path / "out", None, False, quiet)
    assert archive.is_file()


def test_without_a_program_it_is_reported_what_to_install_before_anything_is_fetched(
    loopback, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    loopback.files["set.rar"] = rar(FILES)
    with pytest.raises(DataError, match=r"no program here unpacks RAR .* apt install libarchive"):
        install([Source(url=loopback.url("set.rar"))], tmp_path / "root", quiet)
    assert loopback.asked == []


def stand_in(folder, monkeypatch, text=STAND_IN):
    folder.mkdir()
    path = folder / "bsdtar"
    path.write_text(text.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


def test_a_program_that_hangs_ends_when_the_command_does(tmp_path, monkeypatch):
    stand_in(
        tmp_path / "bin",
        monkeypatch,
        "#!{python}\nimport time\nopen('pid', 'w').write('x')\ntime.sleep(60)\n",
    )

    class Stopped(Exception):
        pass

    def on_bytes(done, total):
        assert 0 <= done <= total
        raise Stopped

    with pytest.raises(Stopped):
        module.unpack_rar(
            write(tmp_path / "a.rar", rar(FILES)), tmp_path / "out", None, False, on_bytes
        )


def test_the_next_program_is_tried_when_one_cannot_read_it(tmp_path, monkeypatch):
    """7-Zip without its RAR codec, for one."""
    stand_in(tmp_path / "bin", monkeypatch)
    (tmp_path / "bin" / "7z").write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no codec')\n")
    (tmp_path / "bin" / "7z").chmod(0o755)
    write(tmp_path / "a.rar", rar({"a.avi": b"one"}))
    module.unpack_rar(tmp_path / "a.rar", tmp_path / "out", None, False, quiet)
    assert tree(tmp_path / "out") == {"a.avi": b"one"}
    (tmp_path / "bin" / "bsdtar").unlink()
    with pytest.raises(DataError, match=r"cannot be unpacked \(7z: no codec\)"):
        module.unpack_rar(tmp_path / "a.rar", tmp_path / "out", None, False, quiet)


def test_no_room_is_reported_first(tmp_path, monkeypatch):
    stand_in(tmp_path / "bin", monkeypatch)
    usage = module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(DataError, match=r"needs about 0\.0 MB to unpack, .*the archive is kept"):
        module.unpack_rar(
            write(tmp_path / "a.rar", b"x" * 600), tmp_path / "out", None, True, quiet
        )
    assert not (tmp_path / "out").exists()
