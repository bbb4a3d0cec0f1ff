"""What each data set consists of and where it comes from, as ``sets/NAME.yaml`` says."""

from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import Field, ValidationError, model_validator

from siammae.config.groups import Section
from siammae.config.schema import Positive
from siammae.config.suggestions import nearest
from siammae.system.errors import ConfigError
from siammae.system.foreign_text import one_line

FOLDER = Path(__file__).parent / "sets"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".rar")
PLAIN = (".csv", ".json", ".txt")


class Remote(Section):
    """Something that can be fetched without a login.

    url: its URL.
    extract_to: folder under the root in which its content comes to lie.
    strip: leading folder that is dropped when all members of an archive lie in it.
    split: split of the data set that it belongs to; None: to all of them.
    prefix: put before its name while it is fetched, where several have the same name.
    """

    url: Annotated[str, Field(pattern=r"^https?://")]
    extract_to: str = "."
    strip: str | None = None
    split: str | None = None
    prefix: str = ""

    @property
    def name(self) -> str:
        """The name under which it is kept and reported."""
        return self.prefix + PurePosixPath(unquote(urlsplit(self.url).path)).name


class Source(Remote):
    """An archive (.zip, .tar, .tar.gz, .tgz or .rar), or a list of any kind that stays as it is.

    size: published number of bytes.
    sha256, md5: published checksums in hexadecimal.
    nested: whether it holds RAR archives, which are unpacked where they lie.
    """

    size: Positive | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    nested: bool = False

    @model_validator(mode="after")
    def _is_known(self) -> "Source":
        if not self.name.endswith(ARCHIVES + PLAIN):
            raise ValueError(f"{self.url} names no {', '.join(ARCHIVES + PLAIN)} file")
        return self

    @property
    def plain(self) -> bool:
        """Whether it is no archive, and stays as it is."""
        return self.name.endswith(PLAIN)

    @property
    def checksum(self) -> tuple[str, str] | None:
        """The published algorithm and hexadecimal digest; None when there is none."""
        if self.sha256:
            return "sha256", self.sha256
        return ("md5", self.md5) if self.md5 else None


class Parts(Remote):
    """A published list of archives, one URL a line; its other keys hold for each archive."""


class Expectation(Section):
    """Files that a complete data set has.

    files: path under the root with fields in braces, such as ``frames/{video}/{frame}.jpg``.
    listed: for a field, the names that must be there: a list, or a list file of the data set.
    distinct: for a field, how many different values there must be at least.
    count: how many files there must be at least.
    beside: paths with the same fields; each must be there for each file found.
    split: split of the data set that they belong to; None: to all of them.
    """

    files: str
    listed: dict[str, str | list[str]] = Field(default_factory=dict)
    distinct: dict[str, Positive] = Field(default_factory=dict)
    count: Positive | None = None
    beside: list[str] = Field(default_factory=list)
    split: str | None = None


class DataSet(Section):
    """One data set.

    title: what it is, in one line.
    root: usual folder.
    files: what can be fetched.
    parts: lists of more that can be fetched.
    splits: splits that can be fetched by themselves, the usual one first.
    manual: where to get the rest and where to put it; ``ROOT`` stands for the folder.
    built_in: why nothing has to be fetched.
    layouts: alternative layouts by name, one of which must be complete.
    footage: layouts for ``data=``, where training reads other files than the benchmark.
    """

    title: str
    root: str | None = None
    files: list[Source] = Field(default_factory=list)
    parts: list[Parts] = Field(default_factory=list)
    splits: list[str] = Field(default_factory=list)
    manual: str | None = None
    built_in: str | None = None
    layouts: dict[str, list[Expectation]] = Field(default_factory=dict)
    footage: dict[str, list[Expectation]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_a_way(self) -> "DataSet":
        if self.built_in:
            return self
        if not (self.files or self.parts or self.manual):
            raise ValueError("give files, manual or built_in")
        if not (self.root and self.layouts and all(self.layouts.values())):
            raise ValueError("give root and layouts")
        if len({source.name for source in self.files}) != len(self.files):
            raise ValueError("two files have the same name")
        return self

    def for_training(self) -> "DataSet":
        """Return the data set with the layouts that training reads."""
        return self.model_copy(update={"layouts": self.footage or self.layouts})

    def of(self, split: str | None) -> "DataSet":
        """Return the data set with what belongs to a split.

        Args:
            split: one of ``splits``, or ``all``; None means the usual one.

        Raises:
            ConfigError: when there is no such split.
        """
        if not self.splits:
            if split is not None:
                raise ConfigError(f"split={split}: this data set is fetched as a whole")
            return self
        wanted = split or self.splits[0]
        if wanted == "all":
            return self
        if wanted not in self.splits:
            raise ConfigError(f"split={split}: there are {', '.join([*self.splits, 'all'])}")
        mine = (None, wanted)
        layouts = {
            name: [expected for expected in layout if expected.split in mine]
            for name, layout in self.layouts.items()
        }
        return self.model_copy(
            update={
                "files": [source for source in self.files if source.split in mine],
                "parts": [source for source in self.parts if source.split in mine],
                "layouts": layouts,
            }
        )


def names() -> list[str]:
    """Return the names of all data sets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> DataSet:
    """Load a data set by its name, or by the path of a ``.yaml`` file like those in the folder.

    Raises:
        ConfigError: when there is no such data set, or its file is wrong.
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
        raise ConfigError(f"{path}: {one_line(error)}") from None
