"""RAR archives: their headers are read here, and a program that the machine has unpacks them.

No free library unpacks every RAR archive. `rarfile` lists the members without a program, so names
and kinds are checked before anything is written, as for other archives. What the program then wrote
must be files and folders.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import rarfile

from siammae.data.downloading.unpack import BadArchive, OnBytes, check_name, drop_leading
from siammae.system.errors import DataError

Program = tuple[str, ...]  # the words that start it

PAUSE = 0.2  # seconds between two looks at a program's progress
ADVICE = (
    "install unrar, 7-Zip or bsdtar (Debian and Ubuntu: apt install libarchive-tools; macOS has "
    "bsdtar; conda: conda install libarchive) and give the same command again"
)
# Each unpacks the archive whose path comes last into the current folder.
PROGRAMS: tuple[Program, ...] = (
    ("unrar", "x", "-y", "-idq", "--"),
    ("7zz", "x", "-y", "-bd", "--"),
    ("7z", "x", "-y", "-bd", "--"),
    ("bsdtar", "-xf"),
    ("cmake", "-E", "tar", "xf"),
)


class Refused(Exception):
    """A program cannot read an archive; another one may."""


def programs() -> list[Program]:
    """Return the programs that this machine has.

    Raises:
        DataError: when there is none; it says what to install.
    """
    found = [program for program in PROGRAMS if shutil.which(program[0])]
    if not found:
        raise DataError(f"no program here unpacks RAR archives: {ADVICE}")
    return found


def unpack_rar(
    archive: Path, folder: Path, strip: str | None, nested: bool, on_bytes: OnBytes
) -> None:
    """Write an archive's files into a folder of its own.

    Args:
        archive: a ``.rar`` file.
        folder: the folder, which is replaced when it is there.
        strip: leading folder that is dropped when all members lie in it.
        nested: archives among the members are unpacked where they lie.
        on_bytes: called with bytes written and bytes in all, both of them estimates.

    Raises:
        BadArchive: when a member would lie outside the folder, or is a link.
        DataError: when no program can read the archive, or the disk has no room.
    """
    size = archive.stat().st_size
    needed, free = size * (2 if nested else 1), shutil.disk_usage(archive.parent).free
    if needed > free:  # videos and images take as much outside an archive as inside
        raise DataError(
            f"{archive} needs about {needed / 1e6:.1f} MB to unpack, {archive.parent} has "
            f"{free / 1e6:.1f} MB free; the archive is kept, the same command goes on"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def report() -> None:
        on_bytes(min(_bytes_in(folder), size), size)

    _unpack(archive, folder, report)
    if nested:
        for inner in sorted(folder.rglob("*.rar")):
            _unpack(inner, inner.parent, report)
            inner.unlink()
    drop_leading(folder, strip)


def _unpack(archive: Path, folder: Path, report: Callable[[], None]) -> None:
    """Unpack with the first program that can; ``report`` is called now and then."""
    reasons = []
    try:
        _check_members(archive)
        for program in programs():
            try:
                _run(program, archive, folder, report)
                break
            except Refused as error:
                reasons.append(str(error))
        else:
            raise Refused("; ".join(reasons))
    except Refused as error:
        raise DataError(
            f"{archive} cannot be unpacked ({error}): remove it to fetch it anew, or {ADVICE}"
        ) from None
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BadArchive(f"{archive}: {path.name} is neither a file nor a folder; refused")


def _check_members(archive: Path) -> None:
    """Refuse names that lead elsewhere, and links, before anything is written.

    Raises:
        BadArchive: naming the member.
        Refused: when there is no member, or it is not a RAR archive.
    """
    try:
        with rarfile.RarFile(archive, errors="strict") as file:
            members = file.infolist()
    except rarfile.Error as error:
        raise Refused(str(error)) from None
    if not members:
        raise Refused("it has no member")
    for member in members:
        check_name(archive, member.filename)
        if member.file_redir or not (member.is_file() or member.is_dir()):
            raise BadArchive(f"{archive} holds a link, {member.filename}; refused")


def _run(program: Program, archive: Path, folder: Path, report: Callable[[], None]) -> None:
    """Run a program until it ends; it is killed when ``report`` raises.

    Raises:
        Refused: when it fails, with the last line that it printed.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*program, str(archive.absolute())],
            cwd=folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},  # else some lose names with accents
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while True:
                try:
                    process.wait(PAUSE)
                    break
                except subprocess.TimeoutExpired:
                    report()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            output.seek(0)
            lines = output.read().decode(errors="replace").strip().splitlines()
            raise Refused(f"{program[0]}: {lines[-1] if lines else process.returncode}")


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
