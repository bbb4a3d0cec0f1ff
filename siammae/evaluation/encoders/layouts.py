"""The layouts of published checkpoints: by what they are recognised, and what is not the encoder.

Read in the public repositories (facebookresearch/mae, mae_st, dino, dinov2, moco-v3;
MCG-NJU/VideoMAE; vturrisi/solo-learn; alexandre-eymael/CropMAE; huiwon-jang/RSP).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from siammae.data.augment.normalising import MEAN, STD
from siammae.system.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("module.", "model.", "net.")
PATCHES = "patch_embed.proj.weight"
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Layout:
    """What surrounds the encoder in a file of somebody's.

    prefixes: of the encoder's names, see `unwrapped`; the first that is there counts.
    dropped: starts of names that are not the encoder's. Others that do not match are an error.
    over_time: whether the patch embedding is one of video, over several frames.
    mean, std: of the colours (red, green, blue) that the encoder was trained with, 0 to 1.
    """

    prefixes: tuple[str, ...] = ("",)
    dropped: tuple[str, ...] = ("decoder_", "mask_token", "head.")
    over_time: bool = False
    mean: Colour = MEAN
    std: Colour = STD


LAYOUTS = {
    "mae": Layout(),
    # mae_st/util/kinetics.py normalises with these.
    "mae_st": Layout(over_time=True, mean=(0.45,) * 3, std=(0.225,) * 3),
    "videomae": Layout(
        ("encoder.", ""),
        ("decoder.", "encoder_to_decoder.", "mask_token", "head."),
        over_time=True,
    ),
    "dino": Layout(  # or DINOv2's
        ("backbone.", ""), ("head.", "masked_embed", "dino_head.", "ibot_head.", "mask_token")
    ),
    "simclr": Layout(  # MoCo v3's names, or solo-learn's
        ("base_encoder.", "backbone.", "encoder.", ""),
        ("momentum_", "projector.", "predictor.", "classifier.", "queue", "head."),
    ),
    "cropmae": Layout(),
    "rsp": Layout(dropped=("decoder_", "mask_token", "head.", "to_posterior.", "to_prior.")),
    "plain": Layout(),  # an encoder in timm's names, whoever trained it
}


def recognise(tensors: Mapping[str, "Tensor"], holder: str | None) -> str:
    """Recognise the layout by its names; ``plain`` when nothing but an encoder is there.

    Args:
        tensors: of the file, by name.
        holder: the key of the file that they stood under.

    Raises:
        DataError: when no ViT is among them.
    """
    names = list(tensors)
    embeds = [tensor for name, tensor in tensors.items() if name.endswith(PATCHES)]
    if not embeds:
        raise DataError(f"no ViT: no name ends with {PATCHES}, but there is {next(iter(names))}")
    start = {name.removesuffix(PATCHES) for name in names if name.endswith(PATCHES)}

    def has(*parts: str) -> bool:
        return any(all(part in name for part in parts) for name in names)

    if embeds[0].ndim == 5:
        return "videomae" if "encoder." in start or has(".q_bias") else "mae_st"
    if has("to_posterior."):
        return "rsp"
    if has("decoder_blocks.", ".multihead_attn."):
        return "cropmae"
    if holder in ("teacher", "student") or ("backbone." in start and holder != "state_dict"):
        return "dino"
    if start & {"base_encoder.", "backbone.", "encoder."}:
        return "simclr"
    decoder = [name for name in names if name.startswith("decoder_blocks.")]
    crossed = any(part in name for name in decoder for part in ("cattn", "cross"))
    return "mae" if decoder and not crossed else "plain"


def unwrapped(tensors: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """Return tensors without what trainers put before their names.

    These are DistributedDataParallel and DeepSpeed (``module.``), torch.compile (``_orig_mod.``,
    at any depth) and Lightning (``model.``, ``net.``), in any order.

    Raises:
        DataError: when two names become one.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        inner = name.replace("_orig_mod.", "")
        while inner.startswith(WRAPPERS):
            inner = inner.partition(".")[2]
        if inner in found:
            raise DataError(f"two of its names mean {inner}: it holds more than one model")
        found[inner] = tensor
    return found


def choose(wanted: str, tensors: Mapping[str, "Tensor"], holder: str | None) -> str:
    """Return the layout to read by: the one asked for if the file can be of it, or the recognised.

    Raises:
        ConfigError: when the file is of another.
        DataError: when it holds no ViT.
    """
    found = recognise(tensors, holder)
    if wanted == "auto":
        return found
    # The encoder alone looks alike in all formats of images.
    if wanted != found and (found != "plain" or LAYOUTS[wanted].over_time):
        raise ConfigError(f"format={wanted} is wrong for it: its names are those of format={found}")
    return wanted


def encoder_part(
    tensors: Mapping[str, "Tensor"], layout: Layout
) -> tuple[dict[str, "Tensor"], str, list[str]]:
    """Return the encoder's tensors, the prefix that their names had, and names that fit nothing.

    Raises:
        DataError: when there are several ViTs, of which the layout prefers none.
    """
    starts = sorted(name.removesuffix(PATCHES) for name in tensors if name.endswith(PATCHES))
    prefix = next((p for p in (*layout.prefixes, *starts) if p in starts), "")
    if prefix not in layout.prefixes and len(starts) > 1:
        raise DataError(f"several ViTs ({', '.join(starts)}): keep the tensors of one")
    kept, unknown = {}, []
    for name, tensor in tensors.items():
        inner = name.removeprefix(prefix)
        if name.startswith(layout.dropped) or inner.startswith(layout.dropped):
            continue
        if name.startswith(prefix):
            kept[inner] = tensor
        else:
            unknown.append(name)
    return kept, prefix, unknown
