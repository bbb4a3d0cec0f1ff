"""The training loop: batches in, weights and rows of metrics out."""

import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from siammae.assembly.checkpoint import Checkpoints
from siammae.assembly.device import autocast
from siammae.data.sampling.batch import PairBatch
from siammae.evaluation.pictures.uncertainty_maps import uncertainty_grid
from siammae.model.batch_draws import WHOLE, Part
from siammae.model.restoration import Restoration
from siammae.model.siammae import SiamMAE
from siammae.system.errors import TrainingError
from siammae.training.broken_clips import Shortfall
from siammae.training.cadence import LOSSES
from siammae.training.distributed import Team
from siammae.training.optim import learning_rate, set_learning_rate
from siammae.training.run_pictures import restoration_grid
from siammae.training.stop import EXIT_CODE, StopSignal
from siammae.training.training_plan import Plan, Progress, step_seed

Row = dict[str, float]


class Listener(Protocol):
    """Whoever wants to know how a run goes: the record, the tracker, the progress bar."""

    def row(self, row: Row) -> None:
        """A row of metrics."""

    def picture(self, step: int, jpeg: bytes, name: str = "restored") -> None:
        """A grid of restored frames, or of what else the name says of them."""

    def step(self, step: int) -> None:
        """An optimiser step is done."""


