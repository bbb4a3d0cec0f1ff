"""Fetching one file over HTTP: resumed where an earlier attempt stopped, checked before its use."""

import hashlib
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from siammae.system.errors import DataError

CHUNK = 1 << 16  # bytes between two looks at progress and at a wish to stop
TIMEOUT = (10, 30)  # seconds to connect, and without a byte
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
LONGEST_PAUSE = 30.0  # seconds
OnBytes = Callable[[str, int, int | None], None]


class Stopped(Exception):
    """Raised when the work is to end; what is done so far is kept."""


class Cut(Exception):
    """Raised when the connection broke or the server is busy; another attempt may succeed."""


@dataclass
class Fetch:
    """A file that is fetched to ``path``, by way of ``path.part``.

    url: its URL over HTTP or HTTPS.
    size: published number of bytes, or None.
    checksum: published algorithm and hexadecimal digest, or None.
    on_bytes: called with what is done (``fetching`` or ``checking``), bytes done, and bytes in all
        if they are known.
    stop: when set, the work ends with `Stopped` at the next chunk.
    attempts: how often in a row a connection may break without one new byte.
    pause: seconds before the second attempt; they double each time.
    """

    url: str
    path: Path
    size: int | None = None
    checksum: tuple[str, str] | None = None
    on_bytes: OnBytes = lambda what, done, total: None
    stop: threading.Event = field(default_factory=threading.Event)
    attempts: int = 6
    pause: float = 1.0

    def __post_init__(self) -> None:
        self.part = self.path.with_name(self.path.name + ".part")
        self.tag = self.path.with_name(self.path.name + ".etag")  # which version the part is of

    def run(self) -> None:
        """Fetch the file; when it is there already it is only checked.

        Raises:
            DataError: when the server has no such file, breaks off too often, or offers another
                size than the published one, when the disk has no room, or when the checksum is
                wrong; what came is then kept beside it as ``.bad``.
            Stopped: when ``stop`` was set; the next call goes on.
        """
        if self.path.is_file():
            self._verify(self.path)  # somebody else may have put it there
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._receive_all()
            self._verify(self.part)
            self.tag.unlink(missing_ok=True)
            self.part.replace(self.path)
        except OSError as error:
            raise DataError(f"{self.part} cannot be written: {error.strerror}") from None

    def _receive_all(self) -> None:
        """Try until the whole file is in ``.part``."""
        session, failures, best = requests.Session(), 0, self._have()
        while self.size is None or self._have() != self.size:
            try:
                self._receive(session)
                return
            except Cut as cut:
                failures = failures + 1 if self._have() <= best else 0
                best = max(best, self._have())
                if failures >= self.attempts:
                    raise DataError(
                        f"{self.url}: {cut}, {failures} times in a row; "
                        f"the same command goes on after {self._have()} bytes"
                    ) from None
            if self.stop.wait(min(self.pause * 2 ** max(0, failures - 1), LONGEST_PAUSE)):
                raise Stopped

    def _receive(self, session: requests.Session) -> None:
        """Make one attempt, from where the part ends."""
        try:
            with session.get(
                self.url, headers=self._headers(), stream=True, timeout=TIMEOUT
            ) as answer:
                if answer.status_code == 416:  # nothing lies after the part's end
                    self._past_the_end(answer)
                else:
                    self._write(answer)
        except requests.exceptions.SSLError as error:
            raise DataError(f"{self.url}: no secure connection: {error}") from None
        except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
            raise Cut(f"the connection broke ({type(error).__name__})") from None
        except requests.RequestException as error:
            raise DataError(f"{self.url}: {error}") from None

    def _headers(self) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "siammae"}
        if self._have():
            headers["Range"] = f"bytes={self._have()}-"
            if self.tag.is_file():  # a server whose file has changed then sends it whole
                headers["If-Range"] = self.tag.read_text()
        return headers

    def _past_the_end(self, answer: requests.Response) -> None:
        if answer.headers.get("Content-Range", "") != f"bytes */{self._have()}":
            self.part.unlink()
            raise Cut("the server's file is shorter than what was fetched before")

    def _write(self, answer: requests.Response) -> None:
        """Append the answer's body to the part, or replace the part when it is the whole file."""
        self._check_status(answer)
        have = self._have()
        resumed = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if answer.status_code == 206 and not resumed:
            self.part.unlink()
            raise Cut("the server sent another range than was asked for")
        start = have if answer.status_code == 206 else 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else self.size
        self._check_room(start, total)
        if not start:
            self._remember(answer.headers.get("ETag", ""))
        with self.part.open("ab" if start else "wb") as file:
            done = start
            # Raw: a .tar.gz that is declared as gzip-encoded must stay as it is.
            for chunk in answer.raw.stream(CHUNK, decode_content=False):
                file.write(chunk)
                file.flush()
                done += len(chunk)
                self.on_bytes("fetching", done, total)
                if self.stop.is_set():
                    raise Stopped
        if total is not None and done != total:
            raise Cut(f"the connection broke after {done} of {total} bytes")

    def _check_status(self, answer: requests.Response) -> None:
        status = answer.status_code
        if status in TRANSIENT:
            raise Cut(f"the server answers {status} {answer.reason}")
        if status not in (200, 206):
            raise DataError(f"{self.url}: the server answers {status} {answer.reason}")
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise DataError(f"{self.url}: the server sent a web page, not the file")

    def _check_room(self, start: int, total: int | None) -> None:
        if total is None:
            return
        if self.size is not None and total != self.size:
            raise DataError(
                f"{self.url}: the server offers {total} bytes, the published file has {self.size}"
            )
        free = shutil.disk_usage(self.path.parent).free
        if total - start > free:
            raise DataError(
                f"{self.url} needs {(total - start) / 1e6:.1f} MB more, "
                f"{self.path.parent} has {free / 1e6:.1f} MB free"
            )

    def _remember(self, etag: str) -> None:
        if etag and not etag.startswith("W/"):  # a weak one does not promise the same bytes
            self.tag.write_text(etag)
        else:
            self.tag.unlink(missing_ok=True)

    def _verify(self, path: Path) -> None:
        self.on_bytes("checking", 0, None)
        wrong = why_wrong(path, self.size, self.checksum)
        if wrong:
            bad = set_aside(path, self.path)
            raise DataError(
                f"{self.url}: {wrong}; what came is kept as {bad}, the same command fetches it anew"
            )

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0


def why_wrong(path: Path, size: int | None, checksum: tuple[str, str] | None) -> str:
    """Return what differs from what is published; an empty text when nothing does.

    Args:
        path: the file.
        size: published number of bytes, or None.
        checksum: published algorithm, as `hashlib` names it, and hexadecimal digest, or None.
    """
    length = path.stat().st_size
    if size is not None and length != size:
        return f"wrong size, {length} bytes instead of the published {size}"
    if checksum is None:
        return ""
    algorithm, wanted = checksum
    with path.open("rb") as file:
        got = hashlib.file_digest(file, algorithm).hexdigest()
    return "" if got == wanted else f"wrong {algorithm}, {got} instead of the published {wanted}"


def set_aside(path: Path, name: Path) -> Path:
    """Rename a file that must not be used to ``name.bad``; return its new path."""
    bad = name.with_name(name.name + ".bad")
    path.replace(bad)
    return bad
