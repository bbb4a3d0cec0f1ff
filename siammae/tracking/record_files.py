"""Reading the files of a run: whatever stands in them, what leaves here is a record or a DataError.

A file may be damaged, edited, or come from elsewhere. One bad run must not end a list or table of
all others, so types are checked where a file is read, and nowhere else. Texts leave here without
characters that a terminal obeys, see `printable`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from siammae.system.atomic_files import read_lines
from siammae.system.errors import DataError
from siammae.system.foreign_json import read_value
from siammae.system.foreign_text import all_printable, one_line

MetricName = Annotated[str, Field(pattern="^[^-]")]  # see `Metric`
State = Literal["planned", "running", "interrupted", "finished", "failed", "pruned"]
STATES: tuple[str, ...] = get_args(State)
MOST_VALUES = 100_000  # of a configuration with all references to other parts written out


class Content(BaseModel):
    """Content of a file; keys that are not named here may hold anything."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Config(Content):
    seed: int = 0


class _State(Content):
    state: State
    step: int | None = None
    steps: int | None = None
    started: float | None = None
    heartbeat: float | None = None
    owner: dict[str, Any] | None = None
    error: str | None = None


class _Objective(Content):
    benchmark: str | None = None
    metric: str | None = None
    value: float | None = None


class _Rows(BaseModel):
    """How a metric follows from rows, see `OverVideos`; another key would be no argument of it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    columns: list[str]
    levels: list[float]
    whole: str = ""
    weight: str = ""
    group: str = ""
    video: str = ""
    part_of_suite: str = ""


class _Metric(BaseModel):
    """A metric that a benchmark declared, see `Metric`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: MetricName
    better: Literal["more", "less", "neither"]
    unit: str
    short: str = ""
    decimals: int | None = Field(None, ge=0, le=20)
    detail: bool = False
    over_videos: _Rows | None = None


class Figures(Content):
    """What a benchmark measured, see `BenchmarkResult`."""

    metrics: dict[MetricName, float | None] | None = None
    declared: list[_Metric] = []
    per_object: list[dict[str, Any]] = []


class _Summary(Content):
    objective: _Objective | None = None
    metrics: dict[MetricName, float | None] | None = None
    benchmark: Figures | None = None
    controls: dict[str, Figures | None] | None = None
    data: dict[str, Any] | None = None
    pairs_seen: int | None = None
    seconds: float | None = None
    wall_seconds: float | None = None
    pairs_per_second: float | None = None
    steps: int | None = None
    best: dict[str, Any] | None = None


class _Provenance(Content):
    created: float | None = None
    code_version: str | None = None
    code_files: dict[str, str] | None = None
    git: dict[str, Any] | None = None
    packages: dict[str, str | None] | None = None
    resumes: list[dict[str, Any]] = []


class _Invocation(Content):
    command: list[str] = []
    experiment: str | None = None
    overrides: dict[str, str] = {}
    axes: list[str] | None = None
    choices: dict[str, str | None] | None = None
    task: list[str] | None = None


class _Metrics(Content):
    __pydantic_extra__: dict[str, float | None]
    step: int


KINDS: dict[str, type[Content]] = {
    "config.yaml": _Config,
    "composed.yaml": Content,
    "state.json": _State,
    "summary.json": _Summary,
    "provenance.json": _Provenance,
    "invocations.jsonl": _Invocation,
    "metrics.jsonl": _Metrics,
}


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the content of a file of a run; None when there is no such file.

    Raises:
        DataError: when it cannot be read or holds other values than such a file has.
    """
    try:
        content = read_value(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {one_line(error)}") from None
    return _checked(content, path)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a configuration of a run.

    Raises:
        DataError: when it is missing, cannot be read, or holds other values than such a file has.
    """
    try:
        loader = yaml.CSafeLoader(path.read_text("utf-8"))
        node = loader.get_single_node()
        if _written_out(node) > MOST_VALUES:
            raise DataError(f"{path} is no configuration of a run: its aliases repeat too much")
        content = None if node is None else loader.construct_document(node)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read: {one_line(error)}") from None
    return _checked(content, path)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of JSON lines, without lines that are damaged."""
    for row in read_lines(path):
        try:
            yield _checked(row, path)
        except DataError:
            continue


def _checked(content: Any, path: Path) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise DataError(f"{path} is no {path.name} of a run")
    try:
        KINDS[path.name].model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {key}: {first['msg'].lower()}") from None
    cleaned: dict[str, Any] = all_printable(content)
    return cleaned


def _written_out(node: Any, known: dict[int, int] | None = None) -> int:
    """Return how many values a YAML node has when each reference is written out.

    Raises:
        ValueError: when it refers to itself.
    """
    known = {} if known is None else known
    if node is None:
        return 0
    if id(node) not in known:
        known[id(node)] = -1
        inside = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = (part for entry in inside for part in (entry if type(entry) is tuple else (entry,)))
        known[id(node)] = 1 + sum(_written_out(part, known) for part in parts)
    if known[id(node)] < 0:
        raise ValueError("it refers to itself")
    return known[id(node)]
