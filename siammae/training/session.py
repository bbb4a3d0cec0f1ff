"""One run from its parts: train the model, measure it, write the record."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from siammae.assembly.build import build_model
from siammae.assembly.checkpoint import Checkpoints
from siammae.assembly.device import (
    bound_kernel_caches,
    choose_precision,
    fast_matmul,
    keep_memory,
)
from siammae.assembly.encoder_file import export_encoder
from siammae.config.schema import TrainConfig
from siammae.data.sampling.batch import PairBatch
from siammae.data.sampling.loader import PairDataset, first_pairs, make_loader
from siammae.data.sets.videos import ClipSource
from siammae.evaluation.files.contents import Contents
from siammae.evaluation.measuring.metric import Metric
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.measuring.share import by_first, first_then_others
from siammae.evaluation.result_cache import CONTENTS
from siammae.methods.method import Method
from siammae.tracking.provenance import provenance
from siammae.tracking.record import RunRecord
from siammae.tracking.wandb import Tracker
from siammae.training.compiled import trainable, uncompiled
from siammae.training.distributed import Team
from siammae.training.engines import Engine, make_engine
from siammae.training.input_wait import WaitMonitor, advice
from siammae.training.intermediate import Pruned, Trial, intermediate_values
from siammae.training.loop import Trainer
from siammae.training.measure import controls, measure
from siammae.training.optim import adamw
from siammae.training.reporter import RunReporter
from siammae.training.run_pictures import run_pictures
from siammae.training.run_progress import summarise_costs, summarise_metrics
from siammae.training.step_metrics import Row
from siammae.training.training_metrics import LOSS
from siammae.training.training_plan import make_plan

PICTURED = 6  # samples in a picture


@dataclass
class Session:
    """Everything that a run is made of.

    Attributes:
        settings: of the run.
        record: where the run is written.
        source: the clips.
        benchmark: what measures the encoder, or None.
        tracker: a second place for rows and pictures, such as W&B.
        facts: preset and fingerprints, for the provenance.
        trial: the trial of a study for which the run is made, or None.
        team: the processes that share training and measuring; the main one writes the record.
        labels: the number of each clip's class, where the method learns from them.
    """

    settings: TrainConfig
    record: RunRecord
    source: ClipSource
    benchmark: Any
    tracker: Tracker
    facts: dict[str, Any]
    trial: Trial | None = None
    team: Team = field(default_factory=Team)
    labels: Sequence[int] | None = None

    def run(self) -> float:
        """Train to the end, measure, export; return the objective, larger being better."""
        start, team = time.time(), self.team
        first_then_others(team, self._prepare_files)  # built-in sets are written once
        with team.raise_in_all():
            model = self._model()
        plain = partial(build_model, self.settings)
        engine = make_engine(self.settings.parallel, model, team, plain)
        with team.raise_in_all():
            trainer = self._trainer(engine)
        first = trainer.resume()
        with team.raise_in_all():
            measured = self._begin(first) if team.is_main else set()
        with ExitStack() as stack:
            if team.is_main:
                stack.enter_context(self.reporter.display(self.settings.progress, first))
            trainer.fit(team.broadcast(measured))
        model, result, scores = engine.whole(), None, None
        if self.benchmark is not None:
            print(f"  measuring on {self.benchmark.name}", flush=True)
            result = self._measure(model)
            scores = self._controls()
        with team.raise_in_all():
            found = (trainer, model, start, result, scores)
            objective = self._finish(*found) if team.is_main else 0.0
        return team.broadcast(objective)

    def _prepare_files(self) -> None:
        self.source.prepare()
        if self.benchmark is not None:
            self.benchmark.prepare()

    def _model(self) -> Method:
        self.device = self.team.device(self.settings.device)
        self.precision = choose_precision(self.settings.precision, self.device)
        fast_matmul(self.device)
        if self.device.type == "cpu":
            keep_memory()
            bound_kernel_caches()
        return trainable(self.settings, self.device, self.precision, self.team.size)

    def _trainer(self, engine: Engine) -> Trainer:
        dataset = self._dataset()
        self.plan = make_plan(
            self.settings, len(dataset.clips), self.source.max_broken, self.precision
        )
        here = int(os.environ.get("LOCAL_WORLD_SIZE", self.team.size)) if self.team.size > 1 else 1
        about = (self.source, dataset.augment, self.plan.clips, self.device.type, here)
        monitor = WaitMonitor(
            lambda: advice(*about),
            lambda hint: print(f"  {hint}", flush=True),
            self.plan.steps,
            self.plan.batch_size,
        )
        self.reporter = RunReporter(self.record, self.tracker, self.plan, monitor)
        return self._make_trainer(engine, dataset)

    def _begin(self, first: int) -> set[int]:
        """Record that training starts after step ``first``; return the steps already measured."""
        self.record.drop_metrics_after(first)
        self._watch(first)
        facts, diff = provenance(
            **self.facts,
            device=_device_name(self.device),
            precision=self.precision,
            world_size=self.team.size,
        )
        self.record.write_provenance(facts, diff, first)
        self.tracker.update_config()
        if first:
            print(f"  going on after step {first} of {self.plan.steps}", flush=True)
        return self._measured()

    def _dataset(self) -> PairDataset:
        build, seed = self.settings.build, self.settings.seed
        targets, rotation, augment = build("targets"), build("rotation"), build("augment")
        return PairDataset(self.source, targets, rotation, augment, seed, self.labels)

    def _make_trainer(self, engine: Engine, dataset: PairDataset) -> Trainer:
        settings, plan, team = self.settings, self.plan, self.team
        optimiser = adamw(
            engine.model,
            settings.optim.base_lr,
            settings.optim.betas,
            settings.optim.weight_decay,
            settings.batch_size,
        )
        visits = settings.batch_size // self.source.repeated_sampling

        def batches(done: int) -> Iterator[PairBatch]:
            part = settings.batch_size // (settings.accumulate * team.size)
            first, last = done * visits, plan.steps * visits
            workers = self.source.workers
            return iter(make_loader(dataset, part, first, last, workers, team.rank, team.size))

        def evaluate(model: Method) -> tuple[float, Row]:
            result = self._measure(model)
            return result.quality, _flat(result)

        return Trainer(
            engine,
            optimiser,
            plan,
            batches,
            dataset.augment.apply,
            Checkpoints(self.record.checkpoints, warn=lambda text: print(f"warning: {text}")),
            self.reporter,
            evaluate if self.benchmark is not None else None,
            first_pairs(dataset, PICTURED) if plan.pictures else None,
            self._watch if self.trial is not None else None,
            team,
        )

    def _watch(self, step: int) -> None:
        """Report the objective so far to the trial of a study.

        Raises:
            Pruned: when the study stops the run.
        """
        if self.trial is None:
            return
        steps = sorted(self.plan.evenly_spaced(self.plan.evaluations))
        name, decides = None, LOSS
        if self.benchmark is not None:
            name, decides = self.benchmark.name, self.benchmark.declared()[self.benchmark.objective]
        values = intermediate_values(self.record.metrics(), steps, name, decides.quality_name)
        self.trial.report(values)
        if values and self.trial.is_hopeless():
            reached, value = list(values.items())[-1]
            raise Pruned(
                f"stopped by the study's pruner at evaluation {reached} of {len(steps)}, "
                f"after step {step} of {self.plan.steps}: {value:.4f}"
            )

    def _measure(self, model: Any) -> BenchmarkResult:
        return measure(self.benchmark, model, self.device, self.team)

    def _measured(self) -> set[int]:
        """Return the steps whose figures on the benchmark are in the record."""
        if self.benchmark is None:
            return set()
        prefix = f"{self.benchmark.name}/"
        rows = self.record.metrics()
        return {row["step"] for row in rows if any(key.startswith(prefix) for key in row)}

    def _finish(
        self,
        trainer: Trainer,
        model: Method,
        start: float,
        result: BenchmarkResult | None,
        scores: dict[str, Any] | None,
    ) -> float:
        """Export, and write the summary.

        Args:
            trainer: at the end of its plan.
            model: its method, with whole weights.
            start: when the run was started.
            result: of the model on the benchmark, when there is one.
            scores: of the controls on it.
        """
        plan = self.plan
        metrics = summarise_metrics(self.record, trainer.progress)
        summary: dict[str, Any] = {
            "signature": self.record.signature,
            "objective": _objective(None, LOSS, metrics[LOSS.name]),
            "metrics": metrics,
        }
        if result is not None:
            metrics.update(_flat(result))
            decides = result.metric(result.objective)
            summary["objective"] = _objective(result.name, decides, result.value)
            summary["benchmark"] = result.as_dict()
            summary["controls"] = scores
            trainer.note_objective(result.quality, trainer.checkpoints.path(plan.steps))
            if plan.steps not in self._measured():
                last = {"step": plan.steps, "pairs_seen": plan.steps * plan.batch_size}
                self.reporter.row({**last, **_flat(result)})
        encoder = model.exported()
        export_encoder(
            encoder,
            self.settings.encoder.as_dict(),
            self.record.folder / "encoder.safetensors",
        )
        if self.settings.pictures:
            self._draw_encoder(encoder)
        best = trainer.checkpoints.best()
        summary.update(
            best=None if best is None else {"file": best.name, "value": trainer.progress.best},
            **summarise_costs(plan, trainer.progress, self.facts["data_fingerprint"]),
            wall_seconds=time.time() - start,
        )
        self.record.write_summary(summary)
        self.tracker.log_final(metrics)
        self.record.set_state("finished", step=plan.steps, steps=plan.steps)
        return summary["objective"]["value"]

    def _draw_encoder(self, encoder: Any) -> None:
        """Draw what the encoder sees; when that fails, the run goes on without the pictures."""
        try:
            pairs_seen = self.plan.steps * self.plan.batch_size
            with uncompiled():
                pictures = run_pictures(encoder, self.device, self.benchmark, self.source)
            for name, jpeg in pictures.items():
                path = self.record.write_picture(f"{name}.jpg", jpeg)
                self.tracker.log_picture(f"media/{name}", path, pairs_seen)
        except Exception as error:
            print(f"warning: no pictures of the encoder: {error}", flush=True)

    def _controls(self) -> dict[str, Any]:
        cache = self.record.folder.parent / ".controls"
        contents = Contents(cache / CONTENTS)
        return controls(
            self.benchmark,
            lambda: build_model(self.settings),
            self.device,
            cache,
            self.settings.as_dict(),
            by_first(self.team, lambda: self.benchmark.content_fingerprint(contents)),
            self.team,
        )


def _objective(benchmark: str | None, metric: Metric, value: float) -> dict[str, Any]:
    """Return a run's objective for its summary, larger being better; see `Metric.quality`."""
    return {
        "benchmark": benchmark,
        "metric": metric.quality_name,
        "value": metric.quality(value),
    }


def _flat(result: BenchmarkResult) -> Row:
    return {f"{result.name}/{name}": value for name, value in result.metrics.items()}


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return device.type
