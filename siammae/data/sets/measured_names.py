"""Lists of names that come with a data set, and what of them a benchmark measures."""

from collections.abc import Iterable
from pathlib import Path

from siammae.config.schema import nearest
from siammae.system.errors import ConfigError, DataError


def names_of(path: Path, layout: str) -> list[str]:
    """The first word of each line, each once, in the list's order.

    Args:
        path: of the list.
        layout: what the root should hold, for the error.

    Raises:
        DataError: when there is no such list, or nothing in it.
    """
    if not path.is_file():
        others = sorted(p.stem for p in path.parent.glob("*.txt") if not p.name.startswith("."))
        there = f"; there are: {', '.join(others)}{nearest(path.stem, others)}" if others else ""
        raise DataError(f"{path}: no such list{there}; {layout}")
    lines = path.read_text("utf-8-sig", errors="surrogateescape").splitlines()
    names = dict.fromkeys(line.split()[0] for line in lines if line.strip())
    if not names:
        raise DataError(f"{path} lists nothing; {layout}")
    return list(names)


def refuse_measured(
    split: str, names: Iterable[str], measured: Iterable[str], benchmark: str, allowed: bool
) -> None:
    """Training on what is measured makes the figures worthless.

    Args:
        split: as it was asked for.
        names: that would be trained on.
        measured: by the benchmark.
        benchmark: its name.
        allowed: by the user.

    Raises:
        ConfigError: when some are measured and that is not allowed.
    """
    both = set(names) & set(measured)
    if both and not allowed:
        raise ConfigError(
            f"data.split={split}: {len(both)} of its clips, such as {min(both)}, are measured by "
            f"benchmark={benchmark}; take data.split=train, or data.allow_measured=true to train "
            "on them all the same"
        )
