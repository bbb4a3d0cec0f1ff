"""Files of a pack that lies elsewhere: over HTTP, or in any store that fsspec knows."""

import time
from pathlib import Path

from siammae.system.errors import DataError

ATTEMPTS = 5  # how often in a row a store may fail
PAUSE = 1.0  # seconds before the second attempt; doubled each time
CHUNK = 1 << 20
KNOWN = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


def is_remote(root: str) -> bool:
    """Whether a root is a URL."""
    return "://" in root


def fetch(url: str, path: Path, size: int | None = None) -> None:
    """Make a file be there; one that came in part is completed.

    Args:
        url: of the file.
        path: where it is to be; the folder is made.
        size: in bytes, when it is known.

    Raises:
        DataError: when it cannot be fetched; it names the URL.
    """
    if url.startswith(("http://", "https://")):
        from siammae.data.downloading.fetch import Fetch

        Fetch(url, path, size).run()
        return
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _copy(url, part, size)
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from None


def _copy(url: str, part: Path, size: int | None) -> None:
    """Attempts until all is in ``part``."""
    failures = 0
    while True:
        before = _have(part)
        try:
            _receive(url, part)
        except FileNotFoundError:
            raise DataError(f"{url}: no such file") from None
        except (ImportError, ValueError) as error:
            scheme = url.partition("://")[0]
            needed = f"pip install {KNOWN[scheme]}" if scheme in KNOWN else str(error)
            raise DataError(f"{url}: {scheme}:// cannot be read here: {needed}") from None
        except Exception as error:  # each store has kinds of its own
            failures = failures + 1 if _have(part) <= before else 1
            if failures >= ATTEMPTS:
                reason = f"{type(error).__name__}: {error}"
                raise DataError(f"{url}: {reason}, {failures} times in a row") from None
            time.sleep(PAUSE * 2 ** (failures - 1))
            continue
        if size is not None and _have(part) != size:
            have = _have(part)
            part.unlink()
            raise DataError(f"{url}: it has {have} bytes, the index says {size}")
        return


def _receive(url: str, part: Path) -> None:
    """Append what ``part`` lacks."""
    import fsspec

    system, name = fsspec.core.url_to_fs(url)
    with system.open(name, "rb") as source, part.open("ab") as target:
        source.seek(_have(part))
        while chunk := source.read(CHUNK):
            target.write(chunk)


def _have(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
