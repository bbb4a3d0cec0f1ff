"""From settings to the model."""

import torch
from omegaconf import DictConfig

from siammae.config.groups import build_group
from siammae.model.gap_embedding import gap_embedding
from siammae.model.siammae import SiamMAE
from siammae.system.errors import ConfigError


def build_model(config: DictConfig) -> SiamMAE:
    """The model with initial weights that follow from ``seed``, the encoder's from it alone.

    Runs that differ in encoding, decoder or masking therefore start from the same encoder, and
    those that differ in what the decoder is told of gaps from the same decoder and head as well.

    Raises:
        ConfigError: when a class refuses a value, or the head the decoder.
    """
    torch.manual_seed(config.seed)
    encoder = build_group(config, "encoder")
    torch.manual_seed(config.seed)
    decoder = build_group(config, "decoder")
    head = build_group(config, "uncertainty")
    # After the head, so that neither it nor the first decoder depends on how many there are.
    others = [build_group(config, "decoder") for _ in range(head.decoders - 1)]
    try:
        decoder = head.assemble([decoder, *others])
    except ValueError as error:
        raise ConfigError(f"uncertainty: {error}") from None
    torch.manual_seed(config.seed)
    encoding = build_group(config, "encoding")
    masking = build_group(config, "masking")
    targets = build_group(config, "targets")
    torch.manual_seed(config.seed)
    gaps = gap_embedding(targets.gap_embedding, config.decoder.width)
    weights, predict = targets.loss_gap_power, targets.predict
    return SiamMAE(encoder, decoder, head, masking, encoding, gaps, weights, predict)
