"""Several past frames as keys (the multi-anchor strategy of CDG-MAE, arXiv:2506.18164).

SiamMAE restores several future frames from one past frame. Here it is the other way round: one
future frame is restored, and all frames before it are the keys, so that what one of them does not
show another one may.
"""

from typing import ClassVar

import torch
from torch import Generator, Tensor
from typing_extensions import override

from siammae.methods.several_keys import SeveralKeys
from siammae.methods.siammae import SiamMAE
from siammae.model.batch_draws import WHOLE, Draws, Part
from siammae.model.pair import Pair, PastFrame
from siammae.model.patches import patchify
from siammae.model.restoration import Restoration


class MultiAnchor(SeveralKeys):
    """Restores the last frame from all frames before it, the anchors, which are encoded whole.

    Anchors are counted from the restored frame backwards, and each has a learned vector by its
    number. A sample of fewer frames lacks the farthest anchors: with a single past frame, as
    benchmarks of calibration give, it is restored from the first.

    Args:
        anchors: number of past frames, at least 1.
        parts: see `SiamMAE`. The decoder is one with cross-attention. The number of an anchor is
            all that is known of its gap, and there is one frame to weigh or to hide.
    """

    uses: ClassVar = SiamMAE.uses - {"targets"}

    def __init__(self, anchors: int = 2, **parts: object):
        if anchors < 1:
            raise ValueError(f"anchors {anchors}: a frame is restored from one past frame at least")
        super().__init__(**parts)
        self.frames = 1 + anchors
        self.tell_apart(anchors)

    @override
    def forward(
        self,
        frames: Tensor,
        generator: Generator | None = None,
        part: Part = WHOLE,
        gap: Tensor | None = None,
    ) -> Restoration:
        """Restore what is hidden of the last of frames (B, T, 3, H, W); see `SiamMAE.forward`.

        Raises:
            ValueError: when there is no past frame, or more than there are vectors for.
        """
        count, most = frames.shape[1] - 1, len(self.frame_vectors)
        if not 1 <= count <= most:
            raise ValueError(f"{count} past frames, and there are vectors for 1 to {most}")
        *anchors, last = (patchify(frame, self.encoder.patch_size) for frame in frames.unbind(1))
        draws = Draws(generator, frames.device, part)
        memory = self.forward_anchors(anchors[::-1], self._grid(frames), draws)
        restored = self.restore(Pair(memory, last, encode=self.encode), draws)
        return Restoration.of([restored], memory.mask, gap)

    def forward_anchors(
        self, anchors: list[Tensor], grid: tuple[int, int], draws: Draws
    ) -> PastFrame:
        """Encode the anchors, each (B, N, P), the nearest first.

        Returns:
            the nearest, which a masking may look at, with keys and values of all in the cache.
        """
        encoded = [self.forward_past(patches, grid, draws) for patches in anchors]
        keys = []
        for number, anchor in enumerate(encoded):
            assert anchor.tokens is not None
            keys.append(self.keys_values(anchor.tokens, anchor.mask, number))
        nearest = encoded[0]
        assert nearest.cache is not None
        nearest.cache[self.decoder] = torch.cat(keys, dim=-2)
        return nearest
