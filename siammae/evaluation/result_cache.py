"""Keeping results that were measured before, as JSON files that tables are made of."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from siammae.config.essential import essential
from siammae.evaluation.declared_metrics import declared_in
from siammae.evaluation.files.contents import Contents
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.measuring.share import ALONE, Share, by_first
from siammae.system.command import Command
from siammae.system.errors import ConfigError, DataError
from siammae.system.foreign_json import read_object
from siammae.system.foreign_text import all_printable
from siammae.tracking.provenance import code_version
from siammae.tracking.record import write_atomic
from siammae.tracking.record_files import Content, Figures
from siammae.tracking.signature import signature

CONTENTS = ".contents"  # in the folder of results: what the benchmarks' files held
CONTROL = "copy first mask"
VERSION = (
    1  # of what benchmarks compute; a change of it, with any that moves figures, measures anew
)


@dataclass(frozen=True)
class Setting:
    """A benchmark with its settings and files: what results must share to stand in one table.

    name: of the benchmark.
    config: its resolved settings, without where files lie.
    fingerprint: of its files and what they hold. Results of before it was of contents are not
        found again, and stand in a table of their own.
    """

    name: str
    config: dict[str, Any]
    fingerprint: str

    @classmethod
    def of(cls, benchmark: Any, config: dict[str, Any], contents: Contents) -> "Setting":
        """Return the setting of a built benchmark and its resolved group."""
        kept = _without_permission(essential({"benchmark": config})["benchmark"])
        return cls(benchmark.name, kept, benchmark.content_fingerprint(contents))

    def key(self, what: dict[str, Any]) -> str:
        """Return ten digits that identify ``what`` was measured on it."""
        facts = {"benchmark": self.fingerprint, "version": str(VERSION)}
        return signature({"benchmark": self.config, **what}, facts)


class _Setting(BaseModel):
    """See `Setting`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    config: dict[str, Any]
    fingerprint: str


class _Result(Figures):
    name: str
    objective: str
    settings: dict[str, Any] = Field(default_factory=dict)
    failed: dict[str, str] = Field(default_factory=dict)
    units: list[str]
    control: str = ""
    videos: int | None = None


class _Entry(Content):
    """What a file of results holds. Its types are checked here, where it is read."""

    key: str
    label: str
    what: dict[str, Any]
    benchmark: _Setting
    result: _Result
    created: float
    code_version: str


class Evaluations:
    """The results in a folder.

    Args:
        folder: made when the first result is kept.
        setting: the benchmark.
        rerun: measure again what is there.
    """

    def __init__(self, folder: Path, setting: Setting, rerun: bool = False):
        self.folder, self.setting, self.rerun = folder, setting, rerun

    def find(self, what: dict[str, Any]) -> dict[str, Any] | None:
        """Return the entry of an earlier measurement; None without one that can be read."""
        if self.rerun:
            return None
        entry = read_entry(self.path(what))
        return entry if entry is not None and entry["key"] == self.setting.key(what) else None

    def keep(self, what: dict[str, Any], label: str, result: BenchmarkResult, **facts: Any) -> None:
        """Write a result; one with failed videos too, whose table names them.

        Args:
            what: the encoder's identity and settings, or the control's.
            label: for tables.
            result: of the benchmark.
            facts: recorded beside.

        Raises:
            ConfigError: when the folder cannot be written.
        """
        entry = {
            "key": self.setting.key(what),
            "label": label,
            "what": what,
            "benchmark": vars(self.setting),
            "result": result.as_dict(),
            "code_version": code_version(),
            "created": time.time(),
            "command": Command.instance().line,
            **facts,
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path(what), json.dumps(entry, indent=1))
        except OSError as error:
            raise ConfigError(
                f"results_dir={self.folder} cannot be written: {error.strerror}"
            ) from None

    def control(
        self, measure: Callable[[], BenchmarkResult], share: Share = ALONE
    ) -> BenchmarkResult | None:
        """Return the control's result, measured once for each setting.

        None for a benchmark that has no such control.

        Args:
            measure: measures it, in all processes.
            share: the processes, of which the first reads and writes.
        """
        what = {"control": CONTROL}
        entry = by_first(share, lambda: self.find(what))
        if entry is not None:
            return as_result(entry)
        try:
            result = measure()
        except NotImplementedError:
            return None
        by_first(share, lambda: self.keep(what, CONTROL, result))
        return result

    def path(self, what: dict[str, Any]) -> Path:
        """Return where the entry lies, or would lie."""
        return self.folder / f"{self.setting.name}-{self.setting.key(what)}.json"


def _without_permission(section: dict[str, Any]) -> dict[str, Any]:
    """Drop ``allow_missing``: which files were there shows in the fingerprint and the result."""
    return {
        key: _without_permission(value) if isinstance(value, dict) else value
        for key, value in section.items()
        if key != "allow_missing"
    }


def read_entry(path: Path) -> dict[str, Any] | None:
    """Read what `Evaluations.keep` wrote; None when the file is missing or something else."""
    try:
        entry: dict[str, Any] = all_printable(read_object(path.read_text()))
        _Entry.model_validate(entry)
        as_result(entry)
        declared_in(entry["result"])
        return entry if entry["result"]["metrics"] else None
    except (OSError, ValueError, TypeError, ValidationError, DataError):
        return None


def as_result(entry: dict[str, Any]) -> BenchmarkResult:
    """Return the result of an entry."""
    return BenchmarkResult.read(entry["result"])
