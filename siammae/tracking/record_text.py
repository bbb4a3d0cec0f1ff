"""The record of a run as one text, which W&B can carry and give back byte for byte.

It is a compressed text in the configuration of the W&B run, not a file of it and not its summary:

- The configuration is sent with the first request of a run and whenever it changes, lies in the
  first block of an offline run, and is kept when a run is resumed. Files are uploaded at the end,
  and not at all when the process is killed; a summary goes wrong when a run is resumed.
- ``wandb.Api`` gives the configurations of fifty runs in one request. Files would cost one or two
  more for each run, and with many runs that meets the limit of requests.
- A text is either old or new, never half of each, and W&B changes no character of it, whereas it
  turns a number that is NaN into null.

W&B wants values of less than 1 MB. A record with results per video is some hundred kB as text and a
fifth of that compressed; what is longer is cut into pieces under further keys.
"""

import base64
import binascii
import hashlib
import json
import zlib
from typing import Any

from siammae.system.errors import DataError
from siammae.system.foreign_json import read_object
from siammae.tracking.record import RunRecord

FILES = (
    "config.yaml",
    "composed.yaml",
    "provenance.json",
    "state.json",
    "summary.json",
    "invocations.jsonl",
)
KEY = "record"  # of a finished run
# Of one that is not: an offline part that is synced late must not hide the record of the end.
UNFINISHED = "record_so_far"
PIECE = 900_000  # characters of a value
LARGEST = 256 * 2**20  # bytes unpacked; what claims more is no record
MARK = "siammae-record-1:"


def contents(record: RunRecord) -> dict[str, str]:
    """Return the text of each file of a record, as far as it is there."""
    found = {name: record.folder / name for name in FILES}
    return {name: path.read_text() for name, path in found.items() if path.is_file()}


def pack(record: RunRecord, sent: float) -> dict[str, str]:
    """Return the record as keys and values of a W&B configuration.

    Args:
        record: of the run.
        sent: seconds since 1970; of two records of one run the later one is valid.
    """
    key = KEY if record.state()["state"] == "finished" else UNFINISHED
    content = {"signature": record.signature, "sent": sent, "files": contents(record)}
    packed = base64.b64encode(zlib.compress(json.dumps(content).encode(), 9)).decode()
    pieces = [packed[start : start + PIECE] for start in range(0, len(packed), PIECE)]
    names = [key, *(f"{key}_{i + 2}" for i in range(len(pieces) - 1))]
    pieces[0] = f"{MARK}{len(pieces)}:{pieces[0]}"
    return dict(zip(names, pieces, strict=True))


def unpack(config: dict[str, Any], signature: str) -> dict[str, Any] | None:
    """Return the newest record that a configuration carries: ``sent``, and ``files`` by name.

    Returns None when it carries none.

    Raises:
        DataError: when what it carries is damaged, or of another run.
    """
    found = [_joined(config, key) for key in (KEY, UNFINISHED) if key in config]
    for content in found:
        if content["signature"] != signature:
            raise DataError(f"its record is that of run {content['signature']}")
    return max(found, key=lambda content: content["sent"], default=None)


def digest(record: RunRecord) -> str:
    """Return a hash of everything in a record that tables use.

    The same command given again changes no table, and leaves the hash as it was: the time and the
    number of a job do not count.
    """
    files = contents(record)
    files.pop("state.json", None)
    files.pop("invocations.jsonl", None)
    asked = [
        json.dumps({k: v for k, v in call.items() if k not in ("time", "id", "job")})
        for call in record.invocations()
    ]
    text = json.dumps([files, sorted(set(asked))], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _joined(config: dict[str, Any], key: str) -> dict[str, Any]:
    """Join the pieces of a record and unpack them.

    Raises:
        DataError: when it is not ours, cut short or damaged.
    """
    first = str(config[key])
    count, _, packed = first.removeprefix(MARK).partition(":")
    if not first.startswith(MARK) or not count.isdigit():
        raise DataError(f"its {key} is none of ours, or of a newer version")
    packed += "".join(str(config.get(f"{key}_{i + 2}", "")) for i in range(int(count) - 1))
    try:
        unzip = zlib.decompressobj()
        text = unzip.decompress(base64.b64decode(packed, validate=True), LARGEST)
        if not unzip.eof:
            raise DataError(f"its {key} is cut short")
        content = read_object(text)
        content["files"] = {str(name): str(content["files"][name]) for name in content["files"]}
        content["sent"], content["signature"] = float(content["sent"]), str(content["signature"])
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError) as error:
        raise DataError(f"its {key} is damaged: {error}") from None
    return content
