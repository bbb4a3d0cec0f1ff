"""Patch features of a timm transformer at any size of image."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from siammae.data.augment.normalising import MEAN, STD
from siammae.model.positions import resize_positions
from siammae.system.errors import ConfigError


class PatchTokens(nn.Module):
    """Gives patch features of a timm ViT, rotary ones included, as `EncoderFeatures` wants them.

    CLS and register tokens are dropped. Absolute positions are resized as those of
    `siammae.model.encoder`, see `resize_positions`; rotary ones follow the size by themselves.
    Frames arrive normalised with ImageNet's mean and deviation; a model that was trained with
    others gets them renormalised.

    Args:
        model: made with ``dynamic_img_size=True`` and no classifier.
        mean: of the colours, 0 to 1, that the model was trained with.
        std: their deviation.

    Raises:
        ConfigError: when its features are not one token a patch, (B, N, D).
    """

    model: Any
    scale: Tensor
    shift: Tensor
    positions: Tensor | None

    def __init__(self, model: Any, mean: Sequence[float] = MEAN, std: Sequence[float] = STD):
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        ours, own = (torch.tensor(pair, dtype=torch.float64) for pair in ((MEAN, STD), (mean, std)))
        self.renormalise = not torch.equal(ours, own)
        for name, value in (("scale", ours[1] / own[1]), ("shift", (ours[0] - own[0]) / own[1])):
            self.register_buffer(name, value.float().view(1, 3, 1, 1), persistent=False)
        positions = getattr(model, "pos_embed", None)
        positions = positions.detach().clone() if isinstance(positions, Tensor) else None
        self.register_buffer("positions", positions, persistent=False)
        self.patch_size = self._patch_size()
        self.trained_grid = self.grid = tuple(getattr(model.patch_embed, "grid_size", ()) or ())
        self.by_scale = False
        self._try_out()

    def features(self, images: Tensor, by_scale: bool = False) -> Tensor:
        """Return patch features (B, N, D) of images (B, 3, H, W), sides multiples of the patch.

        They are taken after the final norm. A model that norms after pooling has that norm applied
        to each patch.
        """
        if self.renormalise:
            images = images * self.scale + self.shift
        self._resize_positions(
            (images.shape[-2] // self.patch_size, images.shape[-1] // self.patch_size), by_scale
        )
        tokens: Tensor = self.model.forward_features(images)
        if isinstance(self.model.norm, nn.Identity) and hasattr(self.model, "fc_norm"):
            tokens = self.model.fc_norm(tokens)
        return tokens[:, self.model.num_prefix_tokens :]

    def _resize_positions(self, grid: tuple[int, int], by_scale: bool = False) -> None:
        """Resize the positions to the grid here, since timm would do it with antialiasing."""
        if self.positions is None or (grid, by_scale) == (self.grid, self.by_scale):
            return
        own = getattr(self.model, "no_embed_class", False)
        with torch.inference_mode(False), torch.no_grad():
            table = resize_positions(
                self.positions,
                grid,
                self.trained_grid,
                own=0 if own else self.model.num_prefix_tokens,
                by_scale=by_scale,
            )
            self.model.pos_embed = nn.Parameter(table.clone(), requires_grad=False)
        self.model.patch_embed.grid_size = self.grid = grid
        self.by_scale = by_scale

    def _patch_size(self) -> int:
        embed = self.model.patch_embed
        ratio = embed.feat_ratio() if hasattr(embed, "feat_ratio") else embed.patch_size
        sides = tuple(ratio) if isinstance(ratio, Sequence) else (ratio, ratio)
        if sides[0] != sides[1]:
            raise ConfigError(f"patches of {sides[0]} x {sides[1]} pixels are not square")
        return int(sides[0])

    def _try_out(self) -> None:
        """Check that two by three patches give six tokens.

        Raises:
            ConfigError: when they do not.
        """
        images = torch.zeros(1, 3, 2 * self.patch_size, 3 * self.patch_size)
        try:
            with torch.inference_mode():
                shape = tuple(self.features(images).shape)
        except (RuntimeError, AssertionError, AttributeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()
            raise ConfigError(
                "it takes no images of other sizes than it was made for "
                f"({reason[0] if reason else type(error).__name__})"
            ) from None
        if self.trained_grid:
            self._resize_positions(self.trained_grid)
        if len(shape) != 3 or shape[1] != 6:
            raise ConfigError(
                f"its features of 2 x 3 patches have the shape {shape}, not (1, 6, D): one token a "
                "patch is needed, as plain ViTs give"
            )
