"""What a step asks of its device, from PyTorch's profiler: kernels started, memory at its peak."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from .roofline import is_view
from .rounds import synchronise

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler tells where it starts and ends
COMPILED = "Torch-Compiled Region"


class Profiled(NamedTuple):
    """Figures of one step.

    kernels: on CUDA those that were started, copies included; on CPUs calls of ATen's operations
    that are no views, and of compiled graphs, whose own loops are one call. peak: bytes that the
    step allocates at most at once, beyond what is there before it.
    """

    kernels: int
    peak: int


def profile_step(step: Callable[[], object], device: torch.device) -> Profiled:
    """Profile one step."""
    if device.type == "cuda":
        synchronise(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        synchronise(device)
        peak = torch.cuda.max_memory_allocated(device) - before
        with profile(activities=[ProfilerActivity.CUDA]) as found:
            step()
            synchronise(device)
        return Profiled(sum(e.device_type == DeviceType.CUDA for e in _events(found)), peak)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        step()
    return Profiled(sum(_computes(event) for event in _events(found)), _peak(found))


def _events(found: Any) -> Any:
    return found.events() or []


def _computes(event: Any) -> bool:
    """Whether an event of a CPU is an operation that computes by itself."""
    if event.name.startswith(COMPILED):
        return True
    return _is_work(event.name) and not any(_is_work(each.name) for each in event.cpu_children)


def _is_work(name: str) -> bool:
    return name.startswith("aten::") and not _is_view(name)


@cache
def _is_view(name: str) -> bool:
    """Whether every form of an operation returns a view, or allocates without computing."""
    if name.startswith("aten::empty"):
        return True
    packet = getattr(torch.ops.aten, name.removeprefix("aten::"), None)
    forms = [] if packet is None else [getattr(packet, form) for form in packet.overloads()]
    return bool(forms) and all(is_view(form) for form in forms)


def _peak(found: Any) -> int:
    """Return the most bytes that were allocated at once since the profile began."""
    records = [e for e in found.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = most = 0
    for record in sorted(records, key=lambda e: e.start_ns()):
        held += record.nbytes()
        most = max(most, held)
    return most
