"""Fetch a data set, or explain where to get it, and check whether it is complete.

  python -m siammae.download benchmark=davis2017 [root=DIR]
  python -m siammae.download benchmark=davis2017 [root=DIR] --check
  python -m siammae.download data=kinetics400 [root=DIR] [split=train|val|test|all] [--check]

Given again, the command goes on where it was interrupted. Exit codes: 0, everything is there; 1,
something is missing; 2, an error; 3, the rest must be fetched by hand, as the output explains.
"""

import argparse
import shlex
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from siammae.config.suggestions import nearest
from siammae.data.downloading import catalog
from siammae.data.downloading.catalog import DataSet, Source
from siammae.data.downloading.complete import State, inspect, shorten
from siammae.data.downloading.download_folder import fetch_lists, lost_files, sources_of
from siammae.system.broken_pipe import ignore_broken_pipe
from siammae.system.errors import ConfigError, SiammaeError
from siammae.system.paths import CONFIGS
from siammae.system.progress import BYTES, ProgressDisplay

COMPLETE, INCOMPLETE, WRONG, BY_HAND, INTERRUPTED = 0, 1, 2, 3, 130
KEYS = ("benchmark", "data", "root", "split", "check")
NAMED = 5  # archives that are named one by one


@dataclass(frozen=True)
class Asked:
    """What the command line asks for.

    group: ``benchmark`` or ``data``. name: name of the data set.
    root: its folder; None means the usual one. split: None means the usual one.
    only_check: whether nothing is to be fetched.
    """

    group: str
    name: str
    root: str | None
    split: str | None
    only_check: bool

    def settings(self, root: Path) -> str:
        """Return the settings as a user gives them to this command."""
        split = f" split={self.split}" if self.split else ""
        return f"{self.group}={self.name} root={shlex.quote(str(root))}{split}"


def download(asked: Asked, dataset: DataSet, root: Path) -> int:
    """Fetch what is missing and can be fetched, then print the state; return the exit code."""
    from siammae.data.downloading.install import install

    if (dataset.files or dataset.parts) and not state_of(dataset, root).complete:
        with ProgressDisplay(BYTES) as display:
            fetch_lists(dataset, root, partial(_show, display))
        sources = sources_of(dataset, root)
        _print_unchecked([source for source in sources if source.checksum is None])
        with ProgressDisplay(BYTES, tasks=len(sources)) as display:
            install(sources, root, partial(_show, display))
    code = check(asked, dataset, root)
    if code == COMPLETE or dataset.manual is None:
        return code
    print(f"\n{dataset.manual.replace('ROOT', str(root))}\n")
    print(f"Then: python -m siammae.download {asked.settings(root)} --check")
    return BY_HAND


def _show(display: ProgressDisplay, name: str, stage: str, done: int, total: int | None) -> None:
    display.update(done, total, task=name, stage=stage)


def _print_unchecked(sources: list[Source]) -> None:
    """Say which files are not checked by a published checksum."""
    if len(sources) > NAMED:
        print(f"{len(sources)} files: no published checksums; archives are checked by unpacking")
        return
    for source in sources:
        how = "it is taken as it comes" if source.plain else "it is checked by unpacking it"
        print(f"{source.name}: no published checksum; {how}")


def check(asked: Asked, dataset: DataSet, root: Path) -> int:
    """Print what is there and what is missing, without a network; return the exit code."""
    name, state = asked.name, state_of(dataset, root)
    if state.complete:
        print(f"{name}: {root} is complete ({state.layout})")
        print("\n".join(f"  {line}" for line in state.found))
        if (CONFIGS / asked.group / f"{name}.yaml").is_file():
            print(_next(asked, root))
        return COMPLETE
    print(f"{name}: {root} is not complete (layout: {state.layout})")
    print("\n".join(f"  {line}" for line in state.lacks))
    return INCOMPLETE


def _next(asked: Asked, root: Path) -> str:
    """Return what to do with a complete data set."""
    place = f"{asked.group}={asked.name} {asked.group}.root={shlex.quote(str(root))}"
    if asked.group == "benchmark":
        return f"Measure: python -m siammae.evaluate checkpoint=PATH {place}"
    split = f" data.split={asked.split}" if asked.split else ""
    return f"Train: python -m siammae.train {place}{split}"


def state_of(dataset: DataSet, root: Path) -> State:
    """Return the state by the data set's layouts and by the receipts of what was unpacked."""
    state = inspect(dataset, root)
    for source in sources_of(dataset, root):
        lost = lost_files(source, root)
        if lost:
            state.lacks.append(
                f"of {source.name}, missing or changed ({len(lost)}): {shorten(lost)}"
            )
    return state


@ignore_broken_pipe()
def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    try:
        asked = _parse(arguments)
        if _is_your_own(asked):
            print(f"{asked.name} needs no download: its keys name files of yours")
            return COMPLETE
        dataset = catalog.load(asked.name)
        if dataset.built_in:
            print(f"{asked.name} needs no download: {dataset.title}; {dataset.built_in}")
            return COMPLETE
        if asked.group == "data":
            dataset = dataset.for_training()
        folder = Path(asked.root or dataset.root or ".").expanduser()
        return (check if asked.only_check else download)(asked, dataset.of(asked.split), folder)
    except SiammaeError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return INTERRUPTED


def _is_your_own(asked: Asked) -> bool:
    """Return whether an option of the group data has no data set in the catalog."""
    there = (CONFIGS / "data" / f"{asked.name}.yaml").is_file()
    return asked.group == "data" and there and asked.name not in catalog.names()


def _parse(arguments: list[str] | None) -> Asked:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m siammae.download",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="data sets:\n" + "\n".join(_titles()),
    )
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help=", ".join(KEYS))
    parser.add_argument(
        "--check", action="store_true", help="only look at the folder, without a network"
    )
    given = parser.parse_intermixed_args(arguments)
    values: dict[str, str] = {}
    for setting in given.settings:
        key, equals, value = setting.partition("=")
        if key not in KEYS:
            raise ConfigError(f"{key}: no such key{nearest(key, list(KEYS))}; write KEY=VALUE")
        if not equals or not value:
            raise ConfigError(f"{key}: no value; write {key}=VALUE")
        values[key] = value
    if ("benchmark" in values) == ("data" in values):
        raise ConfigError(
            f"name one data set, as in benchmark=davis2017 or data=kinetics400: {_names()}"
        )
    if values.get("check", "false").lower() not in ("true", "false"):
        raise ConfigError(f"check={values['check']}: true or false")
    only_check = given.check or values.get("check", "false").lower() == "true"
    group = "data" if "data" in values else "benchmark"
    return Asked(group, values[group], values.get("root"), values.get("split"), only_check)


def _names() -> str:
    return ", ".join(catalog.names())


def _titles() -> list[str]:
    return [f"  {name:14}{catalog.load(name).title}" for name in catalog.names()]


if __name__ == "__main__":
    sys.exit(main())
