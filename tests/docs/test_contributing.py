"""The examples of CONTRIBUTING.md work as they stand: each is written to its file and used."""

import importlib.util
import json
import re
import sys

import numpy as np
import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from PIL import Image

from siammae.assembly.build import build_model
from siammae.config.check import check
from siammae.config.experiment import read_experiments
from siammae.data.downloading.catalog import DataSet
from siammae.launching.registration import register_with_hydra
from siammae.model.patches import patchify
from siammae.system.paths import CONFIGS, ROOT

EXAMPLE = re.compile(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = dict(EXAMPLE.findall((ROOT / "CONTRIBUTING.md").read_text()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The examples in their files, below a folder of their own; their modules can be imported."""
    folder = tmp_path_factory.mktemp("tree")
    with pytest.MonkeyPatch.context() as patched:
        for name, text in EXAMPLES.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if path.suffix == ".py":
                module = name.removesuffix(".py").replace("/", ".")
                spec = importlib.util.spec_from_file_location(module, path)
                patched.setitem(sys.modules, module, importlib.util.module_from_spec(spec))
                spec.loader.exec_module(sys.modules[module])
                parent, _, leaf = module.rpartition(".")
                patched.setattr(
                    importlib.import_module(parent), leaf, sys.modules[module], raising=False
                )
        yield folder


def composed(folder, *overrides):
    GlobalHydra.instance().clear()
    register_with_hydra()
    place = f"hydra.searchpath=[file://{folder / 'configs'}]"
    with initialize_config_dir(str(CONFIGS)):
        return check(compose("train", [place, *overrides]))


def test_a_method(folder):
    model = build_model(composed(folder, "method=colour_mean"))
    outcome = model(torch.randn(2, 1, 3, 40, 40), torch.Generator().manual_seed(0))
    outcome.total.backward()
    assert outcome.loss.isfinite()
    assert all(p.grad is not None for p in model.parameters())
    (column,) = model.columns(torch.zeros(2, 1, 3, 40, 40), outcome)
    assert column.images.shape == (2, 3, 40, 40)


@pytest.mark.parametrize("option", ["decoder=gated", "masking=visible_block"])
def test_a_part_of_the_model(folder, option):
    model = build_model(composed(folder, option))
    frames = torch.randn(2, 2, 3, 40, 40)
    restored = model(frames, torch.Generator().manual_seed(0))
    restored.loss.backward()
    assert restored.loss.isfinite()
    name = option.partition("=")[0]
    assert type(getattr(model, name)).__module__.endswith(option.partition("=")[2])
    if name == "decoder":
        assert model.decoder.gate.grad is not None
        assert model.decoder.gate.item() == 0.5
    else:
        mask = restored.targets[0].mask
        assert mask.hidden.shape == (2, 24)


def test_a_data_set(folder, tmp_path):
    for name in ("south/b.mp4", "north/c.mp4", "north/a.mp4", "west/d.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    source = composed(folder, "data=cameras", f"data.root={tmp_path}").build("data")
    names = [path.relative_to(tmp_path).as_posix() for path in source.videos()]
    assert names == ["north/a.mp4", "north/c.mp4", "south/b.mp4"]
    assert source.repeated_sampling == 4  # the demo preset's
    assert len(source.fingerprint()) == 10


class OwnPixels:
    """Features that are the patches themselves, so that equal patches are found again."""

    patch_size, device = 8, torch.device("cpu")

    def __call__(self, images):
        return patchify(images, self.patch_size)


def test_a_benchmark_of_which_less_is_better(folder, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        frame = rng.integers(0, 256, (32, 64, 3), dtype=np.uint8)
        Image.fromarray(frame).save(tmp_path / name / "0.png")
        Image.fromarray(np.roll(frame, (8, 16), (0, 1))).save(tmp_path / name / "1.png")
        points = [[x, y, x + 16, y + 8] for x, y in ((4, 4), (30, 10), (40, 20))]
        (tmp_path / name / "points.json").write_text(json.dumps(points))
    overrides = [f"benchmark.root={tmp_path}", "benchmark.propagation.top_k=1"]
    benchmark = composed(folder, "benchmark=points", *overrides).build("benchmark")
    result = benchmark.evaluate(OwnPixels())
    assert result.metrics == pytest.approx({"error": 0})
    assert benchmark.copy_first_mask().metrics == pytest.approx({"error": np.hypot(16, 8)})
    assert result.metric("error").head == "error (px)"
    assert result.metric("error").quality(3.0) == -3.0
    text = EXAMPLES["siammae/data/downloading/sets/points.yaml"]
    assert DataSet.model_validate(yaml.safe_load(text)).files[0].name == "points.zip"


def test_an_ablation(folder):
    (experiment,) = read_experiments(folder / "experiments").values()
    assert experiment.keys == ["decoder.dropout"]
    text = (folder / "experiments" / "dropout.yaml").read_text()
    assert text.startswith("# @package _global_")
    for setting in experiment.settings({}, {}):
        overrides = [f"{key}={value}" for key, value in setting.items()]
        settings = composed(folder, *overrides)
        assert settings.decoder.as_dict()["dropout"] == float(setting["decoder.dropout"])


def test_every_example_is_used():
    assert set(EXAMPLES) == {
        "siammae/model/gated.py",
        "configs/decoder/gated.yaml",
        "siammae/model/masking/visible_block.py",
        "configs/masking/visible_block.yaml",
        "siammae/methods/colour_mean.py",
        "configs/method/colour_mean.yaml",
        "siammae/data/sets/cameras.py",
        "configs/data/cameras.yaml",
        "siammae/evaluation/benchmarks/points.py",
        "configs/benchmark/points.yaml",
        "siammae/data/downloading/sets/points.yaml",
        "experiments/dropout.yaml",
    }
