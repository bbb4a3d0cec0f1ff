"""Where the CLS token of a ViT attends to."""

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from siammae.system.errors import DataError

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor


def cls_attention(encoder: nn.Module, features: "FeatureExtractor", images: Tensor) -> Tensor:
    """Return the attention of the CLS token over patches in the last block, (B, heads, N).

    It is the row that the block itself computes, so rotary positions and normalised queries count.
    The row sums to one over all tokens; the shares of CLS and other prefix tokens are left out. For
    an encoder without prefix tokens it is the mean row of all patches.

    Args:
        encoder: the module behind ``features``: ours, or one of timm's ViTs.
        features: as for a benchmark.
        images: (B, 3, H, W), normalised, sides multiples of the patch.

    Raises:
        DataError: when the encoder has no attention of timm's kind.
    """
    rows, columns = (side // features.patch_size for side in images.shape[-2:])
    with LastAttention(encoder) as last:
        features(images)
    prefix = last.weights.shape[-1] - rows * columns
    if prefix < 0:
        raise DataError(
            f"{type(encoder).__name__} has fewer tokens than {rows} x {columns} patches"
        )
    queries = last.weights[:, :, :1] if prefix else last.weights
    return queries.mean(dim=2)[..., prefix:]


class LastAttention:
    """Keeps ``weights`` (B, heads, N, N) of the encoder's last attention; use in ``with``.

    The fused kernel never holds them; inside ``with`` that one block computes them plainly.

    Args:
        encoder: holds timm's attention modules.
    """

    weights: Tensor

    def __init__(self, encoder: nn.Module):
        found = [m for m in encoder.modules() if hasattr(m, "attn_drop") and hasattr(m, "qkv")]
        if not found:
            raise DataError(
                f"{type(encoder).__name__} has no attention of timm's kind, whose weights could be "
                "shown"
            )
        self.module: Any = found[-1]

    def __enter__(self) -> "LastAttention":
        self._hooks = [
            self.module.register_forward_pre_hook(self._unfuse),
            self.module.attn_drop.register_forward_hook(self._keep),
        ]
        self._fused = self.module.fused_attn
        return self

    def __exit__(self, *details: object) -> None:
        self.module.fused_attn = self._fused
        for hook in self._hooks:
            hook.remove()

    # Before the call and not once: our encoder chooses the kernel anew for each input.
    def _unfuse(self, module: Any, inputs: Any) -> None:
        module.fused_attn = False

    def _keep(self, module: nn.Module, inputs: Any, weights: Tensor) -> None:
        self.weights = weights.float()
