"""Imported by the server that readers come from, and by nothing else.

torchrun and Slurm send their signals to every process of a job. The trainer decides when the run
stops, and needs its readers until then; the server ends by itself when the trainer has gone.
"""

import signal

from siammae.system.signals import SIGNALS

for number in SIGNALS:
    signal.signal(number, signal.SIG_IGN)
