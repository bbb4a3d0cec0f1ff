"""Every method, head and masking: two real processes train what one does."""

import json
import subprocess
import sys
from pathlib import Path

import few_steps
import pytest
import torch

from siammae.system.paths import CONFIGS

from .test_distributed import TWO
from .test_methods import METHODS

WHOLE = ("decoder.dropout=0.0", "batch_size=16", "optim.base_lr=16.0", "optim.clip=0.5")
OTHERS = {
    "gradients of two parts": ("accumulate=2",),
    "masking by error": ("masking=uncertainty", "frame_gap=[1,3]"),
    "masking by predicted spread": (
        *("masking=uncertainty", "masking.estimate=predicted", "uncertainty=gaussian"),
    ),
    "masking by motion": ("masking=motion",),
    "joint encoding": ("encoding=joint",),
    "joint decoder": ("decoder=joint",),
    "several targets": ("targets=multi", "targets.count=2"),
    "predicted frame": ("targets=predict",),
    **{
        f"uncertainty {path.stem}": (f"uncertainty={path.stem}",)
        for path in sorted((CONFIGS / "uncertainty").glob("*.yaml"))
        if path.stem not in ("none", "dropout")  # whose draws differ by process
    },
}
CASES = {
    **{
        name: ((f"method={name.partition(',')[0]}", *overrides), drop)
        for name, (overrides, drop) in METHODS.items()
    },
    **{name: (overrides, ()) for name, overrides in OTHERS.items()},
}


UNSHARDED = ("mae_st", "fsdp")  # which is refused
WAYS = {"one": ((), ()), "ddp": (TWO, ()), "fsdp": (TWO, ("parallel=fsdp",))}


@pytest.fixture(scope="module")
def weights(train, tmp_path_factory):
    """Of each case, trained by one process and by two, which have all weights or a shard each."""
    folders = {way: tmp_path_factory.mktemp(way) for way in WAYS}
    for way, (launch, more) in WAYS.items():
        for name, (overrides, drop) in CASES.items():
            if (name, way) == UNSHARDED:
                continue
            drop = (*drop, "decoder.dropout") if "decoder=joint" in overrides else drop
            whole = [line for line in WHOLE if line.partition("=")[0] not in drop]
            lines = train.settings((*whole, *overrides, *more), drop=drop)
            (folders[way] / f"{name}.txt").write_text("\n".join(lines))
        command = [*([sys.executable, *launch] if launch else []), sys.executable]
        done = subprocess.run(
            [*command, few_steps.__file__, str(folders[way])],
            env=train.env(), capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
    return folders


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "way"),
    [(name, way) for name in CASES for way in ("ddp", "fsdp") if (name, way) != UNSHARDED],
)
def test_two_processes_train_the_weights_of_one(weights, name, way):
    """Negatives of SimCLR, and the centre of DINO, come from both halves of the batch."""
    one, two = (
        torch.load(weights[each] / f"{name}.pt", weights_only=True) for each in ("one", way)
    )
    assert one.keys() == two.keys()
    for key in one:
        torch.testing.assert_close(
            one[key], two[key], rtol=1e-5, atol=1e-6, msg=lambda m, k=key: f"{k}: {m}"
        )


OVERLAP = """
import json, few_steps
from siammae.training.distributed import join_team
_, engine = few_steps.take_steps({lines})
if join_team().is_main:
    print(json.dumps(engine.steps._get_ddp_logging_data()))
"""


@pytest.mark.slow
def test_gradients_are_exchanged_while_others_are_computed(train):
    """By torch's own clocks, in nanoseconds; the model is as large as two of its buckets."""
    lines = train.settings(("encoder.width=256", "encoder.depth=6"))
    done = subprocess.run(
        [sys.executable, *TWO, sys.executable, "-c", OVERLAP.format(lines=lines)],
        env={**train.env(), "PYTHONPATH": str(Path(few_steps.__file__).parent)},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["backward_compute_comm_overlap_time"] > 0
    assert len(seen["bucket_sizes"].split(",")) > 1
