"""Token Bottleneck (Kim et al., 2025): a past frame squeezed into one token.

Beside SiamMAE's restoration there is a second one, by the same decoder, that knows the past frame
by its CLS token alone. The token must therefore hold what the few visible patches do not say.
"""

import torch
from torch import Tensor
from typing_extensions import override

from siammae.methods.siammae import SiamMAE
from siammae.model.batch_draws import Draws
from siammae.model.decoders import CrossSelfDecoder
from siammae.model.pair import Latent, Pair
from siammae.model.restoration import RestoredFrame


class ToBo(SiamMAE):
    """Restores a future frame twice, with all tokens of the past frame and with one.

    Args:
        restoration_weight: of the loss of SiamMAE's restoration; 1 in the authors' recipe.
        bottleneck_weight: of the loss of that from the CLS token; 1 in the authors' recipe.
        parts: see `SiamMAE`.
    """

    def __init__(
        self, restoration_weight: float = 1.0, bottleneck_weight: float = 1.0, **parts: object
    ):
        super().__init__(**parts)  # type: ignore[arg-type]
        weights = restoration_weight, bottleneck_weight
        if min(weights) < 0 or not sum(weights) > 0:
            raise ValueError(
                "restoration_weight and bottleneck_weight must not be negative, and one above 0"
            )
        if not isinstance(self.decoder, CrossSelfDecoder):
            raise ValueError(
                "ToBo's decoder also runs without the past frame, which takes self-attention; "
                "choose decoder=cross_self uncertainty=none"
            )
        self.restoration_weight, self.bottleneck_weight = restoration_weight, bottleneck_weight

    @override
    def restore(self, pair: Pair, draws: Draws) -> RestoredFrame:
        latent, mask = self.forward_encoder(pair, draws)
        whole = self.forward_loss(pair, self.forward_decoder(latent), mask)
        squeezed = self.forward_loss(pair, self.head(self.decode_bottleneck(latent)), mask)
        losses = {"restoration": whole.loss, "bottleneck": squeezed.loss}
        logged = {f"train/{name}_loss": loss.detach() for name, loss in losses.items()}
        return whole._replace(
            loss=self._sum(whole.loss, squeezed.loss),
            weighted_loss=self._sum(whole.counted, squeezed.counted),
            metrics={**whole.metrics, **logged},
        )

    def decode_bottleneck(self, latent: Latent) -> Tensor:
        """Decode the hidden patches (B, H, D) from the past CLS token and the visible patches."""
        assert isinstance(self.decoder, CrossSelfDecoder)
        seen = torch.cat([latent.past[:, :1], latent.future[:, 1:]], dim=1)
        tokens = self.decoder.full_set(seen, latent.future_mask, latent.gap_embedding)
        decoded = self.decoder.decode_alone(tokens)
        return decoded[:, -latent.future_mask.hidden.shape[1] :]

    def _sum(self, whole: Tensor, squeezed: Tensor) -> Tensor:
        return self.restoration_weight * whole + self.bottleneck_weight * squeezed
