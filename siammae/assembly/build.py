"""From settings to the model: a method with its encoder and whatever else it is built from."""

from typing import Any

import torch

from siammae.config.combinations import PARTS
from siammae.config.schema import ModelConfig
from siammae.methods.method import Method
from siammae.model.gap_embedding import gap_embedding
from siammae.system.errors import ConfigError


def build_model(settings: ModelConfig) -> Method:
    """Build the model with initial weights that follow from ``seed``.

    The generator is seeded anew before each part. Runs that differ in method, encoding, decoder or
    masking therefore start from the same encoder, and those that differ in how gaps are embedded
    from the same decoder and head as well.

    Raises:
        ConfigError: when a class refuses a value, or the head the decoder.
    """
    parts: dict[str, Any] = {}
    torch.manual_seed(settings.seed)
    parts["encoder"] = settings.build("encoder")
    torch.manual_seed(settings.seed)
    parts["decoder"] = settings.build("decoder")
    parts["uncertainty"] = head = settings.build("uncertainty")
    if head is not None:
        # After the head, so that neither it nor the first decoder depends on how many there are.
        others = [settings.build("decoder") for _ in range(head.decoders - 1)]
        try:
            parts["decoder"] = head.assemble([parts["decoder"], *others])
        except ValueError as error:
            raise ConfigError(f"uncertainty: {error}") from None
    torch.manual_seed(settings.seed)
    parts["encoding"] = settings.build("encoding")
    parts["masking"] = settings.build("masking")
    given = {PARTS[group]: part for group, part in parts.items() if part is not None}
    torch.manual_seed(settings.seed)
    return settings.build("method", **given, **_of_targets(settings))


def _of_targets(settings: ModelConfig) -> dict[str, Any]:
    """Return what is set about the targets for a method with a decoder."""
    targets = settings.build("targets")
    if settings.decoder is None:
        return {}
    found = {
        "gap_embedding": gap_embedding(targets.gap_embedding, settings.decoder.width),
        "loss_gap_power": targets.loss_gap_power,
        "predict": targets.predict,
    }
    return {key: value for key, value in found.items() if value}
