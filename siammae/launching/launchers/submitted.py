"""The jobs that a multirun has submitted to Slurm, noted in its folder, and what became of them."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from siammae.system.atomic_files import write_atomic
from siammae.system.foreign_json import read_object
from siammae.system.foreign_text import all_printable

FILE = "jobs.json"  # in a multirun's folder
WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED", "RESIZING")


@dataclass(frozen=True)
class Submitted:
    """A job of a multirun.

    number: of the job in the multirun.
    id: Slurm's, such as ``12_0``.
    overrides: of its run.
    errors: its log of errors, as an absolute path.
    result: the file that it leaves when it has ended by itself.
    """

    number: int
    id: str
    overrides: list[str]
    errors: str
    result: str


@dataclass(frozen=True)
class JobState:
    """What became of a job: ``queued``, ``running``, ``ended`` or ``unknown``, and why."""

    name: str
    why: str = ""


def note(folder: Path, jobs: Iterable[Submitted]) -> None:
    """Add jobs to those that the multirun has noted in its folder."""
    known = {job.id: job for job in (*noted(folder), *jobs)}
    text = json.dumps({"jobs": [asdict(job) for job in known.values()]}, indent=1)
    write_atomic(folder / FILE, text)


def noted(folder: Path) -> list[Submitted]:
    """Return the jobs of a multirun; none where none are noted or the note cannot be read."""
    try:
        stored = all_printable(read_object((folder / FILE).read_text()))
        return [Submitted(**job) for job in stored["jobs"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def last_words(errors: Path) -> str:
    """Return the end of a job's log of errors, where Slurm writes why it ended one."""
    try:
        lines = errors.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    lines = [line.strip() for line in lines if line.strip()]
    words = [line for line in lines if "***" in line][-1:] or lines[-1:] or ["it left no message"]
    return f"{words[0]}; see {errors}"


def states(jobs: Sequence[Submitted]) -> dict[str, JobState]:
    """Return the state of each job by its id, as Slurm's programs tell it where they are there."""
    queue = _ask("squeue", "--noheader", "--array", "--format=%i|%T|%r")
    ended = [job.id for job in jobs if queue is not None and job.id not in queue]
    asked = ["--allocations", "--noheader", "--parsable2", "--format=JobID,State"]
    told = (_ask("sacct", *asked, f"--jobs={','.join(ended)}") if ended else None) or {}
    return {job.id: _state(job, queue, told) for job in jobs}


def _state(
    job: Submitted, queue: dict[str, list[str]] | None, told: dict[str, list[str]]
) -> JobState:
    if queue is not None and job.id in queue:
        word, reason = queue[job.id]
        if word in WAITING:
            return JobState("queued", "" if reason == "None" else reason)
        return JobState("running")
    if Path(job.result).exists():
        return JobState("ended")
    if queue is None:
        return JobState("unknown", "no squeue here says more")
    if job.id in told:
        return JobState("ended", f"{told[job.id][0]}; see {job.errors}")
    return JobState("ended", last_words(Path(job.errors)))


def _ask(program: str, *options: str) -> dict[str, list[str]] | None:
    """Return what a program of Slurm prints about jobs, by id; None when it says nothing."""
    if shutil.which(program) is None:
        return None
    asked = subprocess.run([program, *options], capture_output=True, text=True)
    if asked.returncode:
        return None
    rows = [line.strip().split("|") for line in asked.stdout.splitlines() if "|" in line]
    return {row[0]: row[1:] for row in rows}
