"""What a decoder is told of how far a frame lies from the given one, in frames of the file."""

import torch
from torch import Tensor, nn

from siammae.model.attention import initialise

LONGEST = 10_000  # frames in a turn of the slowest wave, over 2 pi


class SineCosineGap(nn.Module):
    """The fixed code of positions (Vaswani et al., 2017) of a signed gap.

    Sines tell a gap from the one to the other side, cosines its size.

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
        """Gaps (B,) in frames -> (B, 1, D) in float32, to be added to a frame's tokens."""
        angle = gap.float().unsqueeze(-1) * self.frequencies
        return torch.cat([angle.sin(), angle.cos()], dim=-1).unsqueeze(1)


class LearnedGap(SineCosineGap):
    """A perceptron of that code, which at first tells nothing.

    Its last layer begins at zero, as what conditions a network should (DiT, Peebles & Xie, 2023):
    the decoder starts as one that is told no gap. The fixed code is as large as the positions, and
    on the demo its encoder tracks worse by it (README, Beyond the paper).

    Not a table of vectors: gaps have no upper end (with even spacing the last is a multiple of
    frame_gap, with short clips any number), a table would leave the rare ones untrained, and what
    is learned of one gap would say nothing about the next.
    """

    def __init__(self, width: int):
        super().__init__(width)
        self.layers = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        initialise(self)
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]

    def forward(self, gap: Tensor) -> Tensor:
        """See `SineCosineGap`; in the layers' dtype."""
        return self.layers(super().forward(gap))


KINDS: dict[str, type[SineCosineGap] | None] = {
    "none": None,
    "sincos": SineCosineGap,
    "learned": LearnedGap,
}


def gap_embedding(kind: str, width: int) -> nn.Module | None:
    """The module for ``targets.gap_embedding``, or None for ``none``.

    Raises:
        ValueError: for another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"gap_embedding '{kind}' is none of {', '.join(KINDS)}")
    made = KINDS[kind]
    return None if made is None else made(width)


def gap_weights(gap: Tensor, power: float) -> Tensor:
    """How much each target counts: |gap|^-power, with mean 1 over the targets of a sample.

    Args:
        gap: (B, K) in frames, none 0.
        power: 0 gives ones.

    Returns:
        (B, K) float32.
    """
    logs = -power * gap.abs().float().log()  # no power of a large gap overflows
    return logs.softmax(dim=1) * gap.shape[1]
