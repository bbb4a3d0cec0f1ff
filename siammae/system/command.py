"""The command that the user typed, known in every process that works for it."""

import re
import sys
from typing import Any

from hydra.core.singleton import Singleton


class Command(metaclass=Singleton):
    """The command line, made where the command starts.

    Hydra's launchers carry singletons to their workers, where ``sys.argv`` is that of joblib, Ray
    or submitit.

    line: as it was typed, without the interpreter and without passwords. arguments: what the
        program got.
    """

    def __init__(self) -> None:
        self.line = [without_password(word) for word in sys.orig_argv[1:]]
        self.arguments = sys.argv[1:]

    @staticmethod
    def instance(*args: Any, **kwargs: Any) -> "Command":
        """Return the only object of this class in this process."""
        made = Singleton.instance(Command, *args, **kwargs)
        assert isinstance(made, Command)
        return made


def without_password(text: str) -> str:
    """Return a text in which the password of each URL (``scheme://user:password@host``) is ***."""
    return re.sub(r"(\w://[^\s:/@]*):[^\s,'\"]*@", r"\1:***@", text)
