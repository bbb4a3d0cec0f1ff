"""Published checkpoints of MAE, MAE-ST, VideoMAE, DINO, MoCo v3, SimCLR, CropMAE and RSP."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from siammae.config.suggestions import nearest
from siammae.evaluation.encoders.source import Source, digest, keep_blocks, whole_number
from siammae.system.checksum import check_checksum_beside
from siammae.system.errors import ConfigError, DataError
from siammae.system.foreign_json import read_object

if TYPE_CHECKING:
    from siammae.evaluation.encoders.tokens import PatchTokens

FORMATS = ("mae", "mae_st", "videomae", "dino", "simclr", "cropmae", "rsp", "plain", "auto")


class FileEncoder(Source):
    """Reads a ViT from a checkpoint in somebody's layout into a timm ``VisionTransformer``.

    Its size follows from the tensors. Normalisation of frames is ImageNet's, MAE-ST's its own.

    Args:
        path: the file, of ``torch.save`` or ``.safetensors``.
        format: see `siammae.evaluation.encoders.layouts`; None or ``auto`` recognises it.
        heads: of the attention; None: those of siammae's export, or by the width (see
            `convert.shape_of`).
        layer: see `Source`.
        state_dict: under which name of the file the weights stand; None: the first that it has of
            `unpickle.HOLDERS`.
    """

    def __init__(
        self,
        path: str | int | None,
        format: str | None = None,
        heads: int | None = None,
        layer: int = -1,
        state_dict: str | None = None,
    ):
        if path is None:
            raise ConfigError("path=FILE is missing: the checkpoint that features=file reads")
        if format is not None and format not in FORMATS:
            raise ConfigError(
                f"format={format}: no such format{nearest(str(format), list(FORMATS))}; there are: "
                + ", ".join(FORMATS)
            )
        if heads is not None and whole_number("heads", heads) < 1:
            raise ConfigError(f"heads={heads}: must be at least 1")
        self.path, self.format, self.heads = Path(str(path)), format or "auto", heads
        self.layer = whole_number("layer", layer)
        self.state_dict = None if state_dict is None else str(state_dict)
        self.found = self.format  # the recognised format, once loaded

    @override
    def identity(self) -> dict[str, Any]:
        return {
            "source": "file",
            "content": digest(self.path),
            "format": self.format,
            "heads": self._heads(),
            "layer": self.layer,
            **({} if self.state_dict is None else {"state_dict": self.state_dict}),
        }

    def _heads(self) -> int | None:
        """Return the number that was given, or that of siammae's own export."""
        return self.heads or exported_heads(self.path)

    @override
    def label(self) -> str:
        chosen = "" if self.state_dict is None else f", {self.state_dict}"
        return f"{self.path} ({self.found}{chosen}{self._suffix()})"

    @override
    def _load(self) -> "PatchTokens":
        from siammae.evaluation.encoders.layouts import LAYOUTS, choose, unwrapped
        from siammae.evaluation.encoders.tokens import PatchTokens
        from siammae.evaluation.encoders.unpickle import read_tensors

        if exported_heads(self.path):  # of siammae, which writes its SHA-256 beside it
            check_checksum_beside(self.path)
        tensors, holder = read_tensors(self.path, self.state_dict)
        try:
            tensors = unwrapped(tensors)
            self.found = choose(self.format, tensors, holder)
            layout = LAYOUTS[self.found]
            encoder = PatchTokens(build(tensors, layout, self._heads()), layout.mean, layout.std)
        except (ConfigError, DataError) as error:
            raise type(error)(f"{self.path}: {error}") from None
        keep_blocks(encoder.model, self.layer)
        return encoder


def exported_heads(path: Path) -> int | None:
    """Read the number of heads from the metadata of siammae's export; None for any other file."""
    from safetensors import SafetensorError, safe_open

    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, "np") as file:  # without torch: only the header is read
            settings = read_object((file.metadata() or {}).get("siammae.encoder", "{}"))
    except (SafetensorError, OSError, ValueError):  # reported when its tensors are read
        return None
    heads = settings.get("heads")
    return heads if type(heads) is int and heads > 0 else None


def build(tensors: dict[str, Any], layout: Any, heads: int | None = None) -> Any:
    """Build a timm ``VisionTransformer`` with the tensors of a file.

    Raises:
        DataError: when names or shapes are left over on either side; they are listed.
    """
    from timm.models.vision_transformer import VisionTransformer

    from siammae.assembly.tensor_names import differences, listed
    from siammae.evaluation.encoders.convert import shape_of, to_timm
    from siammae.evaluation.encoders.layouts import encoder_part

    part, prefix, unknown = encoder_part(tensors, layout)
    if unknown:
        raise DataError(f"unmatched: {listed(unknown)}")
    renamed = to_timm(part, layout.over_time)
    shape = shape_of(renamed, heads, prefix)
    plain: dict[str, Any] = {"num_classes": 0, "global_pool": "", "weight_init": "skip"}
    model = VisionTransformer(**shape, **plain, dynamic_img_size=True)
    problem = differences(model.state_dict(), renamed)
    if problem:
        raise DataError(f"not a ViT of width {shape['embed_dim']} in timm's names; {problem}")
    model.load_state_dict(renamed)
    return model
