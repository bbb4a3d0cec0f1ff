"""MAE-ST against plain formulas in float64, its folding to an encoder of frames, its settings."""

import pytest
import torch
from plain_vit import (
    assert_same_gradients,
    blocks,
    layer_norm,
    linear,
    normalised,
    part,
    patches_of,
    weights_of,
)

from siammae.assembly.build import build_model
from siammae.evaluation.encoders.convert import to_timm
from siammae.methods.mae_st import MAE_ST
from siammae.model.batch_draws import Part
from siammae.model.encoder import Encoder
from siammae.model.heads import PixelMean
from siammae.model.pair import FrameMask
from siammae.model.space_time import SpaceTimeDecoder
from siammae.system.errors import ConfigError

FRAMES, TUBELET, PLACES = 6, 2, 16


def build(ratio=0.75):
    torch.manual_seed(0)
    return MAE_ST(
        Encoder(image_size=32, patch_size=8, width=32, depth=2, heads=4),
        SpaceTimeDecoder(32, 8, 32, width=16, depth=2, heads=2, frames=FRAMES, tubelet=TUBELET),
        PixelMean(width=16, patch_size=8),
        FRAMES,
        TUBELET,
        ratio,
    )


def clips(batch=3):
    return torch.randn(batch, FRAMES, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def generator():
    return torch.Generator().manual_seed(5)


def places_and_times(positions):
    """Of a tubelet's place and time, added; the first time's places come first."""
    rows = [
        positions["space"][0, place] + positions["time"][0, time]
        for time in range(FRAMES // TUBELET)
        for place in range(PLACES)
    ]
    return torch.stack(rows)


def plain_loss(weights, images, mask):
    """Feichtenhofer et al.: a convolution over space and time, separate positions added, CLS before
    the encoder; the decoder has its own CLS, and sees mask tokens at hidden places and times."""
    images = images.double()
    kernel, bias = weights["tubelets.weight"], weights["tubelets.bias"]
    boxes = torch.nn.functional.conv3d(images.transpose(1, 2), kernel, bias, stride=(TUBELET, 8, 8))
    tokens = boxes.flatten(2).transpose(1, 2)  # (B, M * N, D)
    own = part(weights, "positions")
    tokens = tokens + places_and_times(own)
    encoder, decoder = part(weights, "encoder"), part(weights, "decoder")
    seen = torch.stack([row[where] for row, where in zip(tokens, mask.visible, strict=True)])
    cls = (encoder["cls_token"] + own["cls"]).expand(len(images), -1, -1)
    latent = layer_norm(encoder, "norm", blocks(encoder, torch.cat([cls, seen], 1), 4))[:, 1:]
    embedded, there = linear(decoder, "embed", latent), part(decoder, "positions")
    rows = []
    for sample in range(len(images)):
        row = [decoder["mask_token"][0, 0]] * (PLACES * FRAMES // TUBELET)
        for number, place in enumerate(mask.visible[sample].tolist()):
            row[place] = embedded[sample, number]
        whole = torch.stack(row) + places_and_times(there)
        rows.append(torch.cat([(decoder["cls_token"] + there["cls"])[0], whole]))
    decoded = layer_norm(decoder, "norm", blocks(decoder, torch.stack(rows), 2))[:, 1:]
    pixels = linear(part(weights, "head"), "pixels", decoded)
    chosen = torch.linspace(0, FRAMES - 1, FRAMES // TUBELET).long()  # as the authors' code
    target = torch.cat([normalised(patches_of(images[:, int(i)], 8)) for i in chosen], dim=1)
    error = (pixels - target).square().mean(-1)
    return torch.stack([error[i, mask.hidden[i]] for i in range(len(images))]).mean()


def test_loss_and_gradients_are_those_of_plain_formulas():
    model, images = build(), clips()
    outcome = model(images, generator())
    outcome.total.backward()
    weights, mask = weights_of(model), outcome.targets[0].mask
    assert [mask.visible.shape[1], mask.hidden.shape[1]] == [12, 36]
    wanted = plain_loss(weights, images, mask)
    wanted.backward()
    assert outcome.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert_same_gradients(model, weights)


def test_the_predicted_frames_are_those_of_the_authors_code():
    model = build()
    for frames, times in ((16, 8), (16, 4), (6, 3), (4, 1), (5, 5)):
        model.times = times
        numbers = torch.arange(frames).view(1, frames, 1, 1, 1)
        wanted = torch.linspace(0, frames - 1, times).long()
        assert model.shown(numbers).flatten().tolist() == wanted.tolist()


def in_the_authors_names(model):
    """What a checkpoint of facebookresearch/mae_st holds of the encoder."""
    tensors = {
        "patch_embed.proj.weight": model.tubelets.weight,
        "patch_embed.proj.bias": model.tubelets.bias,
        "pos_embed_spatial": model.positions.space,
        "pos_embed_temporal": model.positions.time,
        "pos_embed_class": model.positions.cls,
    }
    for name, value in model.encoder.state_dict().items():
        if name.startswith(("blocks.", "norm.", "cls_token")):
            tensors[name] = value
    return tensors


def test_the_exported_encoder_is_what_published_checkpoints_become():
    model = build().train()
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    model(clips(), generator()).total.backward()
    optimiser.step()
    model.end_step(1, 10)
    exported = model.exported().state_dict()
    wanted = to_timm(in_the_authors_names(model), over_time=True)
    assert set(exported) == set(wanted)
    for name, value in exported.items():
        torch.testing.assert_close(value, wanted[name], msg=name)


def test_a_frame_has_the_tokens_of_a_clip_that_shows_it_all_the_time():
    model = build().eval()
    model.end_step(1, 10)
    frame = clips()[:, 0]
    still = frame.unsqueeze(1).expand(-1, FRAMES, -1, -1, -1)
    first = torch.arange(PLACES).expand(len(frame), -1)
    tokens = model.encode(still, FrameMask(first, first[:, :0]))
    torch.testing.assert_close(model.exported().features(frame), tokens, rtol=1e-4, atol=1e-5)


def test_masks_do_not_depend_on_the_parts_of_a_batch():
    model, images = build(), clips(4)
    whole = model(images, generator()).targets[0].mask.hidden
    parts = [
        model(images[2 * i : 2 * i + 2], generator(), Part(i, 2)).targets[0].mask.hidden
        for i in range(2)
    ]
    assert torch.equal(torch.cat(parts), whole)


def test_the_picture_shows_the_predicted_frames():
    model, images = build().eval(), clips()
    columns = model.columns(images, model(images, generator()))
    assert [tuple(column.images.shape) for column in columns] == [(3, 3, 32, 32)] * 9
    for column, number in zip(columns[2::3], (0, 2, 5), strict=True):
        assert torch.equal(column.images, images[:, number])


def test_the_settings_are_the_papers(settings_of):
    settings = settings_of("method=mae_st", "preset=gpu", "data.frames=61")
    model, targets = build_model(settings), settings.build("targets")
    assert isinstance(model, MAE_ST)
    assert (model.frames, model.times, model.ratio, targets.stride) == (16, 8, 0.9, 4)
    assert (model.decoder.width, len(model.decoder.blocks), settings.decoder.heads) == (512, 4, 16)
    assert settings.data.as_dict()["repeated_sampling"] == 4
    fewer = build_model(settings_of("method=mae_st", "targets.frames=8", "method.tubelet=4"))
    assert (fewer.frames, fewer.times) == (8, 2)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["decoder=self"], ["method", "decoder=space_time"]),
        (["targets.frames=7"], ["tubelet 2", "targets.frames=7"]),
        (["targets=same_frame"], ["decoder.frames", "targets.frames"]),
        (["frame_gap=4"], ["frame_gap=4", "no gap"]),
        (["masking=grid"], ["masking", "method=mae_st does not use it"]),
        (["parallel=fsdp"], ["method=mae_st", "parallel=ddp"]),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(settings_of, overrides, words):
    with pytest.raises(ConfigError) as told:
        settings_of("method=mae_st", *overrides)
    assert all(word in str(told.value) for word in words), told.value
    assert len(str(told.value).splitlines()) == 1
