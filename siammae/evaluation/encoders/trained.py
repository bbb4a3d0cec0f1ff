"""Encoders that siammae trained."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from siammae.evaluation.encoders.source import Source, digest, keep_blocks, whole_number
from siammae.evaluation.measuring.benchmark import WHOLE_MODEL
from siammae.system.errors import ConfigError, DataError
from siammae.tracking.record import RunRecord

if TYPE_CHECKING:
    from siammae.methods.siammae import SiamMAE
    from siammae.model.encoder import Encoder


class RunEncoder(Source):
    """Loads the encoder of a run's folder, of an ``encoder.safetensors`` or of a ``step-*.pt``.

    Args:
        checkpoint: the folder or file.
        layer: see `Source`.
        trusted: packages whose classes the run's configuration may name beside those of siammae.
    """

    def __init__(self, checkpoint: str | int | None, layer: int = -1, trusted: Sequence[str] = ()):
        if checkpoint is None:
            raise ConfigError(
                "checkpoint=PATH is missing: a run's folder, .safetensors or .pt file; "
                "features=timm and features=file measure other encoders"
            )
        self.trusted = tuple(trusted)
        self.checkpoint, self.layer = Path(str(checkpoint)), whole_number("layer", layer)

    @override
    def identity(self) -> dict[str, Any]:
        return {"source": "siammae", "content": digest(self._file()), "layer": self.layer}

    @override
    def label(self) -> str:
        return f"{self.checkpoint} (siammae{self._suffix()})"

    def model_identity(self) -> dict[str, Any]:
        """Identify the checkpoint: two runs may share an encoder's weights, but not that."""
        return {"model": digest(self._checkpoint())}

    @override
    def trained_as(self) -> dict[str, Any]:
        folder = self.checkpoint.absolute()
        if not folder.is_dir():
            folder = folder.parent.parent if folder.suffix == ".pt" else folder.parent
        return RunRecord(folder).config() if (folder / "config.yaml").is_file() else {}

    @override
    def load_model(self) -> "SiamMAE":
        from siammae.assembly.load_model import load_model

        return load_model(self._checkpoint(), self.trusted)[0]

    @override
    def _load(self) -> "Encoder":
        from siammae.assembly.encoder_file import import_encoder
        from siammae.assembly.load_model import load_method

        path = self._file()
        if path.parent == self.checkpoint / "checkpoints":
            print(f"the run is unfinished: taking {path}", file=sys.stderr)
        try:
            if path.suffix == ".pt":
                encoder = load_method(path, self.trusted)[0].exported()
            else:
                encoder = import_encoder(path)
        except DataError as error:
            raise DataError(
                f"{error}; checkpoints that siammae did not write are read by features=file "
                f"path={path}"
            ) from None
        keep_blocks(encoder, self.layer)
        return encoder.eval()

    def _checkpoint(self) -> Path:
        """Return the file that holds the whole model.

        Raises:
            ConfigError: when the encoder alone is there.
        """
        path = self.checkpoint
        if path.is_dir():
            saved = sorted(RunRecord(path).checkpoints.glob("step-*.pt"))
            if saved:
                return saved[-1]
            raise ConfigError(f"{path} holds no checkpoints/step-*.pt; {WHOLE_MODEL}")
        if path.suffix != ".pt":
            raise ConfigError(f"{self.label()} is an encoder alone; {WHOLE_MODEL}")
        return path

    def _file(self) -> Path:
        path = self.checkpoint
        if not path.is_dir():
            return path
        if (path / "encoder.safetensors").is_file():
            return path / "encoder.safetensors"
        saved = sorted(RunRecord(path).checkpoints.glob("step-*.pt"))
        if not saved:
            raise DataError(f"{path} holds no encoder.safetensors and no checkpoints/step-*.pt")
        return saved[-1]
