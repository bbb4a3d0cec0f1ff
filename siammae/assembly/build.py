"""From settings to the model."""

import torch

from siammae.config.schema import ModelConfig
from siammae.model.gap_embedding import gap_embedding
from siammae.model.siammae import SiamMAE
from siammae.system.errors import ConfigError


def build_model(settings: ModelConfig) -> SiamMAE:
    """Build the model with initial weights that follow from ``seed``.

    The generator is seeded anew before each part. Runs that differ in encoding, decoder or masking
    therefore start from the same encoder, and those that differ in how gaps are embedded from the
    same decoder and head as well.

    Raises:
        ConfigError: when a class refuses a value, or the head the decoder.
    """
    torch.manual_seed(settings.seed)
    encoder = settings.build("encoder")
    torch.manual_seed(settings.seed)
    decoder = settings.build("decoder")
    head = settings.build("uncertainty")
    # After the head, so that neither it nor the first decoder depends on how many there are.
    others = [settings.build("decoder") for _ in range(head.decoders - 1)]
    try:
        decoder = head.assemble([decoder, *others])
    except ValueError as error:
        raise ConfigError(f"uncertainty: {error}") from None
    torch.manual_seed(settings.seed)
    encoding = settings.build("encoding")
    masking = settings.build("masking")
    targets = settings.build("targets")
    torch.manual_seed(settings.seed)
    gaps = gap_embedding(targets.gap_embedding, settings.decoder.width)
    weights, predict = targets.loss_gap_power, targets.predict
    return SiamMAE(encoder, decoder, head, masking, encoding, gaps, weights, predict)
