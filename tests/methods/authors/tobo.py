"""Token Bottleneck, ``models_tobo.py``."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

from torch import Tensor, nn

from tests.methods.authors.checkout import load
from tests.methods.authors.comparison import VIT, Case, Report, build, compare, frames, visible
from tests.methods.authors.names import Weights, moved, of_decoder, of_rsp_layers

CODE = "naver-ai/tobo"
COMMIT = "fa41194"
APART = (
    "Their layers' key norms get the same weights; the sum of their gradients is that of our one.",
)


def reports(folder: Path) -> Iterator[Report]:
    """Compare at decoders of one and two layers."""
    code = load(folder, "models_tobo")
    return (compare(case(code, depth)) for depth in (1, 2))


def case(code: ModuleType, depth: int) -> Case:
    """Build both, with the two paths through the decoder that their trainer asks for."""
    settings, ours = build("tobo", "decoder.width=64", f"decoder.depth={depth}")
    ratio, images = settings.mask_ratio, frames(2)
    theirs = code.tobo(
        embed_dim=VIT["width"], depth=VIT["depth"], num_heads=VIT["heads"],
        decoder_embed_dim=64, decoder_depth=depth, decoder_num_heads=8,
        norm_layer=partial(nn.LayerNorm, eps=1e-6), mask_ratio=ratio,
        batch_size=len(images), repeated_sampling=1, tgt_path="csm", tobo_path="sm",
    )  # fmt: skip
    return Case(
        f"decoder of {depth}",
        ours,
        theirs,
        names,
        lambda: ours(images).total,
        lambda: sum(theirs(list(images.unbind(1)), epoch=0)),
        visible(theirs, 196, ratio),
    )


def names(weights: Weights) -> dict[str, Tensor]:
    """Return our parameters by their names."""
    return {
        **moved(weights, "encoder", ""),
        **of_decoder(weights, embed="decoder_embed_mae"),
        **of_rsp_layers(weights),
    }
