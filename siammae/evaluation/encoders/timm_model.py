"""ViTs of timm's registry as encoders to be measured."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from siammae.config.suggestions import nearest
from siammae.evaluation.encoders.source import Source, digest, keep_blocks, whole_number
from siammae.system.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import nn

    from siammae.evaluation.encoders.tokens import PatchTokens

SEED = 0  # of random weights


class TimmEncoder(Source):
    """Makes a ViT of timm's registry: pre-trained, from a local file, or with random weights.

    Frames are normalised as timm's data configuration of the model says.

    Args:
        model: timm's name, such as ``vit_small_patch16_224.dino``.
        pretrained: take the published weights, downloading them once; None: unless ``weights`` is
            given. False without ``weights`` leaves it random, always alike.
        weights: a local file in timm's names.
        layer: see `Source`.
    """

    def __init__(
        self,
        model: str | None,
        pretrained: bool | None = None,
        weights: str | int | None = None,
        layer: int = -1,
    ):
        if model is None:
            raise ConfigError(
                "model=NAME is missing: the timm model, as vit_small_patch16_224.dino"
            )
        if pretrained not in (None, True, False):
            raise ConfigError(f"pretrained={pretrained}: must be true, false or null")
        if pretrained and weights is not None:
            raise ConfigError(f"pretrained=true and weights={weights} exclude each other")
        self.model, self.layer = str(model), whole_number("layer", layer)
        self.weights = None if weights is None else Path(str(weights))
        self.pretrained = weights is None if pretrained is None else pretrained

    def identity(self) -> dict[str, Any]:
        """Identify the weights, by timm's version where timm names them."""
        known: dict[str, Any] = {"source": "timm", "model": self.model, "layer": self.layer}
        if self.weights is not None:
            return {**known, "content": digest(self.weights)}
        if self.pretrained:
            return {**known, "content": f"timm {version('timm')}"}
        return {**known, "content": f"random {SEED}, torch {version('torch')}"}

    @override
    def label(self) -> str:
        kind = "" if self.pretrained else ", random weights"
        if self.weights is not None:
            kind = f", {self.weights}"
        return f"{self.model} (timm{kind}{self._suffix()})"

    @override
    def _load(self) -> "PatchTokens":
        from siammae.evaluation.encoders.tokens import PatchTokens

        self._check_name()
        model = self._create()
        if self.weights is not None:
            self._fill(model, self.weights)
        config: dict[str, Any] = model.pretrained_cfg  # type: ignore[assignment]
        try:
            encoder = PatchTokens(model, config["mean"], config["std"])
        except (ConfigError, AttributeError) as error:
            raise ConfigError(f"model={self.model} is no ViT that gives patches: {error}") from None
        keep_blocks(encoder.model, self.layer)
        return encoder

    def _check_name(self) -> None:
        """Check that the architecture is timm's, and that there are weights when they are wanted.

        Raises:
            ConfigError: with the nearest names, or what else can be given.
        """
        import timm
        from timm.models import get_pretrained_cfg

        if not timm.is_model(self.model):
            near = nearest(self.model, [*timm.list_models(), *timm.list_pretrained()])
            raise ConfigError(f"model={self.model}: timm has no such model{near}")
        try:
            published = get_pretrained_cfg(self.model)
        except RuntimeError:  # an unknown tag after the dot
            architecture = self.model.split(".")[0]
            tagged = timm.list_pretrained(f"{architecture}.*")
            raise ConfigError(
                f"model={self.model}: timm has no such weights{nearest(self.model, tagged)}; "
                f"there are: {', '.join(tagged) or 'none'}"
            ) from None
        if self.pretrained and not (published and published.has_weights):
            raise ConfigError(
                f"model={self.model}: timm has no weights for it; give weights=FILE, or "
                "pretrained=false for random ones"
            )

    def _create(self) -> "nn.Module":
        import timm
        import torch
        from huggingface_hub.utils import logging

        logging.set_verbosity_error()  # it retries for a while, and warns each time
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(SEED)
                return timm.create_model(
                    self.model, pretrained=self.pretrained, num_classes=0, dynamic_img_size=True
                )
        except TypeError as error:
            if "dynamic_img_size" not in str(error):
                raise
            raise ConfigError(
                f"model={self.model} is no ViT that takes images of any size (timm's "
                "dynamic_img_size)"
            ) from None
        except Exception as error:  # whatever the network, the hub and its cache raise
            if not self.pretrained:
                raise
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise DataError(
                f"the weights of model={self.model} cannot be downloaded ({reason[0]}); with the "
                "file (model.safetensors of timm's page on the hub) here: weights=FILE, or "
                "pretrained=false for random ones"
            ) from None

    def _fill(self, model: "nn.Module", path: Path) -> None:
        from siammae.assembly.tensor_names import differences
        from siammae.evaluation.encoders.unpickle import read_tensors

        tensors, _ = read_tensors(path)
        heads = ("head.", "head_dist.")
        tensors = {name: value for name, value in tensors.items() if not name.startswith(heads)}
        problem = differences(model.state_dict(), tensors)
        if problem:
            raise DataError(f"weights={path} are not those of model={self.model}; {problem}")
        model.load_state_dict(tensors)
