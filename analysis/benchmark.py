"""Speed and memory, measured against rivals in one run: python analysis/benchmark.py WHAT."""

import argparse
import sys

import benchmark_data
import benchmark_extensions
import benchmark_propagation

COMMANDS = {
    "data": benchmark_data,
    "extensions": benchmark_extensions,
    "propagation": benchmark_propagation,
}


def main() -> int:
    """Entry point; a module of `COMMANDS` has ``add_arguments(parser)`` and ``run(arguments)``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="WHAT")
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").splitlines()[0]
        module.add_arguments(commands.add_parser(name, help=summary, description=summary))
    arguments = parser.parse_args()
    return COMMANDS[arguments.command].run(arguments)


if __name__ == "__main__":
    sys.exit(main())
