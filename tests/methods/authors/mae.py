"""MAE, ``models_mae.py``."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from timm.models.vision_transformer import Block
from torch import Tensor, nn

from tests.methods.authors.checkout import load, old_numpy
from tests.methods.authors.comparison import VIT, Case, Report, build, compare, frames, visible
from tests.methods.authors.names import Weights, moved, of_decoder

CODE = "facebookresearch/mae"
COMMIT = "efb2a80"
APART = ()


def reports(folder: Path) -> Iterator[Report]:
    """Compare once."""
    code: Any = load(folder, "models_mae")
    code.Block = block
    settings, ours = build("mae", "decoder.width=64", "decoder.depth=2")
    with old_numpy():  # for its table of positions
        theirs = code.MaskedAutoencoderViT(
            embed_dim=VIT["width"], depth=VIT["depth"], num_heads=VIT["heads"],
            decoder_embed_dim=64, decoder_depth=2, decoder_num_heads=16,
            norm_layer=partial(nn.LayerNorm, eps=1e-6), norm_pix_loss=True,
        )  # fmt: skip
    images, ratio = frames(1), settings.mask_ratio
    yield compare(
        Case(
            "decoder of 2",
            ours,
            theirs,
            names,
            lambda: ours(images).total,
            lambda: theirs(images[:, 0], ratio)[0],
            visible(theirs, 196, ratio),
        )
    )


def block(*given: Any, qk_scale: None, **more: Any) -> Block:
    """Build a block of timm, which since version 0.5 takes no scale; theirs gives None."""
    return Block(*given, **more)


def names(weights: Weights) -> dict[str, Tensor]:
    """Return our parameters by their names."""
    return {
        **moved(weights, "encoder", ""),
        **of_decoder(weights),
        **moved(weights, "decoder.blocks", "decoder_blocks"),
    }
