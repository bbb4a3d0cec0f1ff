"""Learning from labels: the class of a clip from one of its frames, or from several."""

from typing import ClassVar, NamedTuple

import torch.nn.functional as F
from torch import Generator, Tensor, nn
from typing_extensions import override

from siammae.methods.method import Column, Method
from siammae.model.batch_draws import WHOLE, Part
from siammae.model.encoder import Encoder
from siammae.model.layers import initialise
from siammae.model.patches import patchify


class Classified(NamedTuple):
    """What a forward pass returns; see `Outcome`.

    scores: (B, classes), before the softmax.
    """

    loss: Tensor
    metrics: dict[str, Tensor]
    scores: Tensor

    @property
    def total(self) -> Tensor:
        """The loss."""
        return self.loss


class Supervised(Method):
    """A linear classifier on the encoder's CLS token, trained with it.

    Args:
        encoder: the ViT.
        classes: number of classes; None where it is not known yet, and nothing can be classified.
        label_smoothing: share of the target that is spread evenly over all classes (Szegedy et
            al., 2016, section 7), 0 to 1.
    """

    asks: ClassVar = ("label",)

    def __init__(self, encoder: Encoder, classes: int | None, label_smoothing: float = 0.1):
        super().__init__()
        if classes is not None and classes < 2:
            raise ValueError(f"classes {classes}: at least two are needed, or null")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing {label_smoothing} is outside [0, 1)")
        self.encoder, self.label_smoothing = encoder, label_smoothing
        self.classifier = None if classes is None else nn.Linear(encoder.width, classes)
        if self.classifier is not None:
            initialise(self.classifier)

    @override
    def forward(
        self,
        frames: Tensor,
        generator: Generator | None = None,
        part: Part = WHOLE,
        label: Tensor | None = None,
    ) -> Classified:
        """Return the cross-entropy of the mean scores of a clip's frames.

        Args:
            frames: (B, T, 3, H, W), normalised, all of one clip.
            generator, part: not used, as nothing is drawn here.
            label: (B,), the number of each clip's class.

        Raises:
            ValueError: when there are no labels, or it is not known of how many classes.
        """
        if label is None or self.classifier is None:
            raise ValueError("supervised training needs labels and the number of classes")
        tokens = self.encoder(patchify(frames.flatten(0, 1), self.encoder.patch_size))
        scores = self.classifier(tokens[:, 0]).float().view(*frames.shape[:2], -1).mean(dim=1)
        loss = F.cross_entropy(scores, label, label_smoothing=self.label_smoothing)
        accuracy = (scores.argmax(dim=1) == label).float().mean()
        return Classified(loss, {"train/accuracy": accuracy}, scores)

    @override
    def columns(
        self, frames: Tensor, outcome: Classified, label: Tensor | None = None
    ) -> list[Column]:
        """Return the frames; the first bears the numbers of the likeliest and of the true class."""
        assert label is not None
        found = outcome.scores.argmax(dim=1).tolist()
        texts = [f"{one}, true {true}" for one, true in zip(found, label.tolist(), strict=True)]
        first, *others = frames.float().cpu().unbind(1)
        return [Column(first, texts), *(Column(frame) for frame in others)]
