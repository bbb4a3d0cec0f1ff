"""Measure speed and memory against rivals in one run: python analysis/benchmark.py WHAT."""

import argparse
import sys
from importlib import import_module

COMMANDS = ("data", "extensions", "propagation", "step")


def main() -> int:
    """Entry point; a module of `COMMANDS` has ``add_arguments(parser)`` and ``run(arguments)``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="WHAT")
    package = f"{__package__}.benchmarks" if __package__ else "benchmarks"
    modules = {name: import_module(f"{package}.{name}") for name in COMMANDS}
    for name, module in modules.items():
        summary = (module.__doc__ or "").splitlines()[0]
        module.add_arguments(commands.add_parser(name, help=summary, description=summary))
    arguments = parser.parse_args()
    code: int = modules[arguments.command].run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
