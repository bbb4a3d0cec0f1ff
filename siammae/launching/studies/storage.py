"""Where a study is kept, by URL."""

import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

from siammae.system.errors import ConfigError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "journal:///"
SQLITE_PATIENCE = 60  # seconds that a worker waits while others write to the same file
KNOWN = (
    "sqlite:///FILE (one machine), journal:///FILE (machines that share a folder) or "
    "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE (any)"
)


def open_storage(url: str) -> "BaseStorage":
    """The storage of studies that ``url`` names; files are made when missing.

    Three slashes and a relative path, four and an absolute one, as SQLAlchemy has it for SQLite.
    ``journal:///FILE`` is Optuna's append-only journal, which also works on network file systems,
    where SQLite's locks do not.

    Raises:
        ConfigError: when the URL is none, its driver is missing or it cannot be reached.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy.exc import SQLAlchemyError

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
            f"storage {hidden(url)} needs a driver that is not installed ({missing}); "
            "for PostgreSQL: pip install 'psycopg[binary]' and postgresql+psycopg://..."
        ) from None
    except (SQLAlchemyError, OSError, ValueError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise ConfigError(
            f"storage {hidden(url)} cannot be opened ({reason}); it must be {KNOWN}"
        ) from None


def _database(url: str, attempts: int = 10) -> "BaseStorage":
    """Once more when another worker makes the same tables at the same time."""
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


def hidden(url: str) -> str:
    """The URL for people: without its password."""
    scheme, separator, rest = url.partition("://")
    login, at, place = rest.rpartition("@")
    if not (at and ":" in login):
        return url
    return f"{scheme}{separator}{login.partition(':')[0]}:***@{place}"
