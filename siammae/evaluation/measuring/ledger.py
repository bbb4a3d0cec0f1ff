"""The ledger of one encoder under every protocol: what it scores, and which settings make why.

Published figures of one encoder differ by points because scripts differ in a dozen settings. Each
other protocol is compared with the first: its settings are changed one kind at a time, so that a
difference can be told by its cause. What they do beyond their sum is the rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from siammae.evaluation.measuring.result import BenchmarkResult

Config = dict[str, Any]  # of a benchmark, as composed
KINDS = {
    "neighbours": ("top_k", "queue", "ties"),
    "temperature": ("temperature",),
    "window": ("radius", "window", "window_first", "first_always"),
    "start": ("start",),
    # Scores at the encoder's size need that size, so the two cannot be changed apart.
    "sizes": ("input_size", "side", "multiple", "rounding", "resize", "score_at"),
    "labels": ("labels", "rescale", "argmax_at"),
    "positions": ("positions",),
}
OTHER = "other"  # a benchmark's own keys that follow the protocol
WITHOUT_EFFECT = ("preset", "task")  # names


@dataclass(frozen=True)
class Share:
    """What one kind of settings makes of the difference between two protocols.

    kind: of `KINDS`. keys: that differ, as the command line takes them.
    difference: in the metric's own unit.
    """

    kind: str
    keys: list[str]
    difference: float


@dataclass(frozen=True)
class Account:
    """The difference of a protocol from the first.

    total: of the decisive metric. shares: of each kind of settings alone. rest: what is not their
    sum, because they act on each other.
    """

    protocol: str
    total: float
    shares: list[Share]

    @property
    def rest(self) -> float:
        """The part of ``total`` that is not the sum of the shares."""
        return self.total - sum(share.difference for share in self.shares)


@dataclass(frozen=True)
class Ledger:
    """Results by protocol, the first the one that others are compared with, and the accounts."""

    results: dict[str, BenchmarkResult]
    accounts: list[Account]

    @property
    def first(self) -> BenchmarkResult:
        """The result of the protocol that the others are compared with."""
        return next(iter(self.results.values()))

    def as_dict(self) -> dict[str, Any]:
        """Return the ledger as JSON takes it."""
        return {
            "protocols": {name: result.metrics for name, result in self.results.items()},
            "objective": self.first.objective,
            "differences": [
                {
                    "protocol": account.protocol,
                    "total": account.total,
                    "shares": [vars(share) for share in account.shares],
                    "rest": account.rest,
                }
                for account in self.accounts
            ],
        }


def make_ledger(
    configs: Mapping[str, Config],
    measure: Callable[[Config], BenchmarkResult],
    measure_change: Callable[[Config], BenchmarkResult],
) -> Ledger:
    """Measure under each protocol, and with each kind of its settings alone.

    Args:
        configs: the benchmark's configuration under each protocol, the one to compare with first.
        measure: measures one of them.
        measure_change: measures the first with some of another's settings.
    """
    results = {name: measure(config) for name, config in configs.items()}
    first, *others = configs
    base, objective = configs[first], results[first].objective
    value = results[first].value
    accounts = []
    for name in others:
        changed = by_kind(base, configs[name])
        shares = []
        for kind, keys in changed.items():
            alone = len(changed) == 1
            result = results[name] if alone else measure_change(with_changes(base, keys))
            difference = result.metrics[objective] - value
            shares.append(
                Share(kind, [f"benchmark.{k}={_plain(v)}" for k, v in keys.items()], difference)
            )
        accounts.append(Account(name, results[name].value - value, shares))
    return Ledger(results, accounts)


def by_kind(base: Config, other: Config) -> dict[str, Config]:
    """Return what differs in another configuration, dotted keys with their values, by kind."""
    before, after = _flat(base), _flat(other)
    found: dict[str, Config] = {}
    for key, value in after.items():
        name = key.rpartition(".")[2]
        if name not in WITHOUT_EFFECT and before.get(key) != value:
            kind = next((kind for kind, names in KINDS.items() if name in names), OTHER)
            found.setdefault(kind, {})[key] = value
    return {kind: found[kind] for kind in (*KINDS, OTHER) if kind in found}


def with_changes(config: Config, changes: Config) -> Config:
    """Return a configuration with other values of dotted keys."""
    changed = dict(config)
    for key, value in changes.items():
        name, _, inner = key.partition(".")
        changed[name] = with_changes(changed[name], {inner: value}) if inner else value
    return changed


def _flat(section: Mapping[str, Any], prefix: str = "") -> Config:
    flat: Config = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _plain(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
