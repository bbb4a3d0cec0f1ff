"""An audit, from the list of clips to the manifest; it goes on where an earlier one stopped."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from siammae.data.auditing.examine import examine
from siammae.data.auditing.survey import Examine, survey
from siammae.data.manifests.facts import NONE, VERSION, Facts, base_of, name_of, status_of
from siammae.data.manifests.manifest import Journal, check_writable, read_manifest, write_manifest
from siammae.data.sets.videos import ClipSource
from siammae.system.errors import ConfigError
from siammae.system.progress import ProgressDisplay

AGAIN = ("none", "broken", "all")


@dataclass(frozen=True)
class AuditSettings:
    """How clips are audited.

    workers: number of processes; None: one for each core that this process may use.
    timeout: seconds without a sign of life after which a process is killed.
    again: which unchanged files are read again: ``none``, ``broken`` or ``all``.
    progress: how progress is shown: ``auto``, ``rich``, ``plain`` or ``none``.
    """

    workers: int | None = None
    timeout: float = 60.0
    again: str = "none"
    progress: str = "none"


def audit(
    source: ClipSource, manifest: Path, settings: AuditSettings, examine_one: Examine | None = None
) -> list[Facts]:
    """Read what is new or changed, and write the manifest.

    Args:
        source: the data set.
        manifest: path of the manifest.
        settings: how clips are audited.
        examine_one: finds the facts of a file; None means `examine`.

    Returns:
        The facts of each clip, in the source's order.

    Raises:
        ConfigError: when the manifest cannot be written, or the source has no files.
    """
    base, journal = base_of(source.root), Journal(manifest)
    files = {name_of(path, base): path for path in _videos(source)}
    check_writable(manifest)
    with journal.held():
        known = _known(manifest, journal, settings.again)
        rows = {name: row for name, row in known.items() if name in files}
        rows = {name: row for name, row in rows.items() if _unchanged(row, files[name])}
        waiting = [(path, name) for name, path in files.items() if name not in rows]
        if rows:
            print(f"{len(rows)} of {len(files)} clips were read before", flush=True)
        workers = min(settings.workers or _cores(), max(len(waiting), 1))
        chosen = examine_one or examine
        with ProgressDisplay("clips", settings.progress) as display:
            for facts in survey(waiting, chosen, workers, settings.timeout):
                rows[facts.path] = facts
                journal.add(facts)
                display.update(len(rows), len(files), facts.path)
        ordered = [rows[name] for name in files]
        write_manifest(manifest, ordered)
    return ordered


def default_place(source: ClipSource, option: str) -> Path:
    """Return the usual place of a manifest.

    It is below the present folder, since data sets often lie in places that cannot be written. The
    hash distinguishes roots of the same name, and parts of a data set.
    """
    text = f"{base_of(source.root)}\0{source.overrides()}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return Path("audits") / f"{option}-{Path(source.root).absolute().stem}-{digest}.parquet"


def _cores() -> int:
    """Return the number of cores that this process may use, where the system says so."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _videos(source: ClipSource) -> Sequence[Path]:
    """Return the files of a source; a mixture has none of its own, and a pack holds no clips."""
    try:
        if source.root:
            return source.videos()
    except NotImplementedError:
        pass
    kind = type(source).__name__
    raise ConfigError(f"data: {kind} has no clips of its own to be audited; audit what it is of")


def _known(manifest: Path, journal: Journal, again: str) -> dict[str, Facts]:
    """Return the newest rows of earlier audits that need not be found again, by name."""
    earlier = read_manifest(manifest) if manifest.is_file() else []
    if again == "all":
        earlier = []
    elif again == "broken":
        earlier = [row for row in earlier if row.reader != NONE]
    rows = {row.path: row for row in (*earlier, *journal.rows())}
    return {name: row for name, row in rows.items() if row.version == VERSION}


def _unchanged(row: Facts, path: Path) -> bool:
    return (row.bytes, row.modified) == status_of(path)
