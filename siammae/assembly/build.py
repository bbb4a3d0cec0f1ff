"""From settings to the model: a method with its encoder and whatever else it is built from."""

from typing import Any

import torch

from siammae.config.combinations import build_method, build_parts
from siammae.config.schema import ModelConfig
from siammae.methods.method import Method
from siammae.model.gap_embedding import gap_embedding


def build_model(settings: ModelConfig) -> Method:
    """Build the model with initial weights that follow from ``seed``.

    The generator is seeded anew before each part. Runs that differ in method, encoding, decoder or
    masking therefore start from the same encoder, and those that differ in how gaps are embedded
    from the same decoder and head as well.

    Raises:
        ConfigError: when a class refuses a value, or the head the decoder.
    """

    def seed() -> None:
        torch.manual_seed(settings.seed)

    parts = build_parts(settings, seed)
    seed()
    return build_method(settings, parts, **_of_targets(settings))


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
