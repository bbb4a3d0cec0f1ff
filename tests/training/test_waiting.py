"""A step asks the device for nothing: whoever reads a value waits until all before it is done."""

from collections import Counter
from itertools import cycle

import pytest
import torch
from hydra import compose, initialize_config_dir
from tiny_runs import TINY
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from siammae.config.check import check
from siammae.data.sampling.loader import make_loader
from siammae.system.paths import CONFIGS
from siammae.training.trial import trial_trainer

DECODER = ("decoder.", "mask_ratio")
# Of each case: overrides, and the settings of the smallest runs that it has no use for.
CASES = {
    "siammae": (),
    "siammae method.visible_loss=0.5 optim.clip=1": (),
    "siammae masking=uncertainty uncertainty=gaussian masking.estimate=predicted": (),
    "siammae masking=motion targets=multi targets.gap_embedding=learned": (),
    "siammae masking=grid encoding=joint uncertainty=ensemble accumulate=2": (),
    "siammae rotation=any augment=colour_jitter memory=checkpoint": (),
    "multi_anchor targets.count=3": (),
    "tobo": (),
    "rsp": (),
    "catmae": (),
    "cropmae": ("frame_gap",),
    "mae": ("frame_gap", "decoder.dropout"),
    "mae_st targets.frames=4 targets.stride=2": ("frame_gap", "decoder.dropout"),
    "simclr method.hidden=32": ("frame_gap", *DECODER),
    "dino method.hidden=32 method.prototypes=32": ("frame_gap", *DECODER),
    "supervised data.clips=12": ("frame_gap", *DECODER),
}
# What returns a value of a tensor, or makes a tensor of values, which is a copy from the host.
READING = ("item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__", "__index__")
MAKING = ("tensor", "as_tensor", "from_numpy")
SIZED_BY_VALUES = ("nonzero", "unique", "masked_select", "_local_scalar_dense", "equal")


class Watched(TorchFunctionMode):
    """Counts calls of Python that read tensors, or copy from the host."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in READING or (name in MAKING and "device" in (kwargs or {})):
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


class Dispatched(TorchDispatchMode):
    """Counts operations that read values, also inside of others and in the backward pass."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._overloadpacket.__name__
        masks = name.startswith("index") and any(
            isinstance(leaf, Tensor) and leaf.dtype == torch.bool for leaf in tree_leaves(args[1:2])
        )
        if name.startswith(SIZED_BY_VALUES) or masks:
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


def begun(case, unused, folder, device):
    """A trainer after its first step, and what feeds it with batches that were read before."""
    method, *overrides = case.split()
    kept = [each for each in TINY if not each.startswith((*unused, "device="))]
    given = [f"method={method}", *kept, *overrides, f"data.root={folder}"]
    with initialize_config_dir(str(CONFIGS)):
        settings = check(compose("train", given))
    trainer, dataset = trial_trainer(settings, device, 10)
    part, visits = settings.batch_size // settings.accumulate, 8 // dataset.pairs
    batches = list(make_loader(dataset, part, 0, visits, 0))
    if device.type == "cuda":
        batches = [batch.pin_memory() for batch in batches]
    feed = trainer.feed(cycle(batches))
    trainer.train_step(1, feed)
    return trainer, feed


def test_no_method_is_left_out():
    names = {case.partition(" ")[0] for case in CASES}
    assert names == {path.stem for path in (CONFIGS / "method").glob("*.yaml")}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return tmp_path_factory.mktemp("sprites")


@pytest.mark.parametrize("case", CASES)
def test_a_step_reads_no_value(case, clips):
    trainer, feed = begun(case, CASES[case], clips, torch.device("cpu"))
    with Watched() as called, Dispatched() as dispatched:
        trainer.train_step(2, feed)
    found = dict(called.found + dispatched.found)
    # Frames that are turned by any angle are looked up by the sizes of their crops, on the host.
    allowed = {"unique": 2, "tolist": 1, "nonzero": 2, "_unique2": 1} if "rotation" in case else {}
    assert {name: times for name, times in found.items() if times > allowed.get(name, 0)} == {}


def test_readings_are_found():
    values = torch.tensor([1.0, 0.0])
    with Watched() as called, Dispatched() as dispatched:
        bool(values[0])
        values[values > 0]
        values.cpu()
        torch.tensor([1.0], device="cpu")
    assert called.found == {"__bool__": 1, "cpu": 1, "tensor": 1}
    assert dispatched.found == {"_local_scalar_dense": 1, "index": 1}


@pytest.mark.gpu
@pytest.mark.parametrize("case", CASES)
def test_a_step_does_not_wait_for_a_gpu(case, clips):
    trainer, feed = begun(case, CASES[case], clips, torch.device("cuda"))
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer.train_step(2, feed)
    finally:
        torch.cuda.set_sync_debug_mode("default")
