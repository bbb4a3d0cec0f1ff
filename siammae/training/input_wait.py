"""The share of time that training waits for its clips, and advice on how to shorten it."""

import os
from collections.abc import Callable

from siammae.data.augment.pair_augment import PairAugment
from siammae.data.sets.videos import ClipSource
from siammae.system.progress import duration

SHARE = 0.1  # of the time spent waiting, above which a hint is due
ENOUGH = 100  # steps; in shorter runs the start of the readers counts for too much
FEW_CLIPS = 200  # whose frames fit into memory: 78 MB of a clip of 10 s, 30 fps and 340x256


class WaitMonitor:
    """Watches ``data/wait_share`` and prints one hint in a run, as soon as it is too large.

    The first row of a process does not count: readers start, and those that hold frames in memory
    fill it.

    Args:
        advice: returns what can be done; called at most once.
        show: called with the hint.
        steps: of the whole run.
        batch_size: pairs in a step.
    """

    def __init__(
        self,
        advice: Callable[[], list[str]],
        show: Callable[[str], None],
        steps: int,
        batch_size: int,
    ):
        self.advice, self.show = advice, show
        self.steps, self.batch_size = steps, batch_size
        self.first_step: float | None = None
        self.shown = False

    def row(self, row: dict[str, float]) -> None:
        """Take a row of metrics; rows without a share of waiting are ignored."""
        share = row.get("data/wait_share")
        if share is None or self.shown:
            return
        if self.first_step is None:
            self.first_step = row["step"]
        elif share > SHARE and row["step"] - self.first_step >= ENOUGH:
            self.shown = True
            lines = "".join(f"\n    - {line}" for line in self.advice())
            left = (self.steps - row["step"]) * self.batch_size / row["speed/pairs_per_second"]
            self.show(
                f"hint: {100 * share:.0f}% of the time was spent waiting for clips. The rest takes "
                f"{duration(left)} at this speed, {duration(left * (1 - share))} without waiting."
                f"{lines}"
            )


def advice(
    source: ClipSource, augment: PairAugment, clips: int, device: str, processes: int
) -> list[str]:
    """Return what would shorten the waiting, the cheapest first.

    Args:
        source: of the clips.
        augment: what is done to their frames.
        clips: number of clips.
        device: ``cpu``, ``cuda`` or ``mps``.
        processes: number of processes that train on this machine, each with its own readers.
    """
    return [
        line
        for line in (
            _about_workers(source.workers, processes),
            _about_memory(source, clips),
            _about_packing(source),
            _about_resizing(augment, device),
        )
        if line
    ] or ["readers are as many and as quick as they can be here: more cores or a faster disk"]


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _about_workers(workers: int, processes: int) -> str:
    most = max(1, cores() // processes)
    if workers >= most:
        return ""
    each = f" for each of {processes} training processes" if processes > 1 else ""
    return f"data.workers={most}{each}: {workers} of {cores()} cores read clips"


def _about_memory(source: ClipSource, clips: int) -> str:
    if source.in_memory or clips > FEW_CLIPS:
        return ""
    return (
        f"data.in_memory=true: each reader decodes the {clips} clips once and holds their frames, "
        "if there is memory for them"
    )


def _about_packing(source: ClipSource) -> str:
    from siammae.data.packing.packed import Packed

    if isinstance(source, Packed) or source.in_memory:
        return ""
    return (
        "pack the clips once: python -m siammae.pack data=... data.root=DIR out=PACK, and train "
        "with data=packed data.root=PACK"
    )


def _about_resizing(augment: PairAugment, device: str) -> str:
    if augment.resize != "host" or device == "cpu":
        return ""
    return "augment.resize=device: the readers only cut crops out, the device resizes them"
