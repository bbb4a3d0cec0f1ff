"""The figures of papers: one file holds all of them, by experiment and by the label of the row.

A null is a figure that could not be read; who has the paper fills it in, and tables follow.
"""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from siammae.config.suggestions import nearest
from siammae.system.errors import ConfigError
from siammae.system.foreign_text import one_line

FILE = "paper_figures.yaml"  # in the folder of experiments


class PaperRow(BaseModel):
    """Figures by metric, in the unit of the table.

    source: where they come from; empty: where the table's do. second_hand: whether they are known
    from another text than the one that they were published in; None: as the table's are.
    """

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False, frozen=True)
    __pydantic_extra__: dict[str, float | None]

    source: str = ""
    second_hand: bool | None = None

    @property
    def figures(self) -> dict[str, float | None]:
        """Return the figures by metric."""
        return dict(self.__pydantic_extra__)


class PaperTable(BaseModel):
    """The figures of an experiment: where they come from, and the rows by their labels."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    source: str
    second_hand: bool = False
    rows: dict[str, PaperRow]

    def fields(self, label: str) -> dict[str, Any]:
        """Return what a row of an experiment has of them, see `Row`."""
        row = self.rows[label]
        known = self.second_hand if row.second_hand is None else row.second_hand
        return {"paper": row.figures, "second_hand": known, "source": row.source}


def read_paper_figures(folder: Path) -> dict[str, PaperTable]:
    """Return the figures of a folder of experiments by experiment; none without the file.

    Raises:
        ConfigError: when the file is not in its form; it names the place.
    """
    path = folder / FILE
    try:
        content = yaml.safe_load(path.read_text())
        return TypeAdapter(dict[str, PaperTable]).validate_python(content)
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        first = error.errors()[0]
        place = ": ".join(map(str, first["loc"]))
        raise ConfigError(f"{path}: {place}: {first['msg'].lower()}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {one_line(error)}") from None


def check_labels(table: PaperTable, experiment: str, labels: list[str], path: Path) -> None:
    """Check that each row of figures belongs to a row of the experiment.

    Raises:
        ConfigError: naming the one that does not.
    """
    for label in table.rows:
        if label not in labels:
            raise ConfigError(
                f"{path}: {experiment}: {label}: experiments/{experiment}.yaml has no row of this "
                f"label{nearest(label, labels)}"
            )
