"""Imported by the server that readers come from, and by nothing else.

torchrun and Slurm send SIGTERM to every process of a job. The trainer decides when the run stops,
and needs its readers until then; the server ends by itself when the trainer has gone.
"""

import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
