"""The base class of sources of encoders, and checks that they share."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siammae.evaluation.measuring.benchmark import WHOLE_MODEL
from siammae.system.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import nn


class Source:
    """An encoder to be measured, whose label and identity are known before it is loaded.

    layer: block whose tokens are the features, from 0, or from the end with -1 the last; always
        after the encoder's final norm.
    """

    layer: int

    def identity(self) -> dict[str, Any]:
        """Return what decides the features, as plain values: hashes of files, not where they lie.

        Raises:
            DataError: when a file is missing.
        """
        raise NotImplementedError

    def label(self) -> str:
        """Return the name by which tables show the encoder."""
        raise NotImplementedError

    def load(self) -> "nn.Module":
        """Load a module with ``features(images)`` and ``patch_size``, on the CPU, for evaluation.

        Raises:
            DataError: when a file is damaged, unsafe or of another architecture, or a weight is NaN
                or infinite.
            ConfigError: when a setting does not fit the encoder.
        """
        encoder = self._load()
        wrong = [name for name, value in encoder.state_dict().items() if not value.isfinite().all()]
        if wrong:
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise DataError(
                f"{self.label()} has NaN or infinite weights in {', '.join(wrong[:3])}{more}"
            )
        return encoder

    def model_identity(self) -> dict[str, Any]:
        """Return what decides, beside `identity`, what a whole model predicts; see there.

        Raises:
            ConfigError: when there is an encoder alone.
            DataError: when a file is missing.
        """
        raise ConfigError(f"{self.label()} is an encoder alone; {WHOLE_MODEL}")

    def load_model(self) -> "nn.Module":
        """Load the whole model, with its decoder and head, on the CPU, for evaluation.

        Raises:
            ConfigError: when there is an encoder alone.
            DataError: when a file is missing, damaged or of another architecture.
        """
        raise ConfigError(f"{self.label()} is an encoder alone; {WHOLE_MODEL}")

    def trained_as(self) -> dict[str, Any]:
        """Return the configuration of the run that trained it; empty when there is none."""
        return {}

    def _load(self) -> "nn.Module":
        """Load the module as `load` does, without checking its weights."""
        raise NotImplementedError

    def _suffix(self) -> str:
        return "" if self.layer == -1 else f", layer {self.layer}"


def existing(path: Path) -> None:
    """Check that there is such a file.

    Raises:
        DataError: when there is none.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a checkpoint")
    if not path.is_file():
        raise DataError(f"{path}: no such file")


def digest(path: Path) -> str:
    """Return a short hash of a file's content.

    Raises:
        DataError: when there is no such file, or it cannot be read.
    """
    existing(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def whole_number(name: str, value: Any) -> int:
    """Return ``value`` when it is an int.

    Raises:
        ConfigError: when it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name}={value}: must be a whole number")
    return value


def keep_blocks(encoder: Any, layer: int) -> None:
    """Drop an encoder's blocks after ``layer``, so that its final norm follows that block.

    Raises:
        ConfigError: when there is no such block.
    """
    depth = len(encoder.blocks)
    if not -depth <= layer < depth:
        raise ConfigError(
            f"layer={layer}: the encoder has {depth} blocks, 0 to {depth - 1}, or -{depth} to -1"
        )
    if layer % depth != depth - 1:
        encoder.blocks = encoder.blocks[: layer % depth + 1]
