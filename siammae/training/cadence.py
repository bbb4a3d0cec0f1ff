"""When a run is looked at, without torch: studies and finished runs ask, too."""

LOSSES = 100  # optimiser steps that a run's training loss is the mean of


def spread(steps: int, times: int) -> set[int]:
    """Steps that part ``steps`` evenly in ``times``, the last being the end."""
    return {round(steps * (i + 1) / times) for i in range(times)} - {0}
