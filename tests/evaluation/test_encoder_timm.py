"""timm's models as encoders, compared with timm itself."""

import os
from importlib.metadata import version

import pytest
import timm
import torch
from torch import nn

from siammae.data.augment.normalising import MEAN, STD
from siammae.evaluation.encoders.timm_model import TimmEncoder
from siammae.evaluation.encoders.tokens import PatchTokens
from siammae.evaluation.features import EncoderFeatures
from siammae.system.errors import ConfigError, DataError

SMALL = {"depth": 1, "embed_dim": 64, "num_heads": 2, "num_classes": 0, "dynamic_img_size": True}


@pytest.fixture
def small(monkeypatch):
    """timm.create_model at the smallest size."""
    create = timm.create_model

    def shrunk(name, **settings):
        return create(name, **{**settings, **SMALL})

    monkeypatch.setattr(timm, "create_model", shrunk)
    return shrunk


def pixels(height, width):
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))


# Registers, 14-pixel patches, rotary positions, both kinds of positions, a distillation token.
NAMES = {
    "vit_small_patch14_reg4_dinov2": (14, 5),
    "vit_small_patch16_dinov3": (16, 5),
    "eva02_tiny_patch14_224": (14, 1),
    "deit_tiny_distilled_patch16_224": (16, 2),
    "vit_base_patch16_rope_mixed_224": (16, 1),
}


@pytest.mark.parametrize(("name", "patch", "prefix"), [(n, *v) for n, v in NAMES.items()])
def test_features_are_timm_s_patch_tokens(small, name, patch, prefix):
    encoder = TimmEncoder(name, pretrained=False).load()
    torch.manual_seed(0)
    model = small(name).eval()
    assert encoder.patch_size == patch
    assert model.num_prefix_tokens == prefix
    config = model.pretrained_cfg
    ours = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD, config["mean"], config["std"]))
    mean, std, own_mean, own_std = ours
    grid = tuple(model.patch_embed.grid_size)
    image = pixels(grid[0] * patch, grid[1] * patch)
    with torch.no_grad():
        expected = model.forward_features((image * std + mean - own_mean) / own_std)[:, prefix:]
        if isinstance(model.norm, nn.Identity):  # eva02 norms after pooling
            expected = model.fc_norm(expected)
        features = encoder.features(image)
        torch.testing.assert_close(features, expected, atol=1e-4, rtol=1e-4)
        other = encoder.features(pixels(2 * patch, 5 * patch))
        assert other.shape == (1, 10, expected.shape[2])
        torch.testing.assert_close(encoder.features(image), features)  # and back again


def test_other_normalisation_is_the_model_s(small):
    encoder = TimmEncoder("vit_small_patch16_224", pretrained=False).load()
    model = encoder.model
    raw = torch.rand(1, 3, 224, 224)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    with torch.no_grad():
        expected = model.forward_features((raw - 0.5) / 0.5)[:, 1:]
        features = encoder.features((raw - mean) / std)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-4)


def test_a_norm_after_pooling_is_applied_to_patches(small):
    model = small("vit_small_patch16_224", global_pool="avg").eval()
    with torch.no_grad():
        model.fc_norm.weight.uniform_(0.5, 2)
        image = pixels(224, 224)
        expected = model.fc_norm(model.forward_features(image)[:, 1:])
        torch.testing.assert_close(PatchTokens(model).features(image), expected)


