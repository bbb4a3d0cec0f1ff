"""Images to patches and back, and the target that the decoder restores."""

import torch
from torch import Tensor


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """Cut images into patches.

    Args:
        images: (B, C, H, W); H and W multiples of ``patch_size``.
        patch_size: side of a patch in pixels.

    Returns:
        (B, N, C * patch_size**2), patches row by row; inside a patch channel, row, column, the
        order in which a convolution's kernel is stored, so that its weights serve as a linear
        layer.

    Raises:
        ValueError: when a side is not a multiple of the patch.
    """
    b, c, h, w = images.shape
    if h % patch_size or w % patch_size:
        raise ValueError(f"image of {h}x{w} pixels is not a multiple of the patch of {patch_size}")
    rows, columns = h // patch_size, w // patch_size
    patches = images.reshape(b, c, rows, patch_size, columns, patch_size)
    patches = patches.permute(0, 2, 4, 1, 3, 5)  # (B, rows, columns, C, p, p)
    return patches.reshape(b, rows * columns, c * patch_size**2)


def unpatchify(patches: Tensor, patch_size: int, grid: tuple[int, int]) -> Tensor:
    """Put patches (B, N, C * p * p) back into images (B, C, rows * p, columns * p)."""
    b = patches.shape[0]
    rows, columns = grid
    images = patches.reshape(b, rows, columns, -1, patch_size, patch_size)
    images = images.permute(0, 3, 1, 4, 2, 5)  # (B, C, rows, p, columns, p)
    return images.reshape(b, -1, rows * patch_size, columns * patch_size)


def patch_statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of every patch, each (B, N, 1) float32.

    As in MAE's ``forward_loss`` they are over all values of a patch, channels together; the
    variance is the unbiased one and the epsilon stands inside the root.
    """
    patches = patches.float()
    mean = patches.mean(dim=-1, keepdim=True)
    variance = patches.var(dim=-1, keepdim=True, unbiased=True)
    return mean, (variance + 1e-6).sqrt()


def normalise_patches(patches: Tensor) -> Tensor:
    """Subtract each patch's mean and divide by its deviation: the decoder's target (B, N, P)."""
    mean, deviation = patch_statistics(patches)
    return (patches.float() - mean) / deviation


def gather_tokens(tokens: Tensor, index: Tensor) -> Tensor:
    """Pick tokens (B, N, D) at ``index`` (B, K) -> (B, K, D)."""
    return torch.gather(tokens, 1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
