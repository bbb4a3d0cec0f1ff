"""The trainer in this process: what it keeps, measures and draws across an interruption."""

import os
import signal
from dataclasses import dataclass, field, replace

import pytest
import torch

from siammae.assembly.checkpoint import Checkpoints
from siammae.data.sampling.batch import PairBatch
from siammae.methods.siammae import SiamMAE
from siammae.model.decoders import CrossSelfDecoder
from siammae.model.encoder import Encoder
from siammae.model.heads import PixelMean
from siammae.model.masking.uniform import AsymmetricRandom
from siammae.training.engines import Engine
from siammae.training.loop import Trainer
from siammae.training.optim import adamw
from siammae.training.training_plan import Plan

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
class Kept:
    """What the trainer reported: rows, pictures by step, steps."""

    rows: list = field(default_factory=list)
    pictures: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)

    def row(self, row):
        self.rows.append(row)

    def picture(self, step, jpeg, name="restored"):
        self.pictures[step] = jpeg

    def step(self, step):
        self.steps.append(step)


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
            Engine(model),
            adamw(model, 1.0, (0.9, 0.95), 0.05, 2),
            plan,
            lambda done: (batch(step) for step in range(done + 1, plan.steps + 1)),
            lambda made: made.frames,
            Checkpoints(tmp_path / name),
            Kept(),
            evaluate,
            batch(0) if plan.pictures else None,
        )

    return make


def objectives(*values):
    """An evaluation that gives these, in turn."""
    left = iter(values)
    return lambda model: (lambda value: (value, {"bench/J&F-Mean": value}))(next(left))


def killed(*model):
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
    second.fit(measured={4})
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
    second.fit(measured={4})
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


def interrupted(moment):
    """An evaluation, and what becomes of a trainer, for a run that ends at step 4."""
    if moment == "killed in the evaluation":
        return killed, lambda trainer: None

    def stop(trainer):
        report = trainer.listener.step
        trainer.listener.step = lambda step: (
            report(step),
            step == 4 and os.kill(os.getpid(), signal.SIGTERM),
        )

    return objectives(0.0), stop


@pytest.mark.parametrize("moment", ["killed in the evaluation", "asked to stop at its step"])
def test_what_was_due_when_the_run_was_interrupted_is_made_up_for(start, moment):
    whole = start("whole")
    whole.evaluate = weights_of(whole)
    whole.fit()
    evaluate, disturb = interrupted(moment)
    first = start("run", evaluate)
    disturb(first)
    with pytest.raises((Killed, SystemExit)):
        first.fit()
    assert first.progress.step == 4
    assert not [row for row in first.listener.rows if "bench/sum" in row]
    second = start("run")
    second.evaluate = weights_of(second)
    assert second.resume() == 4
    second.fit()
    made, expected = (
        [row for row in trainer.listener.rows if "bench/sum" in row] for trainer in (second, whole)
    )
    assert made == expected
    assert [row["step"] for row in made] == [4]
    assert second.listener.pictures == whole.listener.pictures
    assert sorted(second.listener.pictures) == [4, 8]


def weights_of(trainer):
    """An evaluation that follows from the weights."""

    def evaluate(model):
        assert not model.training
        value = float(sum(p.detach().double().sum() for p in model.parameters()))
        return value, {"bench/sum": value}

    return evaluate


def test_what_the_record_has_is_not_measured_again(start):
    first = start("run", objectives(0.5))
    first.listener.step = lambda step: killed() if step == 5 else None
    with pytest.raises(Killed):
        first.fit()
    second = start("run", objectives())
    second.resume()
    second.fit(measured={4})
    assert second.progress.best == 0.5


def test_the_last_picture_is_made_although_all_steps_are_done(start):
    first = start("run")
    first.listener.picture = lambda step, jpeg: killed() if step == 8 else None
    with pytest.raises(Killed):
        first.fit()
    second = start("run")
    assert second.resume() == 8
    second.fit()
    assert list(second.listener.pictures) == [8]


def test_a_kill_between_figures_and_best_loses_neither(start):
    """Figures in the record say that the evaluation is over: the best is marked before."""
    first = start("run", objectives(0.9))
    report = first.listener.row
    first.listener.row = lambda row: killed() if "bench/J&F-Mean" in row else report(row)
    with pytest.raises(Killed):
        first.fit()
    assert first.checkpoints.best().name == "step-00000004.pt"


def test_a_run_that_begins_makes_nothing_at_step_0(start):
    trainer = start("run", objectives(*[0.5] * 8), pictures=40, evaluations=40)
    trainer.fit()
    assert min(trainer.listener.pictures) == 1


def step_losses(trainer):
    """The loss of each step, written down apart from the trainer."""
    seen, step = [], trainer.train_step

    def watched(number, batches):
        metrics = step(number, batches)
        seen.append(float(metrics["train/loss"]))
        return metrics

    trainer.train_step = watched
    return seen


@pytest.mark.parametrize(
    "cadence",
    [
        {"log_every": 1},
        {"log_every": 7, "pictures": 3},
        {"checkpoint_every": 5, "pictures": 0},
        {"log_every": 1000, "checkpoint_every": 1000, "pictures": 0},
    ],
)
def test_the_losses_that_are_reported_follow_from_no_cadence(start, cadence):
    trainer = start("run", **cadence)
    seen = step_losses(trainer)
    trainer.fit()
    assert trainer.progress.losses == seen
    assert len(seen) == 8


def test_the_losses_are_of_the_last_steps_and_survive_a_resume(start, monkeypatch):
    monkeypatch.setattr("siammae.training.loop.LOSS_STEPS", 5)
    whole = start("whole")
    seen = step_losses(whole)
    whole.fit()
    assert whole.progress.losses == seen[-5:]
    first = start("run")
    first.listener.step = lambda step: killed() if step == 7 else None
    with pytest.raises(Killed):
        first.fit()
    second = start("run", log_every=1)
    assert second.resume() == 6
    second.fit()
    assert second.progress.losses == seen[-5:]


def test_a_checkpoint_of_before_losses_were_kept_is_taken_up(start):
    first = start("run")
    first.listener.step = lambda step: killed() if step == 5 else None
    with pytest.raises(Killed):
        first.fit()
    state = first.checkpoints.load_newest()
    del state["progress"]["losses"]
    first.checkpoints.save(4, state)
    second = start("run")
    assert second.resume() == 4
    second.fit()
    assert len(second.progress.losses) == 4


def test_a_step_in_parts_trains_the_weights_of_the_whole(start):
    """But for rounding: masks are the step's, however it is split."""
    trained = []
    for parts in (1, 2):
        trainer = start(f"in {parts}", accumulate=parts, peak_lr=1e-3, pictures=0)
        for layer in trainer.model.decoder.layers:
            layer.dropout.p = 0.0
        trainer.batches = lambda done, parts=parts: (
            part for step in range(done + 1, 9) for part in in_parts(batch(step), parts)
        )
        trainer.fit()
        trained.append(trainer)
    whole, split = (dict(trainer.model.named_parameters()) for trainer in trained)
    for name in whole:
        if not name.endswith(("qkv.bias", "to_kv.bias")):  # AdamW magnifies keys' rounding
            torch.testing.assert_close(whole[name], split[name], rtol=0, atol=1e-6)
    assert trained[0].progress.losses == pytest.approx(trained[1].progress.losses, abs=1e-6)


def in_parts(made, parts):
    tensors = {k: v.chunk(parts) for k, v in vars(made).items() if isinstance(v, torch.Tensor)}
    return [replace(made, **{k: v[i] for k, v in tensors.items()}) for i in range(parts)]
