"""What a device can do at most: measured rates of products and copies, and the bound they set."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from typing_extensions import override

from .rounds import synchronise

SIDES = {"cuda": 8192, "cpu": 2048}  # of the matrices whose product is timed
COPIED = {"cuda": 1 << 30, "cpu": 1 << 28}  # bytes, more than any cache holds
REPEATS = 7  # of which the fastest counts
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass
class Roofline:
    """Measured rates of a device.

    products: operations a second of a large square product of matrices, by precision; fp32 as the
    trainer sets it. copy: bytes a second, read and written, of a large copy.
    """

    products: dict[str, float]
    copy: float

    def ridge(self, precision: str) -> float:
        """Operations a byte above which a kernel is bound by products, not by memory."""
        return self.products[precision] / self.copy

    def as_dict(self) -> dict[str, Any]:
        """Plain figures."""
        return asdict(self) | {"ridge": {name: self.ridge(name) for name in self.products}}


def measure_roofline(device: torch.device) -> Roofline:
    """Time a product in each precision, and a copy."""
    side = SIDES.get(device.type, 2048)
    products = {}
    for name, dtype in DTYPES.items():
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        products[name] = 2 * side**3 / _fastest(lambda a=a, b=b: a @ b, device)  # type: ignore[misc]
    source = torch.ones(COPIED.get(device.type, 1 << 28), dtype=torch.uint8, device=device)
    destination = torch.zeros_like(source)
    seconds = _fastest(lambda: destination.copy_(source), device)
    return Roofline(products, 2 * source.numel() / seconds)


def _fastest(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest of several calls, the first not counted."""
    times = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


@dataclass
class Counted:
    """What a step asks of its device, operation by operation.

    calls: operations that are no views; each is at least one kernel of an eager GPU. flops: of
    products and convolutions. moved: bytes that operations read and wrote. cost: flops and bytes of
    each operation.
    """

    calls: int = 0
    flops: int = 0
    moved: int = 0
    cost: list[tuple[int, int]] = field(default_factory=list)

    def bound(self, roofline: Roofline, precision: str) -> float:
        """Seconds that the operations take when each is as fast as products or memory allow."""
        rate = roofline.products[precision]
        return sum(max(flops / rate, moved / roofline.copy) for flops, moved in self.cost)


class Counting(TorchDispatchMode):
    """Counts the operations in a block, forward and backward, which must run without a compiler."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = Counted()

    @override
    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        out = func(*args, **(kwargs or {}))
        if not is_view(func):
            counted, formula = self.counted, flop_registry.get(func._overloadpacket)
            flops = formula(*args, **(kwargs or {}), out_val=out) if formula else 0
            tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)]
            moved = sum(t.numel() * t.element_size() for t in tensors)
            counted.calls += 1
            counted.flops += flops
            counted.moved += moved
            counted.cost.append((flops, moved))
        return out


def is_view(operation: Any) -> bool:
    """Whether an operation returns a part of its input and computes nothing."""
    returns = operation._schema.returns
    aliases = [each.alias_info for each in returns]
    return bool(aliases) and all(info is not None and not info.is_write for info in aliases)
