"""An attack on the framework, far longer than its tests: python -m tests.storm --help."""

import os
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "support"))
# Before torch is imported, here and in all processes: results must not depend on cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["WANDB_MODE"] = "offline"
