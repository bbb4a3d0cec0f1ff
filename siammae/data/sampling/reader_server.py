"""Makes the process that imports it ignore the signals that ask a run to stop.

Only the server that reading processes come from imports it, see `loader`; so it has to be a module.
torchrun and Slurm send their signals to every process of a job. The trainer decides when the run
stops, and needs its readers until then. The server ends by itself when the trainer has gone.
"""

import signal

from siammae.system.signals import SIGNALS

for number in SIGNALS:
    signal.signal(number, signal.SIG_IGN)
