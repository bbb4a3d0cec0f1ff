"""Classes are built by the keys that they declare, from packages that somebody trusts."""

import json
import sys

import pytest
import yaml
from hydra import compose, initialize_config_dir

from siammae.config.check import check, read_run, read_settings
from siammae.config.groups import Group, build_group, public_target
from siammae.launching.registration import register_with_hydra
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS

OWN = """
from siammae.model import CrossSelfDecoder


class Scaled(CrossSelfDecoder):
    def __init__(self, *args, extra=1, **kwargs):
        super().__init__(*args, **kwargs)
        self.extra = extra


class Free:
    def __init__(self, **options):
        self.options = options
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A package of the user's, and an option of ``decoder`` and of ``data`` in a folder of hers."""
    (tmp_path / "ownpkg.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "ownpkg", raising=False)
    for group, text in {
        "decoder": "defaults: [cross_self]\n_target_: ownpkg.Scaled\nextra: 3\n",
        "data": "_target_: siammae.data.Videos\nroot: clips\n",
    }.items():
        (tmp_path / "configs" / group).mkdir(parents=True)
        (tmp_path / "configs" / group / "own.yaml").write_text(text)
    return tmp_path


def composed(*overrides):
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        return compose("train", list(overrides))


def test_a_decoder_that_hands_arguments_on_has_the_keys_of_its_base(own):
    given = [f"hydra.searchpath=[file://{own / 'configs'}]", "decoder=own"]
    trusted = "trusted_packages=[ownpkg]"
    decoder = read_settings(composed(*given, trusted)).build("decoder")
    assert (type(decoder).__name__, decoder.extra) == ("Scaled", 3)
    check(composed(*given, trusted, "decoder.dropout=0.1"))
    with pytest.raises(ConfigError, match=r"decoder\.dropuot: no such key .*'decoder.dropout'"):
        check(composed(*given, trusted, "+decoder.dropuot=0.1"))
    with pytest.raises(ConfigError, match=r"ownpkg.Scaled: .* trusted_packages=\[ownpkg\]"):
        check(composed(*given))


def test_a_constructor_that_takes_any_key_gets_it(own):
    group = Group.model_validate({"_target_": "ownpkg.Free", "whatever": 1})
    assert build_group(group, "x", ["ownpkg"]).options == {"whatever": 1}


def test_a_data_set_of_a_class_and_a_root_has_the_defaults_of_the_class(own):
    given = [f"hydra.searchpath=[file://{own / 'configs'}]", "data=own", "~preset"]
    source = check(composed(*given)).build("data")
    assert (source.root, source.repeated_sampling, source.short_side) == ("clips", 2, 256)
    with pytest.raises(ConfigError, match=r"batch_size=255 .* data\.repeated_sampling=2"):
        check(composed(*given, "batch_size=255"))


@pytest.mark.parametrize(
    "target",
    [
        "subprocess.Popen",
        "os.system",
        "siammae.system.lock.os.system",
        "siammae.config.groups.inspect.Parameter",
        "siammae.config.check.Path",
        "builtins.eval",
    ],
)
def test_what_is_not_of_siammae_is_neither_imported_nor_built(target):
    with pytest.raises(ConfigError, match=rf"decoder\._target_={target}: "):
        build_group(Group.model_validate({"_target_": target, "args": "true"}), "decoder")


@pytest.mark.parametrize("place", ["parts", "source", "inner"])
def test_nor_within_a_group(place):
    bad = {"_target_": "subprocess.Popen", "args": "true"}
    inner = {"parts": {"a": bad}} if place == "parts" else {place: bad}
    group = {"_target_": "siammae.evaluation.Suite", "name": "x", "objective": "a/b", **inner}
    with pytest.raises(ConfigError, match=r"benchmark\."):
        build_group(Group.model_validate(group), "benchmark")


@pytest.mark.parametrize(
    ("before", "now"),
    {
        "siammae.model.decoders.CrossSelfDecoder": "siammae.model.CrossSelfDecoder",
        "siammae.model.uncertainty.ensemble.Ensemble": "siammae.model.Ensemble",
        "siammae.data.packing.source.Packed": "siammae.data.Packed",
        "siammae.evaluation.protocol.Propagation": "siammae.evaluation.Propagation",
        "siammae.model.Encoder": "siammae.model.Encoder",
        "siammae.model.own.Thing": "siammae.model.own.Thing",
        "ownpkg.model.decoders.CrossSelfDecoder": "ownpkg.model.decoders.CrossSelfDecoder",
    }.items(),
)
def test_classes_of_older_runs_are_found_by_room_and_name(before, now):
    assert public_target(before) == now


def test_a_record_with_former_paths_builds_the_same_model(tmp_path):
    settings = check(composed())
    plain = settings.as_dict()
    former = {
        "encoder": "siammae.model.encoder.Encoder",
        "decoder": "siammae.model.decoders.CrossSelfDecoder",
        "masking": "siammae.model.masking.AsymmetricRandom",
        "targets": "siammae.data.targets.SingleTarget",
        "uncertainty": "siammae.model.heads.PixelMean",
        "encoding": "siammae.model.encoding.SiameseEncoding",
    }
    old = {key: {**plain[key], "_target_": target} for key, target in former.items()}
    found = read_run({**plain, **old, "trusted_packages": ["os"]}, tmp_path, [])
    assert found.as_dict() == read_run(plain, tmp_path, []).as_dict()
    assert found.trusted_packages == []  # whom to trust is never said by a file


@pytest.mark.parametrize("command", ["evaluate", "uncertainty_maps"])
@pytest.mark.parametrize("target", ["subprocess.Popen", "os.system"])
def test_a_planted_record_gets_one_error_and_runs_nothing(
    tmp_path, monkeypatch, capsys, command, target
):
    from siammae.assembly.build import build_model
    from siammae.assembly.checkpoint import Checkpoints
    from siammae.assembly.encoder_file import export_encoder

    settings = check(composed("uncertainty=gaussian"))
    model, run = build_model(settings), tmp_path / "run"
    Checkpoints(run / "checkpoints").save(1, {"model": model.state_dict()})
    export_encoder(model.encoder, settings.encoder.as_dict(), run / "encoder.safetensors")
    planted = {"_target_": target, "args": f"touch {tmp_path / 'planted'}", "shell": True,
               "width": 128, "depth": 1, "heads": 4}  # fmt: skip
    text = yaml.safe_dump({**settings.as_dict(), "decoder": planted, "trusted_packages": ["os"]})
    (run / "config.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    if command == "evaluate":
        from siammae.evaluate import main

        monkeypatch.setattr(sys, "argv", [
            "evaluate", "checkpoint=run", "benchmark=sprites_calibration", "device=cpu",
            "benchmark.parts.sprites.source.sequences=1",
            "benchmark.parts.calibration.source.clips=2",
        ])  # fmt: skip
        code = main()
    else:
        from siammae.report.uncertainty_maps import main as draw

        code = draw(["checkpoint=run", "video=clip.mp4"])
    error = capsys.readouterr().err
    assert code == 2
    assert "run/config.yaml" in error
    assert f"decoder._target_={target}" in error
    assert "Traceback" not in error
    assert not (tmp_path / "planted").exists()


def test_a_length_shortens_the_warm_up_of_a_preset_in_proportion():
    for preset, steps, warm_up in (("demo", 20, 2), ("demo", 700, 70), ("gpu", 1000, 50)):
        schedule = read_settings(composed(f"preset={preset}", f"schedule.steps={steps}")).schedule
        assert (schedule.steps, schedule.warmup_steps) == (steps, warm_up)
    given = read_settings(composed("schedule.steps=20", "schedule.warmup_steps=5")).schedule
    assert given.warmup_steps == 5
    epochs = read_settings(composed("schedule.steps=null", "schedule.epochs=3")).schedule
    assert (epochs.warmup_epochs, epochs.warmup_steps) == (0.3, None)


def test_the_preset_s_warm_up_stays_a_reference_in_the_record():
    composed_form = read_settings(composed()).composed
    assert composed_form["schedule"]["warmup_steps"] == "${share:0.1,${schedule.steps}}"
    assert json.loads(json.dumps(composed_form)) == composed_form  # plain, without nodes of Hydra
