"""Loss and gradients of a method of ours and of its authors' code, in float64."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest import mock

import torch
from hydra import compose, initialize_config_dir
from torch import Generator, Tensor, nn

from siammae.assembly.build import build_model
from siammae.config.check import check
from siammae.config.schema import TrainConfig
from siammae.config.visible_patches import visible_count
from siammae.methods.method import Method
from siammae.system.paths import CONFIGS
from tests.methods.authors.draws import recorded, replayed
from tests.methods.authors.names import Weights

TOLERANCE = 1e-5
# Frames and patches are as large as the paper's, so that positions and masks are; the ViT is small.
VIT = {"width": 64, "depth": 2, "heads": 4}
SMALL = ("preset=gpu", *(f"encoder.{key}={number}" for key, number in VIT.items()))


class Case(NamedTuple):
    """Two models that are to agree.

    Attributes:
        title: how the case differs from the others of the method.
        ours, theirs: the models.
        names: makes their parameters and buffers of ours, all of them, see `names`.
        our_loss, their_loss: compute what is back-propagated. Ours runs first.
        visible: how many of a paper's patches stay visible, ours and theirs.
        after: what their trainer does to the gradients.
    """

    title: str
    ours: Method
    theirs: nn.Module
    names: Callable[[Weights], dict[str, Tensor]]
    our_loss: Callable[[], Tensor]
    their_loss: Callable[[], Tensor]
    visible: tuple[int, int] | None = None
    after: Callable[[], None] = lambda: None


class Report(NamedTuple):
    """How two models agree.

    Attributes:
        title: of the case.
        losses: ours and theirs.
        gradients: of each trained parameter of ours the largest difference of its gradient,
            relative to the largest value of theirs.
        parameters: number of theirs that received a gradient.
        visible: see `Case`.
    """

    title: str
    losses: tuple[float, float]
    gradients: dict[str, float]
    parameters: int
    visible: tuple[int, int] | None

    @property
    def loss_difference(self) -> float:
        """Relative to theirs."""
        ours, theirs = self.losses
        return abs(ours - theirs) / abs(theirs)

    @property
    def worst(self) -> str:
        """The parameter whose gradients differ most."""
        return max(self.gradients, key=self.gradients.__getitem__)

    @property
    def agrees(self) -> bool:
        """Whether no difference is larger than the tolerance."""
        largest = max(self.loss_difference, self.gradients[self.worst])
        return largest <= TOLERANCE and (self.visible is None or len(set(self.visible)) == 1)


def build(method: str, *overrides: str) -> tuple[TrainConfig, Method]:
    """Build a method as its configuration has it, but small, with weights that are all random."""
    with initialize_config_dir(str(CONFIGS)):
        settings = check(compose("train", [f"method={method}", *SMALL, *overrides]))
    model, generator = build_model(settings).double().train(), Generator().manual_seed(1)
    with torch.no_grad():  # biases, and the scales of norms, are alike at the start
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.1)
    return settings, model


def frames(count: int, size: int = 224, batch: int = 2) -> Tensor:
    """Return random frames (B, count, 3, size, size) in float64."""
    drawn = torch.randn(batch, count, 3, size, size, generator=Generator().manual_seed(count))
    return drawn.double()


def visible(theirs: Any, patches: int, ratio: float | None) -> tuple[int, int]:
    """Return how many patches a ratio leaves, by our count and by their ``random_masking``."""
    assert ratio is not None
    shown = theirs.random_masking(torch.zeros(1, patches, 1), ratio)[0].shape[1]
    return visible_count(patches, ratio), shown


def compare(case: Case) -> Report:
    """Load our weights into theirs, and compare."""
    load(case)
    return compare_loaded(case)


def load(case: Case) -> None:
    """Load our weights into theirs, and check that tables that are not trained are the same."""
    case.theirs.double()
    made = case.names(_tensors(case.ours))
    for name, parameter in case.theirs.named_parameters():
        if not parameter.requires_grad:
            torch.testing.assert_close(parameter, made[name], rtol=0, atol=1e-6, msg=name)
    case.theirs.load_state_dict(made)


def compare_loaded(case: Case) -> Report:
    """Compare models that have the same weights."""
    with recorded() as drawn, float_is_double():
        case.ours.zero_grad()
        loss = case.our_loss()
        loss.backward()
    with replayed(drawn):
        case.theirs.zero_grad()
        wanted = case.their_loss()
        wanted.backward()
        case.after()
    return Report(
        case.title,
        (loss.item(), wanted.item()),
        _differences(case),
        sum(p.grad is not None for p in case.theirs.parameters()),
        case.visible,
    )


def _differences(case: Case) -> dict[str, float]:
    found = {}
    theirs = _their_gradients(case)
    for name, parameter in case.ours.named_parameters():
        if not parameter.requires_grad and parameter.grad is None and not theirs[name].any():
            continue
        ours = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        largest = theirs[name].abs().max().item()
        differs = (ours - theirs[name]).abs().max().item()
        found[name] = differs / largest if largest else float(differs > 0)
    return found


def _their_gradients(case: Case) -> dict[str, Tensor]:
    """Return their gradients by our names: back through what made their parameters of ours."""
    leaves = {name: value.clone().requires_grad_() for name, value in _tensors(case.ours).items()}
    made, total = case.names(leaves), torch.zeros(())
    for name, parameter in case.theirs.named_parameters():
        if made[name].requires_grad:
            gradient = 0.0 if parameter.grad is None else parameter.grad
            total = total + (made[name] * gradient).sum()
    total.backward()
    trained = {name for name, p in case.ours.named_parameters() if p.requires_grad}
    for name in trained:
        assert leaves[name].grad is not None, f"{name} is made into nothing of theirs"
    none = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    return {name: none[name] if leaf.grad is None else leaf.grad for name, leaf in leaves.items()}


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {name: t.detach() for name, t in (*model.named_parameters(), *model.named_buffers())}


@contextmanager
def float_is_double() -> Iterator[None]:
    """Let ``float()`` keep float64: losses are cast up from bfloat16, here it would be down."""
    with mock.patch.object(Tensor, "float", Tensor.double):
        yield
