"""The plan of a pack, written down before the first shard, so that the same command can go on."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from siammae.data.packing.layout import SETTINGS, shards
from siammae.system.atomic_files import write_atomic
from siammae.system.errors import ConfigError, DataError
from siammae.system.foreign_json import read_object

LEAST_SHARDS = 16  # of sets that have as many clips: fewer would not be read by many at once
MOST_SAMPLED = 32  # clips; they are packed one after another
FORMAT = 1
FINGERPRINT = "[0-9a-f]{8,64}"


@dataclass(frozen=True)
class PackSettings:
    """What the content of a pack depends on.

    source: fingerprint of the packed source.
    stride: every how many frames one is packed.
    quality: JPEG quality, 1 to 100.
    short_side: short side of the frames in pixels; None keeps them as they are. For a mixture it is
        a text with that of each part.
    shard_mb: approximate size of a shard in MB.
    """

    source: str
    stride: int
    quality: int
    short_side: int | str | None
    shard_mb: int


@dataclass(frozen=True)
class Plan:
    """How clips are dealt to shards.

    Their order looks random and is always the same. So a few shards are a fair sample of the set,
    whose own order is often one class after another.

    clips: number of clips of the source. per_shard: number of clips in a shard.
    bytes, seconds: what an average clip takes, measured.
    complete: whether all shards and the index are written. fingerprint: that of the index then.
    """

    settings: PackSettings
    clips: int
    per_shard: int
    bytes: float
    seconds: float
    complete: bool = False
    fingerprint: str | None = None

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.clips // self.per_shard)

    def of_shard(self, shard: int, order: list[int]) -> list[int]:
        """Return the numbers of a shard's clips; ``order`` is that of `dealt`."""
        return order[shard * self.per_shard : (shard + 1) * self.per_shard]

    def write(self, folder: Path) -> None:
        """Write ``pack.json``."""
        write_atomic(folder / SETTINGS, json.dumps({"format": FORMAT, **asdict(self)}, indent=1))


def dealt(clips: int) -> list[int]:
    """Return the order in which clips go to shards, always the same for this number of clips."""
    return sorted(
        range(clips), key=lambda clip: hashlib.blake2b(b"%d" % clip, digest_size=8).digest()
    )


def sample_size(clips: int) -> int:
    """Return the number of clips that are packed to measure sizes and times."""
    return min(clips, max(4, min(MOST_SAMPLED, clips // LEAST_SHARDS)))


def make_plan(settings: PackSettings, clips: int, size: float, seconds: float) -> Plan:
    """Make a plan from what an average clip takes, in bytes and in seconds of one process."""
    fit = int(settings.shard_mb * 1e6 // size)
    per_shard = max(1, min(fit, clips // LEAST_SHARDS))
    return Plan(settings, clips, per_shard, size, seconds)


def read_plan(folder: Path) -> Plan | None:
    """Return the plan of a folder, or None when there is none.

    Raises:
        DataError: when it is there and cannot be used.
    """
    path = folder / SETTINGS
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    return parse_plan(text, str(path))


def parse_plan(text: bytes, path: str) -> Plan:
    """Return the plan in the text of a ``pack.json``.

    Raises:
        DataError: when it is no plan; it names ``path``.
    """
    try:
        content = read_object(text)
        if content.pop("format") != FORMAT:
            raise ValueError("it is of another version")
        plan = Plan(**(content | {"settings": PackSettings(**content["settings"])}))
        if plan.fingerprint is not None and not re.fullmatch(FINGERPRINT, plan.fingerprint):
            # It becomes the name of a folder that is written to, and a pack may come from anywhere.
            raise ValueError("its fingerprint is no hash")
        return plan
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be used: {error}") from None


def refuse_others(folder: Path, plan: Plan | None, settings: PackSettings) -> None:
    """Refuse a folder that belongs to another pack.

    Raises:
        ConfigError: when it was begun with other settings, or holds shards of an unknown pack.
    """
    if plan is None:
        if shards(folder):
            raise ConfigError(
                f"out={folder} holds shards but no {SETTINGS}, which says what they are; name "
                "another folder"
            )
        return
    before, now = asdict(plan.settings), asdict(settings)
    differ = [key for key in now if before[key] != now[key]]
    if differ == ["source"]:
        raise ConfigError(
            f"out={folder} is a pack of other clips: those of data.root differ (names, sizes or "
            "number) from those that it was begun with; name another folder"
        )
    if differ:
        keys = [key for key in differ if key != "source"]
        changes = [f"{key}={_shown(before[key])}, not {_shown(now[key])}" for key in keys]
        raise ConfigError(
            f"out={folder} was begun with {', '.join(changes)}; give the same, or name another "
            "folder"
        )


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)
