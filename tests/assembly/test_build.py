"""From a configuration to a model: what settings share, and patches of every size."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from siammae.assembly.build import build_model
from siammae.assembly.encoder_file import export_encoder, import_encoder
from siammae.config.check import check
from siammae.evaluation.features import EncoderFeatures
from siammae.evaluation.propagation.sequence import propagate_ids, propagate_maps
from siammae.launching.registration import register_with_hydra
from siammae.system.paths import CONFIGS
from siammae.training.training_plan import make_plan

SMALL = ["encoder.width=32", "encoder.depth=1", "encoder.heads=2"]
SMALL += ["decoder.width=32", "decoder.depth=1", "decoder.heads=2", "mask_ratio=0.9"]


@pytest.fixture
def composed() -> Callable[..., DictConfig]:
    def make(*overrides: str) -> DictConfig:
        register_with_hydra()
        with initialize_config_dir(str(CONFIGS)):
            return compose("train", list(overrides))

    return make


def same(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_encodings_start_from_the_same_encoder_and_decoder(composed):
    siamese, joint = (
        build_model(check(composed(*SMALL, f"encoding={name}"))) for name in ("siamese", "joint")
    )
    assert same(siamese.encoder, joint.encoder)
    assert same(siamese.decoder, joint.decoder)
    assert same(siamese.head, joint.head)
    assert not list(siamese.encoding.parameters())


def test_what_joins_the_frames_starts_alike_whatever_the_decoder(composed):
    models = [
        build_model(check(composed(*SMALL, "encoding=joint", f"decoder={name}")))
        for name in ("joint", "cross", "cross_self")
    ]
    assert all(same(models[0].encoding, model.encoding) for model in models[1:])
    assert models[0].encoding.future_embedding.shape == (1, 1, 32)


@pytest.mark.parametrize(("length", "steps"), [("0.5", 350), ("1", 700), ("2", 1400)])
def test_a_plan_is_longer_and_its_warm_up_the_same(composed, length, steps):
    plan = make_plan(check(composed(f"schedule.length={length}")), 64, 0.05, "fp32")
    assert (plan.steps, plan.warmup) == (steps, 70)


PATCHES = [(40, 4), (40, 5), (40, 8), (40, 10), (224, 8), (224, 16)]


@pytest.mark.parametrize(("image", "patch"), PATCHES)
def test_patches_of_every_size_train_are_exported_and_track(composed, tmp_path, image, patch):
    config = composed(*SMALL, f"image_size={image}", f"encoder.patch_size={patch}")
    settings = check(config)
    model = build_model(settings)
    output = model(torch.randn(1, 2, 3, image, image), torch.Generator().manual_seed(0))
    patches = (image // patch) ** 2
    assert output.targets[0].prediction.mean.shape == (1, patches - int(patches / 10), 3 * patch**2)
    output.loss.backward()

    export_encoder(model.encoder, settings.encoder.as_dict(), tmp_path / "encoder.safetensors")
    encoder = import_encoder(tmp_path / "encoder.safetensors").eval()
    assert same(encoder, model.encoder)

    paths = []
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (128, 96, 3), np.uint8)
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(pixels).save(paths[-1])
    propagation = settings.build("benchmark").propagation
    features = EncoderFeatures(encoder, torch.device("cpu"))
    first = np.zeros((128, 96), np.uint8)
    first[:64, 48:] = 7
    # The grid is that of the encoder: frames are resized to the nearest multiple of its patch.
    grid = (round(128 / patch), round(96 / patch))
    labels = torch.from_numpy(np.stack([first != 7, first == 7])).float()
    maps = list(propagate_maps(propagation, features, paths, labels))
    assert [tuple(frame.shape) for frame in maps] == [(2, *grid)] * 3
    found = list(propagate_ids(propagation, features, paths, first))
    assert [frame.shape for frame in found] == [(128, 96)] * 3
    assert set(np.unique(found)) <= {0, 7}


def test_a_patch_size_is_the_model_of_that_name(composed):
    """The same configuration is the same run: the axis meets the paper's models by their names."""
    named, axis = (
        OmegaConf.to_container(composed("preset=paper", override), resolve=True)
        for override in ("encoder=vit_s8", "encoder.patch_size=8")
    )
    assert named == axis
