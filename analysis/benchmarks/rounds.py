"""Steps that are timed in turns: a round is one step of each, at neighbouring moments."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

WARM_UP = 2  # rounds that are not counted


class Taken(NamedTuple):
    """Seconds of a step: wall time, and CPU time of all threads."""

    wall: float
    cpu: float


def interleaved(
    steps: Mapping[str, Callable[[], object]], device: torch.device, rounds: int
) -> dict[str, list[Taken]]:
    """What each step takes in each round, in turns."""
    taken: dict[str, list[Taken]] = {name: [] for name in steps}
    for number in range(WARM_UP + rounds):
        for name in list(steps)[:: 1 if number % 2 else -1]:
            synchronise(device)
            wall, cpu = time.perf_counter(), time.process_time()
            steps[name]()
            synchronise(device)
            taken[name].append(Taken(time.perf_counter() - wall, time.process_time() - cpu))
    return {name: found[WARM_UP:] for name, found in taken.items()}


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done what it was given; a CPU has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
