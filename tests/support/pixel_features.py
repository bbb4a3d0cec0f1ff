"""Features that need no model."""

import torch


class Pixels:
    """Raw pixels of 8 x 8 patches as features."""

    patch_size = 8
    device = torch.device("cpu")

    def __call__(self, images):
        return torch.nn.functional.unfold(images, 8, stride=8).transpose(1, 2)
