"""CatMAE, ``models_catmae.py``."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

from torch import Tensor, nn

from tests.methods.authors.checkout import load
from tests.methods.authors.comparison import VIT, Case, Report, build, compare, frames, visible
from tests.methods.authors.names import Weights, moved, of_decoder, of_torch_layers

CODE = "minhoooo1/CatMAE"
COMMIT = "0fb1f60"
APART = (
    "Dropout is off. Theirs also drops attention weights and hidden units of MLPs.",
    "The decoder is 256 wide: their MLPs have 2048 units at every width, ours 8 times the width.",
    "Not set apart: norms in their decoder's layers have an epsilon of 1e-5, ours 1e-6.",
)


def reports(folder: Path) -> Iterator[Report]:
    """Compare at decoders of one and two layers."""
    code = load(folder, "models_catmae")
    return (compare(case(code, depth)) for depth in (1, 2))


def case(code: ModuleType, depth: int) -> Case:
    """Build both; ratios and weights of the frames are those of each."""
    sizes = ("decoder.width=256", f"decoder.depth={depth}", "decoder.dropout=0.0")
    settings, ours = build("catmae", *sizes)
    theirs = code.MaskedAutoencoderViT(
        embed_dim=VIT["width"], depth=VIT["depth"], num_heads=VIT["heads"],
        decoder_embed_dim=256, decoder_depth=depth, decoder_num_heads=4,
        norm_layer=partial(nn.LayerNorm, eps=1e-6), norm_pix_loss=True,
    ).eval()  # fmt: skip
    images = frames(3)
    return Case(
        f"decoder of {depth}",
        ours,
        theirs,
        names,
        lambda: ours(images).total,
        lambda: theirs(*images.unbind(1))[0],
        visible(theirs, 196, settings.mask_ratio),
    )


def names(weights: Weights) -> dict[str, Tensor]:
    """Return our parameters by their names."""
    return {
        **moved(weights, "encoder", ""),
        **of_decoder(weights),
        **of_torch_layers(weights),
        "decoder_frame_info": weights["frame_vectors"],
    }
