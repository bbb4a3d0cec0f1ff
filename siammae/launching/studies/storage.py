"""Where a study is kept: its storage by URL, and its trials by number."""

import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siammae.system.command import without_password
from siammae.system.errors import ConfigError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

JOURNAL = "journal:///"
SQLITE_PATIENCE = 60  # seconds that a worker waits while others write to the same file
KNOWN = (
    "sqlite:///FILE (one machine), journal:///FILE (machines that share a folder) or "
    "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE (any)"
)


class StoredStudy:
    """A study whose trials can be written by their number, also those that other processes run.

    Optuna's `Study` allows that for a trial of this process only; its storages allow it for all.
    """

    def __init__(self, study: "Study", storage: "BaseStorage"):
        self.study, self._storage = study, storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._trial_ids: dict[int, int] = {}

    def trial(self, number: int) -> "FrozenTrial":
        """Return a trial as it stands in the storage now."""
        return self._storage.get_trial(self._id(number))

    def set_attribute(self, number: int, key: str, value: Any) -> None:
        """Set a user attribute of a trial."""
        self._storage.set_trial_user_attr(self._id(number), key, value)

    def report(self, number: int, evaluation: int, value: float) -> None:
        """Set an intermediate value of a trial, which pruners compare."""
        self._storage.set_trial_intermediate_value(self._id(number), evaluation, value)

    def fail(self, number: int) -> None:
        """End a trial as failed.

        Raises:
            UpdateFinishedTrialError: when it has ended already.
        """
        from optuna.trial import TrialState

        self._storage.set_trial_state_values(self._id(number), TrialState.FAIL)

    def _id(self, number: int) -> int:
        if number not in self._trial_ids:
            self._trial_ids[number] = self._storage.get_trial_id_from_study_id_trial_number(
                self._study_id, number
            )
        return self._trial_ids[number]


def open_storage(url: str) -> "BaseStorage":
    """Open the storage of studies that ``url`` names; make its file when it is missing.

    As SQLAlchemy has it for SQLite, three slashes begin a relative path and four an absolute one.
    ``journal:///FILE`` is Optuna's append-only journal, which also works on network file systems,
    where SQLite's locks do not.

    Raises:
        ConfigError: when the URL is malformed, its driver is missing or it cannot be reached.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        if url.startswith(JOURNAL):
            path = Path(url.removeprefix(JOURNAL))
            path.parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(str(path)))
        return _database(url)
    except ImportError as error:
        # Optuna's own text says what is missing only in its cause.
        missing = error.__cause__ or error.__context__ or error
        raise ConfigError(
            f"storage {without_password(url)} needs a driver that is not installed ({missing}); "
            "for PostgreSQL: pip install 'psycopg[binary]' and postgresql+psycopg://..."
        ) from None
    except failures() as error:
        raise ConfigError(
            f"storage {without_password(url)} cannot be opened ({reason_of(error)}); it must be "
            f"{KNOWN}"
        ) from None


def failures() -> tuple[type[Exception], ...]:
    """Return what Optuna raises on a storage that is damaged or cannot be reached.

    It reads a journal without checks, and so meets any value at any place.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    unchecked = (ValueError, LookupError, TypeError, AttributeError, AssertionError)
    return SQLAlchemyError, OptunaError, OSError, *unchecked


def reason_of(error: BaseException) -> str:
    """Return an error of a storage in one line; that of the database, where there is one."""
    cause = error.__cause__ or error
    told = str(getattr(cause, "orig", None) or cause).strip()
    return told.splitlines()[0] if told else type(error).__name__


def _database(url: str, attempts: int = 10) -> "BaseStorage":
    """Open a database; try again when another worker makes the same tables at the same time."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    patience = {"timeout": SQLITE_PATIENCE} if url.startswith("sqlite:") else {}
    try:
        return RDBStorage(url, engine_kwargs={"connect_args": patience})
    except SQLAlchemyError as error:
        made_meanwhile = "already exists" in str(error) or "unique" in str(error).lower()
        if attempts == 1 or not made_meanwhile:
            raise
    time.sleep(random.random())
    return _database(url, attempts - 1)
