"""Measurement of a run on its benchmark: of its model and of the controls."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from siammae.evaluation.features import EncoderFeatures
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.measuring.share import ALONE, Share, by_first, measure_together
from siammae.methods.method import Method
from siammae.tracking.provenance import code_version
from siammae.tracking.record import write_atomic
from siammae.tracking.signature import signature
from siammae.training.compiled import uncompiled

MODEL = ("encoder", "encoding", "decoder", "uncertainty")  # groups that make up a whole model


def measure(
    benchmark: Any, model: Method, device: torch.device, share: Share = ALONE, **options: Any
) -> BenchmarkResult:
    """Score the model on the benchmark; print a warning for each video that was left out.

    Args:
        benchmark: measures.
        model: in the same state in all processes.
        device: where it runs.
        share: the processes that measure together.
        options: of the benchmark's ``evaluate``.
    """
    training = model.training
    model.eval()
    try:
        features = EncoderFeatures(model.exported(), device, model=model)
        with uncompiled():  # frames have many sizes, and each would be compiled anew
            result = measure_together(
                benchmark, share, lambda part: part.evaluate(features, **options)
            )
    finally:
        model.train(training)
    for video, why in result.failed.items():
        print(f"warning: {video} was not measured: {why}", flush=True)
    return result


def controls(
    benchmark: Any,
    untrained: Callable[[], Method],
    device: torch.device,
    cache: Path,
    config: dict[str, Any],
    fingerprint: str,
    share: Share = ALONE,
) -> dict[str, dict[str, Any]]:
    """Return the scores of the two controls with which tables compare trained encoders.

    ``copy_first_mask`` repeats the first mask in every frame. ``untrained_encoder`` is the run's
    own model with its initial weights. Both are kept in ``cache``, because the runs of a table
    share them, for as long as the code is the same.

    Args:
        benchmark: measures both.
        untrained: builds the model with its initial weights.
        device: where the model runs.
        cache: folder of the kept scores.
        config: the run's plain settings; those that a control depends on give its file its name.
        fingerprint: of the benchmark's files.
        share: the processes that measure together; the first reads and writes what is kept.
    """
    protocol = {"benchmark": config["benchmark"]}
    parts = MODEL if benchmark.needs_model else ("encoder",)
    initial = {name: config[name] for name in (*parts, "seed")}
    prints = {"benchmark": fingerprint, "code": code_version()}
    keys = {
        "copy_first_mask": signature(protocol, prints),
        "untrained_encoder": signature({**protocol, **initial}, prints),
    }
    measures: dict[str, Callable[[], BenchmarkResult]] = {
        "copy_first_mask": lambda: measure_together(
            benchmark, share, lambda part: part.copy_first_mask()
        ),
        "untrained_encoder": lambda: measure(benchmark, untrained().to(device), device, share),
    }
    results: dict[str, dict[str, Any]] = {}
    for name, compute in measures.items():
        results[name] = _known_or_computed(cache / f"{name}-{keys[name]}.json", compute, share)
    return results


def _known_or_computed(
    path: Path, compute: Callable[[], BenchmarkResult], share: Share
) -> dict[str, Any]:
    """Return the kept scores, or compute and keep them; one process reads and writes."""
    known = by_first(share, lambda: _kept(path))
    if known is not None:
        return known
    made = compute().as_dict()

    def keep() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(made))

    by_first(share, keep)
    return made


def _kept(path: Path) -> dict[str, Any] | None:
    """Return kept scores; None when there are none that can be read."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found
