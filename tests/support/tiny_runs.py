"""Runs of the real entry point at the smallest size."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from preloaded import run_command
from safetensors.torch import load_file

TINY = [
    "encoder.width=32",
    "encoder.depth=1",
    "encoder.heads=2",
    "decoder.width=32",
    "decoder.depth=1",
    "decoder.heads=2",
    "decoder.dropout=0.1",  # so that the generator's state matters to a resumed run
    "image_size=32",
    "mask_ratio=0.75",
    "batch_size=8",
    "data.clips=3",
    "data.frames=12",
    "frame_gap=4",
    "schedule.steps=12",
    "schedule.warmup_steps=2",
    "benchmark=none",
    "tracking=none",
    "checkpoint_every=3",
    "log_every=2",
    "pictures=1",
    "data.workers=0",  # no process of readers, which would import torch as well
    "device=cpu",
    "precision=fp32",
]


class Runner:
    """Starts ``python -m siammae.train`` in a folder of its own, on a shared data set."""

    def __init__(self, data: Path):
        self.data = data

    def __call__(
        self,
        folder: Path,
        *overrides: str,
        script: str | None = None,
        root: Path | None = None,
        drop: tuple[str, ...] = (),
        launch: tuple[str, ...] = (),
        fresh: bool = False,
    ):
        """``root`` are other clips than the built-in ones, ``drop`` settings to leave out, and
        ``launch`` a launcher of processes, such as torchrun. ``fresh``: by an interpreter that has
        imported nothing yet."""
        start = ["-m", "siammae.train"] if script is None else ["-c", script]
        start = [*launch, sys.executable, *start] if launch else start
        if root is not None:
            drop += ("data.clips", "data.frames")
        command = [sys.executable, *start, *self.settings(overrides, root, drop)]
        fresh = fresh or bool(launch)
        return run_command(command, cwd=folder, env=self.env(), timeout=200, fresh=fresh)

    def begin(self, folder: Path, *overrides: str) -> subprocess.Popen[bytes]:
        """Start it in a process group of its own, and do not wait."""
        command = [sys.executable, "-m", "siammae.train", *self.settings(overrides)]
        nowhere = subprocess.DEVNULL
        return subprocess.Popen(
            command, cwd=folder, env=self.env(), stdout=nowhere, stderr=nowhere,
            start_new_session=True,
        )  # fmt: skip

    def settings(
        self, overrides: tuple[str, ...], root: Path | None = None, drop: tuple[str, ...] = ()
    ) -> list[str]:
        left_out = {override.split("=")[0] for override in overrides} | set(drop)
        tiny = [line for line in TINY if line.split("=")[0] not in left_out]
        where = [] if "data.root" in drop else [f"data.root={root or self.data}"]
        return [*tiny, *where, *overrides]

    @staticmethod
    def env() -> dict[str, str]:
        return {**os.environ, "OMP_NUM_THREADS": "1"}


def same_weights(run, other):
    """Bit for bit, of the whole model in the last checkpoint and of the exported encoder."""
    last = "checkpoints/step-00000012.pt"
    models = [torch.load(folder / last, weights_only=True)["model"] for folder in (run, other)]
    encoders = [load_file(folder / "encoder.safetensors") for folder in (run, other)]
    return all(
        one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
        for one, two in (models, encoders)
    )
