"""Clips of which one ends or stops the process that opens it, as a decoder may."""

import os
import signal
import time

import numpy as np

from siammae.data.reading.clip import Clip


class Still(Clip):
    frames, fps, step = 5, 25.0, 1

    def read(self, indices):
        return np.full((len(indices), 16, 24, 3), 7, np.uint8)


class DeadlyClips:
    """Five clips; the one of number ``bad`` kills (or hangs) whoever opens it."""

    def __init__(self, bad: int, hangs: bool = False):
        self.bad, self.hangs = bad, hangs

    def __len__(self):
        return 5

    def name(self, clip):
        return f"clip {clip}"

    def open(self, clip):
        if clip == self.bad:
            if self.hangs:
                time.sleep(100)
            os.kill(os.getpid(), signal.SIGKILL)
        return Still()

    def turn(self, seed, visit):
        return visit % 5
