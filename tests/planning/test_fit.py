"""The largest batch that fits: how it is looked for, and what is said about it."""

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hypothesis import given
from hypothesis import strategies as st
from tiny_runs import TINY

from siammae import plan
from siammae.config.check import check
from siammae.data.sampling.batch import Sample, Visit, collate
from siammae.planning import fit as fitting
from siammae.planning.fit import Fit, available_memory, extended, report, search, tiled
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS


@given(st.integers(0, 1000), st.integers(1, 8))
def test_the_limit_is_found_to_a_sixteenth_and_nothing_larger_is_said_to_fit(limit, unit):
    largest, tried = search(lambda size: size <= limit, unit)
    assert largest % unit == 0
    assert largest <= limit
    assert limit - largest < max(2 * unit, largest / 8) or largest == 0
    assert (largest == 0) == (limit < unit)
    assert len(tried) <= 20
    if largest:
        assert f"{largest} fits" in tried


def test_what_everything_fits_into_ends_the_search():
    assert search(lambda size: True, 1)[0] == fitting.MOST


def test_a_line_is_extended_to_the_limit():
    assert extended((8, 180), (16, 260), limit=1000) == 90  # 100 bytes and 10 a sample
    assert extended((8, 180), (16, 260), limit=100) == 0


def test_the_report_says_how_to_fit_a_batch():
    found = Fit(largest=50, unit=4, memory=1 << 30, tried=["64 does not", "50 fits"])
    assert "batch_size=48 accumulate=1 fits" in report(found, 48, False)[-1]
    assert "batch_size=256 fits with accumulate=8: 32 at once" in report(found, 256, False)[-1]
    assert "does not fit in parts" in report(found, 256, True)[-1]
    assert "not even 4 samples fit" in report(Fit(0, 4, 1 << 20), 256, False)[-1]


@pytest.fixture
def asked(tmp_path, capsys, monkeypatch):
    """asked(memory, KEY=VALUE, ...) is what the command prints with so many bytes available."""
    monkeypatch.setattr(fitting, "GROWN", 1 << 22)

    def run(memory, *overrides):
        monkeypatch.setattr(fitting, "available_memory", lambda: memory)
        command = ["plan", *TINY, f"data.root={tmp_path}", *overrides, "--fit"]
        monkeypatch.setattr("sys.argv", command)
        code = plan.main()
        told = capsys.readouterr()
        return code, told.out, told.err

    yield run
    GlobalHydra.instance().clear()


def largest_in(out):
    (line,) = [line for line in out.splitlines() if line.startswith("largest batch")]
    return int(line.removeprefix("largest batch of one process: ").split()[0])


def test_more_memory_fits_a_larger_batch_on_a_cpu(asked):
    code, out, err = asked(1 << 30)
    assert code == 0, err
    assert "extended from these" in out
    assert "batch_size=8 accumulate=1 fits" in out
    assert largest_in(asked(1 << 33)[1]) > largest_in(out) > 8


def test_several_configurations_are_refused(asked):
    code, _, err = asked(1 << 30, "mask_ratio=0.5,0.75")
    assert code != 0
    assert "--fit takes one configuration, and these are 2" in err


def test_other_devices_are_refused(monkeypatch):
    monkeypatch.setattr(fitting, "choose_device", lambda name: torch.device("mps"))
    with initialize_config_dir(str(CONFIGS)):
        settings = check(compose("train", [*TINY, "device=mps"]))
    with pytest.raises(ConfigError, match="cpu and cuda alone"):
        fitting.fit(settings)


def test_the_memory_of_this_machine_is_known():
    assert 1 << 20 < available_memory() < 1 << 50


@pytest.mark.gpu
def test_a_batch_that_fits_is_found_on_cuda(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "USABLE", 0.1)
    given = [each for each in TINY if not each.startswith("device=")]
    with initialize_config_dir(str(CONFIGS)):
        settings = check(compose("train", [*given, "device=cuda", f"data.root={tmp_path}"]))
    assert fitting.fit(settings).largest > 8


def test_a_batch_is_repeated_in_its_order():
    parts = [np.zeros((4, 4, 3), np.uint8)] * 2
    how = {"flip": np.zeros(2, bool), "colour": np.ones((2, 4), np.float32)}
    samples = [
        Sample(parts, **how, angle=np.zeros(2), gap=[4], clip=clip, short=False) for clip in (5, 6)
    ]
    larger = tiled(collate([Visit(samples, {})]), 5)
    assert larger.clip.tolist() == [5, 6, 5, 6, 5]
    assert larger.frames.shape == (5, 2, 4, 4, 3)
    assert larger.crop is None
