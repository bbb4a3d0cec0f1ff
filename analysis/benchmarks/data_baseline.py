"""A baseline to time against: a frame pair as the published reproductions of SiamMAE read it.

Written from the description of what they do, not from their code: a file is opened for every pair,
two frames are fetched in one call, and a crop, a resize and a flip of PIL images, alike for both,
are followed by the conversion to normalised floats, all in the reader.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms import functional as F

from siammae.data.augment.normalising import MEAN, STD

GAP = (4, 48)  # frames, both ends included (paper, section 4)
SCALE, RATIO = [0.5, 1.0], [3 / 4, 4 / 3]


class UsualPairs:
    """Pairs of normalised frames (2, 3, size, size), float32.

    Args:
        size: side of the frames in pixels.
        seed: of frames, crops and flips.
    """

    def __init__(self, size: int, seed: int):
        self.size, self.rng = size, np.random.default_rng(seed)
        torch.manual_seed(seed)

    def read(self, path: Path) -> Tensor:
        """A random pair of a video that has more than 48 frames."""
        import decord
        from PIL import Image

        # One thread: more of them take more processor time for a pair (measured 1.15 times).
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        gap = min(int(self.rng.integers(GAP[0], GAP[1] + 1)), len(reader) - 1)
        first = int(self.rng.integers(0, len(reader) - gap))
        frames = reader.get_batch([first, first + gap]).asnumpy()
        images = [Image.fromarray(frame) for frame in frames]
        box = RandomResizedCrop.get_params(images[0], SCALE, RATIO)
        mirrored = self.rng.random() < 0.5
        return torch.stack([self._transform(image, box, mirrored) for image in images])

    def _transform(self, image: object, box: tuple[int, ...], mirrored: bool) -> Tensor:
        size = [self.size, self.size]
        image = F.resized_crop(image, *box, size, F.InterpolationMode.BICUBIC)
        image = F.hflip(image) if mirrored else image
        return F.normalize(F.to_tensor(image), list(MEAN), list(STD))
