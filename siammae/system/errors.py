"""The errors that a user can cause: commands print them as one line and exit with code 2.

When runs of a multirun have failed, the exit code is 1.
"""

from siammae.system.printable import printable


class SiammaeError(Exception):
    """Something outside the code is wrong; the message says what, where and what would be right.

    It may quote a file of others, and is printed: as text it is `printable`.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(SiammaeError):
    """A setting has a wrong type, range or combination."""


class TrainedElsewhere(ConfigError):
    """Another process trains the run: a multirun leaves it alone, and does not count it as failed.

    A study has no figure for such a trial, which it notes as failed; nothing is stopped by it.
    """


def ending(error: object) -> str:
    """Return how a run of a multirun ended, which is printed before its error."""
    return "left alone" if isinstance(error, TrainedElsewhere) else "failed"


class TrainingError(SiammaeError):
    """A training run cannot go on, though its settings and files are valid."""


class DataError(SiammaeError):
    """A file or folder cannot be used."""


class RunsFailed(SiammaeError):
    """Runs of a multirun failed; what else was asked for is finished or was not started.

    Args:
        failures: the error of each failed run, by its overrides.
        started: runs that were started.
        asked: runs that were asked for.
    """

    def __init__(self, failures: dict[str, str], started: int, asked: int):
        lines = [f"{len(failures)} of {asked} runs failed:"]
        lines += [f"  {job}: {reason}" for job, reason in failures.items()]
        if started < asked:
            lines.append(f"  {asked - started} not started (on_failure=stop)")
        lines.append("the same command tries them again; finished ones are not repeated")
        super().__init__("\n".join(lines))
