"""MAE-ST, ``models_mae.py``."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

from torch import Tensor, nn

from tests.methods.authors.checkout import load, stub
from tests.methods.authors.comparison import VIT, Case, Report, build, compare, frames, visible
from tests.methods.authors.names import Weights, moved, of_pixels

CODE = "facebookresearch/mae_st"
COMMIT = "c5dec1b"
APART = ("Frames have 64 pixels a side. Queries, keys and values are one product in ours.",)


def reports(folder: Path) -> Iterator[Report]:
    """Compare once, with the options of their PRETRAIN.md."""
    code = load(folder, "mae_st.models_mae", stubs(folder))
    settings, ours = build("mae_st", "image_size=64", "decoder.width=64", "decoder.depth=2")
    theirs = code.MaskedAutoencoderViT(
        img_size=64, embed_dim=VIT["width"], depth=VIT["depth"], num_heads=VIT["heads"],
        decoder_embed_dim=64, decoder_depth=2, decoder_num_heads=16,
        norm_layer=partial(nn.LayerNorm, eps=1e-6), norm_pix_loss=True,
        t_patch_size=2, sep_pos_embed=True, cls_embed=True, pred_t_dim=8,
    )  # fmt: skip
    images, ratio = frames(16, size=64), settings.mask_ratio
    yield compare(
        Case(
            "decoder of 2",
            ours,
            theirs,
            names,
            lambda: ours(images).total,
            lambda: theirs(images.transpose(1, 2), ratio)[0],
            visible(theirs, 8 * 196, ratio),
        )
    )


def stubs(folder: Path) -> dict[str, ModuleType]:
    """Return what it imports for logging, which is not installed here, and itself by its name."""
    return {
        "mae_st": stub("mae_st", __path__=[str(folder)]),  # whatever the folder is called
        "simplejson": stub("simplejson"),
        "iopath": stub("iopath"),
        "iopath.common": stub("iopath.common"),
        "iopath.common.file_io": stub("iopath.common.file_io", g_pathmgr=None),
    }


def names(weights: Weights) -> dict[str, Tensor]:
    """Return our parameters by their names."""
    positions = {"cls": "class", "space": "spatial", "time": "temporal"}
    found = {
        "cls_token": weights["encoder.cls_token"],
        "decoder_cls_token": weights["decoder.cls_token"],
        "mask_token": weights["decoder.mask_token"],
        **{f"pos_embed_{theirs}": weights[f"positions.{o}"] for o, theirs in positions.items()},
        **moved(weights, "tubelets", "patch_embed.proj"),
        **moved(weights, "encoder.norm", "norm"),
        **moved(weights, "decoder.embed", "decoder_embed"),
        **moved(weights, "decoder.norm", "decoder_norm"),
        **of_pixels(weights),
    }
    for ours, theirs in positions.items():
        found[f"decoder_pos_embed_{theirs}"] = weights[f"decoder.positions.{ours}"]
    blocks = {
        **moved(weights, "encoder.blocks", "blocks"),
        **moved(weights, "decoder.blocks", "decoder_blocks"),
    }
    for name, weight in blocks.items():
        parts = zip("qkv", weight.chunk(3), strict=True) if ".qkv." in name else [("", weight)]
        found |= {name.replace(".qkv.", f".{part}."): own for part, own in parts}
    return found
