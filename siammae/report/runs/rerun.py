"""Make a run again: print the command that leads to it, or train failed runs once more."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from siammae.launching.registration import TopLevelSource
from siammae.system.errors import ConfigError
from siammae.system.foreign_text import one_line
from siammae.system.paths import CONFIGS
from siammae.system.printable import printable
from siammae.tracking.record import RunRecord

COMMIT = "[0-9a-f]{6,64}"  # a record may come from elsewhere, and its lines go to a shell
SINGLE = "hydra.mode=RUN"  # experiments and sweeps ask for a multirun
RESOLVERS = (
    "half",
    "share",
    "hidden",
    "equal_compute",
)  # they compute numbers; others read or make files
WHY = "it names code, or acts beyond the run's settings"


def overrides(record: RunRecord) -> tuple[list[str], list[str]]:
    """Return the overrides with which ``siammae.train`` comes to this run, and those left out.

    A record may come from elsewhere, and its overrides are carried out. Only settings of the run
    are: none of Hydra's own keys, which name classes, folders and variables and which no record
    of ours holds, no option of the command, and no ``trusted_packages``: whom to trust is said on a
    command line by its user.

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
    taken = [text for text in task if is_setting(text)]
    return [*taken, SINGLE], [text for text in task if text not in taken]


def is_setting(text: str) -> bool:
    """Return whether an override sets a value of the run alone."""
    try:
        (parsed,) = OverridesParser.create().parse_overrides([text])
    except HydraException:
        return False
    key, value = parsed.key_or_group, text.partition("=")[2]
    roots = {re.split("[./@:]", place, maxsplit=1)[0] for place in (key, parsed.package or "")}
    if roots & {"hydra", "trusted_packages"}:
        return False
    if (CONFIGS / key).is_dir() or key in TopLevelSource.folders:  # an option is a file there
        return re.fullmatch("[\\w/-]*", value) is not None
    called = re.findall(r"\$\{([^{}:]*):", value)
    return all(name.strip() in RESOLVERS for name in called)


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
    taken, refused = overrides(record)
    lines += [f"# left out, {WHY}: {one_line(part)}" for part in refused]
    stated = [part for part in taken if part.startswith("experiments=")]
    if stated:
        question = one_line(stated[0])
        lines.append(f"# {question} only states the question; leave it out where it is not there")
    lines.append(shlex.join(["python", "-m", "siammae.train", *taken]))
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
        taken, refused = overrides(record)
        for part in refused:
            report(f"  left out, {WHY}: {one_line(part)}")
        given = [part for part in taken if not part.startswith("runs_dir=")]
        line = [sys.executable, "-m", "siammae.train", *given, f"runs_dir={record.folder.parent}"]
        done = subprocess.run(line, stderr=subprocess.PIPE, text=True)
        if done.returncode == 130:
            raise KeyboardInterrupt
        if done.returncode:
            errors = done.stderr.strip().splitlines()
            last = printable(errors[-1]) if errors else "unknown"
            failed[record.signature] = last.removeprefix("error: ")
            report(f"  {failed[record.signature]}")
        elif not record.is_finished():
            failed[record.signature] = "its settings now lead to another run; see command and diff"
    return failed
