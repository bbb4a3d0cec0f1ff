"""Declared experiments: a question, the settings that answer it, and the paper's figures.

A file of ``experiments/`` is read when runs are started or planned, and when their table is made.
"""

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from siammae.config.paper_figures import FILE as FIGURES
from siammae.config.paper_figures import PaperTable, check_labels, read_paper_figures
from siammae.config.suggestions import nearest
from siammae.system.errors import ConfigError
from siammae.system.foreign_text import one_line

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]
Setting = dict[str, str]  # key or group -> value, in Hydra's spelling


class Strict(BaseModel):
    """A block of a declaration. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class Row(Strict):
    """A row of the table.

    Attributes:
        set: values of the row's setting by key, as on the command line; other keys have their
            defaults. None: a row of the paper that is not run here. The configuration of the row's
            own run resolves references, which are written ``\\${...}``.
        paper: a paper's figures by metric, in the unit of its table; None where a figure could
            not be read. Those of our experiments stand in ``paper_figures.yaml``.
        second_hand: whether these are known from another text than the paper.
        source: where they come from, if not where the table's do.
        default: whether the row is the default setting.
        group: heading of the part of the table that the row stands in. A row without a heading, as
            the default, stands in every part.
    """

    set: dict[str, Value] | None
    label: str
    paper: dict[str, float | None] = {}
    second_hand: bool = False
    source: str = ""
    default: bool = False
    group: str | None = None

    @field_validator("set")
    @classmethod
    def _references(cls, given: dict[str, Value] | None) -> dict[str, Value] | None:
        """Drop the backslash that keeps OmegaConf from resolving a reference too early."""
        if given is None:
            return None
        return {
            key: value.replace(r"\${", "${") if isinstance(value, str) else value
            for key, value in given.items()
        }


class Experiment(Strict):
    """The ``experiment:`` block of a file.

    Attributes:
        name: the name of the file.
        question: what the experiment asks.
        design: how settings follow from the axes. ``grid``: all combinations; ``one_factor``: the
            default, and each value of each axis with the other axes at their defaults; ``rows``:
            the settings of the rows.
        axes: values of each key or group, in the order of the table. With ``rows`` they follow
            from the rows.
        seeds: seeds that every setting is run with; ``seed=`` on the command line replaces them.
        metrics: columns of the table, of which the first decides; empty: the benchmark's metrics.
        rows: order and labels of the rows, and the paper's figures. Settings without a row follow.
        source: where the paper's figures come from, with the number of the table.
    """

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    question: str
    design: Literal["grid", "one_factor", "rows"] = "grid"
    axes: dict[str, list[Value]] = {}
    seeds: Annotated[list[int], Field(min_length=1)] = [0]
    metrics: list[str] = []
    rows: list[Row] = []
    source: str = ""

    @model_validator(mode="after")
    def _whole(self) -> "Experiment":
        if self.design == "rows" and self.axes:
            raise ValueError("design rows takes its settings from rows; leave axes out")
        if self.design == "rows" and not self.run_rows:
            raise ValueError("design rows needs at least one row with set")
        if self.design != "rows" and not self.axes:
            raise ValueError(f"design {self.design} needs axes")
        for axis, values in self.axes.items():
            if not values:
                raise ValueError(f"axes.{axis} has no value")
        strange = {key for row in self.run_rows for key in row.set or {}} - set(self.keys)
        if strange:
            raise ValueError(f"rows set {', '.join(sorted(strange))}, which is no axis")
        labels = [row.label for row in self.rows]
        twice = {label for label in labels if labels.count(label) > 1}
        if twice:
            raise ValueError(f"two rows have the label {', '.join(sorted(twice))}")
        if sum(row.default for row in self.rows) > 1:
            raise ValueError("only one row can be the default")
        if any(row.default and row.group is not None for row in self.rows):
            raise ValueError("the default opens every group; leave its group out")
        return self

    @property
    def groups(self) -> list[str]:
        """Return the headings of the parts of the table, in order; none for a table in one."""
        return list(dict.fromkeys(row.group for row in self.rows if row.group is not None))

    @property
    def run_rows(self) -> list[Row]:
        """Return the rows that are run here."""
        return [row for row in self.rows if row.set is not None]

    @property
    def keys(self) -> list[str]:
        """Return the axes, in order."""
        named = (key for row in self.run_rows for key in row.set or {})
        return list(self.axes) or list(dict.fromkeys(named))

    def settings(self, replaced: dict[str, list[str]], default: Setting) -> list[Setting]:
        """Return the settings that are run with every seed.

        Args:
            replaced: values of axes that the command line gives in place of the declared ones.
            default: value of each axis that is left alone; ``one_factor`` does not repeat it.

        Raises:
            ConfigError: when the command line sets what ``rows`` compare.
        """
        if self.design == "rows":
            if replaced:
                raise ConfigError(
                    f"{', '.join(replaced)} is what experiment {self.name} compares; "
                    f"leave it out, or run it without experiments={self.name}"
                )
            rows = [{k: spelled(v) for k, v in (row.set or {}).items()} for row in self.run_rows]
            return list(_unlike(rows))
        axes = {axis: [spelled(v) for v in values] for axis, values in self.axes.items()}
        axes |= replaced
        if self.design == "grid":
            return list(_unlike(dict(zip(axes, v, strict=True)) for v in product(*axes.values())))
        fixed = {axis: values[0] for axis, values in replaced.items() if len(values) == 1}
        varied = [
            {**fixed, axis: value}
            for axis, values in axes.items()
            if axis not in fixed
            for value in values
            if value != default.get(axis)
        ]
        return list(_unlike([fixed, *varied]))

    def row(self, setting: Setting) -> Row | None:
        """Return the row that declares a setting; axes that neither names are at their defaults."""
        for row in self.run_rows:
            if {key: spelled(value) for key, value in (row.set or {}).items()} == setting:
                return row
        return None


def _unlike(settings: Iterable[Setting]) -> Iterable[Setting]:
    """Yield each setting once."""
    seen: list[Setting] = []
    for setting in settings:
        if setting not in seen:
            seen.append(setting)
            yield setting


def spelled(value: object) -> str:
    """Return the one spelling of a value: 0.90 is 0.9, and ``[4, 48]`` is ``[4,48]``."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(spelled, value))}]"
    text = str(value).replace(" ", "")
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else str(number)


