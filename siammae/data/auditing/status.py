"""Size and time of change, by which a file that was changed is recognised."""

from pathlib import Path


def status_of(path: Path) -> tuple[int, int]:
    """Bytes and time of change in ns; for a folder, of the files in it; -1 and -1 when missing."""
    try:
        if path.is_dir():
            inside = [file.stat() for file in path.iterdir() if file.is_file()]
            times = (status.st_mtime_ns for status in inside)
            return sum(status.st_size for status in inside), max(times, default=0)
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns
