"""Weights & Biases as a view beside the record: when it fails, the run goes on."""

import json
import netrc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlparse

from typing_extensions import override

from siammae.system.foreign_json import read_object
from siammae.tracking.record import RunRecord, write_atomic
from siammae.tracking.record_text import digest, pack
from siammae.tracking.wandb_columns import columns, figures

SENT = "sent.json"  # beside the offline runs: what was sent last, and where to
LONGEST_TAG = 64  # characters; W&B refuses the run for a longer one


class Tracker:
    """Interface of a service that a run is logged to; this one logs nothing."""

    def start(self, record: RunRecord, name: str, group: str, tags: list[str]) -> None:
        """Begin to log a run, or go on with one that is resumed.

        Args:
            record: of the run.
            name: of the run, for people.
            group: shared by repetitions with other seeds.
            tags: to filter runs by.
        """

    def send_again(self, record: RunRecord, name: str, group: str, tags: list[str]) -> None:
        """Send what is new of a finished run that was asked for once more, as for another table."""

    def update_config(self) -> None:
        """Send the configuration and the record, which says more than it did at the start."""

    def log_row(self, row: dict[str, Any]) -> None:
        """Log a row of metrics; it holds ``pairs_seen``, the axis of all curves."""

    def log_picture(self, key: str, path: Path, pairs_seen: int) -> None:
        """Log a JPEG of the run's folder under a key."""

    def log_final(self, metrics: dict[str, float]) -> None:
        """Log the final figures of a run that has ended well."""

    def close(self) -> None:
        """End the logging of a run, however it has ended."""


