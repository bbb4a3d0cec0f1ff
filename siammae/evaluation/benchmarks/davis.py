"""DAVIS 2016 and 2017: propagate the first frame's masks, score J&F."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siammae.config.errors import DataError
from siammae.evaluation.davis_files import (
    SEQUENCES,
    VOID,
    DavisFiles,
    voc_palette,
    write_ids,
)
from siammae.evaluation.protocol import Propagation
from siammae.evaluation.result import BenchmarkResult

if TYPE_CHECKING:
    from torch import Tensor

    from siammae.evaluation.features import FeatureExtractor

Told = Callable[[int, int, str], None]  # sequences done, all, name


class Davis:
    """Semi-supervised video object segmentation by label propagation, at the masks' own size.

    Args:
        root: holds ``JPEGImages/``, ``Annotations/`` and ``ImageSets/``.
        propagation: the protocol; see `Propagation`.
        year: 2016 or 2017.
        split: of the sequences.
        resolution: folder of frames and masks.
        input_size: frames are resized for the encoder to this short side, or to [height, width];
            None keeps their size. Sides are brought to the nearest multiple of the patch.
        save_masks: folder for the predicted palette PNGs; None keeps none.
        allow_missing: measure what is there of the listed sequences, instead of refusing.
        name: in tables.
    """

    def __init__(
        self,
        root: str,
        propagation: Propagation,
        year: int = 2017,
        split: str = "val",
        resolution: str = "480p",
        input_size: int | Sequence[int] | None = None,
        save_masks: str | None = None,
        allow_missing: bool = False,
        name: str | None = None,
    ):
        if year not in (2016, 2017):
            raise ValueError(f"year {year} is neither 2016 nor 2017")
        self.files = DavisFiles(Path(root).expanduser(), year, split, resolution, allow_missing)
        self.propagation, self.input_size = propagation, input_size
        self.save_masks = Path(save_masks) if save_masks else None
        self.name = name or f"davis{year}"
        self.official = SEQUENCES.get((year, split))  # how many sequences published figures are of

    def prepare(self) -> None:
        """Check that the files are there."""
        self.files.sequences()

    def fingerprint(self) -> str:
        """A short hash of the sequences' names, their numbers of masks and the masks' sizes."""
        digest = hashlib.sha256()
        for sequence in self.files.sequences():
            for path in self.files.masks(sequence):
                digest.update(f"{sequence}/{path.name}\0{path.stat().st_size}\n".encode())
        return digest.hexdigest()[:10]

    def evaluate(self, features: "FeatureExtractor", told: Told | None = None) -> BenchmarkResult:
        """Score an encoder's features; ``told`` hears of each finished sequence."""
        return self._score(lambda name: self._propagate(name, features), told)

    def copy_first_mask(self, told: Told | None = None) -> BenchmarkResult:
        """The control: the first frame's mask, in every frame."""
        return self._score(self._repeat, told)

    def _score(self, predict: Callable[[str], np.ndarray], told: Told | None) -> BenchmarkResult:
        from siammae.evaluation.davis_score import score_sequence, total

        names, rows = self.files.sequences(), []
        for done, name in enumerate(names, start=1):
            rows += score_sequence(name, self._truth(name), predict(name))
            if told is not None:
                told(done, len(names), name)
        return BenchmarkResult(self.name, "J&F-Mean", total(rows), rows, self._settings(names))

    def _settings(self, names: list[str]) -> dict[str, Any]:
        return {
            "year": self.files.year,
            "split": self.files.split,
            "resolution": self.files.resolution,
            "input_size": list(self.input_size)
            if isinstance(self.input_size, Sequence)
            else self.input_size,
            "sequences": len(names),
            "official_sequences": self.official,
            **self.propagation.settings(),
        }

    def _truth(self, name: str) -> np.ndarray:
        masks = [self.files.read_mask(path) for path in self.files.masks(name)]
        if len({mask.shape for mask in masks}) != 1:
            raise DataError(f"{name}: its true masks differ in size")
        return np.stack(masks)

    def _repeat(self, name: str) -> np.ndarray:
        truth = self._truth(name)
        first = np.where(truth[0] == VOID, 0, truth[0])
        return np.broadcast_to(first, truth.shape)

    def _propagate(self, name: str, features: "FeatureExtractor") -> np.ndarray:
        """Predicted ids (T, H, W) of a sequence."""
        import torch
        import torch.nn.functional as F

        from siammae.evaluation.propagate import propagate

        paths, masks = self.files.frames(name), self.files.masks(name)
        if len(paths) != len(masks):
            raise DataError(f"{name} has {len(paths)} frames but {len(masks)} masks")
        first = self.files.read_mask(masks[0])
        if read_frame(paths[0]).shape[1:] != first.shape:
            raise DataError(
                f"{paths[0]} and {masks[0]} differ in size: "
                f"{read_frame(paths[0]).shape[1:]} and {first.shape}"
            )
        height, width = self._input(first.shape, features.patch_size)
        grid = (height // features.patch_size, width // features.patch_size)
        ids = np.where(first == VOID, 0, first)
        hot = F.one_hot(torch.from_numpy(ids).long()).permute(2, 0, 1).float()
        soft = F.interpolate(hot[None], grid, mode="bilinear")[0].flatten(1).T  # (N, C)
        predicted = []
        extracted = self._features(paths, features, (height, width))
        with torch.inference_mode():
            for labels in propagate(self.propagation, extracted, grid, soft):
                maps = labels.T.reshape(1, -1, *grid)
                maps = F.interpolate(maps, first.shape, mode="bilinear")
                predicted.append(maps[0].argmax(dim=0).byte().cpu().numpy())
        predicted[0] = ids
        self._save(name, masks, predicted)
        return np.stack(predicted)

    def _features(
        self, paths: list[Path], features: "FeatureExtractor", size: tuple[int, int]
    ) -> Iterator["Tensor"]:
        import torch
        import torch.nn.functional as F

        mean, std = (
            torch.tensor(values, device=features.device).view(1, 3, 1, 1)
            for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        )
        for path in paths:
            pixels = torch.from_numpy(read_frame(path)).to(features.device)[None].float() / 255
            if pixels.shape[-2:] != size:
                pixels = F.interpolate(pixels, size, mode="bicubic", antialias=True).clamp(0, 1)
            yield features((pixels - mean) / std)[0]

    def _input(self, shape: tuple[int, ...], patch: int) -> tuple[int, int]:
        """Size of the encoder's input for frames of ``shape``: multiples of the patch."""
        if isinstance(self.input_size, Sequence):
            wanted: Sequence[float] = self.input_size
        elif self.input_size is not None:
            wanted = [side * self.input_size / min(shape) for side in shape]
        else:
            wanted = shape
        height, width = (max(1, round(side / patch)) * patch for side in wanted)
        return height, width

    def _save(self, name: str, masks: list[Path], predicted: list[np.ndarray]) -> None:
        if self.save_masks is None:
            return
        folder = self.save_masks / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path, ids in zip(masks, predicted, strict=True):
                write_ids(folder / path.name, ids, voc_palette())
        except OSError as error:
            raise DataError(f"save_masks={folder} cannot be written: {error.strerror}") from None


def read_frame(path: Path) -> np.ndarray:
    """Pixels (3, H, W) uint8 of a frame."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))
    except OSError as error:
        raise DataError(f"{path} cannot be read as an image: {error}") from None
