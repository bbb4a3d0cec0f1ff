"""What each data set consists of and where it comes from: ``sets/NAME.yaml``."""

from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import Field, ValidationError, model_validator

from siammae.config.check import Positive, Section, nearest
from siammae.config.errors import ConfigError

FOLDER = Path(__file__).parent / "sets"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


class Source(Section):
    """An archive that can be fetched without a login.

    url: of a ``.zip``, ``.tar``, ``.tar.gz`` or ``.tgz``.
    size: published bytes.
    sha256, md5: published checksums, in hexadecimal.
    extract_to: folder under the root in which its members come to lie.
    strip: leading folder that is dropped when all members lie in it.
    """

    url: Annotated[str, Field(pattern=r"^https?://")]
    size: Positive | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    extract_to: str = "."
    strip: str | None = None

    @model_validator(mode="after")
    def _is_archive(self) -> "Source":
        if not self.name.endswith(ARCHIVES):
            raise ValueError(f"{self.url} names no {', '.join(ARCHIVES)} file")
        return self

    @property
    def name(self) -> str:
        """The archive's file name."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    @property
    def checksum(self) -> tuple[str, str] | None:
        """Algorithm and hexadecimal digest; None when none is published."""
        if self.sha256:
            return "sha256", self.sha256
        return ("md5", self.md5) if self.md5 else None


class Expectation(Section):
    """Files that a complete data set has.

    files: path under the root with fields in braces, such as ``frames/{video}/{frame}.jpg``.
    listed: field -> the names it must have: a list, or a list file of the data set.
    distinct: field -> how many different values there are at least.
    count: how many files there are at least.
    beside: paths with the same fields; each must be there for each file found.
    """

    files: str
    listed: dict[str, str | list[str]] = Field(default_factory=dict)
    distinct: dict[str, Positive] = Field(default_factory=dict)
    count: Positive | None = None
    beside: list[str] = Field(default_factory=list)


class DataSet(Section):
    """One data set.

    title: in one line.
    root: default folder.
    files: what can be fetched.
    manual: where to get the rest and how to lay it out; ``ROOT`` stands for the folder.
    built_in: why nothing has to be fetched.
    layouts: alternative layouts, by name, one of which must be complete.
    """

    title: str
    root: str | None = None
    files: list[Source] = Field(default_factory=list)
    manual: str | None = None
    built_in: str | None = None
    layouts: dict[str, list[Expectation]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_a_way(self) -> "DataSet":
        if self.built_in:
            return self
        if not (self.files or self.manual):
            raise ValueError("give files, manual or built_in")
        if not (self.root and self.layouts and all(self.layouts.values())):
            raise ValueError("give root and layouts")
        if len({source.name for source in self.files}) != len(self.files):
            raise ValueError("two files have the same name")
        return self


def names() -> list[str]:
    """Of all data sets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> DataSet:
    """A data set by its name, or by the path of a ``.yaml`` file like those in the folder.

    Raises:
        ConfigError: when there is none, or its file is wrong.
    """
    path = Path(name).expanduser() if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    if not name.endswith(".yaml") and name not in names():
        raise ConfigError(
            f"{name}: no such data set{nearest(name, names())}; there are: {', '.join(names())}"
        )
    try:
        return DataSet.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from None