class WandbTracker(Tracker):
    """Logs to W&B: online when a key is configured, else offline. It never asks for a key.

    With ``WANDB_MODE=disabled`` or ``WANDB_DISABLED=true`` it logs nothing, whatever its own mode.

    Offline runs lie in the run's own folder under ``wandb/``; ``wandb sync`` sends them later.
    The record travels with the run (see `siammae.tracking.record_text`), so that tables can be
    made from W&B alone.

    Args:
        project: name of the W&B project.
        entity: user or team; None takes the key's own.
        mode: ``auto``, ``online`` or ``offline``.
        timeout: seconds that a start may take before the run is logged offline.
    """

    # Once a server has failed in this process, sixty finished runs do not wait for it sixty times.
    _unreachable: ClassVar[bool] = False

    def __init__(
        self,
        project: str = "siammae",
        entity: str | None = None,
        mode: str = "auto",
        timeout: float = 20,
    ):
        if mode not in ("auto", "online", "offline"):
            raise ValueError(f"mode '{mode}' is none of auto, online, offline")
        self.project, self.entity, self.mode, self.timeout = project, entity, mode, timeout
        self._run: Any = None
        self._record: Any = None

    @override
    def start(self, record: RunRecord, name: str, group: str, tags: list[str]) -> None:
        # The id is the signature, so that a resumed run goes on in W&B as well.
        if is_disabled():
            return
        # Set before the import: its telemetry looks names up even when offline.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB_SILENT", "true")
        self._record = record
        describe = {
            "id": record.signature,
            "name": name,
            "group": group,
            "tags": [tag[:LONGEST_TAG] for tag in dict.fromkeys(tags)],
            "dir": str(record.folder),
        }
        mode = "offline" if self.mode == "auto" and not _has_key() else self.mode
        mode = "online" if mode == "auto" else mode
        if mode == "online":
            self._guard("start online", lambda: self._open("online", describe))
            if self._run is None:
                WandbTracker._unreachable = True
                # The client's service still holds the run that failed, and an offline run under
                # the same id would write nothing: it has to start afresh.
                self._guard("reset", _reset_client)
        if self._run is None:
            self._guard("start", lambda: self._open("offline", describe))

    @override
    def send_again(self, record: RunRecord, name: str, group: str, tags: list[str]) -> None:
        if WandbTracker._unreachable or self._is_sent(record):
            return
        self.start(record, name, group, tags)
        self.close()

    @override
    def update_config(self) -> None:
        if self._run is not None:
            self._guard("update the configuration", self._send_config)

    @override
    def log_row(self, row: dict[str, Any]) -> None:
        self._log(row)

    @override
    def log_picture(self, key: str, path: Path, pairs_seen: int) -> None:
        if self._run is not None:
            import wandb

            self._log({key: wandb.Image(str(path)), "pairs_seen": pairs_seen})

    @override
    def log_final(self, metrics: dict[str, float]) -> None:
        # Under names of their own: W&B's own summaries go wrong when a run is resumed.
        final = {f"final/{name}": value for name, value in metrics.items()}
        if self._run is not None:
            self._guard("log the final figures", lambda: self._run.summary.update(final))

    @override
    def close(self) -> None:
        # The record goes last: its state is settled now. A run that is not finished has failed.
        self.update_config()
        if self._run is not None:
            self._guard("close", self._end)
        self._run = None

    def _send_config(self) -> None:
        self._run.config.update(self._config(), allow_val_change=True)

    def _config(self) -> dict[str, Any]:
        """Return the configuration of the W&B run: columns for its tables, and the record."""
        return {**columns(self._record), **pack(self._record, time.time())}

    def _end(self) -> None:
        state = self._record.state()["state"]
        self._run.summary.update({**figures(self._record), "state": state})
        self._run.finish(exit_code=0 if state == "finished" else 1)
        sent = json.dumps({"digest": self._digest(self._record)})
        write_atomic(self._record.folder / "wandb" / SENT, sent)

    def _digest(self, record: RunRecord) -> str:
        """Return a hash of what is sent, with the place that it is sent to."""
        server = os.environ.get("WANDB_BASE_URL", "")
        return "/".join([server, self.entity or "", self.project, digest(record)])

    def _is_sent(self, record: RunRecord) -> bool:
        try:
            content = read_object((record.folder / "wandb" / SENT).read_text())
            return bool(content["digest"] == self._digest(record))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _open(self, mode: str, describe: dict[str, Any]) -> None:
        import wandb

        wanted: dict[str, Any] = {
            "init_timeout": self.timeout,
            "silent": True,
            "console": "off",
            "x_disable_stats": True,
            "x_save_requirements": False,
            # What a killed process loses is at most this many seconds; new in 0.31.
            "x_transaction_log_flush_interval": 2,
        }
        fields = getattr(wandb.Settings, "model_fields", {})
        settings = wandb.Settings(**{k: v for k, v in wanted.items() if k in fields})
        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            mode=mode,  # type: ignore[arg-type]
            resume="allow" if mode == "online" else None,
            reinit="finish_previous",
            settings=settings,
            config=self._config(),
            **describe,
        )
        self._run.define_metric("pairs_seen")
        self._run.define_metric("*", step_metric="pairs_seen")

    def _log(self, row: dict[str, Any]) -> None:
        if self._run is not None:
            self._guard("log", lambda: self._run.log(row))

    def _guard(self, what: str, call: Callable[[], Any]) -> None:
        """Call a function of W&B; an error ends the logging, with a warning, and not the run."""
        try:
            call()
        except Exception as error:
            self._run = None
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            print(f"warning: W&B could not {what}: {reason}; the run goes on", file=sys.stderr)


def _reset_client() -> None:
    import wandb

    wandb.teardown()


def _has_key() -> bool:
    """Return whether this process may log online: nothing forbids it, and there is a key."""
    return os.environ.get("WANDB_MODE") not in ("offline", "dryrun") and has_key()


def has_key() -> bool:
    """Return whether W&B would find an API key without asking for one."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        hosts = netrc.netrc(os.environ.get("NETRC")).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    own = urlparse(os.environ.get("WANDB_BASE_URL", "")).hostname
    # The default servers of the client: until 0.30, and since.
    return any(host == own or host.endswith(("wandb.ai", "coreweave.com")) for host in hosts)


def is_disabled() -> bool:
    """Return whether the environment turns W&B off, in its own words of today and of before."""
    words = os.environ.get("WANDB_DISABLED", "").strip().lower()
    return os.environ.get("WANDB_MODE") == "disabled" or words in ("true", "1", "yes", "on")
