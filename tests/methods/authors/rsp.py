"""RSP, ``models_rsp.py``."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from torch import Tensor, nn
from torch.distributions import OneHotCategorical

from siammae.methods.rsp import RSP
from tests.methods.authors.checkout import load
from tests.methods.authors.comparison import VIT, Case, Report, build, compare, frames, visible
from tests.methods.authors.names import Weights, moved, of_decoder, of_rsp_layers

CODE = "huiwon-jang/RSP"
COMMIT = "5ea2b91"
APART = (
    "Their layers' key norms get the same weights; the sum of their gradients is that of our one.",
    "The latent is the one that ours drew.",
)


def reports(folder: Path) -> Iterator[Report]:
    """Compare at decoders of one and two layers, and where the divergence costs nothing."""
    code = load(folder, "models_rsp")
    cases = ((1, 0.1), (2, 0.1), (1, 1000.0))
    return (compare(case(code, depth, free)) for depth, free in cases)


def case(code: ModuleType, depth: int, free: float) -> Case:
    """Build both; all but ``free``, the nats that cost nothing, is as each has it."""
    sizes = ("decoder.width=64", f"decoder.depth={depth}", f"method.kl_free={free}")
    settings, ours = build("rsp", *sizes)
    assert isinstance(ours, RSP)
    theirs = code.RSP(
        embed_dim=VIT["width"], depth=VIT["depth"], num_heads=VIT["heads"],
        decoder_embed_dim=64, decoder_depth=depth, decoder_num_heads=8,
        norm_layer=partial(nn.LayerNorm, eps=1e-6), kl_freebit=free,
    )  # fmt: skip
    images, draw, latents = frames(2), ours.sample, []

    def sample(*given: Any) -> Tensor:
        latents.append(draw(*given))
        return latents[-1]

    def their_loss() -> Tensor:
        chosen = latents[-1].detach().round()
        drawn = mock.patch.object(
            OneHotCategorical, "sample", lambda self, _: chosen.view(self.logits.shape)
        )
        with drawn:
            return theirs(*images.unbind(1), epoch=0)[0]

    ours.sample = sample  # type: ignore[method-assign, assignment]
    return Case(
        f"decoder of {depth}, {free:g} nats free",
        ours,
        theirs,
        names,
        lambda: ours(images).total,
        their_loss,
        visible(theirs, 196, settings.mask_ratio),
    )


def names(weights: Weights) -> dict[str, Tensor]:
    """Return our parameters by their names."""
    return {
        **moved(weights, "encoder", ""),
        **of_decoder(weights, embed="decoder_embed_mae"),
        **of_rsp_layers(weights),
        **moved(weights, "embed_past", "decoder_embed_deter"),
        **moved(weights, "embed_latent", "decoder_embed_stoch"),
        **moved(weights, "to_posterior", "to_posterior"),
        **moved(weights, "to_prior", "to_prior"),
    }