class Trainer:
    """Trains a model to the plan's end, or until it is asked to stop.

    Args:
        model: on its device.
        optimiser: of the model's parameters.
        plan: the numbers.
        batches: gives an iterator of micro-batches that starts at an optimiser step.
        prepare: a batch on the device to frames (B, T, 3, S, S), normalised.
        checkpoints: where states are kept.
        listener: told of rows, pictures and steps.
        evaluate: measures the model now and returns its quality and metrics; called
            ``plan.evaluations - 1`` times, the last evaluation, at the end, being the caller's. The
            checkpoint of the largest quality is the best.
        sample: a fixed batch for the pictures.
        watch: called with the step after each of those evaluations, the state being saved; what it
            raises ends the training. Also where there is nothing to evaluate.
        team: processes that share every step; ``batches`` gives this one's part. Neither their
            number nor ``plan.accumulate`` changes the weights, but by rounding and by dropout.
    """

    def __init__(
        self,
        model: SiamMAE,
        optimiser: torch.optim.Optimizer,
        plan: Plan,
        batches: Callable[[int], Iterator[PairBatch]],
        prepare: Callable[[PairBatch], Tensor],
        checkpoints: Checkpoints,
        listener: Listener,
        evaluate: Callable[[], tuple[float, Row]] | None = None,
        sample: PairBatch | None = None,
        watch: Callable[[int], None] | None = None,
        team: Team | None = None,
    ):
        self.model, self.optimiser, self.plan = model, optimiser, plan
        self.batches, self.prepare, self.checkpoints = batches, prepare, checkpoints
        self.listener, self.evaluate, self.sample = listener, evaluate, sample
        self.watch = watch
        self.device = next(model.parameters()).device
        self.team = team or Team()
        self.progress = Progress()
        self._shortfall = Shortfall()
        self._window: list[Tensor] = []
        self._names: list[str] = []
        self._clock = self._waited = 0.0

    def resume(self) -> int:
        """Take up the newest whole checkpoint; returns the step it was written after, or 0.

        What is best so far is told by ``best.json``: a checkpoint is older than its own evaluation.
        """
        with self.team.together():
            state = self.checkpoints.load_newest() if self.team.leads else None
        state = self.team.share(state)
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.progress = Progress(**state["progress"])
        self.progress.best = self.checkpoints.best_value(self.progress.step)
        return self.progress.step

    def fit(self, measured: Collection[int] = ()) -> None:
        """Train from where the run stands to the end of the plan.

        A resumed run first makes the picture and the evaluation that were due at its step.

        Args:
            measured: steps whose evaluation is in the record already.

        Raises:
            TrainingError: when the loss or a weight is no finite number.
            DataError: when more than ``plan.max_broken`` of the clips cannot be read.
            SystemExit: after a request to stop, once the state is saved.
        """
        plan, first = self.plan, self.progress.step
        looks = self.evaluate is not None or self.watch is not None
        evaluations = plan.spread(plan.evaluations) - {plan.steps} if looks else set()
        pictures = plan.spread(plan.pictures) if self.sample is not None else set()
        self.model.train()
        self._look(first, pictures, evaluations.difference(measured))
        if first >= plan.steps:
            return
        with self.team.together():
            batches = self.batches(first)
        self._clock, self._waited = time.perf_counter(), 0.0
        with StopSignal(patient=self.team.size > 1) as stop:
            for step in range(first + 1, plan.steps + 1):
                self._note(self._step(step, batches))
                self.progress.step = step
                self.listener.step(step)
                stops = self._shortfall.settle(self.progress, plan, self.team, stop.requested)
                saves = step % plan.checkpoint_every == 0 or step == plan.steps or stops
                saves = saves or step in evaluations
                pauses = saves or step in pictures
                if pauses or step % plan.log_every == 0:
                    self._log(step)
                if saves:
                    self._save(step)
                if stops:
                    raise SystemExit(EXIT_CODE)
                self._look(step, pictures, evaluations)
                if pauses:  # not part of the speed that is reported
                    self._clock, self._waited = time.perf_counter(), 0.0

    def _step(self, step: int, batches: Iterator[PairBatch]) -> dict[str, Tensor]:
        """One optimiser step; returns this process's loss and what goes with it, without waiting
        for the device."""
        plan, team = self.plan, self.team
        rate = learning_rate(step - 1, plan.peak_lr, plan.warmup, plan.steps)
        set_learning_rate(self.optimiser, rate)
        self.model.masking.begin(step, plan.steps)
        seed = step_seed(plan.seed, step)
        torch.manual_seed(step_seed(plan.seed, step, team.rank) if team.rank else seed)  # dropout
        total: dict[str, Tensor] = {}
        with team.together():
            for i in range(plan.accumulate):
                before = time.perf_counter()
                batch = next(batches)
                self._waited += time.perf_counter() - before
                self._shortfall.note(batch)
                masks = Generator(self.device).manual_seed(seed)
                part = Part(i * team.size + team.rank, plan.accumulate * team.size)
                restored = self._forward(batch, masks, part)
                (restored.total / plan.accumulate).backward()
                for name, value in {"train/loss": restored.loss, **restored.metrics}.items():
                    total[name] = total.get(name, 0) + value.detach() / plan.accumulate
        team.average([p.grad for p in self.model.parameters() if p.grad is not None])
        if plan.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.restoring(), plan.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return total

    def _forward(self, batch: PairBatch, generator: Generator, part: Part = WHOLE) -> Restoration:
        batch = batch.to(self.device)
        frames = self.prepare(batch)
        with autocast(self.device, self.plan.precision):
            return self.model(frames, generator, part, batch.gap)

    def _note(self, metrics: dict[str, Tensor]) -> None:
        """Add a step's metrics, the loss first, to the window."""
        self._names = list(metrics)
        self._window.append(torch.stack([value.float() for value in metrics.values()]))

    def _log(self, step: int) -> None:
        """Close the window of metrics: one transfer from the device, one row."""
        window = torch.stack(self._window)  # (steps, metrics)
        self.team.average([window])
        with self.team.together():
            self._row(step, window[:, 0].tolist(), window.mean(dim=0).tolist())

    def _row(self, step: int, losses: list[float], means: list[float]) -> None:
        first = step - len(losses) + 1
        for offset, loss in enumerate(losses):
            if not np.isfinite(loss):
                self._not_finite(f"the loss is {loss} at step {first + offset}")
        now = time.perf_counter()
        elapsed = now - self._clock
        pairs = len(losses) * self.plan.batch_size
        self.progress.seconds += elapsed
        self.progress.waited += self._waited
        waited, self._window, self._clock, self._waited = self._waited, [], now, 0.0
        self.progress.losses = [*self.progress.losses, *losses][-LOSSES:]
        self.listener.row(
            {
                "step": step,
                "pairs_seen": step * self.plan.batch_size,
                "epoch": step * self.plan.batch_size / self.plan.clips,
                **dict(zip(self._names, means, strict=True)),
                "train/loss": sum(losses) / len(losses),
                "train/lr": self.optimiser.param_groups[0]["lr"],
                "speed/pairs_per_second": pairs / elapsed,
                "data/wait_share": waited / elapsed,
            }
        )

    def _save(self, step: int) -> None:
        with self.team.together():
            if not all(bool(torch.isfinite(p).all()) for p in self.model.parameters()):
                self._not_finite(f"a weight is not finite after step {step}")
            if self.team.leads:
                self.checkpoints.save(step, self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": vars(self.progress).copy(),
        }

    def _look(self, step: int, pictures: set[int], evaluations: set[int]) -> None:
        """Make what is due at this step, whose weights the model has; others than rank 0 wait."""
        if step not in pictures | evaluations:
            return
        with self.team.together():
            if step in pictures and self.team.leads:
                self._picture(step)
            if step in evaluations and self.team.leads:
                self._evaluate(step)
                if self.watch is not None:
                    self.watch(step)

    def _picture(self, step: int) -> None:
        if self.sample is None:
            return
        generator = Generator(self.device).manual_seed(self.plan.seed)
        self.model.eval()  # without dropout: the same picture when it is made again
        with torch.no_grad():
            restored = self._forward(self.sample, generator)
            frames = self.prepare(self.sample.to(self.device))
        self.model.train()
        patch = self.model.encoder.patch_size
        jpeg = restoration_grid(frames, restored, patch, self.sample.gap)
        self.listener.picture(step, jpeg)
        if self.model.head.predicts_spread:
            jpeg = uncertainty_grid(frames, restored, patch)
            self.listener.picture(step, jpeg, "uncertainty")

    def _evaluate(self, step: int) -> None:
        if self.evaluate is None:
            return
        self.model.eval()
        objective, metrics = self.evaluate()
        self.model.train()
        # Before the row, which says to a resumed run that this evaluation is over.
        self.note_objective(objective, self.checkpoints.path(step))
        self.listener.row({"step": step, "pairs_seen": step * self.plan.batch_size, **metrics})

    def note_objective(self, objective: float, checkpoint: Path) -> None:
        """Keep ``checkpoint`` as the best when no earlier one has a higher objective."""
        if self.progress.best is None or objective >= self.progress.best:
            self.progress.best = objective
            self.checkpoints.mark_best(checkpoint, objective)

    def _not_finite(self, what: str) -> None:
        good = self.checkpoints.paths()
        last = f"the last good checkpoint is {good[-1]}" if good else "there is no checkpoint yet"
        raise TrainingError(f"{what}; {last}. A lower optim.base_lr{self._other_advice()} may help")

    def _other_advice(self) -> str:
        """What is not set already."""
        clip = ", optim.clip=1.0" if self.plan.clip is None else ""
        return clip + (" or precision=fp32" if self.plan.precision != "fp32" else "")
