"""RSP, representation learning with stochastic frame prediction (Jang et al., ICML 2024).

The future frame is predicted whole from the past frame and a random latent, since one past has many
futures. In training the latent comes from both frames (posterior), and a prior learns to guess its
distribution from the past frame alone. Beside this, hidden patches of the future frame are restored
from its visible ones by the same decoder.
"""

import math
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Categorical, Independent, kl_divergence
from typing_extensions import override

from siammae.methods.method import Column, Method
from siammae.methods.restored_columns import restored_columns
from siammae.model.batch_draws import WHOLE, Draws, Part
from siammae.model.decoders import CrossSelfDecoder
from siammae.model.encoder import Encoder
from siammae.model.heads import Head
from siammae.model.layers import initialise
from siammae.model.masking.base import check_ratio, random_mask
from siammae.model.pair import FrameMask
from siammae.model.patches import gather_tokens, normalise_patches, patchify
from siammae.model.restoration import Restoration, RestoredFrame


class RSP(Method):
    """Predicts a future frame by a latent of ``variables`` categorical variables.

    Args:
        encoder: the ViT; CLS tokens tell the distributions of the latent.
        decoder: cross-self; its keys are the latent and the past frame, or the visible patches.
        head: turns decoded tokens into pixels and says what their errors cost.
        ratio: share of patches that is hidden from the second restoration.
        variables, categories: of the latent.
        kl_weight: of the divergence in the loss.
        kl_balance: share of it that moves the posterior towards the prior; the rest moves the
            prior.
        kl_free: nats below which the divergence costs no less.
        noise: deviation of what is added to the future frame before the posterior sees it.
    """

    uses: ClassVar = frozenset(("decoder", "uncertainty", "mask_ratio", "frame_gap"))
    frames = 2

    def __init__(
        self,
        encoder: Encoder,
        decoder: CrossSelfDecoder,
        head: Head,
        ratio: float,
        variables: int = 32,
        categories: int = 32,
        kl_weight: float = 0.01,
        kl_balance: float = 0.2,
        kl_free: float = 0.1,
        noise: float = 0.5,
    ):
        super().__init__()
        if not isinstance(decoder, CrossSelfDecoder) or head.decoders > 1:
            raise ValueError("RSP predicts by decoder=cross_self uncertainty=none; choose these")
        if variables < 1 or categories < 2:
            raise ValueError(
                f"a latent of {variables} variables with {categories} categories each says "
                "nothing; variables must be at least 1, categories 2"
            )
        if min(kl_weight, kl_free, noise) < 0 or not 0 <= kl_balance <= 1:
            raise ValueError(
                "kl_weight, kl_free and noise must not be negative, kl_balance a share"
            )
        check_ratio(ratio, math.prod(encoder.grid))
        self.encoder, self.decoder, self.head, self.ratio = encoder, decoder, head, ratio
        self.variables, self.categories, self.noise = variables, categories, noise
        self.kl_weight, self.kl_balance, self.kl_free = kl_weight, kl_balance, kl_free
        latent, width = variables * categories, encoder.width
        self.to_posterior = _perceptron(2 * width, 2 * width, latent)
        self.to_prior = _perceptron(width, 2 * width, latent)
        self.embed_past = nn.Linear(width, decoder.width)
        self.embed_latent = nn.Linear(latent, decoder.width)
        for module in (self.to_posterior, self.to_prior, self.embed_past, self.embed_latent):
            initialise(module)

    @override
    def forward(
        self, frames: Tensor, generator: Generator | None = None, part: Part = WHOLE
    ) -> Restoration:
        """Predict the second of frames (B, 2, 3, H, W) from the first, and restore its patches.

        Raises:
            ValueError: when there are not two frames.
        """
        if frames.shape[1] != 2:
            raise ValueError(f"{frames.shape[1]} frames: RSP predicts one from one")
        draws = Draws(generator, frames.device, part)
        past, future = (patchify(frame, self.encoder.patch_size) for frame in frames.unbind(1))
        memory = self.encoder(past)
        seen = frames[:, 1] + self.noise * draws.randn(*frames[:, 1].shape)
        of_future = self.encoder(patchify(seen, self.encoder.patch_size))
        posterior = self.to_posterior(torch.cat([memory[:, 0], of_future[:, 0]], dim=-1))
        kl, loss = self.divergence(posterior, self.to_prior(memory[:, 0]))
        predicted = self.predict(memory, future, self.sample(posterior, draws))
        restored = self.restore(future, draws)
        metrics = {"future_loss": predicted.loss, "kl": kl, "mae_loss": restored.loss}
        return Restoration(
            loss=predicted.loss + self.kl_weight * loss + restored.loss,
            past=None,
            targets=[predicted, restored],
            metrics={f"train/{name}": value.detach() for name, value in metrics.items()},
        )

    def predict(self, memory: Tensor, future: Tensor, latent: Tensor) -> RestoredFrame:
        """Predict all patches (B, N, P) from the past frame's tokens (B, 1 + N, D) and a latent."""
        past = self.embed_past(memory) + self.decoder.pos_embed
        keys = torch.cat([self.embed_latent(latent).unsqueeze(1), past], dim=1)
        batch, count, _ = future.shape
        patches = torch.arange(count, device=future.device).expand(batch, -1)
        return self._decoded(keys, FrameMask(patches[:, :0], patches), future)

    def restore(self, future: Tensor, draws: Draws) -> RestoredFrame:
        """Hide patches of a frame (B, N, P) and restore them from the visible ones."""
        batch, count, _ = future.shape
        mask = random_mask(batch, count, self.ratio, draws)
        keys = self.decoder.full_set(self.encoder(future, mask.visible), mask)
        return self._decoded(keys, mask, future)

    def _decoded(self, keys: Tensor, mask: FrameMask, frame: Tensor) -> RestoredFrame:
        """Let mask tokens at all places look at keys (B, M, D); compare the hidden patches."""
        decoder = self.decoder
        queries = (decoder.mask_token + decoder.pos_embed).expand(len(frame), -1, -1)
        tokens = decoder.decode(decoder.keys_values(keys), queries)
        prediction = self.head(gather_tokens(decoder.norm(tokens)[:, 1:], mask.hidden))
        target = normalise_patches(gather_tokens(frame, mask.hidden))
        return RestoredFrame(mask, prediction, self.head.cost(prediction, target).mean(), {})

    def sample(self, logits: Tensor, draws: Draws) -> Tensor:
        """Draw a latent (B, variables * categories) of 0 and 1; gradients reach the logits."""
        shares = self._variables(logits).softmax(dim=-1)
        drawn = draws.rand(*shares.shape[:2]).unsqueeze(-1)
        number = (shares.cumsum(dim=-1) < drawn).sum(dim=-1).clamp(max=self.categories - 1)
        chosen = torch.zeros_like(shares).scatter_(-1, number.unsqueeze(-1), 1.0)
        return (chosen + shares - shares.detach()).flatten(1)

    def divergence(self, posterior: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Return the divergence of the posterior from the prior, and what it costs: ``kl_free``
        at least. Its gradient is shared out between both by ``kl_balance``."""

        def kl(one: Tensor, other: Tensor) -> Tensor:
            # Not validated: to look at the logits is to wait for the device.
            given = [
                Categorical(logits=self._variables(logits), validate_args=False)
                for logits in (one, other)
            ]
            return kl_divergence(*(Independent(each, 1) for each in given)).mean()

        moving = kl(posterior, prior.detach()) * self.kl_balance
        value = moving + kl(posterior.detach(), prior) * (1 - self.kl_balance)
        return value, value.clamp(min=self.kl_free)

    def _variables(self, logits: Tensor) -> Tensor:
        return logits.float().view(-1, self.variables, self.categories)

    @override
    def columns(self, frames: Tensor, outcome: Restoration) -> list[Column]:
        """Return the past frame, and the future one predicted, then hidden and restored."""
        shown = torch.stack([frames[:, 0], frames[:, 1], frames[:, 1]], dim=1)
        return restored_columns(shown, outcome.targets, self.encoder.patch_size)


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
