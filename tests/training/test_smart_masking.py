"""Masking by uncertainty in the trainer: an interruption changes nothing, clipping spares the rest,
and combinations that make no sense are refused."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from hydra import compose, initialize_config_dir

from siammae.assembly.build import build_model
from siammae.assembly.checkpoint import Checkpoints
from siammae.config.check import check
from siammae.data.sampling.batch import PairBatch
from siammae.launching.registration import register_with_hydra
from siammae.methods.siammae import SiamMAE
from siammae.model.decoders import CrossSelfDecoder
from siammae.model.encoder import Encoder
from siammae.model.heads import PixelMean
from siammae.model.masking.uncertainty import UncertaintyMasking
from siammae.model.masking.uniform import AsymmetricRandom
from siammae.model.uncertainty.density import Gaussian
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS
from siammae.training.engines import Engine
from siammae.training.loop import Trainer
from siammae.training.optim import adamw
from siammae.training.training_plan import Plan

PLAN = Plan(
    steps=12,
    warmup=2,
    batch_size=2,
    accumulate=1,
    peak_lr=1e-2,
    clip=None,
    seed=0,
    clips=4,
    max_broken=0.0,
    precision="fp32",
    log_every=1,
    checkpoint_every=1,
    pictures=4,
    evaluations=1,
)


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Kept:
    """What the trainer reported; ``last`` is the step at whose end it dies."""

    rows: list = field(default_factory=list)
    pictures: dict = field(default_factory=dict)
    last: int = 0

    def row(self, row):
        self.rows.append(row)

    def picture(self, step, jpeg, name="restored"):
        self.pictures[step] = jpeg

    def step(self, step):
        if step == self.last:
            raise Killed


def batch(step):
    drawn = torch.Generator().manual_seed(step)
    return PairBatch(
        frames=torch.randn(2, 2, 3, 16, 16, generator=drawn),
        size=torch.full((2, 2, 2), 16),
        flip=torch.zeros(2, 2, dtype=torch.bool),
        colour=torch.ones(2, 2, 4),
        angle=torch.zeros(2, 2),
        gap=torch.full((2, 1), 4),
        clip=torch.tensor([0, 1]),
        short=0,
        broken={},
    )


def model_of(masking, head):
    torch.manual_seed(0)
    size = {"image_size": 16, "patch_size": 4, "depth": 1, "heads": 2}
    encoder = Encoder(width=16, **size)
    decoder = CrossSelfDecoder(encoder_width=16, width=16, dropout=0.2, **size)
    return SiamMAE(encoder, decoder, head(16, 4), masking)


@pytest.fixture
def start(tmp_path):
    """start(name, masking, head, ...) is a trainer of the run ``name``."""

    def make(name, masking, head=PixelMean, **changes):
        plan, model = replace(PLAN, **changes), model_of(masking, head)
        return Trainer(
            Engine(model),
            adamw(model, 1.0, (0.9, 0.95), 0.05, 2),
            plan,
            lambda done: (batch(step) for step in range(done + 1, plan.steps + 1)),
            lambda made: made.frames,
            Checkpoints(tmp_path / name),
            Kept(),
            None,
            batch(0),
        )

    return make


@pytest.mark.parametrize("estimate", ["error", "predicted"])
@pytest.mark.parametrize(
    "at", [3, 7, 9], ids=["the warm-up, a picture due", "a period of refresh", "the third period"]
)
def test_a_run_that_is_resumed_in_the_middle_of_anything_is_the_same_bit_for_bit(
    start, estimate, at
):
    head = {"error": PixelMean, "predicted": Gaussian}[estimate]

    def trainer(name):
        masking = UncertaintyMasking(0.75, 16, estimate, warmup=0.3, refresh=4, random_share=0.25)
        return start(name, masking, head)

    whole = trainer("whole")
    whole.fit()
    first = trainer("run")
    first.listener.last = at + 1
    with pytest.raises(Killed):
        first.fit()
    second = trainer("run")
    assert second.resume() == at
    second.fit()
    weights, expected = second.model.state_dict(), whole.model.state_dict()
    assert weights.keys() == expected.keys()
    for name in expected:
        assert torch.equal(weights[name], expected[name]), name
    assert second.progress.losses == whole.progress.losses
    for step, jpeg in second.listener.pictures.items():
        assert jpeg == whole.listener.pictures[step], step
    assert min(second.listener.pictures) <= at + 3


def test_what_is_logged_beside_the_loss(start):
    trainer = start("run", UncertaintyMasking(0.75, 16, warmup=0.5, random_share=0.0))
    trainer.fit()
    rows = [row for row in trainer.listener.rows if "train/loss" in row]
    assert all(row["train/probe_loss"] > 0 for row in rows)
    assert [row["train/loss"] for row in rows] == pytest.approx(trainer.progress.losses)


@pytest.mark.parametrize("clip", [None, 0.01])
def test_with_masks_that_are_uniform_the_rest_trains_as_without(start, clip):
    """To the bit, the probe learning beside it, clipped or not; one is a warm-up without end."""
    uniform = start("uniform", AsymmetricRandom(0.75), clip=clip)
    uniform.fit()
    expected = uniform.model.state_dict()
    for name, settings in {"warm": {"warmup": 0.999}, "shared": {"random_share": 1.0}}.items():
        trainer = start(name, UncertaintyMasking(0.75, 16, **settings), clip=clip)
        if name == "warm":
            masking = trainer.model.masking
            begin = masking.begin_step
            masking.begin_step = lambda step, steps, begin=begin: begin(step, 100 * steps)
        trainer.fit()
        trained = trainer.model.state_dict()
        for key in expected:
            assert torch.equal(trained[key], expected[key]), key
        assert trained["masking.estimate.probe.weight"].abs().max() > 0
        assert trainer.progress.losses == uniform.progress.losses


@pytest.fixture(scope="module")
def configured():
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        yield lambda *overrides: compose("train", [*overrides])


TINY = [f"{part}.{key}" for part in ("encoder", "decoder") for key in ("width=16", "heads=2")]


@pytest.mark.parametrize(
    "chosen",
    [
        ["masking=motion"],
        ["masking=uncertainty"],
        ["masking=uncertainty", "masking.estimate=predicted", "uncertainty=gaussian"],
    ],
)
def test_a_run_starts_from_the_weights_that_it_has_with_uniform_masks(configured, chosen):
    head = [choice for choice in chosen if choice.startswith("uncertainty")]
    model, other = (build_model(check(configured(*TINY, *more))) for more in (chosen, head))
    weights = model.state_dict()
    for name, value in other.state_dict().items():
        assert torch.equal(value, weights[name]), name
    check(configured(*TINY, *chosen))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["encoding=joint"], "encoding=joint encodes both frames at once"),
        (["masking.estimate=predicted"], "uncertainty=none predicts the same everywhere"),
        (
            ["masking.estimate=predicted", "uncertainty=dropout"],
            "the spread of uncertainty=dropout takes many",
        ),
    ],
)
def test_combinations_that_make_no_sense_are_refused_by_name(configured, chosen, message):
    with pytest.raises(ConfigError, match=message):
        check(configured("masking=uncertainty", *chosen))


@pytest.mark.parametrize(
    "chosen",
    [
        ["masking=motion", "encoding=joint"],
        ["masking=uncertainty", "uncertainty=dropout"],
        ["masking=uncertainty", "masking.estimate=predicted", "uncertainty=laplace"],
        ["masking=uncertainty", "masking.estimate=predicted", "uncertainty=ensemble"],
    ],
)
def test_those_that_do_are_not(configured, chosen):
    check(configured(*chosen))
