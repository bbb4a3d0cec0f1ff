"""Siamese Masked Autoencoder (Gupta et al., NeurIPS 2023): the method on one screen.

`SiamMAE.forward` reads like that of MAE (facebookresearch/mae, ``models_mae.py``), with a second
frame: the past frame is encoded whole, the future frame is masked, and the decoder restores what is
hidden of the future by attending to the past.
"""

from typing import ClassVar

from torch import Generator, Tensor, nn
from typing_extensions import override

from siammae.methods.method import Column, Method
from siammae.methods.restored_columns import restored_columns
from siammae.model.batch_draws import WHOLE, Draws, Part
from siammae.model.decoders import Decoder
from siammae.model.encoder import Encoder
from siammae.model.encoding import Encoding, SiameseEncoding
from siammae.model.gap_embedding import describe_targets
from siammae.model.heads import Head, Prediction
from siammae.model.masking.base import Masking
from siammae.model.pair import FrameMask, Latent, Pair, PastFrame
from siammae.model.patches import gather_tokens, normalise_patches, patchify
from siammae.model.restoration import Restoration, RestoredFrame
from siammae.model.visible_loss import NEARNESS_POWER, check_visible_loss, nearness


class SiamMAE(Method):
    """Restores the hidden patches of a future frame, or of several, from a past frame.

    Args:
        encoder: the ViT that encodes both frames.
        decoder: cross-self, cross or joint.
        head: turns decoded tokens into pixels and says what their errors cost.
        masking: chooses the patches that are hidden.
        encoding: siamese (the paper's default, also when None) or joint.
        gap_embedding: turns gaps (B,) into what the decoder adds to a future frame's tokens,
            (B, 1, D); None: the decoder does not know the gap.
        loss_gap_power: a future frame counts |gap|^-power in the loss, see `gap_weights`.
        predict: hide all patches of the last future frame, whatever the masking.
        visible_loss: what visible patches of a future frame weigh in the loss beside the hidden
            ones: V-JEPA 2.1's idea (arXiv:2603.14482), in pixels. 0: nothing, as in the paper.
        visible_loss_power: a visible patch counts d^-power at a distance of d patches from the
            nearest hidden one, see `nearness`.
    """

    uses: ClassVar = frozenset(
        ("decoder", "encoding", "masking", "mask_ratio", "frame_gap", "targets", "uncertainty")
    )
    asks: ClassVar = ("gap",)
    restores_pairs: ClassVar = True

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        head: Head,
        masking: Masking,
        encoding: Encoding | None = None,
        gap_embedding: nn.Module | None = None,
        loss_gap_power: float = 0.0,
        predict: bool = False,
        visible_loss: float = 0.0,
        visible_loss_power: float = NEARNESS_POWER,
    ):
        super().__init__()
        members = decoder if isinstance(decoder, nn.ModuleList) else [decoder]  # of an ensemble
        if not all(getattr(member, "takes_past", True) for member in members):
            raise ValueError(
                f"{type(self).__name__} restores a frame from another; choose decoder=cross_self, "
                "cross or joint"
            )
        check_visible_loss(visible_loss, visible_loss_power, decoder)
        self.encoder, self.decoder, self.head, self.masking = encoder, decoder, head, masking
        self.encoding = SiameseEncoding() if encoding is None else encoding
        self.gap_embedding, self.loss_gap_power = gap_embedding, loss_gap_power
        self.predict = predict
        self.visible_loss, self.visible_loss_power = visible_loss, visible_loss_power
        # Smart masking hides what is hard to restore, and may ask decoder and head for an estimate.
        masking.attach(decoder, head)

    @override
    def forward(
        self,
        frames: Tensor,
        generator: Generator | None = None,
        part: Part = WHOLE,
        gap: Tensor | None = None,
    ) -> Restoration:
        """Restore what is hidden of every frame but the first.

        Args:
            frames: (B, T, 3, H, W), normalised, the past frame first; T is 2 in the paper. Data
                that gives the later frame first trains to restore the past from the future.
            generator: draws the masks; None takes torch's own.
            part: which part of a step's batch these frames are. The masks do not depend on how the
                batch is split.
            gap: (B, T - 1), signed number of frames from the first frame to each of the others.

        Raises:
            ValueError: when ``gap`` is None but the embedding or the loss needs it.
        """
        past, *futures = (patchify(frame, self.encoder.patch_size) for frame in frames.unbind(1))
        targets = describe_targets(
            gap, len(futures), self.gap_embedding, self.loss_gap_power, self.predict
        )
        draws = Draws(generator, frames.device, part)
        memory = self.forward_past(past, self._grid(frames), draws)
        restored = []
        for future, target in zip(futures, targets, strict=True):
            # With `encode` a masking can predict the whole frame before it chooses what to hide.
            pair = Pair(memory, future, target, self.encode)
            restored.append(self.restore(pair, draws))
        return Restoration.of(restored, memory.mask, gap)

    def restore(self, pair: Pair, draws: Draws) -> RestoredFrame:
        """Restore what is hidden of one future frame."""
        latent, mask = self.forward_encoder(pair, draws)
        prediction = self.forward_decoder(latent)
        return self.forward_loss(pair, prediction, mask)

    def forward_past(self, patches: Tensor, grid: tuple[int, int], draws: Draws) -> PastFrame:
        """Encode the past frame (B, N, P), once for all future frames: the decoder's memory."""
        mask = self.masking.past(patches.shape[0], grid, draws)
        tokens = self.encoding.encode_past(self.encoder, patches, mask)
        # The dict is the decoder's cache: keys and values of the memory are computed for the first
        # future frame and used for all. Without tokens of its own the memory differs in each.
        return PastFrame(patches, grid, mask, tokens, None if tokens is None else {})

    def forward_encoder(self, pair: Pair, draws: Draws) -> tuple[Latent, FrameMask]:
        """Hide patches of the future frame and encode the others: at 95%, 9 of 196."""
        hide_all = pair.target.hide_all
        mask = pair.all_hidden() if hide_all else self.masking.future(pair, draws)
        return self.encode(pair, mask), mask

    def forward_decoder(self, latent: Latent) -> Prediction:
        """Predict the H hidden patches, (B, H, P): mask tokens attend to the past frame's tokens.

        In training the decoder runs once. In evaluation the prediction has a spread as well, for
        which some heads run the decoder several times.
        """
        if self.visible_loss:
            return self.predict_all(latent)
        restore = self.head.restore if self.training else self.head.predict
        return restore(self.decoder, *latent)

    def predict_all(self, latent: Latent) -> Prediction:
        """Predict the V visible patches as well, from their tokens in the same pass."""
        tokens = self.decoder(*latent, with_visible=True)  # (B, V + H, D)
        visible, hidden = tokens.split([index.shape[1] for index in latent.future_mask], dim=1)
        # For a prediction with a spread the head itself runs the decoder, see `forward_decoder`.
        found = self.head(hidden) if self.training else self.head.predict(self.decoder, *latent)
        return found._replace(visible=self.head(visible))

    def forward_loss(self, pair: Pair, prediction: Prediction, mask: FrameMask) -> RestoredFrame:
        """Compare prediction and normalised hidden patches; visible ones count where asked."""
        target = normalise_patches(gather_tokens(pair.future, mask.hidden))  # (B, H, P)
        cost = self.head.cost(prediction, target)  # (B, H, P), in the paper the squared error
        restored = RestoredFrame(
            mask,
            prediction,
            loss=cost.mean(),
            weighted_loss=pair.target.weigh(cost),
            metrics=self.head.metrics(prediction, target),
            masking_loss=self.masking.own_loss(pair, mask, prediction.mean, target),
        )
        return restored if prediction.visible is None else self.add_visible(pair, restored)

    def add_visible(self, pair: Pair, restored: RestoredFrame) -> RestoredFrame:
        """Add what the visible patches cost, the mean over all of them, to what counts."""
        mask, prediction = restored.mask, restored.prediction.visible
        target = gather_tokens(normalise_patches(pair.future), mask.visible)  # (B, V, P)
        near = nearness(mask, pair.past.grid[1], self.visible_loss_power)  # (B, V)
        cost = near * self.head.cost(prediction, target).mean(dim=-1)
        mean = cost.sum(dim=1) / max(1, cost.shape[1])  # (B,); nothing where all is hidden
        weighted = pair.target.weigh(mean.unsqueeze(1))
        added = mean.mean() if weighted is None else weighted
        losses = {"hidden": restored.loss.detach(), "visible": mean.mean().detach()}
        return restored._replace(
            weighted_loss=restored.counted + self.visible_loss * added,
            metrics=restored.metrics | {f"train/{name}_loss": v for name, v in losses.items()},
        )

    def encode(self, pair: Pair, mask: FrameMask) -> Latent:
        """Encode what ``mask`` leaves visible of the future frame; hidden patches never enter."""
        past, target = pair.past, pair.target
        patches, masks = (past.patches, pair.future), (past.mask, mask)
        past_tokens, future_tokens = self.encoding(self.encoder, patches, masks, past.tokens)
        return Latent(past_tokens, future_tokens, *masks, target.gap_embedding, past.cache)

    @override
    def columns(
        self, frames: Tensor, outcome: Restoration, gap: Tensor | None = None
    ) -> list[Column]:
        """Return past frame, and of each future frame what is visible, restored and true."""
        return restored_columns(frames, outcome.targets, self.encoder.patch_size, gap)

    @property
    @override
    def predicts_spread(self) -> bool:
        return self.head.predicts_spread

    @override
    def begin_step(self, step: int, steps: int) -> None:
        self.masking.begin_step(step, steps)

    @override
    def clipped_parameters(self) -> list[nn.Parameter]:
        """Return all parameters but the masking's own, whose gradients have another scale."""
        own = {id(parameter) for parameter in self.masking.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in own]

    def _grid(self, frames: Tensor) -> tuple[int, int]:
        height, width = (side // self.encoder.patch_size for side in frames.shape[-2:])
        return height, width
