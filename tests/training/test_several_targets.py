"""Runs with several targets, from the configuration through loader and trainer, in this process."""

import itertools
import json
from dataclasses import replace

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from tiny_runs import TINY

from siammae.assembly.build import build_model
from siammae.assembly.checkpoint import Checkpoints
from siammae.config.check import check
from siammae.data.sampling.loader import PairDataset, first_pairs, make_loader
from siammae.launching.registration import register_with_hydra
from siammae.system.paths import CONFIGS
from siammae.training.engines import Engine
from siammae.training.loop import Trainer
from siammae.training.optim import adamw
from siammae.training.training_metrics import training_metric
from siammae.training.training_plan import make_plan

SEVERAL = [
    "targets=past_and_future", "targets.count=3", "targets.predict=true",
    "targets.gap_embedding=learned", "targets.loss_gap_power=0.5", "frame_gap=[1,3]",
]  # fmt: skip


class Kept:
    def __init__(self):
        self.rows, self.pictures, self.step = [], {}, lambda step: None

    def row(self, row):
        self.rows.append(row)

    def picture(self, step, jpeg, name="restored"):
        self.pictures[step] = jpeg


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture
def start(clips, tmp_path):
    """start(name, *overrides) is the trainer of a run as its process makes it."""

    def make(name, *overrides, dropout="0.1"):
        taken = {part.partition("=")[0] for part in overrides}
        tiny = [part for part in TINY if part.partition("=")[0] not in {*taken, "decoder.dropout"}]
        register_with_hydra()
        with initialize_config_dir(str(CONFIGS)):
            config = compose(
                "train", [*tiny, f"data.root={clips}", f"decoder.dropout={dropout}", *overrides]
            )
        settings = check(config)
        source = settings.build("data")
        source.prepare()
        groups = (settings.build(name) for name in ("targets", "rotation", "augment"))
        data = PairDataset(source, *groups, config.seed)
        model, plan = build_model(settings), make_plan(settings, len(data.clips), 0.05, "fp32")
        visits = config.batch_size // source.repeated_sampling

        def batches(done):
            part, last = config.batch_size // config.accumulate, plan.steps * visits
            return iter(make_loader(data, part, done * visits, last, 0))

        optimiser = adamw(model, config.optim.base_lr, config.optim.betas, 0.05, config.batch_size)
        checkpoints = Checkpoints(tmp_path / name)
        plan = replace(plan, steps=6, warmup=1)
        return Trainer(
            Engine(model), optimiser, plan, batches, data.augment.apply, checkpoints, Kept(),
            sample=first_pairs(data, 2),
        )  # fmt: skip

    return make


def same(one, other):
    one, other = one.model.state_dict(), other.model.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("direction", ["future", "past"])
def test_one_of_several_trains_the_very_weights_of_the_single_target(start, direction):
    single = start("single", f"targets.direction={direction}", "frame_gap=[1,9]")
    one = start(
        "one", "targets=multi", "targets.count=1", "targets.gap_embedding=none",
        f"targets.direction={direction}", "frame_gap=[1,9]",
    )  # fmt: skip
    for trainer in (single, one):
        trainer.fit()
    assert same(single, one)
    assert single.progress.losses == one.progress.losses
    assert single.listener.pictures == one.listener.pictures
    assert single.listener.rows[-1].keys() == one.listener.rows[-1].keys()


def test_a_resumed_run_is_bit_equal(start):
    whole = start("whole", *SEVERAL)
    whole.fit()

    def killed(step):
        if step == 5:
            raise Killed

    first = start("run", *SEVERAL)
    first.listener.step = killed
    with pytest.raises(Killed):
        first.fit()
    second = start("run", *SEVERAL)
    assert second.resume() == 3
    second.fit()
    assert same(whole, second)
    assert whole.progress.losses == second.progress.losses
    assert whole.listener.pictures[6] == second.listener.pictures[6]


def test_a_step_in_parts_has_the_rows_and_weights_of_the_whole(start):
    trained = []
    for parts in (1, 2):
        trainer = start(f"in {parts}", *SEVERAL, f"accumulate={parts}", "optim.base_lr=1e-3",
                        dropout="0.0")  # fmt: skip
        trainer.fit()
        trained.append(trainer)
    whole, split = trained
    names = [f"train/{what}_target_{i}" for what in ("loss", "gap") for i in (1, 2, 3)]
    assert [training_metric(name).better for name in names] == ["less"] * 3 + ["neither"] * 3
    assert training_metric("train/probe_loss").better == "less"
    for one, other in zip(whole.listener.rows, split.listener.rows, strict=True):
        assert [one[name] for name in names] == pytest.approx([other[name] for name in names])
        assert one["train/gap_target_1"] == -one["train/gap_target_2"] > 0
        assert one["train/gap_target_3"] == 2 * one["train/gap_target_1"]
    parameters = dict(split.model.named_parameters())
    for name, parameter in whole.model.named_parameters():
        if not name.endswith(("qkv.bias", "to_kv.bias")):  # AdamW magnifies keys' rounding
            torch.testing.assert_close(parameter, parameters[name], rtol=0, atol=1e-5)


def test_whatever_is_told_of_gaps_all_else_starts_alike(start):
    kinds = [
        "targets=single",
        *(f"targets.gap_embedding={k}" for k in ("none", "sincos", "learned")),
    ]
    models = [
        start(f"m{number}", *(["targets=multi"] if number else []), kind).model
        for number, kind in enumerate(kinds)
    ]
    states = [model.state_dict() for model in models]
    for one, other in itertools.pairwise(states):
        assert all(torch.equal(one[name], other[name]) for name in one)
    own = [set(state) - set(states[0]) for state in states]
    assert [bool(names) for names in own] == [False, False, False, True]
    other = start("other", "targets=multi", "targets.gap_embedding=learned", "decoder=cross").model
    learned = other.gap_embedding.state_dict()
    for name in own[-1]:
        assert torch.equal(states[-1][name], learned[name.removeprefix("gap_embedding.")])


@pytest.mark.slow
def test_a_reference_on_the_command_line_is_recorded_as_one(train, tmp_path, only_run):
    """A table finds the run's row by it: the row states the reference, not what it came to."""
    done = train(
        tmp_path, "targets=multi", "frame_gap=2", "schedule.length=${equal_compute:}", "pictures=0"
    )
    assert done.returncode == 0, done.stderr
    (asked,) = (only_run(tmp_path) / "invocations.jsonl").read_text().splitlines()
    assert json.loads(asked)["overrides"]["schedule.length"] == "${equal_compute:}"
    config = yaml.safe_load((only_run(tmp_path) / "config.yaml").read_text())
    assert 0 < config["schedule"]["length"] < 1
