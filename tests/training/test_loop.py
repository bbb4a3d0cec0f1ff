"""The trainer in this process: what it keeps, measures and draws across an interruption."""

from dataclasses import dataclass, field, replace

import pytest
import torch

from siammae.data.loader import PairBatch
from siammae.model.decoders import CrossSelfDecoder
from siammae.model.encoder import Encoder
from siammae.model.heads import PixelMean
from siammae.model.masking import AsymmetricRandom
from siammae.model.siammae import SiamMAE
from siammae.training.checkpoint import Checkpoints, load_checked
from siammae.training.loop import Plan, Trainer
from siammae.training.optim import adamw

PLAN = Plan(
    steps=8,
    warmup=2,
    batch_size=2,
    accumulate=1,
    peak_lr=1e-2,
    clip=None,
    seed=0,
    clips=4,
    max_broken=0.0,
    precision="fp32",
    log_every=3,
    checkpoint_every=2,
    pictures=2,
    evaluations=2,
)


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Told:
    """What the trainer told: rows, pictures by step, steps."""

    rows: list = field(default_factory=list)
    pictures: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)

    def row(self, row):
        self.rows.append(row)

    def picture(self, step, jpeg):
        self.pictures[step] = jpeg

    def step(self, step):
        self.steps.append(step)


def batch(step):
    drawn = torch.Generator().manual_seed(step)
    return PairBatch(
        frames=torch.randn(2, 2, 3, 16, 16, generator=drawn),
        size=torch.full((2, 2), 16),
        flip=torch.zeros(2, dtype=torch.bool),
        angle=torch.zeros(2, 2),
        gap=torch.full((2, 1), 4),
        clip=torch.tensor([0, 1]),
        short=0,
        broken={},
    )


def tiny_model():
    torch.manual_seed(0)
    size = {"image_size": 16, "patch_size": 4, "depth": 1, "heads": 2}
    encoder = Encoder(width=16, **size)
    decoder = CrossSelfDecoder(encoder_width=16, width=16, dropout=0.2, **size)
    return SiamMAE(encoder, decoder, PixelMean(16, 4), AsymmetricRandom(0.75))


@pytest.fixture
def start(tmp_path):
    """start(name, evaluate, ...) is a trainer of the run ``name``, as its process makes it."""

    def make(name, evaluate=None, **changes):
        plan, model = replace(PLAN, **changes), tiny_model()
        return Trainer(
            model,
            adamw(model, 1.0, (0.9, 0.95), 0.05, 2),
            plan,
            lambda done: (batch(step) for step in range(done + 1, plan.steps + 1)),
            lambda made: made.frames,
            Checkpoints(tmp_path / name),
            Told(),
            evaluate,
            batch(0) if plan.pictures else None,
        )

    return make


def objectives(*values):
    """An evaluation that gives these, in turn."""
    left = iter(values)
    return lambda: (lambda value: (value, {"bench/J&F-Mean": value}))(next(left))


def killed():
    raise Killed


def test_a_worse_evaluation_after_a_resume_does_not_replace_the_best(start):
    """The checkpoint of step 4 is written before its evaluation makes it the best."""
    first = start("run", objectives(0.9))
    first.listener.step = lambda step: killed() if step == 5 else None
    with pytest.raises(Killed):
        first.fit()
    assert first.checkpoints.best().name == "step-00000004.pt"
    second = start("run", objectives(0.5))
    assert second.resume() == 4
    second.fit()
    second.note_objective(0.5, second.checkpoints.path(8))
    assert second.checkpoints.best().name == "step-00000004.pt"
    assert second.progress.best == 0.9


def test_a_better_one_does(start):
    first = start("run", objectives(0.4))
    first.listener.step = lambda step: killed() if step == 5 else None
    with pytest.raises(Killed):
        first.fit()
    second = start("run", objectives(0.5))
    second.resume()
    second.fit()
    second.note_objective(0.5, second.checkpoints.path(8))
    assert second.checkpoints.best().name == "step-00000008.pt"


@pytest.mark.parametrize("left", ["no file", "a later step"])
def test_a_best_that_is_not_there_or_still_to_come_counts_for_nothing(start, left):
    first = start("run", objectives(0.9))
    first.fit()
    checkpoints = first.checkpoints
    best = checkpoints.path(2) if left == "no file" else checkpoints.path(8)
    checkpoints.mark_best(best, 2.0)
    if left == "a later step":
        best.write_bytes(b"damaged")
    second = start("run")
    second.resume()
    assert second.progress.best is None
