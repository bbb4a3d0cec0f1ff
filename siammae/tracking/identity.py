"""Which run a configuration asks for: its parts that know files, and the record they lead to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from siammae.config.check import TrainConfig, check
from siammae.config.groups import build_group
from siammae.config.protocol import check_protocol
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


def identify(config: DictConfig, preset: str | None) -> Identity:
    """Check a configuration and find its run; writes nothing.

    Raises:
        ConfigError: when a setting is wrong.
        DataError: when clips or the benchmark's files are not where it says.
    """
    settings = check(config)
    check_protocol(config)
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    source, benchmark = build_group(config, "data"), build_group(config, "benchmark")
    facts = {
        "preset": preset,
        "data_fingerprint": source.fingerprint(),
        "benchmark": None if benchmark is None else benchmark.name,
        "benchmark_fingerprint": None if benchmark is None else benchmark.fingerprint(),
    }
    prints = {key: str(facts[key]) for key in ("data_fingerprint", "benchmark_fingerprint")}
    record = RunRecord(Path(settings.runs_dir) / signature(plain, prints))
    composed: dict[str, Any] = OmegaConf.to_container(config, resolve=False)  # type: ignore[assignment]
    return Identity(settings, plain, composed, source, benchmark, facts, record)
