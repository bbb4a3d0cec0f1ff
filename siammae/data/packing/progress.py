"""Telling a person how packing goes: a bar on a terminal, lines elsewhere."""

import time

from siammae.tracking.progress import EVERY, Counter


class Progress(Counter):
    """Use in a ``with`` block.

    Args:
        mode: ``auto`` (rich on a terminal, else plain), ``rich``, ``plain`` or ``none``.
    """

    def __init__(self, mode: str):
        super().__init__("clips", mode)
        self._first: tuple[int, float] | None = None

    def __enter__(self) -> "Progress":
        super().__enter__()
        return self

    def advance(self, done: int, total: int, written: int) -> None:
        """So much is done."""
        now, text = time.monotonic(), f"{written / 1e9:.2f} GB"
        first, begun = self._first = self._first or (done, now)
        if self._bar is not None:
            self(done, total, text)
        elif self.mode == "plain" and (now - self._told >= EVERY or done == total):
            self._told = now
            left = (now - begun) / (done - first) * (total - done) if done > first else None
            rest = f"  {left:.0f} s left" if left else ""
            print(f"  clips {done}/{total}  {text}{rest}", flush=True)
