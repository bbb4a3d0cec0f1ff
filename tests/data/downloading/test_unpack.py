"""Archives made to do harm, damaged ones, and good ones."""

import bz2
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
from functools import partial

import pytest

from siammae.data.downloading.unpack import BadArchive, check_room, unpack
from siammae.system.errors import DataError

GOOD = {"DAVIS/a/1.txt": b"one", "DAVIS/b.txt": b"two" * 5000}


def make(path, members, links=()):
    """A .zip or .tar.gz; links are (name, target, tarfile's type)."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, body in members.items():
                file.writestr(zipfile.ZipInfo(name), body)
        return path
    with tarfile.open(path, "w:gz") as file:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            file.addfile(info, io.BytesIO(body))
        for name, target, kind in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            file.addfile(info)
    return path


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(params=["zip", "tar.gz"])
def archive(request, tmp_path):
    return tmp_path / f"archive.{request.param}"


def test_files_are_written_and_the_leading_folder_dropped(archive, tmp_path):
    progress = []
    make(archive, {**GOOD, "__MACOSX/DAVIS/._b.txt": b"x", "DAVIS/a/._1.txt": b"x"})
    assert unpack(archive, tmp_path / "out", "DAVIS", lambda *sizes: progress.append(sizes)) == 2
    assert tree(tmp_path / "out") == {"a/1.txt": b"one", "b.txt": b"two" * 5000}
    assert progress
    assert all(0 <= done <= total == archive.stat().st_size for done, total in progress)
    unpack(archive, tmp_path / "whole", "another")
    assert tree(tmp_path / "whole") == GOOD


def test_a_leading_folder_stays_when_others_lie_beside_it(archive, tmp_path):
    make(archive, {**GOOD, "ReadMe.txt": b"x"})
    unpack(archive, tmp_path / "out", "DAVIS")
    assert tree(tmp_path / "out") == {**GOOD, "ReadMe.txt": b"x"}


def test_what_an_interruption_left_is_replaced(archive, tmp_path):
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "half.txt").write_bytes(b"o")
    unpack(make(archive, GOOD), tmp_path / "out", "DAVIS")
    assert "a/half.txt" not in tree(tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil.txt", "outside"),
        ("DAVIS/../../evil.txt", "outside"),
        ("..\\evil.txt", "outside"),
        ("/tmp/evil.txt", "absolute"),
        ("C:\\evil.txt", "absolute"),
        ("C:evil.txt", "absolute"),
        ("\\\\server\\evil.txt", "absolute"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(archive, tmp_path, name, why):
    make(archive, {name: b"evil"})
    with pytest.raises(BadArchive, match=rf"{why}.*refused"):
        unpack(archive, tmp_path / "deep" / "out")
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


@pytest.mark.parametrize(
    ("name", "target", "kind"),
    [
        ("DAVIS/link", "../../secret", tarfile.SYMTYPE),
        ("DAVIS/link", "/etc/hostname", tarfile.SYMTYPE),
        ("DAVIS/link", "a/../../../secret", tarfile.SYMTYPE),
        ("link", "../secret", tarfile.LNKTYPE),
        ("DAVIS/link", "/etc/hostname", tarfile.LNKTYPE),
    ],
)
def test_links_that_point_outside_are_refused(tmp_path, name, target, kind):
    (tmp_path / "secret").write_text("secret")
    archive = make(tmp_path / "a.tar.gz", GOOD, [(name, target, kind)])
    with pytest.raises(BadArchive, match=r"link.*(outside the destination|absolute path); refused"):
        unpack(archive, tmp_path / "out")
    assert b"secret" not in tree(tmp_path / "out").values()


def test_links_count_as_what_they_point_to(tmp_path, monkeypatch):
    links = [
        ("DAVIS/a/copy", "../b.txt", tarfile.SYMTYPE),
        ("DAVIS/hard", "DAVIS/b.txt", tarfile.LNKTYPE),
    ]
    archive = make(tmp_path / "a.tar.gz", {**GOOD, "DAVIS/._b.txt": b"x" * 9000}, links)
    needed = 4096 + 3 * 4 * 4096  # of 3 and three times 15,000 bytes
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed))
    check_room(archive, tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed - 1))
    with pytest.raises(DataError, match=r"needs 0\.1 MB to unpack"):
        check_room(archive, tmp_path)


def test_links_inside_become_copies(tmp_path):
    links = [
        ("DAVIS/a/copy", "../b.txt", tarfile.SYMTYPE),
        ("DAVIS/hard", "DAVIS/b.txt", tarfile.LNKTYPE),
    ]
    unpack(make(tmp_path / "a.tar.gz", GOOD, links), tmp_path / "out", "DAVIS")
    there = tree(tmp_path / "out")
    assert there["a/copy"] == there["hard"] == there["b.txt"]
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.SYMTYPE])
def test_what_is_no_file_is_refused(tmp_path, kind):
    archive = make(tmp_path / "a.tar.gz", GOOD, [("odd", "DAVIS/nothing", kind)])
    with pytest.raises(BadArchive, match=r"a special file|no file in it"):
        unpack(archive, tmp_path / "out")


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(info, "/etc/hostname")
    with pytest.raises(BadArchive, match="link is a link; refused"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "empty"])
def test_damage_is_reported(archive, tmp_path, damage):
    body = bytearray(make(archive, {"a": bytes(range(256)) * 40, "b": b"b" * 999}).read_bytes())
    if damage == "cut":
        del body[len(body) // 2 :]
    elif damage == "flipped":
        body[100] ^= 255
    elif damage == "other":
        body[:] = b"<html>not found</html>"
    else:
        body.clear()
    archive.write_bytes(body)
    with pytest.raises(BadArchive, match="is damaged"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_other_content_than_the_checksum_of_a_compressed_tar_is_told(tmp_path, kind):
    """gzip has one at its very end, behind what the last member needs."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as file:
        info = tarfile.TarInfo("a")
        info.size = 100
        file.addfile(info, io.BytesIO(b"x" * 100))
    body = bytearray({"gz": gzip, "bz2": bz2, "xz": lzma}[kind].compress(plain.getvalue()))
    path = tmp_path / f"archive.tar.{kind}"
    path.write_bytes(body)
    assert unpack(path, tmp_path / "out") == 1
    other = {"gz": slice(-8, -4), "bz2": slice(10, 14), "xz": slice(-12, -8)}[kind]
    body[other] = bytes(byte ^ 1 for byte in body[other])
    path.write_bytes(body)
    for refused in (partial(check_room, path, tmp_path), partial(unpack, path, tmp_path / "out")):
        with pytest.raises(BadArchive, match="is damaged"):
            refused()


def test_a_password_is_reported(tmp_path):
    body = bytearray(make(tmp_path / "a.zip", {"a": b"x" * 100}).read_bytes())
    body[6] |= 1  # in the member's header, and in the directory's
    body[body.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(body)
    with pytest.raises(BadArchive, match="password"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_folder_that_cannot_be_written(archive, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        unpack(make(archive, GOOD), tmp_path / "file" / "out")
