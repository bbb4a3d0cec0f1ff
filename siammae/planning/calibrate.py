"""Measures a run's speed over a few steps where no finished run has recorded it."""

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from siammae.config.essential import essential
from siammae.planning.cost import Sample
from siammae.planning.jobs import Job
from siammae.system.atomic_files import folder_bytes
from siammae.system.errors import TrainingError
from siammae.tracking.record import read_runs

STEPS = 6
SKIPPED = 2  # first steps, in which readers start and devices warm up
SHORT = [
    f"schedule.steps={STEPS}", "schedule.epochs=null", "schedule.warmup_steps=1",
    "schedule.warmup_epochs=null", "schedule.length=1", "schedule.evaluations=1", "log_every=1",
    "checkpoint_every=3", "pictures=0", "benchmark=none", "tracking=none", "progress=none",
    "hydra.mode=RUN",
]  # fmt: skip


def calibrate(job: Job) -> Sample:
    """Train a run's first steps, without a benchmark, and forget them.

    Built-in clips are made when they are missing. The time of evaluations is not in it.

    Raises:
        TrainingError: when the steps fail, with what they said.
    """
    settled = {part.partition("=")[0] for part in SHORT}
    kept = [part for part in job if part.partition("=")[0] not in settled]
    with TemporaryDirectory(prefix="siammae-plan-") as folder:
        runs = Path(folder) / "runs"
        kept = [part for part in kept if not part.startswith("runs_dir=")]
        command = [sys.executable, "-m", "siammae.train", *kept, *SHORT, f"runs_dir={runs}"]
        done = subprocess.run(command, capture_output=True, text=True)
        found, _ = read_runs(runs)
        if done.returncode or not found:
            last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
            raise TrainingError(f"calibration of '{' '.join(job)}' failed: {last}")
        (run,) = found
        speeds = [row["speed/pairs_per_second"] for row in run.metrics()[SKIPPED:]]
        device = str(run.provenance().get("device") or "cpu")
        config = essential(run.config())
        return Sample(config, 1 / median(speeds), 0.0, folder_bytes(run.folder), device)
