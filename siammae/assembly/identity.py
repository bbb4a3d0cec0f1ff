"""Which run settings ask for: the parts that know files, and the record that they lead to."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siammae.config.groups import Group
from siammae.config.schema import TrainConfig
from siammae.config.single_images import check_single_images
from siammae.data.sets.labels import Labels, labels_of
from siammae.system.errors import ConfigError
from siammae.tracking.record import RunRecord
from siammae.tracking.signature import signature


@dataclass
class Identity:
    """A run before it is trained.

    settings: of the run. source: the clips. benchmark: what measures it, or None.
    facts: preset, benchmark's name and both fingerprints.
    record: the run's folder, whether it is there or not.
    labels: the classes of the clips, where the method learns from them.
    """

    settings: TrainConfig
    source: Any
    benchmark: Any
    facts: dict[str, Any]
    record: RunRecord
    labels: Labels | None = None


class Parts:
    """The clips and benchmarks of one or many runs. Each is built and looked through once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, str | None]] = {}
        self._clips: dict[int, int] = {}
        self._labels: dict[int, Labels] = {}

    def get(self, settings: TrainConfig, group: str) -> tuple[Any, str | None]:
        """Return what ``data`` or ``benchmark`` describes, or None, and its files' fingerprint."""
        key = json.dumps([group, getattr(settings, group).as_dict(), settings.trusted_packages])
        if key not in self._known:
            part = settings.build(group)
            self._known[key] = part, None if part is None else part.fingerprint()
        return self._known[key]

    def clips(self, source: Any) -> int:
        """Return how many clips one of these sources has."""
        if id(source) not in self._clips:
            self._clips[id(source)] = len(source.footage())
        return self._clips[id(source)]

    def labels(self, source: Any) -> Labels:
        """Return the classes of one of these sources' clips; see `labels_of`."""
        if id(source) not in self._labels:
            self._labels[id(source)] = labels_of(source)
        return self._labels[id(source)]


def identify(settings: TrainConfig, preset: str | None, parts: Parts | None = None) -> Identity:
    """Find the run that settings ask for; writes nothing and imports no torch.

    Args:
        settings: of the run.
        preset: its name, for the record.
        parts: of other runs, when many are identified.

    Raises:
        ConfigError: when a setting of clips or benchmark is wrong, or the clips are single images
            and the method takes several frames.
        DataError: when clips or the benchmark's files are not where it says, or a method that
            learns from labels gets clips without.
    """
    parts = parts or Parts()
    source, clips_print = parts.get(settings, "data")
    check_single_images(settings, source)
    benchmark, benchmark_print = parts.get(settings, "benchmark")
    labels = parts.labels(source) if "classes" in settings.method.as_dict() else None
    if labels is not None:
        settings = _with_classes(settings, len(labels.names))
        clips_print = f"{clips_print}-{labels.fingerprint()}"
    facts = {
        "preset": preset,
        "data_fingerprint": clips_print,
        "benchmark": None if benchmark is None else benchmark.name,
        "benchmark_fingerprint": benchmark_print,
    }
    prints = {key: str(facts[key]) for key in ("data_fingerprint", "benchmark_fingerprint")}
    record = RunRecord(Path(settings.runs_dir) / signature(settings.as_dict(), prints))
    return Identity(settings, source, benchmark, facts, record, labels)


def _with_classes(settings: TrainConfig, number: int) -> TrainConfig:
    """Return settings with the number of classes, which the model is built from without the data.

    Raises:
        ConfigError: when they give another number.
    """
    method = settings.method.as_dict()
    if method["classes"] not in (None, number):
        raise ConfigError(
            f"method.classes={method['classes']}: the clips have {number}; leave it out"
        )
    known = Group.model_validate({**method, "classes": number})
    return settings.model_copy(update={"method": known})
