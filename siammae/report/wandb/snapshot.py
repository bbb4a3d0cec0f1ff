"""Makes the runs' folders of a W&B project again from the records that travel with its runs.

Tables then come from the snapshot through the reader of run folders, so they are the same tables,
and can be made again without a network. ``snapshot.json`` names the folder that holds. It is
replaced in one step when all is there; whatever fails before leaves the old snapshot as it was.
"""

import json
import math
import re
import shutil
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from siammae.report.wandb.runs import RemoteRun, project_runs
from siammae.system.errors import DataError
from siammae.system.foreign_json import read_object
from siammae.system.foreign_text import below
from siammae.system.lock import exclusive
from siammae.tracking.record import write_atomic
from siammae.tracking.record_text import FILES, unpack

INDEX = "snapshot.json"
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass
class Snapshot:
    """The contents of ``snapshot.json``.

    source: ``ENTITY/PROJECT``. pulled: when, in seconds since 1970. folder: of the runs.
    runs: by signature, when each record was ``sent`` and its page's ``url``.
    left_out: runs of the project without a record that can be used, with the reason.
    """

    source: str
    pulled: float
    folder: str
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def read_snapshot(place: Path) -> Snapshot | None:
    """Read the snapshot of a folder; None when there is none.

    Raises:
        DataError: when it is damaged.
    """
    try:
        found = Snapshot(**read_object((place / INDEX).read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{place / INDEX} is no snapshot of ours: {error}") from None
    if not below(place, str(found.folder), place / INDEX).is_dir():
        raise DataError(f"{place / INDEX} names {found.folder}, which is not there")
    return found


def pull(source: str, place: Path) -> Snapshot:
    """Bring the snapshot of ``place`` up to date with a W&B project.

    Curves of runs that have not changed are taken from the snapshot that is there.

    Raises:
        DataError: when the project cannot be read or has no run of ours, or another pull is going
            on; the snapshot then is as it was.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.enter_context(exclusive(place / ".lock"))
            old = _same_source(place, source)
            runs = stack.enter_context(project_runs(source))
            folder = place / f"{time.strftime('runs-%Y%m%d-%H%M%S')}-{uuid4().hex[:8]}"
            folder.mkdir()  # not tempfile's, which nobody but its owner may read
            try:
                new = _fill(folder, source, runs, place, old)
                write_atomic(place / INDEX, json.dumps(vars(new), indent=1))
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            _clean(place, folder)
            return new
    except BlockingIOError:
        raise DataError(f"another process is pulling into {place}; wait for it") from None
    except OSError as error:
        raise DataError(f"--snapshot {place} cannot be written: {error.strerror}") from None


def report_source(snapshot: Snapshot, place: Path) -> None:
    """Report on stderr where the tables come from, and what is not in them."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(snapshot.pulled))
    print(
        f"{len(snapshot.runs)} runs of W&B {snapshot.source}, pulled {when}, in "
        f"{place / snapshot.folder}; results of siammae.evaluate are not on W&B",
        file=sys.stderr,
    )
    for name, reason in snapshot.left_out.items():
        print(f"left out run {name}: {reason}", file=sys.stderr)


def rows(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of metrics as the run's own folder has them.

    A resumed run logs again what lies behind its checkpoint, offline parts may arrive in any order,
    and a part may be synced twice. So rows go by the clock, and one that goes back in steps, or
    says the same metrics of the same step, replaces what it says anew and everything after it.
    """
    kept: list[dict[str, Any]] = []
    for logged in sorted(history, key=lambda row: row.get("_timestamp") or 0):
        row = {k: _value(v) for k, v in logged.items() if k[0] != "_" and not isinstance(v, dict)}
        if "step" not in row:  # a picture
            continue
        new = set(row) - {"step", "pairs_seen"}
        while kept and (
            kept[-1]["step"] > row["step"]
            or (kept[-1]["step"] == row["step"] and new & set(kept[-1]))
        ):
            kept.pop()
        kept.append(row)
    return kept


def _fill(
    folder: Path, source: str, runs: list[RemoteRun], place: Path, old: Snapshot | None
) -> Snapshot:
    new = Snapshot(source, time.time(), folder.name)
    for run in runs:
        try:
            parcel = unpack(run.config, run.id)
            if parcel is None:
                raise DataError("it has no record: another program's, or an older siammae's")
            _check(run.id, parcel["files"])
        except DataError as error:
            new.left_out[run.id] = str(error)
            continue
        _write(folder / run.id, parcel["files"], run.state)
        _write_curves(folder / run.id, run, _known(place, old, run.id, parcel["sent"]))
        new.runs[run.id] = {"sent": parcel["sent"], "url": run.url}
    if not new.runs:
        reasons = "; ".join(sorted(set(new.left_out.values())))
        raise DataError(f"none of the {len(runs)} runs of W&B {source} can be used: {reasons}")
    return new


def _check(name: str, files: dict[str, str]) -> None:
    """Check a run that comes from elsewhere before its values become paths and states."""
    if not re.fullmatch(r"\w[\w-]*", name) or not set(files) <= set(FILES):
        raise DataError("its record has names that are none of ours")
    missing = {"config.yaml", "state.json"} - set(files)
    if missing:
        raise DataError(f"its record lacks {', '.join(sorted(missing))}")
    try:
        read_object(files["state.json"])["state"]
    except (ValueError, KeyError, TypeError):
        raise DataError("its record has no state") from None


def _write(folder: Path, files: dict[str, str], seen: str) -> None:
    """Write the files of a record; W&B knows whether an unfinished run is still under way."""
    folder.mkdir()
    state = json.loads(files["state.json"])
    if state["state"] == "running":
        state |= {"seen": True} if seen == "running" else {"state": "interrupted"}
        files = {**files, "state.json": json.dumps(state, indent=1)}
    for name, text in files.items():
        (folder / name).write_text(text)


def _write_curves(folder: Path, run: RemoteRun, known: Path | None) -> None:
    if known is not None:
        shutil.copyfile(known, folder / known.name)
        return
    lines = "".join(json.dumps(row) + "\n" for row in rows(run.history()))
    (folder / "metrics.jsonl").write_text(lines)


def _known(place: Path, old: Snapshot | None, name: str, sent: float) -> Path | None:
    """Return the old snapshot's curves of a run that was over and has not changed since."""
    if old is None or old.runs.get(name, {}).get("sent") != sent:
        return None
    folder = place / old.folder / name
    over = json.loads((folder / "state.json").read_text())["state"] == "finished"
    path = folder / "metrics.jsonl"
    return path if over and path.is_file() else None


def _same_source(place: Path, source: str) -> Snapshot | None:
    """The old snapshot.

    Raises:
        DataError: when it is of another project, which it would replace.
    """
    old = read_snapshot(place)
    if old is not None and old.source != source:
        raise DataError(f"{place} is a snapshot of {old.source}; name another with --snapshot DIR")
    return old


def _clean(place: Path, keep: Path) -> None:
    """Remove older snapshots, and those that an interrupted pull left behind."""
    for folder in place.glob("runs-*"):
        if folder != keep:
            shutil.rmtree(folder, ignore_errors=True)


def _value(value: Any) -> Any:
    return NOT_FINITE.get(value, value) if isinstance(value, str) else value
