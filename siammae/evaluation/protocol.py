"""The numbers of label propagation, apart from the code that computes it: they need no torch."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Propagation:
    """The protocol of the field (videowalk, DINO, the paper's Table 4b).

    top_k: nearest patches that vote.
    queue: how many of the last frames are searched, beside the first.
    radius: of the window, in patches.
    temperature: of the softmax over the k cosines. The paper does not print it; 0.7 (CropMAE and
        CatMAE, whose SiamMAE reaches the paper's ablation figure) makes nearly equal votes, 0.1 is
        DINO's, 0.05 videowalk's.
    window: ``disc`` (distance < radius; videowalk, CropMAE) or ``square`` (<= radius; DINO).
    window_first: the window holds for the first frame too (DINO); otherwise the first frame is
        searched everywhere (videowalk, CropMAE).

    Raises:
        ValueError: when a number is out of range.
    """

    top_k: int = 7
    queue: int = 20
    radius: float = 20
    temperature: float = 0.7
    window: str = "disc"
    window_first: bool = False

    def __post_init__(self) -> None:
        if self.top_k < 1 or self.queue < 0 or self.radius <= 0 or self.temperature <= 0:
            raise ValueError(
                "propagation needs top_k >= 1, queue >= 0, radius > 0 and temperature > 0, not "
                f"top_k={self.top_k}, queue={self.queue}, radius={self.radius}, "
                f"temperature={self.temperature}"
            )
        if self.window not in ("disc", "square"):
            raise ValueError(f"window '{self.window}' is neither 'disc' nor 'square'")

    def settings(self) -> dict[str, float | str | bool]:
        """For the caption of a table."""
        return asdict(self)
