"""DINO against plain formulas in float64 over several steps, and its settings."""

import copy
import math

import pytest
import torch
from plain_vit import assert_same_gradients, encode, gelu, linear, part, weights_of

from siammae.assembly.build import build_model
from siammae.methods.dino import DINO
from siammae.model.encoder import Encoder

STEPS, RATE = 6, 1e-3
TEMPERATURES, WARMUP, MOMENTUM, CENTRE = (0.04, 0.07), 0.5, 0.9, 0.8


def build(**more):
    torch.manual_seed(0)
    encoder = Encoder(image_size=32, patch_size=8, width=32, depth=2, heads=4)
    given = {"hidden": 24, "bottleneck": 8, "prototypes": 12, "frozen": 0.0, **more}
    return DINO(
        encoder,
        teacher_temperature=TEMPERATURES,
        warmup=WARMUP,
        momentum=MOMENTUM,
        centre_momentum=CENTRE,
        **given,
    )


def views(step, batch=4):
    generator = torch.Generator().manual_seed(step)
    return torch.randn(batch, 2, 3, 32, 32, generator=generator)


def scores(weights, encoder, head, images):
    x = encode(part(weights, encoder), images, 8, 4)[:, 0]
    inner = part(weights, head)
    x = linear(
        inner, "layers.4", gelu(linear(inner, "layers.2", gelu(linear(inner, "layers.0", x))))
    )
    x = x / x.norm(dim=-1, keepdim=True)
    rows = inner["prototypes"]
    return x @ (rows / rows.norm(dim=-1, keepdim=True)).T


def cross_entropy(target, logits):
    return -(target * torch.log_softmax(logits, dim=-1)).sum(-1).mean()


def plain_step(weights, centre, step, images):
    """Algorithm 1 of the paper with two views: loss, new centre; gradients stay in the weights."""
    done = min(1.0, (step - 1) / (WARMUP * STEPS))
    temperature = TEMPERATURES[0] + (TEMPERATURES[1] - TEMPERATURES[0]) * done
    with torch.no_grad():
        taught = [scores(weights, "teacher", "teacher_head", v) for v in images.unbind(1)]
        wanted = [torch.softmax((t - centre) / temperature, dim=-1) for t in taught]
        centre = CENTRE * centre + (1 - CENTRE) * torch.cat(taught).mean(0)
    student = [scores(weights, "encoder", "head", v) / 0.1 for v in images.unbind(1)]
    loss = (cross_entropy(wanted[0], student[1]) + cross_entropy(wanted[1], student[0])) / 2
    loss.backward()
    return loss.item(), centre


def test_loss_gradients_teacher_and_centre_follow_the_paper_over_steps():
    model = build().train()
    centre = torch.zeros(12).double()
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], RATE)
    for step in range(1, STEPS + 1):
        model.begin_step(step, STEPS)
        weights = weights_of(model)
        outcome = model([views(step)])
        outcome.total.backward()
        loss, centre = plain_step(weights, centre, step, views(step).double())
        assert outcome.loss.item() == pytest.approx(loss, rel=1e-5, abs=1e-6)
        assert_same_gradients(model, weights)
        optimiser.step()
        optimiser.zero_grad()
        model.end_step(step, STEPS)
        keep = 1 - (1 - MOMENTUM) * (math.cos(math.pi * (step - 1) / STEPS) + 1) / 2
        for name, value in model.state_dict().items():
            if name.startswith("teacher"):
                student = model.state_dict()[
                    name.replace("teacher_head", "head").replace("teacher", "encoder")
                ]
                wanted = keep * weights[name] + (1 - keep) * student.double()
                torch.testing.assert_close(value.double(), wanted, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(model.centre.double(), centre, rtol=1e-5, atol=1e-7)


def test_small_views_are_the_students_alone():
    model = build().train()
    large, small = views(1), torch.randn(4, 3, 3, 16, 16)
    alone = model([large]).loss
    with_small = model([large, small]).loss
    wanted = model._teach(large)
    logs = [
        model.head(model.encoder.tokens(v)[:, 0]).div(0.1).log_softmax(-1) for v in small.unbind(1)
    ]
    extra = [-(t * log).sum(-1).mean() for t in wanted for log in logs]
    total = (2 * alone + torch.stack(extra).sum()) / 8  # 2 x 5 pairs but for a view with itself
    assert with_small.item() == pytest.approx(total.item(), rel=1e-5)


def test_parts_and_processes_have_the_centre_of_the_whole_batch():
    whole, parted = build().train(), build().train()
    whole([views(1, batch=6)])
    whole.end_step(1, STEPS)
    for images in views(1, batch=6).split(3):
        parted([images])
    parted.end_step(1, STEPS)
    torch.testing.assert_close(parted.centre, whole.centre)
    processes = [build().train() for _ in range(2)]
    for model, images in zip(processes, views(1, batch=6).split(3), strict=True):
        model([images])
    rows = torch.stack([torch.cat([m.summed, m.counted]) for m in processes])
    for model in processes:
        model.gather = lambda own: rows
        model.end_step(1, STEPS)
        torch.testing.assert_close(model.centre, whole.centre)


def test_prototypes_rest_at_first_and_a_resumed_run_knows_it():
    model = build(frozen=0.5)
    for step, trained in ((1, False), (3, False), (4, True), (2, False)):
        model.begin_step(step, STEPS)
        assert model.head.prototypes.requires_grad is trained


def test_the_state_holds_all_that_a_step_changes():
    """Two steps, or one, a fresh model with the state, and one: the same to the bit."""
    straight, first = build().train(), build().train()
    train(straight, 1, 2)
    train(first, 1, 1)
    resumed = build().train()
    resumed.load_state_dict(copy.deepcopy(first.state_dict()))
    train(resumed, 2, 2)
    other = straight.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in resumed.state_dict().items())


def train(model, first, last):
    for step in range(first, last + 1):
        model.begin_step(step, STEPS)
        model([views(step)]).total.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= RATE * parameter.grad
                    parameter.grad = None
        model.end_step(step, STEPS)


def test_settings_are_the_papers_and_the_teacher_is_exported(settings_of):
    settings = settings_of("method=dino", "preset=gpu", "method.prototypes=64")
    model = build_model(settings)
    known = settings.method.as_dict()
    published = {
        "hidden": 2048, "bottleneck": 256, "student_temperature": 0.1, "warmup": 0.1,
        "teacher_temperature": [0.04, 0.07], "momentum": 0.996, "centre_momentum": 0.9,
        "frozen": 0.01,
    }  # fmt: skip
    assert {key: known[key] for key in published} == published
    assert settings_of("method=dino", "preset=gpu").method.as_dict()["prototypes"] == 65536
    assert model.exported() is model.teacher
    assert not any(p.requires_grad for p in model.teacher.parameters())
    augment, targets = settings.build("augment"), settings.build("targets")
    assert (augment.size, augment.local.size, targets.count) == (224, 96, 9)
    assert (augment.crop_scale, augment.local.crop_scale) == ((0.4, 1.0), (0.05, 0.4))
    assert [view.blur for view in (augment, augment.second, augment.local)] == [1.0, 0.1, 0.5]
