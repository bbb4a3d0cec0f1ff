"""The command that the user typed, known in every process that works for it."""

import sys
from typing import Any

from hydra.core.singleton import Singleton


class Command(metaclass=Singleton):
    """The command line, made where the command starts.

    Hydra's launchers carry singletons to their workers, where ``sys.argv`` is that of joblib, Ray
    or submitit.

    line: as it was typed, without the interpreter. arguments: what the program got.
    """

    def __init__(self) -> None:
        self.line = sys.orig_argv[1:]
        self.arguments = sys.argv[1:]

    @staticmethod
    def instance(*args: Any, **kwargs: Any) -> "Command":
        """Return the only object of this class in this process."""
        made = Singleton.instance(Command, *args, **kwargs)
        assert isinstance(made, Command)
        return made
