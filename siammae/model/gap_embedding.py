"""What the gap between the frames changes: the decoder's input and a frame's weight in the loss.

A gap is the signed number of frames of the file from the past frame to a future one.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import override

from siammae.model.layers import initialise
from siammae.model.pair import Target

LONGEST = 10_000  # frames in a turn of the slowest wave, over 2 pi


class SineCosineGap(nn.Module):
    """The fixed sine-cosine code of positions (Vaswani et al., 2017), of a signed gap.

    Sines distinguish a gap to one side from the same gap to the other, cosines give its size.

    Args:
        width: channels D of the decoder's tokens, even.
    """

    frequencies: Tensor

    def __init__(self, width: int):
        super().__init__()
        if width % 2:
            raise ValueError(f"width {width} is odd; a sine-cosine code needs an even one")
        steps = torch.arange(width // 2) / (width // 2)
        self.register_buffer("frequencies", LONGEST**-steps, persistent=False)

    def forward(self, gap: Tensor) -> Tensor:
        """Turn gaps (B,) in frames into (B, 1, D), to be added to a frame's tokens."""
        angle = gap.float().unsqueeze(-1) * self.frequencies
        return torch.cat([angle.sin(), angle.cos()], dim=-1).unsqueeze(1)


class LearnedGap(SineCosineGap):
    """A perceptron on that code, which is zero at first.

    Its last layer starts at zero, as in DiT's conditioning (Peebles & Xie, 2023): the decoder
    starts as one that does not know the gap. The fixed code is as large as the positions, and on
    the demo its encoder tracks worse by it.

    It is not a table of vectors: gaps have no upper end (with even spacing the last is a multiple
    of frame_gap, with short clips any number), a table would leave the rare ones untrained, and
    what is learned of one gap would say nothing about the next.
    """

    def __init__(self, width: int):
        super().__init__(width)
        self.layers = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        initialise(self)
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]

    @override
    def forward(self, gap: Tensor) -> Tensor:
        return self.layers(super().forward(gap))


KINDS: dict[str, type[SineCosineGap] | None] = {
    "none": None,
    "sincos": SineCosineGap,
    "learned": LearnedGap,
}


def gap_embedding(kind: str, width: int) -> nn.Module | None:
    """Build the module for ``targets.gap_embedding``, or None for ``none``.

    Raises:
        ValueError: for another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"gap_embedding '{kind}' is none of {', '.join(KINDS)}")
    made = KINDS[kind]
    return None if made is None else made(width)


def gap_weights(gap: Tensor, power: float) -> Tensor:
    """Return how much each future frame counts: |gap|^-power, with mean 1 over a sample's frames.

    Args:
        gap: (B, K) in frames, none 0.
        power: 0 gives ones.

    Returns:
        (B, K) float32.
    """
    logs = -power * gap.abs().float().log()  # no power of a large gap overflows
    return logs.softmax(dim=1) * gap.shape[1]


def describe_targets(
    gap: Tensor | None, count: int, embedding: nn.Module | None, power: float, predict: bool
) -> list[Target]:
    """Return what distinguishes each of ``count`` future frames from the others.

    Args:
        gap: (B, count); may be None when neither embedding nor power needs it.
        count: number of future frames.
        embedding: `SineCosineGap`, `LearnedGap` or None.
        power: of `gap_weights`; 0 lets all frames count alike.
        predict: whether all patches of the last frame are hidden.

    Raises:
        ValueError: when ``gap`` is None but is needed.
    """
    embeddings: Sequence[Tensor | None] = [None] * count
    weights: Sequence[Tensor | None] = [None] * count
    if embedding is not None or power != 0:
        if gap is None:
            raise ValueError("the gap embedding and the weights of the loss need a gap")
        if embedding is not None:
            embeddings = [embedding(one) for one in gap.unbind(1)]
        if power != 0:
            weights = gap_weights(gap, power).unbind(1)
    hide_all = [predict and number == count - 1 for number in range(count)]
    each = zip(embeddings, weights, hide_all, range(count), strict=True)
    return [Target(*parts) for parts in each]
