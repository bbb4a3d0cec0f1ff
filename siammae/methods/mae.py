"""Masked autoencoder (He et al., CVPR 2022): hidden patches of a frame from its visible ones.

`MAE.forward` reads like that of facebookresearch/mae, ``models_mae.py``.
"""

import math
from typing import ClassVar

from torch import Generator, Tensor
from typing_extensions import override

from siammae.methods.method import Column, Method
from siammae.methods.restored_columns import restored_columns
from siammae.model.batch_draws import WHOLE, Draws, Part
from siammae.model.encoder import Encoder
from siammae.model.heads import Head
from siammae.model.masking.base import check_ratio, random_mask
from siammae.model.patches import gather_tokens, normalise_patches, patchify
from siammae.model.restoration import Restoration, RestoredFrame
from siammae.model.self_decoder import SelfDecoder


class MAE(Method):
    """Restores the hidden patches of single frames.

    Args:
        encoder: the ViT.
        decoder: self-attention over visible patches and mask tokens.
        head: turns decoded tokens into pixels and says what their errors cost.
        ratio: share of patches that is hidden, 0.75 in the paper.
    """

    uses: ClassVar = frozenset(("decoder", "uncertainty", "mask_ratio"))

    def __init__(self, encoder: Encoder, decoder: SelfDecoder, head: Head, ratio: float):
        super().__init__()
        if not isinstance(decoder, SelfDecoder) or head.decoders > 1:
            raise ValueError(
                "MAE restores a frame from itself; choose decoder=self uncertainty=none"
            )
        check_ratio(ratio, math.prod(encoder.grid))
        self.encoder, self.decoder, self.head, self.ratio = encoder, decoder, head, ratio

    @override
    def forward(
        self, frames: Tensor, generator: Generator | None = None, part: Part = WHOLE
    ) -> Restoration:
        """Restore what is hidden of frames (B, T, 3, H, W), each on its own; in MAE T is 1."""
        draws = Draws(generator, frames.device, part)
        patches = (patchify(frame, self.encoder.patch_size) for frame in frames.unbind(1))
        return Restoration.of([self.restore(frame, draws) for frame in patches], None, None)

    def restore(self, patches: Tensor, draws: Draws) -> RestoredFrame:
        """Hide most of a frame's patches (B, N, P), encode the others, and predict the hidden."""
        batch, count, _ = patches.shape
        mask = random_mask(batch, count, self.ratio, draws)
        latent = self.encoder(patches, mask.visible)
        prediction = self.head.restore(self.decoder, latent, mask)
        target = normalise_patches(gather_tokens(patches, mask.hidden))
        loss = self.head.cost(prediction, target).mean()
        return RestoredFrame(mask, prediction, loss, self.head.metrics(prediction, target))

    @override
    def columns(self, frames: Tensor, outcome: Restoration) -> list[Column]:
        """Return of each frame what is visible, restored and true."""
        return restored_columns(frames, outcome.targets, self.encoder.patch_size)
