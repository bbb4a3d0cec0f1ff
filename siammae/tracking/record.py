"""The files of a run: the one source of truth, of which W&B and tables are views.

A run lives in ``runs_dir/<signature>/``. Files are replaced whole or appended to by whole lines, so
that a reader never sees half of one. Nothing here imports torch: a finished run is found at once.
"""

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from siammae.system.atomic_files import append_line, write_atomic
from siammae.system.errors import ConfigError, DataError, TrainedElsewhere, TrainingError
from siammae.system.lock import Held, LockLost, exclusive, is_held
from siammae.system.printable import printable
from siammae.tracking.record_files import STATES, read_json, read_rows, read_yaml

# What may be another at a resume; data and settings may not.
OF_A_RESUME = (
    *("created", "code_version", "code_files", "git", "packages"),
    *("device", "precision", "world_size", "host"),
)


@dataclass
class Invocation:
    """A command that asked for a run; every later command that asks for it adds one.

    id: the same for all jobs of one multirun; None for a single run.
    command: its words, without the interpreter.
    experiment: that asked, by name.
    preset: by name.
    overrides: what was set on the command line or by a sweep, as text.
    axes: which of them the multirun takes several values of.
    job: number in the multirun.
    choices: the option of each group.
    study, trial: name and number, when an Optuna study asked.
    task: the overrides as Hydra takes them; a run is made again from these.
    """

    id: str | None
    command: list[str]
    experiment: str | None
    overrides: dict[str, str]
    axes: list[str]
    preset: str | None
    job: int | None
    choices: dict[str, str | None] = field(default_factory=dict)
    study: str | None = None
    trial: int | None = None
    task: list[str] = field(default_factory=list)
    time: float = field(default_factory=time.time)


