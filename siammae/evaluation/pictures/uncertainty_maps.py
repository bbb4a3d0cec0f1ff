"""How far off restored patches are, and how far off the model expects them to be.

Error and expectation are in the units of the loss: one is the standard deviation of the patch.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from siammae.data.augment.normalising import denormalise
from siammae.evaluation.pictures.heat import paint, scale_of, with_bar
from siammae.evaluation.pictures.sheet import jpeg, tile_grid
from siammae.model.patches import patch_statistics, patchify, unpatchify
from siammae.model.restoration import Restoration, RestoredFrame

UNIT = "patch deviations"
LEAST = 112  # height of a tile in pixels


class Maps(NamedTuple):
    """Maps of frames that were restored: the restoration, its error, and the expected error.

    restored: (B, 3, H, W), normalised; what was never hidden is the frame's own. error: (B, H, W),
    root mean square of the mean's error over passes, colours, and the pixels of a patch, as one
    pixel's error says little. expected: (B, H, W), that of the predicted deviation over passes and
    colours. Both are NaN where nothing was hidden.
    """

    restored: Tensor
    error: Tensor
    expected: Tensor


class Passes:
    """Averages several restorations of the same frames, each with other patches hidden.

    Args:
        frames: (B, 3, H, W), normalised.
        patch_size: side of a patch in pixels.
    """

    def __init__(self, frames: Tensor, patch_size: int):
        self.patch_size = patch_size
        self.grid = (frames.shape[-2] // patch_size, frames.shape[-1] // patch_size)
        self.patches = patchify(frames.float().cpu(), patch_size)
        self.centre, self.unit = patch_statistics(self.patches)
        self.target = (self.patches - self.centre) / self.unit
        self.times = torch.zeros(self.patches.shape[:2])
        self.mean = torch.zeros_like(self.patches)
        self.squared_error = torch.zeros_like(self.patches)
        self.variance = torch.zeros_like(self.patches)

    def add(self, restored: RestoredFrame) -> None:
        """Add one more pass, whose prediction has a spread."""
        mask, prediction = restored.mask, restored.prediction
        assert prediction.spread is not None
        hidden = mask.hidden.cpu()
        index = hidden.unsqueeze(-1).expand(-1, -1, self.patches.shape[-1])
        mean = prediction.mean.float().cpu()
        self.times.scatter_add_(1, hidden, torch.ones(hidden.shape))
        self.mean.scatter_add_(1, index, mean)
        error = (mean - self.target.gather(1, index)).square()
        self.squared_error.scatter_add_(1, index, error)
        variance = prediction.spread.variance.float().cpu().expand_as(mean)
        self.variance.scatter_add_(1, index, variance)

    def complete(self) -> bool:
        """Whether every patch was hidden at least once."""
        return bool((self.times > 0).all())

    def maps(self) -> Maps:
        """Return the averages over the passes."""
        times = self.times.unsqueeze(-1)  # 0 / 0, where nothing was hidden, is NaN
        pixels = self.mean / times * self.unit + self.centre
        restored = torch.where(times > 0, pixels, self.patches)
        error = (self.squared_error / times).mean(dim=-1, keepdim=True).expand_as(restored)
        error, expected = (self._images(x).mean(dim=1) for x in (error, self.variance / times))
        return Maps(self._images(restored), error.sqrt(), expected.sqrt())

    def _images(self, patches: Tensor) -> Tensor:
        return unpatchify(patches, self.patch_size, self.grid)


def uncertainty_grid(frames: Tensor, restored: Restoration, patch_size: int) -> bytes:
    """Return a JPEG with a row a sample: past, hidden, restored, future, error, expected error.

    Args:
        frames: (B, T, 3, H, W), normalised.
        restored: the model's output for them in evaluation mode; of several future frames the
            first is shown.
        patch_size: side of a patch in pixels.
    """
    past, future = frames[:, 0], frames[:, 1]
    passes = Passes(future, patch_size)
    passes.add(restored.targets[0])
    maps = passes.maps()
    grey = torch.where(maps.error.isnan().unsqueeze(1), future.float().cpu(), 0.0)
    pictures = {"past": past, "hidden": grey, "restored": maps.restored, "future": future}
    return jpeg(sheet_of(pictures, maps))


def sheet_of(pictures: Mapping[str, Tensor], maps: Maps, rows: Sequence[str] = ()) -> np.ndarray:
    """Draw a table with a row for each sample; error and expectation share the bar.

    Args:
        pictures: columns (B, 3, H, W), normalised, in order; the maps come last.
        maps: of the same samples.
        rows: a name for each sample, above its first picture.
    """
    columns: dict[str, Sequence[np.ndarray]] = {
        name: [to_pixels(one) for one in images] for name, images in pictures.items()
    }
    error, expected = maps.error.numpy(), maps.expected.numpy()
    scale = scale_of([error, expected])
    columns["patch's error"] = [paint(one, scale) for one in error]
    columns["predicted"] = [paint(one, scale) for one in expected]
    tiles = [tile for row in zip(*columns.values(), strict=True) for tile in row]
    captions = [*columns, *[""] * (len(tiles) - len(columns))]
    captions[:: len(columns)] = rows or captions[:: len(columns)]
    grid = tile_grid(tiles, captions, len(columns), max(LEAST, len(tiles[0])))
    return with_bar(grid, scale, UNIT)


def to_pixels(image: Tensor) -> np.ndarray:
    """Return the pixels (H, W, 3) uint8 of a normalised image (3, H, W)."""
    shown = denormalise(image.float().cpu())
    return (shown.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
