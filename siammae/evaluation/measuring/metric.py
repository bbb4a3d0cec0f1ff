"""What a figure means: its unit, which direction is better, and how single videos make it up.

A benchmark declares its metrics here once. Results and records of runs carry the declarations, so
that tables, figures, the page and studies ask them and guess nothing from names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

SHARE = "share"  # the unit of shares from 0 to 1, which are shown in percent
PLAIN = ""  # the unit of plain numbers
Better = Literal["more", "less", "neither"]


@dataclass(frozen=True)
class OverVideos:
    """How a figure of all videos follows from the rows of each (`BenchmarkResult.per_object`).

    The figure is a mean over groups; that of a group is a quotient of two sums over its rows:
    ``sum(part) / sum(whole)``. Rows that lack a column do not count.

    columns: of which the mean is a row's part; empty means the column of the metric's own name.
    whole: the column of a row's whole, such as a union or a number of frames. Empty: the figure is
        the mean of the rows' parts.
    weight: the column that says of how many things a row's part is the mean; empty: of one.
    group: the column of the groups, such as classes; empty: all rows are one group.
    levels: of quantiles. The column then holds a list with a share for each, and the figure is the
        mean absolute difference of the shares, averaged over rows, from the levels.
    video: the column that names the video; the benchmark fills it in.
    part_of_suite: the benchmark of a suite whose rows count; the suite fills it in.
    """

    columns: tuple[str, ...] = ()
    whole: str = ""
    weight: str = ""
    group: str = ""
    levels: tuple[float, ...] = ()
    video: str = ""
    part_of_suite: str = ""


@dataclass(frozen=True)
class Metric:
    """One metric of a benchmark, or of training.

    name: as in results and experiments; a suite puts its part's name in front (``vip/mIoU``).
    better: whether ``more`` or ``less`` is better, or ``neither``.
    unit: `SHARE` (0 to 1, shown in percent), `PLAIN`, or a unit such as ``px`` or ``m``, in which
        figures are shown as they are.
    short: the name at the head of a table's column; empty means the name itself.
    decimals: of a figure in a table; by default 1 of percent, 2 with a unit, 3 of a plain number.
    detail: whether tables leave it out unless an experiment asks for it.
    over_videos: how the figure is made up of the videos' rows; None when it is not, and two
        figures can be paired over seeds only. By default it is the mean over the rows.
    """

    name: str
    better: Better
    unit: str
    short: str = ""
    decimals: int | None = None
    detail: bool = False
    over_videos: OverVideos | None = field(default_factory=OverVideos)

    def __post_init__(self) -> None:
        if self.better not in ("more", "less", "neither") or self.name.startswith("-"):
            raise ValueError(
                f"metric {self.name}: better must be more, less or neither, not {self.better}, "
                "and no name begins with a minus"
            )

    def __str__(self) -> str:
        return self.name

    @property
    def direction(self) -> int:
        """1 when a larger figure is better, -1 when a smaller one is, 0 when neither is."""
        return {"more": 1, "less": -1, "neither": 0}[self.better]

    @property
    def factor(self) -> int:
        """By which a figure is multiplied to be shown: 100 for shares, in percent."""
        return 100 if self.unit == SHARE else 1

    @property
    def digits(self) -> int:
        """Decimals of a shown figure."""
        if self.decimals is not None:
            return self.decimals
        return {SHARE: 1, PLAIN: 3}.get(self.unit, 2)

    @property
    def head(self) -> str:
        """The head of a table's column: the short name, and the unit unless it is percent."""
        return (self.short or self.name) + self.unit_behind("")

    def unit_behind(self, of_shares: str) -> str:
        """Return `` (m)``, to be put behind the name; ``of_shares`` is what it is for a share."""
        if self.unit in (SHARE, PLAIN):
            return of_shares if self.unit == SHARE else ""
        return "" if (self.short or self.name).endswith(f"({self.unit})") else f" ({self.unit})"

    def text(self, value: float, sign: bool = False, more_digits: int = 0) -> str:
        """Write a figure as it is shown, with a plus where ``sign`` asks for one."""
        return f"{value * self.factor:{'+' if sign else ''}.{self.digits + more_digits}f}"

    def quality(self, value: float) -> float:
        """Return the figure such that larger is better: where less is better its sign is turned.

        This is the one place where a sign turns. What a trainer keeps as best, the ``objective`` of
        a run's summary, and what a study maximises and prunes by are all qualities.
        """
        return -value if self.better == "less" else value

    @property
    def quality_name(self) -> str:
        """The name of `quality`: with a minus in front where its sign is turned."""
        return f"-{self.name}" if self.better == "less" else self.name

    def in_suite(self, part: str, is_named: bool) -> "Metric":
        """Return the metric of a suite's part.

        Args:
            part: its name in the suite.
            is_named: whether heads of columns name the part.
        """
        over = self.over_videos and replace(self.over_videos, part_of_suite=part)
        if over and not over.columns:
            over = replace(over, columns=(self.name,))
        short = self.short or self.name
        short = f"{part}/{short}" if is_named else short
        return replace(self, name=f"{part}/{self.name}", short=short, over_videos=over)


def of_quality(name: str) -> tuple[str, int]:
    """Return the metric's name and the sign behind a `Metric.quality_name`."""
    return name.removeprefix("-"), -1 if name.startswith("-") else 1


def undeclared(name: str) -> Metric:
    """Return a metric of which nothing is known: a plain number without direction."""
    return Metric(name, "neither", PLAIN)


def read_metric(stored: Mapping[str, Any]) -> Metric:
    """Read a metric as `dataclasses.asdict` and JSON leave it."""
    over: dict[str, Any] | None = stored.get("over_videos")
    if over is None:
        return Metric(**{**stored, "over_videos": None})
    lists = {name: tuple(over[name]) for name in ("columns", "levels")}
    return Metric(**{**stored, "over_videos": OverVideos(**{**over, **lists})})


def units_of(metrics: Iterable[Metric]) -> str:
    """Say in which units the figures of these metrics stand, for captions."""
    metrics = list(metrics)
    others = [metric.head for metric in metrics if metric.unit != SHARE]
    if others and len(others) == len(metrics):
        return "as measured"
    return "in percent" + (f", but for {', '.join(others)}" if others else "")


def directions_of(metrics: Iterable[Metric]) -> list[str]:
    """Say of which metrics less is better, for captions; nothing when there are none."""
    smaller = [metric.head for metric in metrics if metric.better == "less"]
    return [f"less is better in {', '.join(smaller)}"] if smaller else []