class RunRecord:
    """The record of one run, in a folder of its own.

    Args:
        folder: ``runs_dir/<signature>``; need not exist yet.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._held: Held | None = None
        self._is_new = False  # whether `create` has made the folder

    @property
    def signature(self) -> str:
        """The name of the run, which is that of its folder."""
        return self.folder.name

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.folder / "checkpoints"

    # What stands in the folder ------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Return the resolved configuration."""
        return read_yaml(self.folder / "config.yaml")

    def composed(self) -> dict[str, Any]:
        """Return the configuration with references such as ``${mask_ratio}``; empty in old runs."""
        path = self.folder / "composed.yaml"
        return read_yaml(path) if path.is_file() else {}

    def summary(self) -> dict[str, Any]:
        """Return the final figures; empty while the run is unfinished."""
        return read_json(self.folder / "summary.json") or {}

    def provenance(self) -> dict[str, Any]:
        """Return with what code, packages, machine and data the run was made."""
        return read_json(self.folder / "provenance.json") or {}

    def state(self) -> dict[str, Any]:
        """Return ``state`` and its details; a run without a living process is ``interrupted``.

        A copy of a run that was ``seen`` running elsewhere has no lock that could be asked.
        """
        state = read_json(self.folder / "state.json") or {"state": "planned"}
        asked = state["state"] == "running" and not state.get("seen")
        if asked and not is_held(self._lock_path()):
            state["state"] = "interrupted"
        return state

    def is_finished(self) -> bool:
        """Return whether the run has ended well and its summary is there."""
        try:
            if self.state()["state"] != "finished":
                return False
            known = self.summary().get("objective") or {}
            return known.get("metric") is not None and known.get("value") is not None
        except DataError:  # it is trained again from its last checkpoint
            return False

    def metrics(self) -> list[dict[str, Any]]:
        """Return all rows, in order, without a line that a crash cut short."""
        return list(read_rows(self.folder / "metrics.jsonl"))

    def invocations(self) -> list[dict[str, Any]]:
        """Return the commands that asked for this run, in order."""
        return list(read_rows(self.folder / "invocations.jsonl"))

    # Writing ------------------------------------------------------------------------------------

    def create(self, config: dict[str, Any], composed: dict[str, Any] | None = None) -> None:
        """Make the folder and write the configuration, resolved and as it was composed.

        Raises:
            ConfigError: when the folder cannot be made or written.
        """
        self._is_new = not self.folder.exists()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomic(self.folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
            if composed is not None:
                text = yaml.safe_dump(composed, sort_keys=False)
                write_atomic(self.folder / "composed.yaml", text)
        except OSError as error:
            raise ConfigError(
                f"runs_dir={self.folder.parent} cannot be written ({error.strerror}); "
                "name another folder with runs_dir=DIR"
            ) from None

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Be the only process that trains this run, in this block.

        Raises:
            TrainedElsewhere: when another process has it.
        """
        with ExitStack() as stack:
            try:
                self._held = stack.enter_context(exclusive(self._lock_path()))
            except BlockingIOError:
                known = self._known("state.json").get("owner") or {}
                owner = f"process {known.get('pid', '?')} on {known.get('host', '?')}"
                raise TrainedElsewhere(
                    f"run {self.signature} is being trained by another process, {owner}; "
                    f"wait for it, or change a setting; its folder is {self.folder}"
                ) from None
            try:
                yield
            finally:
                self._held = None

    @contextmanager
    def undo_refused_start(self) -> Iterator[None]:
        """Leave the record as it was when the block refuses a value before it trains anything.

        A wrong setting is no failure of the run: its state is put back, a new folder is removed.

        Raises:
            ConfigError: that of the block.
        """
        path = self.folder / "state.json"
        state, provenance = _bytes(path), _bytes(self.folder / "provenance.json")
        try:
            yield
        except ConfigError:
            if (
                _bytes(path.with_name("provenance.json")) != provenance
            ):  # it is written when training begins
                raise
            if self._is_new:
                shutil.rmtree(self.folder)
            elif state is not None:
                write_atomic(path, state)
            else:
                path.unlink(missing_ok=True)
            raise

    def set_state(self, state: str, **details: Any) -> None:
        """Write ``state.json``; details such as step and steps stay until they are replaced."""
        self._check_claim()
        if state not in STATES:
            raise ValueError(f"state '{state}' is none of {STATES}")
        now = time.time()
        kept = self._known("state.json")
        for stale in ("error", "seen"):
            kept.pop(stale, None)
        kept.setdefault("started", now)
        owner = {"host": socket.gethostname(), "pid": os.getpid()}
        kept.update(state=state, owner=owner, heartbeat=now, **details)
        write_atomic(self.folder / "state.json", json.dumps(kept, indent=1))

    def note_invocation(self, invocation: Invocation) -> None:
        """Append a command that asked for this run."""
        self._append("invocations.jsonl", asdict(invocation))

    def log_metrics(self, row: dict[str, Any]) -> None:
        """Append a row of metrics; it has ``step``."""
        self._check_claim()
        self._append("metrics.jsonl", row)

    def drop_metrics_after(self, step: int) -> None:
        """Remove the rows past a checkpoint, which a resumed run writes again."""
        rows = [row for row in self.metrics() if row.get("step", 0) <= step]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        write_atomic(self.folder / "metrics.jsonl", text)

    def forget_training(self) -> None:
        """Remove what an earlier training left, so that the run starts anew.

        The order makes a crash in the middle harmless: the run is no longer finished first, and a
        checkpoint that is left still has its rows of metrics, so that it can be taken up.
        """
        for name in ("state.json", "summary.json"):
            (self.folder / name).unlink(missing_ok=True)
        if self.checkpoints.is_dir():
            shutil.rmtree(self.checkpoints)
        for name in ("metrics.jsonl", "encoder.safetensors", "provenance.json", "git.diff"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / "encoder.safetensors.sha256").unlink(missing_ok=True)
        for diff in self.folder.glob("git-resume-*.diff"):
            diff.unlink()
        for folder in ("pictures", "wandb"):
            shutil.rmtree(self.folder / folder, ignore_errors=True)

    def write_provenance(self, provenance: dict[str, Any], diff: str, step: int = 0) -> None:
        """Write what the run is made with, and the uncommitted changes of its code.

        Args:
            provenance: the facts.
            diff: the changes, for ``git.diff``; those of the N-th resume for ``git-resume-N.diff``.
            step: where training goes on. Past 0 what stands there stays and the facts that may
                differ are appended to its list ``resumes``.
        """
        first = self._known("provenance.json") if step else {}
        if first:
            resumes = first.setdefault("resumes", [])
            changed = {key: provenance[key] for key in OF_A_RESUME if key in provenance}
            if changed.get("code_version") in [
                stage.get("code_version") for stage in (first, *resumes)
            ]:
                changed.pop("code_files", None)  # they stand there already
            resumes.append({"step": step, **changed})
            name = f"git-resume-{len(resumes)}.diff"
        else:
            first, name = provenance, "git.diff"
            for stale in self.folder.glob("git-resume-*.diff"):
                stale.unlink()
        if diff or name == "git.diff":
            write_atomic(self.folder / name, diff)
        write_atomic(self.folder / "provenance.json", json.dumps(first, indent=1))

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write the final figures."""
        self._check_claim()
        write_atomic(self.folder / "summary.json", json.dumps(summary, indent=1))

    def write_picture(self, name: str, jpeg: bytes) -> Path:
        """Write a JPEG into ``pictures/``; return its path."""
        path = self.folder / "pictures" / name
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, jpeg)
        return path

    # ---------------------------------------------------------------------------------------------

    def _check_claim(self) -> None:
        """Refuse to write into a run that another machine has taken over.

        Raises:
            TrainingError: when it has.
        """
        try:
            if self._held is not None:
                self._held.check()
        except LockLost:
            raise TrainingError(
                f"run {self.signature} was taken over by another process while this one stood still"
            ) from None

    def _known(self, name: str) -> dict[str, Any]:
        """Return what a file says, which is written anew; nothing when it is damaged."""
        try:
            return read_json(self.folder / name) or {}
        except DataError:
            return {}

    def _lock_path(self) -> Path:
        return self.folder / ".lock"

    def _append(self, name: str, row: dict[str, Any]) -> None:
        append_line(self.folder / name, row)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def read_runs(runs_dir: Path) -> tuple[list[RunRecord], dict[str, str]]:
    """Return the runs of a folder, by signature, and the reason for each folder that is none."""
    records, skipped = [], {}
    for folder in sorted(runs_dir.iterdir()) if runs_dir.is_dir() else []:
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        if printable(folder.name) != folder.name:
            skipped[printable(folder.name)] = "no run has such a name"
            continue
        record = RunRecord(folder)
        try:
            record.config(), record.state(), record.summary(), record.provenance()
        except DataError as error:
            skipped[folder.name] = str(error)
        else:
            records.append(record)
    return records, skipped
