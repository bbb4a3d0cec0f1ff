"""The model as it is trained: compiled, and with activations that are computed twice, as asked.

``compile=blocks`` compiles each kind of transformer block and decoder layer once, for each number
of tokens that it meets in training, and all layers of that kind run the result. ``compile=step``
compiles the method's whole forward and backward pass, on CUDA as graphs that are launched at once.
Neither changes a parameter's name nor, but for rounding, a result.

Everything is compiled before the first step, on frames that are drawn, so that what fails is known
in time: then the run says why in a line and goes on without. Evaluations and pictures have frames
of many sizes, and run without the compiler, see `uncompiled`.
"""

import time
from contextlib import AbstractContextManager
from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from siammae.assembly.build import build_model
from siammae.assembly.device import autocast
from siammae.config.schema import TrainConfig
from siammae.methods.method import Method
from siammae.model.decoder_layer import DecoderLayer
from siammae.model.layers import recompute

# Layers of different shapes share a cache of compiled code, in which 8 are too few for a method
# with an ensemble of decoders.
MOST_SHAPES = 64
SHOWN = 200  # characters of an error


def trainable(
    settings: TrainConfig, device: torch.device, precision: str, processes: int = 1
) -> Method:
    """Build a model with its initial weights as the settings want it trained, on its device.

    Args:
        settings: of the run.
        device: where it is trained.
        precision: ``fp32`` or ``bf16``.
        processes: that share a step, each of which takes an equal part of its batch.
    """
    model = _built(settings, device)
    how = chosen(settings.compile, device)
    if how == "off":
        return model
    batch = max(1, settings.batch_size // (settings.accumulate * processes))
    start = time.perf_counter()
    try:
        torch.compiler.reset()  # of the runs before in this process
        torch._dynamo.config.suppress_errors = False
        _compile(model, how, device, graphs=settings.accumulate == 1)
        _try(model, settings, batch, device, precision)
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:SHOWN]
        print(f"warning: compile={how} failed, going on without: {why}", flush=True)
        torch.compiler.reset()
        return _built(settings, device)
    # Should a later step be compiled anew and fail, as with a phase of training, it runs as it is.
    torch._dynamo.config.suppress_errors = True
    print(f"  compiled ({how}) in {time.perf_counter() - start:.0f} s", flush=True)
    return model


def chosen(how: str, device: torch.device) -> str:
    """Return ``off``, ``blocks`` or ``step``; ``auto`` compiles blocks on CUDA.

    On CPUs compiling takes minutes and saves a few percent of a step, see docs/speed.md.
    """
    if how != "auto":
        return how
    return "blocks" if device.type == "cuda" else "off"


def uncompiled() -> AbstractContextManager[None]:
    """Open a block in which everything runs as it is written, compiled or not."""
    return torch.compiler.set_stance("force_eager")


def layers_of(model: nn.Module) -> list[nn.Module]:
    """Return the transformer blocks and decoder layers of a model, of which most of it consists."""
    return [module for module in model.modules() if isinstance(module, Block | DecoderLayer)]


def _built(settings: TrainConfig, device: torch.device) -> Method:
    model = build_model(settings).to(device)
    if settings.memory == "checkpoint":
        for layer in layers_of(model):
            recompute(layer)
    return model


def _compile(model: Method, how: str, device: torch.device, graphs: bool) -> None:
    """Let a model be compiled when it is called.

    Dropout draws as without the compiler (``fallback_random``). Gradients that are accumulated
    would be overwritten by the next part's graph, hence ``graphs``.
    """
    options: dict[str, Any] = {"fallback_random": True}
    if how == "step" and device.type == "cuda" and graphs:
        options["triton.cudagraphs"] = True
    for module in layers_of(model) if how == "blocks" else [model]:
        module.compile(dynamic=False, options=options, recompile_limit=MOST_SHAPES)


def _try(
    model: Method, settings: TrainConfig, batch: int, device: torch.device, precision: str
) -> None:
    """Run a forward and a backward pass, and leave no trace of them in the model."""
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    frames, asked = drawn_batch(model, settings, batch, device)
    training = model.training
    model.train()
    with autocast(device, precision):
        outcome = model(frames, torch.Generator(device).manual_seed(0), **asked)
    outcome.total.backward()
    model.train(training)
    model.zero_grad(set_to_none=True)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(kept[name])


def drawn_batch(
    model: Method, settings: TrainConfig, batch: int, device: torch.device
) -> tuple[Tensor | list[Tensor], dict[str, Tensor]]:
    """Return random frames of the shapes that a method is trained with, and what else it asks for.

    Args:
        model: the method.
        settings: of the run.
        batch: number of samples.
        device: where they are made.
    """
    count = settings.build("targets").count
    sizes = settings.build("augment").sides(1 + count)
    views = [torch.randn(batch, n, 3, side, side, device=device) for n, side in sizes]
    gap = torch.arange(1, 1 + count, device=device).repeat(batch, 1)
    known = {"gap": gap, "label": torch.zeros(batch, dtype=torch.int64, device=device)}
    asked = {name: known[name] for name in model.asks}
    return (views if model.several_sizes else views[0]), asked
