"""The whole model out of a run's folder, from runs that a person would have."""

import json
import shutil

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from siammae.assembly.build import build_model
from siammae.assembly.checkpoint import Checkpoints
from siammae.assembly.encoder_file import export_encoder
from siammae.assembly.load_model import load_model
from siammae.config.check import check, read_settings
from siammae.launching.registration import register_with_hydra
from siammae.system.errors import ConfigError, DataError
from siammae.system.paths import CONFIGS

SMALL = ["encoder.width=32", "encoder.depth=1", "encoder.heads=2", "image_size=32"]
SMALL += ["decoder.width=32", "decoder.depth=1", "decoder.heads=2", "mask_ratio=0.5"]
SMALL += ["encoder.patch_size=8"]
OPTIONS = ["none", "gaussian", "laplace", "beta_nll", "ensemble", "dropout"]
DEEP = "uncertainty@uncertainty.member=gaussian"


def composed(*overrides):
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        return compose("train", [*SMALL, *overrides])


def written(folder, config, steps=(3, 6)):
    """A run's folder as far as checkpoints go; returns the model of the last."""
    folder.mkdir()
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
    for step in steps:
        model = build_model(check(config))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.01 * step
        Checkpoints(folder / "checkpoints").save(step, {"model": model.state_dict()})
    return model.eval()


def frames():
    return torch.randn(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def restored(model):
    with torch.no_grad():
        return model(frames(), torch.Generator().manual_seed(5)).targets[0].prediction


@pytest.mark.parametrize("decoder", ["cross_self", "cross", "joint"])
@pytest.mark.parametrize("option", OPTIONS)
def test_every_head_builds_trains_and_comes_back(tmp_path, option, decoder):
    config = composed(f"uncertainty={option}", f"decoder={decoder}")
    model = build_model(check(config))
    model(frames(), torch.Generator().manual_seed(5)).loss.backward()
    saved = written(tmp_path / "run", config)
    loaded, of_run = load_model(tmp_path / "run")
    assert not loaded.training
    whole = check(config).as_dict()
    assert of_run.as_dict() == {key: whole[key] for key in type(of_run).model_fields}
    one, other = restored(saved), restored(loaded)
    assert torch.equal(one.mean, other.mean)
    assert torch.equal(one.spread.stddev, other.spread.stddev)


def test_a_checkpoint_of_a_step_is_that_step(tmp_path):
    written(tmp_path / "run", composed())
    early, _ = load_model(tmp_path / "run/checkpoints/step-00000003.pt")
    late, _ = load_model(tmp_path / "run")
    difference = late.decoder.mask_token - early.decoder.mask_token
    assert torch.allclose(difference, torch.tensor(0.03), atol=1e-6)


def test_a_member_may_be_any_head(tmp_path):
    config = composed("uncertainty=ensemble", DEEP, "uncertainty.members=3")
    model = build_model(check(config))
    assert len(model.decoder) == len(model.head.heads) == 3
    assert all(head.predicts_spread for head in model.head.heads)


def test_the_first_decoder_of_an_ensemble_starts_as_without_one():
    alone, several = (
        build_model(check(composed(*more))) for more in ([], ["uncertainty=ensemble"])
    )
    first, *others = (
        {**decoder.state_dict(), **head.state_dict()}
        for decoder, head in zip(several.decoder, several.head.heads, strict=True)
    )
    before = {**alone.decoder.state_dict(), **alone.head.state_dict()}
    assert all(torch.equal(before[name], first[name]) for name in before)
    for name in ("mask_token", "embed.weight", "pixels.weight"):
        kinds = [first[name], *(other[name] for other in others)]
        assert len({tuple(kind.flatten().tolist()) for kind in kinds}) == 5, name
    for part in ("encoder", "encoding"):
        one, other = (getattr(model, part).state_dict() for model in (alone, several))
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_loading_does_not_touch_the_random_numbers(tmp_path):
    written(tmp_path / "run", composed())
    state = torch.get_rng_state()
    load_model(tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("nested", [False, True])
def test_two_rates_for_one_dropout_are_refused_by_name(nested):
    options = ["uncertainty=dropout"]
    if nested:
        options = ["uncertainty=ensemble", "uncertainty@uncertainty.member=dropout"]
    with pytest.raises(ConfigError, match=r"decoder\.dropout=0\.1 and uncertainty=dropout"):
        check(composed(*options, "decoder.dropout=0.1"))
    check(composed(*options))
    check(composed("decoder.dropout=0.1"))


def test_a_head_that_cannot_read_the_decoder_is_a_user_s_error(monkeypatch):
    monkeypatch.setattr("siammae.model.decoders.Block", lambda *_, **__: torch.nn.Identity())
    with pytest.raises(ConfigError, match="uncertainty: JointDecoder has no dropout layer"):
        build_model(read_settings(composed("uncertainty=dropout", "decoder=joint")))


# What is no checkpoint ---------------------------------------------------------------------------


def test_the_encoder_alone_is_told_from_a_checkpoint(tmp_path):
    config = composed()
    path = tmp_path / "encoder.safetensors"
    export_encoder(build_model(check(config)).encoder, dict(config.encoder), path)
    with pytest.raises(DataError, match="is the encoder alone; give the run's folder"):
        load_model(path)


def test_a_folder_without_checkpoints_and_a_missing_file_are_told(tmp_path):
    with pytest.raises(DataError, match=r"holds no whole checkpoints/step-\*\.pt"):
        load_model(tmp_path)
    with pytest.raises(DataError, match=r"step-00000001\.pt: no such checkpoint"):
        load_model(tmp_path / "step-00000001.pt")


def test_a_damaged_checkpoint_is_told_and_the_one_before_taken(tmp_path, capsys):
    written(tmp_path / "run", composed())
    newest = tmp_path / "run/checkpoints/step-00000006.pt"
    newest.write_bytes(newest.read_bytes()[:-100])
    model, _ = load_model(tmp_path / "run")
    early, _ = load_model(tmp_path / "run/checkpoints/step-00000003.pt")
    assert torch.equal(model.decoder.mask_token, early.decoder.mask_token)
    assert "step-00000006.pt is damaged" in capsys.readouterr().err
    with pytest.raises(DataError, match="is damaged"):
        load_model(newest)


def test_another_configuration_than_the_run_s_is_told(tmp_path):
    written(tmp_path / "run", composed())
    other = composed("decoder.width=64")
    (tmp_path / "run/config.yaml").write_text(OmegaConf.to_yaml(other, resolve=True))
    with pytest.raises(DataError, match=r"does not fit the model.*of another shape"):
        load_model(tmp_path / "run")
    (tmp_path / "run/config.yaml").write_text(json.dumps({"seed": 0, "image_size": None}))
    with pytest.raises(DataError, match=r"image_size=None.*; encoder must be given") as told:
        load_model(tmp_path / "run")
    assert len(str(told.value).splitlines()) == 1
    (tmp_path / "run/config.yaml").unlink()
    with pytest.raises(DataError, match=r"config\.yaml cannot be read"):
        load_model(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(DataError, match="no such"):
        load_model(tmp_path / "run")
