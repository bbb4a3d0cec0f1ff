"""The jobs of Slurm that multiruns of a folder have submitted, beside their runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from siammae.launching.launchers.submitted import JobState, Submitted, noted, states
from siammae.report.runs.listing import Listed, common

if TYPE_CHECKING:
    from rich.table import Table

COLORS = {"running": "cyan", "ended": "red"}


@dataclass(frozen=True)
class ListedJob:
    """A job in the list: whether it waits, runs or has ended, and the run that it trains.

    run: its signature; empty before the run has begun.
    """

    job: Submitted
    state: JobState
    run: str


def open_jobs(runs_dir: Path, rows: Sequence[Listed]) -> list[ListedJob]:
    """Return the jobs of a folder's multiruns, but for those whose run is finished.

    Args:
        runs_dir: the folder.
        rows: all its runs.
    """
    run_of = {
        (call["id"], call["job"]): row
        for row in rows
        for call in row.record.invocations()
        if call.get("id") is not None
    }
    left = [
        (job, run)
        for folder in sorted((runs_dir / ".multirun").glob("*"))
        for job in noted(folder)
        if (run := run_of.get((folder.name, job.number))) is None or run.state != "finished"
    ]
    known = states([job for job, _ in left])
    return [
        ListedJob(job, known[job.id], "" if run is None else run.record.signature)
        for job, run in left
    ]


def table(jobs: Sequence[ListedJob]) -> "Table":
    """Return the table for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    settings = [" ".join(each.job.overrides) for each in jobs]
    same = common(settings)
    shown = Table(
        title="jobs of Slurm", title_justify="left", caption=escape(f"all with {' '.join(same)}")
    )
    if not same:
        shown.caption = None
    for head in ("job", "state", "run", "setting"):
        shown.add_column(head, no_wrap=head != "setting")
    for each, setting in zip(jobs, settings, strict=True):
        color = COLORS.get(each.state.name, "dim")
        own = " ".join(part for part in setting.split(" ") if part not in same)
        why = f"\n{escape(each.state.why)}" if each.state.why else ""
        shown.add_row(
            escape(each.job.id),
            f"[{color}]{each.state.name}[/{color}]",
            escape(each.run or "not begun"),
            escape(own or "default settings") + why,
        )
    return shown
