"""Compiled and recomputed models train as plain ones do, under the same names."""

import composed
import pytest
import torch
from torch._dynamo.utils import counters

from siammae.config.essential import essential
from siammae.training.compiled import chosen, drawn_batch, trainable, uncompiled

CPU = torch.device("cpu")
TINY = ["encoder.width=32", "encoder.depth=3", "encoder.heads=2", "batch_size=4"]
DECODER = ["decoder.width=32", "decoder.depth=2", "decoder.heads=2"]
METHODS = {
    "siammae": DECODER,
    "mae": DECODER,
    "mae_st": [*DECODER, "targets.frames=4", "data.repeated_sampling=1"],
    "simclr": ["method.hidden=32"],
    "dino": ["method.prototypes=16", "method.hidden=32", "data.repeated_sampling=1"],
    "supervised": ["method.classes=3", "data.repeated_sampling=1"],
    "cropmae": DECODER,
    "rsp": DECODER,
    "tobo": DECODER,
    "catmae": DECODER,
    "multi_anchor": DECODER,
}


def settings_of(*overrides):
    return composed.settings_of("benchmark=none", *TINY, *overrides)


def trained(settings, steps=3, model=None):
    """A model after a few steps, and its losses."""
    model = trainable(settings, CPU, "fp32") if model is None else model
    model.train()
    torch.manual_seed(7)
    frames, asked = drawn_batch(model, settings, settings.batch_size, CPU)
    rate = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05)
    losses = []
    for step in range(1, steps + 1):
        model.begin_step(step, 100)
        torch.manual_seed(step)
        outcome = model(frames, torch.Generator().manual_seed(step), **asked)
        outcome.total.backward()
        rate.step()
        rate.zero_grad()
        model.end_step(step, 100)
        losses.append(outcome.loss.detach())
    return model, losses


def test_they_are_no_part_of_what_a_run_is():
    plain, other = (
        settings_of(*keys).as_dict() for keys in ([], ["compile=step", "memory=checkpoint"])
    )
    assert plain != other
    assert essential(plain) == essential(other)


def test_auto_compiles_blocks_where_it_pays():
    assert chosen("auto", CPU) == "off"
    assert chosen("auto", torch.device("cuda")) == "blocks"
    assert chosen("step", CPU) == "step"


@pytest.mark.parametrize("method", METHODS)
def test_recomputed_activations_change_no_bit(method):
    """Dropout included; and every layer of the encoder runs once more for the backward pass."""
    dropout = ["decoder.dropout=0.1"] if method in ("siammae", "cropmae", "catmae") else []
    states, losses, calls = [], [], []
    for memory in ("plain", "checkpoint"):
        settings = settings_of(f"method={method}", *METHODS[method], *dropout, f"memory={memory}")
        model, passes = trainable(settings, CPU, "fp32"), []
        model.encoder.blocks[0].register_forward_pre_hook(lambda *_, to=passes: to.append(1))
        model, found = trained(settings, model=model)
        states.append(model.state_dict())
        losses.append(found)
        calls.append(len(passes))
    assert losses[0] == losses[1]
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))
    assert calls[1] == 2 * calls[0]


def test_without_a_compiler_a_run_says_why_and_goes_on(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    settings = settings_of(*DECODER, "compile=blocks")
    model, losses = trained(settings)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("warning: compile=blocks failed, going on without: ")
    assert "compiler" in line
    plain, others = trained(settings_of(*DECODER))
    assert losses == others
    assert list(model.state_dict()) == list(plain.state_dict())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("how", ["blocks", "step"])
def test_a_compiled_model_trains_as_a_plain_one(how, capsys):
    """With dropout, whose numbers are the same; blocks of one kind are compiled once."""
    keys = [*DECODER, "decoder.dropout=0.1"]
    plain, losses = trained(settings_of(*keys))
    counters.clear()
    model = trainable(settings_of(*keys, f"compile={how}"), CPU, "fp32")
    told = capsys.readouterr().out
    if "failed" in told and "ompiler" in told:
        pytest.skip(told)
    assert told.startswith(f"  compiled ({how}) in ")
    graphs = counters["stats"]["unique_graphs"]
    if how == "blocks":
        assert graphs == 3  # the encoder's for each of two numbers of tokens, and the decoder's
    model, others = trained(settings_of(*keys), model=model)
    assert counters["stats"]["unique_graphs"] == graphs  # nothing is compiled in training
    torch.testing.assert_close(losses, others, rtol=1e-5, atol=1e-5)
    state, other = plain.state_dict(), model.state_dict()
    assert list(state) == list(other)
    torch.testing.assert_close(state, other, rtol=1e-4, atol=1e-5)
    with uncompiled(), torch.no_grad():
        for side in (16, 24, 32, 48):
            model.encoder.features(torch.randn(1, 3, side, side))
    assert counters["stats"]["unique_graphs"] == graphs
