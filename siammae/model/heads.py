"""From decoded tokens to pixels, and what the restoration costs.

A head is an option of the ``uncertainty`` group: one that predicts a spread as well brings its
own loss.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from siammae.model.attention import initialise


class PixelMean(nn.Module):
    """The paper's head: one linear layer to normalised pixels, mean squared error.

    Args:
        width: channels of the decoder's tokens.
        patch_size: side of a patch in pixels.
    """

    def __init__(self, width: int, patch_size: int):
        super().__init__()
        self.pixels = nn.Linear(width, 3 * patch_size**2)
        initialise(self)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, H, D) -> predicted normalised pixels (B, H, 3 * p * p)."""
        return self.pixels(tokens)

    def loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Mean over hidden patches of the squared error averaged over a patch; in float32."""
        return F.mse_loss(prediction.float(), target.float())
