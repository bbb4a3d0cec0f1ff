"""Masked autoencoders as spatiotemporal learners (Feichtenhofer et al., NeurIPS 2022).

A clip is cut into tubelets, boxes of a few frames. Most are hidden, whatever their place and time,
and are restored from the others.
"""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from typing_extensions import override

from siammae.methods.method import Column, Method
from siammae.methods.restored_columns import restored_columns
from siammae.model.batch_draws import WHOLE, Draws, Part
from siammae.model.encoder import Encoder
from siammae.model.heads import Head
from siammae.model.masking.base import check_ratio, random_mask
from siammae.model.pair import FrameMask
from siammae.model.patches import gather_tokens, normalise_patches, patchify
from siammae.model.restoration import Restoration, RestoredFrame
from siammae.model.space_time import SpaceTimeDecoder, SpaceTimePositions


class MAE_ST(Method):
    """Restores the hidden tubelets of clips.

    The blocks, the last norm and the CLS token are those of ``encoder``. Tubelets have an embedding
    and positions of their own, which are learned. After each step the encoder's embedding of
    patches and its positions are made of them, as the token of a clip that shows one frame all the
    time: the embedding summed over time, and the positions of the first time. So it is measured and
    exported as published encoders of this method are (``features=file``).

    Args:
        encoder: the ViT. Before the first step it is that of all methods.
        decoder: self-attention among tubelets.
        head: turns decoded tokens into pixels and says what their errors cost.
        frames: of a clip, 16 in the paper.
        tubelet: frames of a tubelet, 2 in the paper.
        ratio: share of tubelets that is hidden, 0.9 in the paper.
    """

    uses: ClassVar = frozenset(("decoder", "uncertainty", "mask_ratio"))
    shards: ClassVar = False  # the encoder's embedding is a sum over the tubelets'

    def __init__(
        self,
        encoder: Encoder,
        decoder: SpaceTimeDecoder,
        head: Head,
        frames: int,
        tubelet: int,
        ratio: float,
    ):
        super().__init__()
        if not isinstance(decoder, SpaceTimeDecoder) or head.decoders > 1:
            raise ValueError(
                "MAE-ST restores clips; choose decoder=space_time, and uncertainty=none"
            )
        if tubelet < 1 or frames % tubelet:
            raise ValueError(f"tubelet {tubelet}: targets.frames={frames} is no multiple of it")
        check_ratio(ratio, math.prod(encoder.grid) * (frames // tubelet))
        self.encoder, self.decoder, self.head, self.ratio = encoder, decoder, head, ratio
        self.frames, self.times, size = frames, frames // tubelet, encoder.patch_size
        sides = (tubelet, size, size)
        self.tubelets = nn.Conv3d(3, encoder.width, sides, stride=sides)
        nn.init.xavier_uniform_(self.tubelets.weight.view(encoder.width, -1))
        assert self.tubelets.bias is not None
        nn.init.zeros_(self.tubelets.bias)
        self.positions = SpaceTimePositions(math.prod(encoder.grid), self.times, encoder.width)
        encoder.patch_embed.requires_grad_(False)  # made of the tubelets', see `end_step`

    @override
    def forward(
        self, frames: Tensor, generator: Generator | None = None, part: Part = WHOLE
    ) -> Restoration:
        """Restore what is hidden of clips (B, T, 3, H, W).

        Raises:
            ValueError: when they have another number of frames.
        """
        if frames.shape[1] != self.frames:
            raise ValueError(f"{frames.shape[1]} frames: the model is one of {self.frames}")
        draws = Draws(generator, frames.device, part)
        shown = self.shown(frames)
        mask = random_mask(len(frames), self.positions().shape[1], self.ratio, draws)
        prediction = self.head.restore(self.decoder, self.encode(frames, mask), mask)
        target = normalise_patches(gather_tokens(self.patches(shown), mask.hidden))
        loss = self.head.cost(prediction, target).mean()
        metrics = self.head.metrics(prediction, target)
        return Restoration.of([RestoredFrame(mask, prediction, loss, metrics)], None, None)

    def encode(self, frames: Tensor, mask: FrameMask) -> Tensor:
        """Encode the V visible tubelets of clips (B, T, 3, H, W), (B, V, D); no other enters."""
        batch, count = frames.shape[:2]
        patches = self.patches(frames).view(
            batch, self.times, count // self.times, -1, 3, self.encoder.patch_size**2
        )
        # (B, M, N, 3, frames of a tubelet, p * p): the order of the embedding's kernel.
        boxes = patches.permute(0, 1, 3, 4, 2, 5).flatten(3).flatten(1, 2)
        kernel = self.tubelets.weight.flatten(1)
        tokens = F.linear(gather_tokens(boxes, mask.visible), kernel, self.tubelets.bias)
        table = self.positions().expand(batch, -1, -1)
        tokens = tokens + gather_tokens(table, mask.visible)
        cls = (self.encoder.cls_token + self.positions.cls).expand(batch, -1, -1)
        return self.encoder.transform(torch.cat([cls.to(tokens.dtype), tokens], dim=1))[:, 1:]

    def patches(self, frames: Tensor) -> Tensor:
        """Return the patches of frames (B, T, 3, H, W), the first frame's first: (B, T * N, P)."""
        patches = patchify(frames.flatten(0, 1), self.encoder.patch_size)
        return patches.unflatten(0, frames.shape[:2]).flatten(1, 2)

    def shown(self, frames: Tensor) -> Tensor:
        """Return the frame of each time that is predicted: evenly chosen, with first and last.

        So the authors' code chooses; of 16 frames these are 0, 2, 4, 6, 8, 10, 12 and 15.
        """
        last, steps = frames.shape[1] - 1, max(1, self.times - 1)
        return frames[:, [number * last // steps for number in range(self.times)]]

    @override
    @torch.no_grad()
    def end_step(self, step: int, steps: int) -> None:
        """Make the encoder's embedding and positions of those of tubelets."""
        embedding = self.encoder.patch_embed.proj
        embedding.weight.copy_(self.tubelets.weight.sum(dim=2))
        embedding.bias.copy_(self.tubelets.bias)  # type: ignore[union-attr, arg-type]
        first = self.positions.space + self.positions.time[:, :1]
        self.encoder.pos_embed.copy_(torch.cat([self.positions.cls, first], dim=1))

    @override
    def columns(self, frames: Tensor, outcome: Restoration) -> list[Column]:
        """Return of the first, middle and last time what is visible, restored and true."""
        shown = self.shown(frames).transpose(1, 2)  # (B, 3, M, H, W), seen as one tall image
        tall = shown.flatten(2, 3).unsqueeze(1)
        columns = restored_columns(tall, outcome.targets, self.encoder.patch_size)
        times = sorted({0, self.times // 2, self.times - 1})
        return [Column(c.images.chunk(self.times, dim=2)[time]) for time in times for c in columns]
