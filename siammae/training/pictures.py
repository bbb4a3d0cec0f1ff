"""Pictures of a run: what the model restores, and what its encoder sees."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from siammae.data.augment import MEAN, STD
from siammae.data.datasets import ClipSource
from siammae.evaluation.pictures.clip import few_frames
from siammae.evaluation.pictures.encoder import encoder_pictures
from siammae.evaluation.pictures.sheet import jpeg
from siammae.model.patches import patch_statistics, patchify, unpatchify
from siammae.model.siammae import Restoration


def restoration_grid(frames: Tensor, restored: Restoration, patch_size: int) -> bytes:
    """JPEG of one row a sample: past, future with hidden patches grey, restored, future.

    The prediction is in each patch's normalised space, so the true patch's mean and deviation put
    it back to pixels: what is shown is the restored structure, not the restored brightness.

    Args:
        frames: (B, T, 3, H, W), normalised.
        restored: the model's output for them; of several future frames the first is shown.
        patch_size: side of a patch in pixels.
    """
    frames = frames.float().cpu()
    past, future = frames[:, 0], frames[:, 1]
    shown = restored.targets[0]
    grid = (future.shape[-2] // patch_size, future.shape[-1] // patch_size)
    patches = patchify(future, patch_size)
    index = shown.mask.hidden.cpu().unsqueeze(-1).expand(-1, -1, patches.shape[-1])
    mean, deviation = patch_statistics(patches.gather(1, index))
    prediction = shown.prediction.mean.float().cpu() * deviation + mean
    hidden = patches.scatter(1, index, torch.zeros_like(prediction))  # zero: ImageNet's mean, grey
    filled = patches.scatter(1, index, prediction)
    columns = [
        past,
        unpatchify(hidden, patch_size, grid),
        unpatchify(filled, patch_size, grid),
        future,
    ]
    rows = torch.cat([_framed(column) for column in columns], dim=3)  # (B, 3, H, 4 W)
    image = torch.cat(list(rows), dim=1)
    return jpeg((image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))


def _framed(images: Tensor) -> Tensor:
    """To 0..1 with a white border of two pixels."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    shown = (images * std + mean).clamp(0, 1)
    return torch.nn.functional.pad(shown, (2, 2, 2, 2), value=1.0)


def run_pictures(
    encoder: nn.Module, device: torch.device, benchmark: Any, source: ClipSource
) -> dict[str, bytes]:
    """Pictures of the encoder on the benchmark's first video, or on the first clip without one.

    See `encoder_pictures` for what they are.
    """
    frames = [] if benchmark is None else benchmark.frames(benchmark.videos()[0])
    pixels, names = few_frames(frames or source.videos()[0], frames=8, every=4)
    return encoder_pictures(encoder, device, pixels, names)
