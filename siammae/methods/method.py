"""What all methods share: an encoder that is trained, and what the trainer asks of a method.

A method is one file here and one file in ``configs/method/``. That file also chooses the options of
the other groups that the method trains with: which frames (``targets``), which crops and colours
(``augment``), and no option (null) of a group that it has no use for.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from torch import Tensor, nn

from siammae.model.encoder import Encoder


class Outcome(Protocol):
    """What a forward pass returns.

    loss: scalar that is logged as ``train/loss``. total: scalar that is back-propagated.
    metrics: scalars to log beside the loss, under the same names in every step of a run.
    """

    @property
    def loss(self) -> Tensor: ...  # noqa: D102
    @property
    def total(self) -> Tensor: ...  # noqa: D102
    @property
    def metrics(self) -> dict[str, Tensor]: ...  # noqa: D102


class Loss(NamedTuple):
    """The outcome of a method whose loss is all there is; see `Outcome`.

    scale: what multiplies the loss for its gradient. A loss of the batch of several processes, of
    which each has the gradient of its own share, takes their number.
    """

    loss: Tensor
    metrics: dict[str, Tensor]
    scale: float = 1.0

    @property
    def total(self) -> Tensor:
        """The loss, scaled."""
        return self.loss * self.scale


class Column(NamedTuple):
    """A column of the picture that a run draws of a fixed batch.

    images: (B, 3, H, W), normalised as the model's input. labels: a short text for each image.
    """

    images: Tensor
    labels: Sequence[str] | None = None


class Method(nn.Module):
    """Base of the methods.

    A subclass takes in its constructor the ``encoder``, the keys of its configuration, and a part
    for each group that ``uses`` names: ``decoder``, ``head`` (of the group ``uncertainty``),
    ``masking``, ``encoding``, and of ``targets`` what `SiamMAE` takes. A key ``classes: null`` is
    set to the number of the clips' classes before the run has a name. It implements `forward` and
    `columns`.

    Attributes:
        encoder: the ViT that is trained. It is the same class in all methods.
        uses: the settings beside ``encoder`` that the method is built from. What it does not use
            must be null, so that no setting is without effect.
        asks: the fields of a batch beside the frames that `forward` takes by name.
        frames: number of frames or views of a sample that it takes; None: any number.
        whole_batch: whether the loss compares the samples of a batch, so that a step's batch
            cannot be computed in parts.
        shards: whether each of several processes can train a shard of the weights: what the method
            computes with weights outside of `forward` is element by element.
        several_sizes: whether it takes views of several sizes, a list of tensors.
        restores_pairs: whether it restores hidden patches of a frame from another frame, as
            benchmarks of the whole model need.
        predicts_spread: whether there is a picture of the uncertainty.
    """

    uses: ClassVar[frozenset[str]] = frozenset()
    asks: ClassVar[tuple[str, ...]] = ()
    frames: int | None = None
    whole_batch: ClassVar[bool] = False
    shards: ClassVar[bool] = True
    restores_pairs: ClassVar[bool] = False
    several_sizes: ClassVar[bool] = False

    encoder: Encoder
    gather: Callable[[Tensor], Tensor] = staticmethod(lambda rows: rows)
    """Returns the rows of all processes that share a step, see `everyone`; the trainer sets it."""

    @property
    def predicts_spread(self) -> bool:
        """Whether the outcome holds a predicted spread, of which there is a picture."""
        return False

    def forward(self, *args: Any, **kwargs: Any) -> Outcome:
        """Compute the loss of a batch; a subclass takes ``(frames, generator, part)``.

        ``frames`` are (B, T, 3, H, W), normalised, or what the option of ``augment`` makes of a
        batch. ``generator`` draws what is random; None takes torch's own. ``part`` is which part of
        a step's batch this is, see `Draws`. The fields that ``asks`` names follow by name.
        """
        raise NotImplementedError

    def columns(self, *args: Any, **kwargs: Any) -> list[Column]:
        """Return the columns of a picture that shows what the method sees and makes of it.

        A subclass takes ``(frames, outcome)``, what `forward` was called with in evaluation mode
        and what it returned, and the fields that ``asks`` names.
        """
        raise NotImplementedError

    def everyone(self, rows: Tensor) -> Tensor:
        """Return rows (B, D) of all processes that share a step, (size * B, D).

        Gradients reach this process's rows alone. In evaluation mode there is one process.
        """
        return self.gather(rows) if self.training else rows

    def begin_step(self, step: int, steps: int) -> None:
        """Prepare for optimiser step ``step`` of 1 to ``steps``."""

    def end_step(self, step: int, steps: int) -> None:
        """Update what no gradient updates, after the optimiser's step ``step``."""

    def clipped_parameters(self) -> list[nn.Parameter]:
        """Return the parameters whose gradients are clipped together, if any are."""
        return list(self.parameters())

    def exported(self) -> Encoder:
        """Return the encoder that is measured and exported."""
        return self.encoder
