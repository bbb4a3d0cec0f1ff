"""Reads runs of a W&B project through its public API, with errors that say what to do.

Measured with the client 0.31: its time-out is the total of one request with its own retries, after
which it says "service is busy" whatever the reason; it raises a bare exception of a private module,
two kinds of its own, and ValueError for a project that is not there. ``scan_history`` waits for
ever when the server answers its pages with 500, whatever the time-out, so curves come by
``history`` with as many samples as there are rows, which is one request a run.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import requests

from siammae.system.errors import ConfigError, DataError
from siammae.tracking.wandb import has_key

TIMEOUT = 120  # seconds for one request and its retries; WANDB_HTTP_TIMEOUT says otherwise
PROBE = 10  # seconds to learn whether there is a server at all
WAITS = (2.0, 8.0)  # seconds before the second and the third try
FINAL = ("error 400", "error 401", "error 403", "error 404", "error 409", "Could not find project")
Answer = TypeVar("Answer")
History = Callable[[], list[dict[str, Any]]]


@dataclass
class RemoteRun:
    """A run as W&B holds it.

    state: running, finished, failed, crashed, killed and others of W&B's.
    config: what it was started with, one level.
    history: reads all logged rows, in the server's order.
    """

    id: str
    state: str
    url: str
    config: dict[str, Any]
    history: History


@contextmanager
def project_runs(path: str) -> Iterator[list[RemoteRun]]:
    """Yield all runs of a project, whose histories can be read within the block.

    Args:
        path: ``ENTITY/PROJECT``.

    Raises:
        ConfigError: when ``path`` is none, or no key is configured.
        DataError: when the server cannot be reached, does not let us in, has no such project or no
            run in it.
    """
    entity, _, project = path.partition("/")
    if not entity or not project or "/" in project:
        raise ConfigError(f"--wandb {path}: write it as ENTITY/PROJECT, such as my-team/siammae")
    if not has_key():
        raise ConfigError(
            "no W&B API key; run `wandb login`, or set WANDB_API_KEY (and WANDB_BASE_URL for a "
            "server of your own)"
        )
    # The client makes a folder for each run that it lists, and talks to the terminal.
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    with tempfile.TemporaryDirectory() as scratch:
        before = os.environ.get("WANDB_DIR")
        os.environ["WANDB_DIR"] = scratch
        try:
            client = _Client(path)
            found = client.runs()
            if not found:
                raise DataError(f"W&B project {path} on {client.server} has no run yet")
            yield found
        finally:
            os.environ.pop("WANDB_DIR")
            if before is not None:
                os.environ["WANDB_DIR"] = before


class _Client:
    """The public API, with timeouts and repeated tries of our own."""

    def __init__(self, path: str):
        self.path = path
        self.server = _server()
        self.timeout = int(os.environ.get("WANDB_HTTP_TIMEOUT") or TIMEOUT)
        self._key: str | None = None

    def runs(self) -> list[RemoteRun]:
        """Fetch whole runs at once, because lazy ones would cost a request each."""
        self._reach()
        return [self._remote(run) for run in self._try(self._list)]

    def _list(self) -> list[Any]:
        import wandb

        api = wandb.Api(timeout=self.timeout)  # a new one: it keeps the answers it had
        self._key = api.api_key
        return list(api.runs(self.path, lazy=False))

    def _remote(self, run: Any) -> RemoteRun:
        lines = max(int(run.historyLineCount or 0), 1)

        def history() -> list[dict[str, Any]]:
            return self._try(lambda: run.history(samples=lines, pandas=False))

        return RemoteRun(run.id, run.state, run.url, dict(run.config), history)

    def _reach(self) -> None:
        """Fail soon when no server answers, because the client itself would try for minutes."""
        for wait in (*WAITS, None):
            try:
                requests.get(self.server, timeout=PROBE, stream=True).close()
                return
            except requests.RequestException as error:
                if wait is None:
                    raise DataError(
                        f"the W&B server {self.server} cannot be reached ({_reason(error)}); "
                        "try again later, or use the last snapshot with --offline"
                    ) from None
                time.sleep(wait)

    def _try(self, call: Callable[[], Answer]) -> Answer:
        """Call a function up to three times, but once where another try cannot help."""
        for wait in (*WAITS, None):
            try:
                return call()
            except Exception as error:  # four unrelated kinds, one of them of a private module
                text = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
                if wait is None or any(final in text for final in FINAL) or _is_refused(error):
                    raise DataError(self._explain(error, text)) from None
                time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _explain(self, error: Exception, text: str) -> str:
        if "Could not find project" in text or "error 404" in text:
            return f"there is no W&B project {self.path} on {self.server} that this key may read"
        if "error 403" in text:
            return f"this W&B API key may not read {self.path} on {self.server}"
        if _is_refused(error) or "error 401" in text:
            return (
                f"the W&B server {self.server} does not accept this API key ({text}); "
                "run `wandb login --relogin`, or set WANDB_API_KEY"
            )
        if "busy" in text:  # of the client: its time was over, whatever the server said
            text = (
                f"{self.server} gave no answer within {self.timeout} s; it may limit requests "
                "(429) or be out of order: try again in some minutes, give it longer with "
                "WANDB_HTTP_TIMEOUT=SECONDS, or use the last snapshot with --offline"
            )
        return f"W&B gave no runs of {self.path}: {self._status() or text}"

    def _status(self) -> str | None:
        """Ask the server for its status code, which the client does not report after a timeout."""
        try:
            answer = requests.post(
                f"{self.server}/graphql",
                json={"query": "query Viewer { viewer { id } }"},
                auth=("api", self._key or ""),
                timeout=PROBE,
            )
        except requests.RequestException as error:
            return f"{self.server} cannot be reached any more ({_reason(error)})"
        if answer.status_code == 429:
            return "too many requests (429); wait some minutes, or ask with fewer jobs at a time"
        if answer.status_code >= 500:
            return f"{self.server} is out of order ({answer.status_code}); try again later"
        return None


def _server() -> str:
    """Return the address of the server that the client will ask."""
    import wandb

    address = os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url
    return str(address).rstrip("/")


def _is_refused(error: Exception) -> bool:
    """Whether the server, or the client itself, refuses the key."""
    name, text = type(error).__name__, str(error)
    return name == "UsageError" or (name == "AuthenticationError" and "busy" not in text)


def _reason(error: Exception) -> str:
    return "no answer in time" if isinstance(error, requests.Timeout) else type(error).__name__
