"""The training loop: batches in, weights and rows of metrics out."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from siammae.assembly.checkpoint import Checkpoints
from siammae.assembly.device import autocast
from siammae.data.sampling.batch import PairBatch
from siammae.evaluation.pictures.uncertainty_maps import uncertainty_grid
from siammae.methods.method import Method
from siammae.model.batch_draws import WHOLE, Part
from siammae.system.errors import TrainingError
from siammae.system.signals import STOPPED, StopRequest
from siammae.training.compiled import uncompiled
from siammae.training.distributed import Team
from siammae.training.engines import Engine
from siammae.training.feed import Feed
from siammae.training.intermediate import LOSS_STEPS
from siammae.training.optim import learning_rate, set_learning_rate
from siammae.training.run_pictures import picture_grid
from siammae.training.run_progress import Progress, ReadingFaults
from siammae.training.step_metrics import Row, StepMetrics
from siammae.training.step_scalars import TOTAL
from siammae.training.training_plan import Plan, step_seed


class Listener:
    """Base of what follows a training; this one ignores everything."""

    def row(self, row: Row) -> None:
        """Take a row of metrics."""

    def picture(self, step: int, jpeg: bytes, name: str = "restored") -> None:
        """Take a picture: a grid of restored frames, or what its name says."""

    def step(self, step: int) -> None:
        """Note that an optimiser step is done."""


class Trainer:
    """Trains a model to the plan's end, or until it is asked to stop.

    Args:
        engine: the model on its device, and how the processes compute it.
        optimiser: of the model's parameters.
        plan: lengths and intervals.
        batches: returns an iterator over the batches of all steps after a given number of them.
        prepare: turns a batch on the device into normalised frames (B, T, 3, S, S).
        checkpoints: where states are kept.
        listener: gets rows, pictures and steps, in the main process alone.
        evaluate: measures the model that it is given, in all processes together, and returns its
            objective, larger being better, and its metrics. It is called ``plan.evaluations - 1``
            times; the last evaluation, at the end, is the caller's. The objective decides which
            checkpoint is the best.
        sample: a fixed batch for the pictures.
        watch: called with the step after each of those evaluations, also without ``evaluate``, when
            the state is saved. What it raises ends the training.
        team: the processes that share every step; ``batches`` gives this one's part. Neither their
            number nor ``plan.accumulate`` changes the weights, except by rounding and dropout.
    """

    def __init__(
        self,
        engine: Engine,
        optimiser: torch.optim.Optimizer,
        plan: Plan,
        batches: Callable[[int], Iterator[PairBatch]],
        prepare: Callable[[PairBatch], Tensor],
        checkpoints: Checkpoints,
        listener: Listener,
        evaluate: Callable[[Method], tuple[float, Row]] | None = None,
        sample: PairBatch | None = None,
        watch: Callable[[int], None] | None = None,
        team: Team | None = None,
    ):
        self.engine, self.model = engine, engine.model
        self.optimiser, self.plan = optimiser, plan
        self.batches, self.prepare, self.checkpoints = batches, prepare, checkpoints
        self.evaluate, self.sample, self.watch = evaluate, sample, watch
        self.team = team or Team()
        self.model.gather = self.team.gather_rows
        self.listener = listener if self.team.is_main else Listener()
        self.device = next(self.model.parameters()).device
        self.progress = Progress()
        self._faults = ReadingFaults()
        self._metrics = StepMetrics()

    def resume(self) -> int:
        """Load the newest whole checkpoint; return the step it was written after, or 0.

        The best objective so far comes from ``best.json``, because a checkpoint is written before
        its own evaluation.
        """
        # An error that one process raises in such a block is raised in all, so that none waits.
        with self.team.raise_in_all():
            state = self.checkpoints.load_newest() if self.team.is_main else None
        state = self.team.broadcast(state)
        if state is not None:
            self.engine.load(state, self.optimiser)
            self.progress = Progress(**state["progress"])
        self.progress.best = self.checkpoints.best_value(self.progress.step)
        return self.progress.step

    def fit(self, measured: Collection[int] = ()) -> None:
        """Train from where the run stands to the end of the plan.

        A resumed run first makes the picture and the evaluation that were due at its step.

        Args:
            measured: steps whose evaluation is in the record already; a resumed run does not repeat
                it. By default there are none.

        Raises:
            TrainingError: when the loss or a weight is no finite number.
            DataError: when more than ``plan.max_broken`` of the clips cannot be read.
            SystemExit: after a request to stop, once the state is saved.
        """
        plan, first = self.plan, self.progress.step
        pictures, evaluations = self._picture_steps(), self._evaluation_steps()
        self.model.train()
        self._draw_and_evaluate(first, pictures, evaluations.difference(measured))
        if first >= plan.steps:
            return
        with self.team.raise_in_all():
            feed = self.feed(self.batches(first))
        self._metrics.restart_clock()
        # Patient: torchrun and Slurm may each send the signal, and the second must not end a step.
        with StopRequest(patient=self.team.size > 1) as request:
            for step in range(first + 1, plan.steps + 1):
                self._metrics.add(self.train_step(step, feed))
                self.progress.step = step
                self.listener.step(step)
                stop = self._faults.settle(self.progress, plan, self.team, request.received)
                save = plan.saves_at(step) or step in evaluations or stop
                pause = save or step in pictures
                if pause or step % plan.log_every == 0:
                    self._log(step)
                if save:
                    self._save(step)
                if stop:
                    raise SystemExit(STOPPED)
                self._draw_and_evaluate(step, pictures, evaluations)
                if pause:  # its time is no part of the speed that is reported
                    self._metrics.restart_clock()

    def feed(self, batches: Iterator[PairBatch]) -> Feed:
        """Return what `train_step` takes its batches from."""
        return Feed(batches, self.device, self.prepare)

    def train_step(self, step: int, feed: Feed) -> dict[str, Tensor]:
        """Take one optimiser step; do not wait for the device.

        Returns:
            This process's loss and the model's metrics, scalars on the device.
        """
        plan, team = self.plan, self.team
        rate = learning_rate(step - 1, plan.peak_lr, plan.warmup, plan.steps)
        set_learning_rate(self.optimiser, rate)
        self.model.begin_step(step, plan.steps)
        seed = step_seed(plan.seed, step)
        torch.manual_seed(step_seed(plan.seed, step, team.rank) if team.rank else seed)  # dropout
        metrics: dict[str, Tensor] = {}
        for i in range(plan.accumulate):
            with team.raise_in_all():
                batch = self._metrics.next_batch(feed)
            self._faults.add(batch)
            masks = Generator(self.device).manual_seed(seed)
            part = Part(i * team.size + team.rank, plan.accumulate * team.size)
            with self.engine.step(is_last=i + 1 == plan.accumulate):
                scalars = self._forward(self.engine.steps, feed.frames(), batch, masks, part)
                (scalars.pop(TOTAL) / plan.accumulate).backward()
            for name, value in scalars.items():
                metrics[name] = metrics.get(name, 0) + value.detach() / plan.accumulate
        if plan.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.clipped_parameters(), plan.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.model.end_step(step, plan.steps)
        self._metrics.wait_for(feed.advance)
        return metrics

    def note_objective(self, objective: float, checkpoint: Path) -> None:
        """Keep ``checkpoint`` as the best when no earlier one has a higher objective."""
        if self.progress.best is None or objective >= self.progress.best:
            self.progress.best = objective
            self.checkpoints.mark_best(checkpoint, objective)

    def _forward(
        self,
        model: nn.Module,
        frames: Any,
        batch: PairBatch,
        generator: Generator,
        part: Part = WHOLE,
    ) -> Any:
        with autocast(self.device, self.plan.precision):
            return model(frames, generator, part, **self._asked(batch))

    def _asked(self, batch: PairBatch) -> dict[str, Tensor]:
        return {name: getattr(batch, name) for name in self.model.asks}

    def _picture_steps(self) -> set[int]:
        return set() if self.sample is None else self.plan.evenly_spaced(self.plan.pictures)

    def _evaluation_steps(self) -> set[int]:
        if self.evaluate is None and self.watch is None:
            return set()
        return self.plan.evenly_spaced(self.plan.evaluations) - {self.plan.steps}

    def _log(self, step: int) -> None:
        """Write one row of metrics, the means over the steps since the last."""
        table = self.team.mean(self._metrics.table())
        with self.team.raise_in_all():
            losses, means, seconds, waited = self._metrics.close(table)
            for number, loss in enumerate(losses, start=step - len(losses) + 1):
                if not np.isfinite(loss):
                    self._raise_not_finite(f"the loss is {loss} at step {number}")
            progress, batch_size = self.progress, self.plan.batch_size
            progress.seconds += seconds
            progress.waited += waited
            progress.losses = [*progress.losses, *losses][-LOSS_STEPS:]
            self.listener.row(
                {
                    "step": step,
                    "pairs_seen": step * batch_size,
                    "epoch": step * batch_size / self.plan.clips,
                    **means,
                    "train/loss": sum(losses) / len(losses),
                    "train/lr": self.optimiser.param_groups[0]["lr"],
                    "speed/pairs_per_second": len(losses) * batch_size / seconds,
                    "data/wait_share": waited / seconds,
                }
            )

    def _save(self, step: int) -> None:
        state = self.engine.state(self.optimiser)
        with self.team.raise_in_all():
            if not all(bool(torch.isfinite(value).all()) for value in state["model"].values()):
                self._raise_not_finite(f"a weight is not finite after step {step}")
            if self.team.is_main:
                self.checkpoints.save(step, {**state, "progress": vars(self.progress).copy()})

    def _draw_and_evaluate(self, step: int, pictures: set[int], evaluations: set[int]) -> None:
        """Do what is due after ``step``: the main process draws, all of them measure."""
        if step not in pictures | evaluations:
            return
        model = self.engine.whole()
        model.eval()  # without dropout: the same picture when it is made again
        if step in pictures:
            with self.team.raise_in_all():
                if self.team.is_main:
                    self._draw(step, model)
        if step in evaluations:
            self._evaluate(step, model)
        self.model.train()

    def _draw(self, step: int, model: Method) -> None:
        if self.sample is None:
            return
        generator = Generator(self.device).manual_seed(self.plan.seed)
        sample = self.sample.to(self.device)
        frames: Any = self.prepare(sample)
        with torch.no_grad(), uncompiled():
            outcome = self._forward(model, frames, sample, generator)
        columns = model.columns(frames, outcome, **self._asked(self.sample))
        self.listener.picture(step, picture_grid(columns))
        if model.predicts_spread:
            jpeg = uncertainty_grid(frames, outcome, model.encoder.patch_size)
            self.listener.picture(step, jpeg, "uncertainty")

    def _evaluate(self, step: int, model: Method) -> None:
        found = None
        if self.evaluate is not None:
            found = self.evaluate(model)
        with self.team.raise_in_all():
            if not self.team.is_main:
                return
            if found is not None:
                # Before the row, from which a resumed run sees that this evaluation is done.
                self.note_objective(found[0], self.checkpoints.path(step))
                seen = step * self.plan.batch_size
                self.listener.row({"step": step, "pairs_seen": seen, **found[1]})
            if self.watch is not None:
                self.watch(step)

    def _raise_not_finite(self, what: str) -> None:
        good = self.checkpoints.paths()
        last = f"the last good checkpoint is {good[-1]}" if good else "there is no checkpoint yet"
        cures = ["A lower optim.base_lr"]
        cures += ["optim.clip=1.0"] if self.plan.clip is None else []
        advice = ", ".join(cures) + (" or precision=fp32" if self.plan.precision != "fp32" else "")
        raise TrainingError(f"{what}; {last}. {advice} may help")
