"""Telling a person how packing goes: a bar on a terminal, lines elsewhere."""

import time

from siammae.system.progress import EVERY, Counter


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
        now, text = time.monotonic(), size_text(written)
        first, begun = self._first = self._first or (done, now)
        if self._bar is not None:
            self(done, total, text)
        elif self.mode == "plain" and (now - self._told >= EVERY or done == total):
            self._told = now
            left = (now - begun) / (done - first) * (total - done) if done > first else None
            rest = f"  {left:.0f} s left" if left else ""
            print(f"  clips {done}/{total}  {text}{rest}", flush=True)


def size_text(count: float) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def span_text(seconds: float) -> str:
    """A time for people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
