"""Archives are unpacked without trusting them.

This module alone writes the members, as plain files, each under a name that was checked. No link is
ever made: a link in a tar becomes a copy of the member that it points to.
"""

import lzma
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from siammae.system.errors import DataError
from siammae.system.foreign_text import one_line, refusal

CHUNK = 1 << 20
BLOCK = 4096  # bytes that a file takes at least, and in steps, on most disks
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # of zipfile, for a compression that it does not know
)
MACOS = {"__MACOSX", ".AppleDouble", ".DS_Store"}
OnBytes = Callable[[int, int], None]  # bytes done, and bytes in all


class BadArchive(DataError):
    """An archive is damaged, or a member would be written where it must not."""


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    size: its bytes. offset: bytes of the archive that are read when it is reached.
    open: opens it for reading.
    """

    name: str
    size: int
    offset: int
    open: Callable[[], IO[bytes]]


def check_room(archive: Path, folder: Path, on_bytes: OnBytes | None = None) -> None:
    """Compare what an archive unpacks to with what the disk has, before anything is written.

    A compressed tar does not say how large its content is, so it is read through once.

    Args:
        archive: as for `unpack`.
        folder: where it will be unpacked; it must be there.
        on_bytes: called with bytes of the archive that are read, and its size.

    Raises:
        BadArchive: as `unpack`.
        DataError: when the disk has no room, with what is needed and what is there.
    """
    with _as_data_errors(archive, archive, "read"):
        total, needed = archive.stat().st_size, 0
        for member in _members(archive, folder):
            needed += -(-member.size // BLOCK) * BLOCK
            if on_bytes is not None:
                on_bytes(min(member.offset, total), total)
        free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{archive} needs {needed / 1e6:.1f} MB to unpack, {folder} has {free / 1e6:.1f} MB "
            "free; the archive is kept, the same command goes on"
        )


def unpack(
    archive: Path, folder: Path, strip: str | None = None, on_bytes: OnBytes | None = None
) -> int:
    """Write an archive's files into a folder that is made anew; return their number.

    Args:
        archive: a ``.zip`` or any tar that `tarfile` reads.
        folder: the folder; what an interrupted extraction left there is removed first.
        strip: leading folder that is dropped when all members lie in it.
        on_bytes: called with bytes of the archive that are read, and its size.

    Raises:
        BadArchive: when it is damaged, or a member has an absolute name, lies outside, links to
            what lies outside, or is no file; nothing of it must be used then.
        DataError: when the disk has no room or cannot be written.
    """
    with _as_data_errors(archive, folder, "written"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return _write(archive, folder, strip, on_bytes)


@contextmanager
def _as_data_errors(archive: Path, path: Path, what: str) -> Iterator[None]:
    """Raise damage of the archive, and a ``path`` that cannot be read or written, as one line."""
    try:
        yield
    except DAMAGE as error:
        raise BadArchive(f"{archive} is damaged: {one_line(error)}") from None
    except RuntimeError as error:  # zipfile, for one with a password
        raise BadArchive(f"{archive}: {one_line(error)}") from None
    except OSError as error:
        if error.errno is None:  # gzip.BadGzipFile
            raise BadArchive(f"{archive} is damaged: {one_line(error)}") from None
        raise DataError(f"{path} cannot be {what}: {error.strerror}") from None


def _write(archive: Path, folder: Path, strip: str | None, on_bytes: OnBytes | None) -> int:
    total, count = archive.stat().st_size, 0
    for member in _members(archive, folder):
        path = folder / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, CHUNK)
        count += 1
        if on_bytes is not None:
            on_bytes(min(member.offset, total), total)
    drop_leading(folder, strip)
    return count


def drop_leading(folder: Path, strip: str | None) -> None:
    """Replace a folder by its inner folder ``strip`` when that is all there is in it."""
    if strip and [path.name for path in folder.iterdir()] == [strip] and (folder / strip).is_dir():
        inner = folder.with_name(folder.name + ".inner")
        shutil.rmtree(inner, ignore_errors=True)
        (folder / strip).rename(inner)
        folder.rmdir()
        inner.rename(folder)


def _members(archive: Path, folder: Path) -> Iterator[Member]:
    """Yield the files of an archive in its order, without what macOS adds to archives."""
    zipped = archive.suffix == ".zip"
    for member in _zip_members(archive) if zipped else _tar_members(archive, folder):
        parts = PurePosixPath(member.name).parts
        if not parts:
            raise DataError(f"{archive} has a member without a name")
        if not set(parts) & MACOS and not parts[-1].startswith("._"):
            yield member


def _zip_members(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as file:
        infos = [info for info in file.infolist() if not info.is_dir()]
        for info in file.infolist():
            check_name(archive, info.orig_filename)
            if stat.S_ISLNK(info.external_attr >> 16):
                raise BadArchive(f"{archive}: {info.filename} is a link; refused")
        for info in infos:
            opened = partial(file.open, info)
            yield Member(info.filename, info.file_size, info.header_offset, opened)


def _tar_members(archive: Path, folder: Path) -> Iterator[Member]:
    sizes: dict[str, int] = {}
    with archive.open("rb") as raw, tarfile.open(fileobj=raw) as file:
        for info in file:
            check_name(archive, info.name)
            if info.isdir():
                continue
            if not info.isfile():
                try:
                    tarfile.data_filter(info, str(folder))
                except tarfile.FilterError as error:
                    raise BadArchive(f"{archive}: {one_line(error)}; refused") from None
            sizes[info.name] = sizes.get(_target(info), info.size)  # a link becomes a copy
            yield Member(
                info.name, sizes[info.name], raw.tell(), partial(_open, archive, file, info)
            )
        # What is behind the last member too: a compressed tar has its checksum at its end.
        while file.fileobj is not None and file.fileobj.read(CHUNK):
            pass


def _target(info: tarfile.TarInfo) -> str:
    """Return the name that a link points to; a symbolic one starts at its own folder."""
    folder = posixpath.dirname(info.name) if info.issym() else ""
    return posixpath.normpath(posixpath.join(folder, info.linkname))


def _open(archive: Path, file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    try:
        opened = file.extractfile(info)
    except (KeyError, RecursionError):
        opened = None
    if opened is None:
        raise BadArchive(f"{archive}: {info.name} links to {info.linkname}, which is no file in it")
    return opened


def check_name(archive: Path, name: str) -> None:
    """Refuse a name that is absolute or leads outside, as POSIX or as Windows reads it.

    `tarfile.data_filter` drops a leading slash and lets Windows' names through.
    """
    why = refusal(name)
    if why:
        raise BadArchive(f"{archive}: the member {name!r} {why}; refused")
