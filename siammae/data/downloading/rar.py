"""RAR archives, which no free library reads: a program that the machine has unpacks them.

Names are checked before anything is written, as for other archives; what the program wrote must be
files and folders.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from siammae.data.downloading.unpack import BadArchive, check_name, drop_leading
from siammae.system.errors import DataError

PAUSE = 0.2  # seconds between two looks at a program's progress
ADVICE = (
    "install unrar, 7-Zip or bsdtar (Debian and Ubuntu: apt install libarchive-tools; macOS has "
    "bsdtar; conda: conda install libarchive) and give the same command again"
)
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Program:
    """How a program is asked; the archive's path comes last, the folder to write is the current.

    listing: prints names, one a line, after ``before``.
    extracting: writes the files.
    long: prints a line a member that begins with its type, as ``ls -l`` does.
    """

    listing: tuple[str, ...]
    extracting: tuple[str, ...]
    long: tuple[str, ...] = ()
    before: str = ""

    @property
    def there(self) -> bool:
        """Whether the machine has it."""
        return shutil.which(self.listing[0]) is not None


def _seven_zip(name: str) -> Program:
    return Program((name, "l", "-ba", "-slt", "--"), (name, "x", "-y", "-bd", "--"), (), "Path = ")


PROGRAMS = (
    Program(("unrar", "lb", "--"), ("unrar", "x", "-y", "-idq", "--")),
    _seven_zip("7zz"),
    _seven_zip("7z"),
    Program(("bsdtar", "-tf"), ("bsdtar", "-xf"), ("bsdtar", "-tvf")),
    Program(
        ("cmake", "-E", "tar", "tf"), ("cmake", "-E", "tar", "xf"), ("cmake", "-E", "tar", "tvf")
    ),
)


class Refused(Exception):
    """A program cannot read an archive; another may."""


def programs() -> list[Program]:
    """Those that this machine has.

    Raises:
        DataError: when there is none, with what to install.
    """
    found = [program for program in PROGRAMS if program.there]
    if not found:
        raise DataError(f"no program here unpacks RAR archives: {ADVICE}")
    return found


def unpack_rar(archive: Path, folder: Path, strip: str | None, nested: bool, told: Told) -> None:
    """Write an archive's files into a folder of its own.

    Args:
        archive: a ``.rar``.
        folder: replaced when it is there.
        strip: leading folder that is dropped when all members lie in it.
        nested: archives in it are unpacked where they lie.
        told: ``(done, total)`` in bytes, roughly.

    Raises:
        BadArchive: when it wants to write where it must not.
        DataError: when there is no program that can read it, or the disk has no room.
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

    def written() -> None:
        told(min(_bytes_in(folder), size), size)

    _unpack(archive, folder, written)
    if nested:
        for inner in sorted(folder.rglob("*.rar")):
            _unpack(inner, inner.parent, written)
            inner.unlink()
    drop_leading(folder, strip)


def _unpack(archive: Path, folder: Path, written: Callable[[], None]) -> None:
    """With the first program that can."""
    reasons = []
    for program in programs():
        try:
            _check(program, archive, folder)
            _run(program.extracting, archive, folder, written)
            break
        except Refused as error:
            reasons.append(str(error))
    else:
        raise DataError(
            f"{archive} cannot be unpacked ({'; '.join(reasons)}): remove it to fetch it anew, or "
            + ADVICE
        )
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BadArchive(f"{archive}: {path.name} is neither a file nor a folder; refused")


def _check(program: Program, archive: Path, folder: Path) -> None:
    """Refuse names that lead elsewhere, and links, before anything is written."""
    lines = _run(program.listing, archive, folder).splitlines()
    names = [line.removeprefix(program.before) for line in lines if line.startswith(program.before)]
    if not names:
        raise Refused(f"{program.listing[0]}: no member")
    for name in names:
        check_name(archive, name)
    if program.long:
        for line in _run(program.long, archive, folder).splitlines():
            if line.startswith(("l", "h")):
                raise BadArchive(f"{archive} holds a link, {line.strip()}; refused")


def _run(
    command: tuple[str, ...], archive: Path, folder: Path, written: Callable[[], None] | None = None
) -> str:
    """What a program prints; it is killed when ``written`` raises."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*command, str(archive.absolute())],
            cwd=folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},  # else some lose names with accents
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
        )
        try:
            while True:
                try:
                    process.wait(PAUSE)
                    break
                except subprocess.TimeoutExpired:
                    if written is not None:
                        written()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        out.seek(0)
        errors.seek(0)
        text = out.read().decode("utf-8", "surrogateescape")
        if process.returncode:
            told = (errors.read().decode(errors="replace") or text).strip().splitlines()
            raise Refused(f"{command[0]}: {told[-1] if told else process.returncode}")
    return text


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
