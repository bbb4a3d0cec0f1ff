"""How several processes compute one model: each with all of it, or each with a shard of it.

A checkpoint has whole tensors either way, under the same names: a run goes on with any number of
processes, and with the other engine.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from siammae.methods.method import Method
from siammae.training.compiled import layers_of
from siammae.training.distributed import Team, exchanging
from siammae.training.step_scalars import StepScalars

State = dict[str, Any]


class Engine:
    """One process that computes everything; base of the other engines.

    Args:
        model: with its initial weights, the same in all processes, on its device.

    Attributes:
        model: the method whose parameters the optimiser trains.
        steps: what a step calls, as a `StepScalars`.
    """

    def __init__(self, model: Method):
        self.model = model
        self.steps: nn.Module = StepScalars(model)

    def step(self, is_last: bool = True) -> AbstractContextManager[None]:
        """Open a block for the forward and backward pass of a part of a step.

        ``is_last``: whether it is the step's last part, after which gradients are averaged.
        """
        return nullcontext()

    def state(self, optimiser: torch.optim.Optimizer) -> State:
        """Return the state of model and optimiser in whole tensors; all processes call it."""
        return {"model": self.model.state_dict(), "optimiser": optimiser.state_dict()}

    def load(self, state: State, optimiser: torch.optim.Optimizer) -> None:
        """Take over what `state` returned, in an engine of any kind."""
        self.model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])

    def whole(self) -> Method:
        """Return the method with whole weights, to be measured; all processes call it."""
        return self.model


class Replicated(Engine):
    """Every process has all weights; torch's DistributedDataParallel averages gradients."""

    def __init__(self, model: Method):
        super().__init__(model)
        # A method may have weights that some step does not train, as DINO's prototypes at first.
        # To look for them also keeps the buckets of gradients as they are: torch would sort them
        # anew after the first step, sums of three or more would be rounded otherwise from then on,
        # and a resumed run would not end with the same bits.
        with exchanging(), warnings.catch_warnings(action="ignore", category=FutureWarning):
            self.steps = nn.parallel.DistributedDataParallel(
                self.steps,
                broadcast_buffers=False,  # every process computes the same ones
                find_unused_parameters=True,
                gradient_as_bucket_view=True,
            )

    @override
    @contextmanager
    def step(self, is_last: bool = True) -> Iterator[None]:
        steps: Any = self.steps
        with exchanging(), nullcontext() if is_last else steps.no_sync():
            yield


class Sharded(Engine):
    """Every process keeps a shard of weights, gradients and the optimiser's state (FSDP2).

    The weights of a block are put together when it computes. To be measured the model is put
    together as a whole, in the memory of the host between two measurements.

    Args:
        model: see `Engine`; its parameters become shards.
        plain: builds the same model once more, to hold whole weights.
    """

    def __init__(self, model: Method, plain: Callable[[], Method]):
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        super().__init__(model)
        self.device = next(model.parameters()).device
        with exchanging():
            mesh = init_device_mesh(self.device.type, (torch.distributed.get_world_size(),))
            for layer in layers_of(model):
                fully_shard(layer, mesh=mesh)
            fully_shard(self.steps, mesh=mesh)
        self._plain = plain

    @override
    @contextmanager
    def step(self, is_last: bool = True) -> Iterator[None]:
        steps: Any = self.steps
        steps.set_requires_gradient_sync(is_last)
        with exchanging():
            yield

    @override
    def state(self, optimiser: torch.optim.Optimizer) -> State:
        with exchanging():
            return torch.utils._pytree.tree_map(_put_together, super().state(optimiser))

    @override
    def load(self, state: State, optimiser: torch.optim.Optimizer) -> None:
        with exchanging():
            mine = self.model.state_dict()
            self.model.load_state_dict({k: _cut(v, mine[k]) for k, v in state["model"].items()})
            trained = [p for group in optimiser.param_groups for p in group["params"]]
            kept = {
                number: {k: v if v.ndim == 0 else _cut(v, trained[number]) for k, v in one.items()}
                for number, one in state["optimiser"]["state"].items()
            }
            optimiser.load_state_dict({**state["optimiser"], "state": kept})

    @override
    def whole(self) -> Method:
        with exchanging():
            weights = {k: _put_together(v) for k, v in self.model.state_dict().items()}
        model = self._plain()
        model.load_state_dict(weights)
        return model.to(self.device).train(self.model.training)


def _put_together(value: Any) -> Any:
    """Return the whole of a sharded tensor in the host's memory; anything else as it is."""
    from torch.distributed.tensor import DTensor

    if not isinstance(value, DTensor):
        return value
    return value.detach().full_tensor().cpu()  # type: ignore[attr-defined]


def _cut(value: Tensor, like: Tensor) -> Tensor:
    """Return this process's shard of a whole tensor, when ``like`` is sharded."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


def make_engine(kind: str, model: Method, team: Team, plain: Callable[[], Method]) -> Engine:
    """Build the engine for ``parallel``; one process needs none. All processes call it.

    Args:
        kind: ``ddp`` or ``fsdp``.
        model: on its device.
        team: the processes.
        plain: builds the same model once more.
    """
    if team.size == 1:
        return Engine(model)
    return Sharded(model, plain) if kind == "fsdp" else Replicated(model)