def parse_experiment(block: Any, where: str) -> Experiment:
    """Return a checked block.

    Raises:
        ConfigError: with ``where`` and a line for each wrong key.
    """
    try:
        return Experiment.model_validate(block)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc'])}: "
            f"{problem['msg'].removeprefix('Value error, ')}".removeprefix(": ")
            for problem in error.errors()
        ]
        raise ConfigError(f"{where}: " + "; ".join(dict.fromkeys(problems))) from None


def check_name(experiment: Experiment, file: str, where: str) -> None:
    """Check that an experiment has the name of its file: one starts it, the other names its table.

    Raises:
        ConfigError: when they are not.
    """
    if experiment.name != file:
        raise ConfigError(f"{where}: name: {experiment.name} must be {file}, as the file")


def read_experiments(folder: Path) -> dict[str, Experiment]:
    """Return the experiments of a folder by name, with the figures of papers.

    Raises:
        ConfigError: when a file cannot be read, or its name is not that of the experiment.
    """
    found: dict[str, Experiment] = {}
    figures = read_paper_figures(folder)
    for path in sorted(folder.glob("*.yaml")):
        if path.name == FIGURES:
            continue
        try:
            content = yaml.safe_load(path.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f"{path} cannot be read: {one_line(error)}") from None
        if not isinstance(content, dict) or "experiment" not in content:
            raise ConfigError(f"{path} has no block 'experiment'")
        experiment = parse_experiment(content["experiment"], str(path))
        check_name(experiment, path.stem, str(path))
        found[experiment.name] = experiment
    for name, table in figures.items():
        if name not in found:
            raise ConfigError(
                f"{folder / FIGURES}: {name}: no such experiment{nearest(name, list(found))}"
            )
        found[name] = _with_figures(found[name], table, folder / FIGURES)
    return found


def _with_figures(experiment: Experiment, table: PaperTable, path: Path) -> Experiment:
    """Return an experiment with a paper's figures beside its rows."""
    check_labels(table, experiment.name, [row.label for row in experiment.rows], path)
    twice = [row.label for row in experiment.rows if row.paper and row.label in table.rows]
    if twice:
        raise ConfigError(
            f"{path}: {experiment.name}: {twice[0]}: experiments/{experiment.name}.yaml has "
            "figures of it too; leave one out"
        )
    rows = [
        row.model_copy(update=table.fields(row.label)) if row.label in table.rows else row
        for row in experiment.rows
    ]
    return experiment.model_copy(update={"rows": rows, "source": table.source})
