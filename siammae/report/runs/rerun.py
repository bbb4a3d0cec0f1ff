"""Make a run again: print the command that leads to it, or train failed runs once more."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable

from siammae.system.errors import ConfigError, one_line
from siammae.tracking.record import RunRecord

COMMIT = "[0-9a-f]{6,64}"  # a record may come from elsewhere, and its lines go to a shell
SINGLE = "hydra.mode=RUN"  # experiments and sweeps ask for a multirun


def overrides(record: RunRecord) -> list[str]:
    """Return the overrides with which ``siammae.train`` comes to this run.

    Raises:
        ConfigError: when the record does not hold them.
    """
    asked = record.invocations()
    if not asked:
        raise ConfigError(
            f"{record.folder} holds no invocations.jsonl, so that its command is unknown"
        )
    last = asked[-1]
    task = last.get("task") or [f"{key}={value}" for key, value in last["overrides"].items()]
    return [*task, SINGLE]


def command(record: RunRecord) -> list[str]:
    """Return lines for a shell: check out the commit, apply uncommitted changes, train."""
    known = record.provenance()
    git = known.get("git") or {}
    lines = []
    if re.fullmatch(COMMIT, str(git.get("commit"))):
        lines.append(f"git checkout {git['commit']}")
    elif git.get("commit"):
        lines.append("# its record names a commit that is no hash")
    else:
        version = one_line(known.get("code_version"))
        lines.append(f"# no commit is known; its code had the version {version}")
    if git.get("dirty"):
        lines.append(f"git apply {shlex.quote(str((record.folder / 'git.diff').resolve()))}")
    versions = {part["code_version"] for part in known.get("resumes", []) if "code_version" in part}
    if versions - {known.get("code_version")}:
        lines.append(f"# it was resumed with other code: {one_line(', '.join(map(str, versions)))}")
    stated = [part for part in overrides(record) if part.startswith("experiments=")]
    if stated:
        question = one_line(stated[0])
        lines.append(f"# {question} only states the question; leave it out where it is not there")
    lines.append(shlex.join(["python", "-m", "siammae.train", *overrides(record)]))
    return lines


def retry(records: list[RunRecord], report: Callable[[str], None]) -> dict[str, str]:
    """Train runs once more, one after the other, each from its last checkpoint.

    Args:
        records: of the runs.
        report: called with a line for each run that begins or fails.

    Returns:
        The error of each run that failed again, by signature.
    """
    failed = {}
    for number, record in enumerate(records, start=1):
        report(f"{number} of {len(records)}: {record.signature}")
        # Whom to trust is said on a command line by its user, and by no file of a run.
        dropped = ("runs_dir=", "trusted_packages=", "+trusted_packages=")
        given = [part for part in overrides(record) if not part.startswith(dropped)]
        line = [sys.executable, "-m", "siammae.train", *given, f"runs_dir={record.folder.parent}"]
        done = subprocess.run(line, stderr=subprocess.PIPE, text=True)
        if done.returncode == 130:
            raise KeyboardInterrupt
        if done.returncode:
            errors = done.stderr.strip().splitlines()
            failed[record.signature] = errors[-1].removeprefix("error: ") if errors else "unknown"
            report(f"  {failed[record.signature]}")
        elif not record.is_finished():
            failed[record.signature] = "its settings now lead to another run; see command and diff"
    return failed
