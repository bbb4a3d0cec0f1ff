"""SimCLR (Chen et al., ICML 2020): two views of one thing are alike, views of others are not."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from typing_extensions import override

from siammae.methods.method import Column, Loss, Method
from siammae.model.batch_draws import WHOLE, Part
from siammae.model.encoder import Encoder
from siammae.model.layers import initialise
from siammae.model.patches import patchify


class SimCLR(Method):
    """Contrasts two views of a frame, or two frames of a clip, with all others of the batch.

    Args:
        encoder: the ViT; its CLS token stands for a view.
        hidden: width of the projection head's hidden layer; 2048 in the paper.
        width: of what is compared; 128 in the paper.
        temperature: of the softmax over similarities; 0.1 in the paper's ImageNet trainings.
    """

    whole_batch: ClassVar = True
    frames = 2

    def __init__(
        self, encoder: Encoder, hidden: int = 2048, width: int = 128, temperature: float = 0.1
    ):
        super().__init__()
        if min(hidden, width) < 1:
            raise ValueError(f"hidden {hidden} and width {width} must be at least 1")
        if temperature <= 0:
            raise ValueError(f"temperature {temperature} must be above 0")
        self.encoder, self.temperature = encoder, temperature
        self.projection = nn.Sequential(
            nn.Linear(encoder.width, hidden), nn.ReLU(), nn.Linear(hidden, width)
        )
        initialise(self.projection)

    @override
    def forward(
        self, frames: Tensor, generator: Generator | None = None, part: Part = WHOLE
    ) -> Loss:
        """Return the NT-Xent loss of views (B, 2, 3, H, W) over the batch of all processes.

        Raises:
            ValueError: when there are not two views.
        """
        if frames.shape[1] != 2:
            raise ValueError(f"{frames.shape[1]} views: SimCLR compares two")
        views = [self.project(view) for view in frames.unbind(1)]
        own = torch.stack(views, dim=1)  # (B, 2, width)
        everyone = self.everyone(own.flatten(1)).view(-1, *own.shape[1:])
        loss, found = nt_xent(everyone, self.temperature)
        # Each process computes the loss of all, with gradients of its own views: the mean over the
        # processes, which the trainer takes, must be their sum.
        return Loss(loss, {"train/positives_found": found}, scale=len(everyone) / len(own))

    def project(self, images: Tensor) -> Tensor:
        """Return unit vectors (B, width) of images (B, 3, H, W)."""
        tokens = self.encoder(patchify(images, self.encoder.patch_size))
        return F.normalize(self.projection(tokens[:, 0]).float(), dim=-1)

    @override
    def columns(self, frames: Tensor, outcome: Loss) -> list[Column]:
        """Return both views."""
        return [Column(view) for view in frames.float().cpu().unbind(1)]


def nt_xent(views: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the normalised temperature-scaled cross-entropy (equation 1) of pairs of views.

    Args:
        views: (B, 2, D), unit vectors.
        temperature: divides similarities.

    Returns:
        the mean over all 2 B views as anchors, each to be told from 2 B - 1 others; and the share
        of anchors whose most similar view is their partner.
    """
    count = len(views)
    flat = views.transpose(0, 1).flatten(0, 1)  # first views, then second ones
    similarity = (flat @ flat.T) / temperature
    similarity = similarity.masked_fill(
        torch.eye(2 * count, dtype=torch.bool, device=flat.device), float("-inf")
    )
    partner = torch.arange(2 * count, device=flat.device).roll(count)
    found = (similarity.argmax(dim=1) == partner).float().mean()
    return F.cross_entropy(similarity, partner), found
