"""Video consistency VC_n of VSPW (Miao et al. 2021): whether a class stays where it is.

The paper: over every window of n frames, among the pixels whose true class is the same in all n,
the share that is predicted with that class in all n.

The data set's script (``VC_perclip.py``), from which published figures come, measures less: the
prediction must be constant there, of whatever class; "others" and void count as classes; and the
last window is left out. It is given too, under its own name.

Either way a figure is the mean over the windows of all videos; windows without such a pixel do not
count.
"""

from collections.abc import Collection

import numpy as np


def video_consistency(
    truth: np.ndarray, predicted: np.ndarray, frames: int, ignore: Collection[int] = ()
) -> np.ndarray:
    """Return VC_n of each window (at most T - n + 1, 0 to 1), as the paper defines it.

    Args:
        truth: true classes (T, H, W).
        predicted: predicted classes (T, H, W).
        frames: n, of a window.
        ignore: true classes that do not count.
    """
    constant = _streaks(truth[1:] == truth[:-1], frames - 1)
    constant &= ~np.isin(truth[frames - 1 :], list(ignore))
    return _shares(constant, _streaks(predicted == truth, frames))


def script_consistency(truth: np.ndarray, predicted: np.ndarray, frames: int) -> np.ndarray:
    """Return what VSPW's script gives for each window (at most T - n, 0 to 1).

    Args:
        truth: true ids (T, H, W) as they stand in the masks.
        predicted: predicted classes (T, H, W).
        frames: n, of a window.
    """
    constant, stays = (_streaks(ids[1:-1] == ids[:-2], frames - 1) for ids in (truth, predicted))
    return _shares(constant, stays)


def _shares(counted: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return the share of good pixels among the counted ones (windows, H, W), for each window."""
    pixels = counted.sum(axis=(1, 2))
    return (counted & good).sum(axis=(1, 2))[pixels > 0] / pixels[pixels > 0]


def _streaks(flags: np.ndarray, length: int) -> np.ndarray:
    """Return where flags (T, H, W) hold ``length`` times in a row, by starts."""
    streak = np.zeros(flags.shape[1:], dtype=np.int32)
    windows = np.zeros((max(0, len(flags) - length + 1), *flags.shape[1:]), dtype=bool)
    for t, flag in enumerate(flags):
        streak = np.where(flag, streak + 1, 0)
        if t >= length - 1:
            windows[t - length + 1] = streak >= length
    return windows
