"""Fetch a data set, or tell where to get it, and check whether it is complete.

  python -m siammae.download benchmark=davis2017 [root=DIR]
  python -m siammae.download benchmark=davis2017 [root=DIR] --check

The same command again goes on where an interrupted one stopped. Exit codes: 0 all is there; 1 some
is missing; 2 an error; 3 the rest must be fetched by hand, as the text printed tells.
"""

import argparse
import sys
from pathlib import Path

from siammae.config.check import nearest
from siammae.config.errors import ConfigError, SiammaeError
from siammae.config.paths import CONFIGS
from siammae.data.downloading import catalog
from siammae.data.downloading.catalog import DataSet
from siammae.data.downloading.complete import State, inspect, shorten
from siammae.data.downloading.receipt import lost_files

COMPLETE, INCOMPLETE, WRONG, BY_HAND, INTERRUPTED = 0, 1, 2, 3, 130
KEYS = ("benchmark", "data", "root", "check")


def download(name: str, dataset: DataSet, root: Path) -> int:
    """Fetch what is missing and can be fetched, then tell the state; returns the exit code."""
    from siammae.data.downloading.install import install
    from siammae.tracking.transfers import Transfers

    if dataset.files and not state_of(dataset, root).complete:
        for source in dataset.files:
            if source.checksum is None:
                print(f"{source.name}: no published checksum; it is checked by unpacking it")
        with Transfers() as told:
            install(dataset.files, root, told)
    code = check(name, dataset, root)
    if code == COMPLETE or dataset.manual is None:
        return code
    print(f"\n{dataset.manual.replace('ROOT', str(root))}\n\nThen: {check_command(name, root)}")
    return BY_HAND


def check(name: str, dataset: DataSet, root: Path) -> int:
    """Print what is there and what is missing; returns the exit code. No network."""
    state = state_of(dataset, root)
    if state.complete:
        print(f"{name}: {root} is complete ({state.layout})")
        print("\n".join(f"  {line}" for line in state.found))
        if (CONFIGS / "benchmark" / f"{name}.yaml").is_file():
            settings = f"benchmark={name} benchmark.root={root}"
            print(f"Measure: python -m siammae.evaluate checkpoint=PATH {settings}")
        return COMPLETE
    print(f"{name}: {root} is not complete (layout: {state.layout})")
    print("\n".join(f"  {line}" for line in state.lacks))
    return INCOMPLETE


def state_of(dataset: DataSet, root: Path) -> State:
    """By the data set's layouts, and by the lists of what was unpacked."""
    state = inspect(dataset, root)
    for source in dataset.files:
        lost = lost_files(source, root)
        if lost:
            state.lacks.append(
                f"of {source.name}, missing or changed ({len(lost)}): {shorten(lost)}"
            )
    return state


def check_command(name: str, root: Path) -> str:
    """What a user types to check the folder."""
    return f"python -m siammae.download benchmark={name} root={root} --check"


def main(arguments: list[str] | None = None) -> int:
    """Entry point."""
    try:
        name, root, only_check = _parse(arguments)
        dataset = catalog.load(name)
        if dataset.built_in:
            print(f"{name} needs no download: {dataset.title}; {dataset.built_in}")
            return COMPLETE
        folder = Path(root or dataset.root or ".").expanduser()
        return (check if only_check else download)(name, dataset, folder)
    except SiammaeError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return INTERRUPTED


def _parse(arguments: list[str] | None) -> tuple[str, str | None, bool]:
    """Name, root and whether only to check."""
    parser = argparse.ArgumentParser(
        prog="python -m siammae.download",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="data sets:\n" + "\n".join(_titles()),
    )
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help=", ".join(KEYS))
    parser.add_argument("--check", action="store_true", help="look at the folder only, no network")
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
        raise ConfigError(f"name one data set, as in benchmark=davis2017: {_names()}")
    if values.get("check", "false").lower() not in ("true", "false"):
        raise ConfigError(f"check={values['check']}: true or false")
    only_check = given.check or values.get("check", "false").lower() == "true"
    return values.get("benchmark") or values["data"], values.get("root"), only_check


def _names() -> str:
    return ", ".join(catalog.names())


def _titles() -> list[str]:
    return [f"  {name:14}{catalog.load(name).title}" for name in catalog.names()]


if __name__ == "__main__":
    sys.exit(main())