def test_random_weights_are_always_alike_and_leave_the_generator_alone(small):
    state = torch.random.get_rng_state()
    one, two = (TimmEncoder("vit_small_patch16_224", pretrained=False).load() for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(one.features(pixels(32, 32)), two.features(pixels(32, 32)))


def test_a_local_file_in_timm_s_names(small, tmp_path):
    model = small("vit_small_patch16_224.dino")
    path = tmp_path / "weights.pth"
    torch.save({**model.state_dict(), "head.weight": torch.ones(2, 2)}, path)
    source = TimmEncoder("vit_small_patch16_224.dino", weights=str(path))
    encoder = source.load()
    assert source.label() == f"vit_small_patch16_224.dino (timm, {path})"
    assert torch.equal(encoder.model.pos_embed[:, :1], model.pos_embed[:, :1])
    state = model.state_dict()
    del state["norm.weight"]
    torch.save(state, path)
    with pytest.raises(DataError, match=r"are not those of model=vit_small.*missing: norm\.weight"):
        source.load()
    with pytest.raises(DataError, match="gone: no such file"):
        TimmEncoder("vit_small_patch16_224.dino", weights="gone").identity()


def test_labels_and_identities_tell_encoders_apart(tmp_path):
    name = "vit_small_patch16_224.dino"
    sources = [TimmEncoder(name), TimmEncoder(name, pretrained=False), TimmEncoder(name, layer=3)]
    labels = [source.label() for source in sources]
    assert labels == [f"{name} (timm)", f"{name} (timm, random weights)", f"{name} (timm, layer 3)"]
    identities = [source.identity() for source in sources]
    assert len({str(sorted(identity.items())) for identity in identities}) == 3
    assert version("timm") in identities[0]["content"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": None}, "model=NAME is missing"),
        ({"model": "vit_smal_patch16_224"}, r"no such model \(did you mean 'vit_small_patch16_224"),
        (
            {"model": "vit_small_patch16_224.dinno"},
            r"no such weights \(did you mean '.*\.dino'\?\)",
        ),
        ({"model": "resnet18", "pretrained": False}, "is no ViT that takes images of any size"),
        ({"model": "swin_tiny_patch4_window7_224", "pretrained": False}, "is no ViT that gives"),
        (
            {"model": "vit_wee_patch16_reg1_gap_256", "layer": "x"},
            "layer=x: must be a whole number",
        ),
        ({"model": "x", "pretrained": True, "weights": "y"}, "exclude each other"),
        ({"model": "x", "pretrained": "maybe"}, "must be true, false or null"),
    ],
)
def test_settings_that_do_not_fit_are_told(settings, words):
    with pytest.raises(ConfigError, match=words) as told:
        TimmEncoder(**settings).load()
    assert "\n" not in str(told.value)


def test_a_model_without_published_weights(monkeypatch):
    published = {name.split(".")[0] for name in timm.list_pretrained()}
    bare = next(name for name in timm.list_models("vit_*") if name not in published)
    with pytest.raises(ConfigError, match="timm has no weights for it; give weights=FILE"):
        TimmEncoder(bare).load()


def test_weights_that_cannot_be_downloaded(monkeypatch, tmp_path):
    import huggingface_hub.constants as constants

    assert "HF_HUB_OFFLINE" not in os.environ
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"cannot be downloaded \(.*weights=FILE") as told:
        TimmEncoder("vit_tiny_patch16_224.augreg_in21k").load()
    assert "\n" not in str(told.value)


def test_features_that_are_no_tokens_of_patches_are_refused():
    class Pooled(nn.Module):
        num_prefix_tokens = 0

        def __init__(self):
            super().__init__()
            self.patch_embed = nn.Module()
            self.patch_embed.patch_size = (8, 8)
            self.norm = nn.Identity()

        def forward_features(self, images):
            return images.mean((2, 3))[:, None].expand(-1, 4, -1)

    with pytest.raises(ConfigError, match=r"have the shape \(1, 4, 3\), not \(1, 6, D\)"):
        PatchTokens(Pooled())


def test_bf16_is_near(small):
    encoder = TimmEncoder("vit_small_patch16_224", pretrained=False).load()
    exact, rough = (EncoderFeatures(encoder, torch.device("cpu"), p) for p in ("fp32", "bf16"))
    image = pixels(48, 32)
    torch.testing.assert_close(rough(image), exact(image), atol=0.1, rtol=0.1)
    assert not torch.equal(rough(image), exact(image))
