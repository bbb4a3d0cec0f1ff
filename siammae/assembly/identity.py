"""Which run a configuration asks for: its parts that know files, and the record they lead to."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from siammae.config.groups import build_group
from siammae.config.protocol_choice import check_protocol
from siammae.config.schema import TrainConfig, check
from siammae.tracking.record import RunRecord
from siammae.tracking.signature import signature


@dataclass
class Identity:
    """A run before it is trained.

    settings: the configuration, checked. plain: the same, resolved. composed: with its references.
    source: the clips. benchmark: what measures it, or None.
    facts: preset, benchmark's name and both fingerprints.
    record: the run's folder, whether it is there or not.
    """

    settings: TrainConfig
    plain: dict[str, Any]
    composed: dict[str, Any]
    source: Any
    benchmark: Any
    facts: dict[str, Any]
    record: RunRecord


class Parts:
    """Clips and benchmarks of one or many configurations, each built and looked through once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, str | None]] = {}
        self._clips: dict[int, int] = {}

    def get(self, config: DictConfig, group: str) -> tuple[Any, str | None]:
        """What ``data`` or ``benchmark`` names, or None, and the fingerprint of its files."""
        section = OmegaConf.to_container(config[group], resolve=True)
        key = json.dumps([group, section])
        if key not in self._known:
            part = build_group(config, group)
            self._known[key] = part, None if part is None else part.fingerprint()
        return self._known[key]

    def clips(self, source: Any) -> int:
        """How many clips one of these sources has."""
        if id(source) not in self._clips:
            self._clips[id(source)] = len(source.footage())
        return self._clips[id(source)]


def identify(config: DictConfig, preset: str | None, parts: Parts | None = None) -> Identity:
    """Check a configuration and find its run; writes nothing.

    Args:
        config: of the run.
        preset: its name, for the record.
        parts: of other configurations, when many are identified.

    Raises:
        ConfigError: when a setting is wrong.
        DataError: when clips or the benchmark's files are not where it says.
    """
    settings = check(config)
    check_protocol(config)
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    parts = parts or Parts()
    source, clips_print = parts.get(config, "data")
    benchmark, benchmark_print = parts.get(config, "benchmark")
    facts = {
        "preset": preset,
        "data_fingerprint": clips_print,
        "benchmark": None if benchmark is None else benchmark.name,
        "benchmark_fingerprint": benchmark_print,
    }
    prints = {key: str(facts[key]) for key in ("data_fingerprint", "benchmark_fingerprint")}
    record = RunRecord(Path(settings.runs_dir) / signature(plain, prints))
    composed: dict[str, Any] = OmegaConf.to_container(config, resolve=False)  # type: ignore[assignment]
    return Identity(settings, plain, composed, source, benchmark, facts, record)
