"""Batches of frame pairs, the same for any number of workers and after any resume."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import parent_process

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from typing_extensions import override

from siammae.data.augment.pair_augment import PairAugment
from siammae.data.augment.rotate_frames import cut_out
from siammae.data.augment.rotation import NoRotation, Rotation
from siammae.data.reading.clip import Clip
from siammae.data.sampling.batch import PairBatch, Sample, Visit, collate
from siammae.data.sampling.gaps import frames_of_unit
from siammae.data.sampling.mixture import MixedClips
from siammae.data.sampling.targets import Offsets, Targets
from siammae.data.sets.videos import ClipSource
from siammae.system.end_with_parent import end_with_parent
from siammae.system.errors import DataError, TrainingError
from siammae.system.process_crew import clean_server
from siammae.system.signals import SIGNALS

PRELOAD = (__name__, "siammae.data.sampling.reader_server", "cv2", "av")

WORD = 0xFFFFFFFF  # the bits of one 32-bit word


class PairDataset(Dataset[Visit]):
    """A data set whose item v is the v-th visit to a clip, a function of (seed, v) alone.

    The clips are visited in a new order in every pass. A visit opens one clip and reads the frames
    of ``source.repeated_sampling`` pairs in one go.

    Args:
        source: the clips.
        targets: draws the frames of a pair.
        rotation: draws the angles.
        augment: draws crops, flips and colours.
        seed: seed of all randomness here.
        labels: the number of each clip's class, see `labels_of`; None: batches have none.

    Raises:
        ValueError: when readers resize frames that the device turns by any angle.
    """

    def __init__(
        self,
        source: ClipSource,
        targets: Targets,
        rotation: NoRotation | Rotation,
        augment: PairAugment,
        seed: int,
        labels: Sequence[int] | None = None,
    ):
        if augment.resize == "host" and rotation.interpolates:
            raise ValueError(
                "resize 'host' leaves nothing around a crop to turn it by any angle; take 'device'"
            )
        self.targets, self.rotation, self.augment, self.seed = targets, rotation, augment, seed
        self.draws_angles = not isinstance(rotation, NoRotation)
        self.labels = None if labels is None else np.array(labels)
        self.clips, self.pairs = source.footage(), source.repeated_sampling
        # Enough to find a good clip among as many broken ones as a run puts up with.
        self.attempts = min(len(self.clips), 10 + int(source.max_broken * len(self.clips)))
        self.known_broken: dict[int, str] = {}

    def __getitem__(self, visit: int) -> Visit:
        """Read a clip, and another in its place when it is broken."""
        broken: dict[str, str] = {}
        for attempt, clip in enumerate(self._candidates(visit)):
            rng = generator(self.seed, visit, attempt)
            try:
                # Angles have their own generator: the other draws are the same without rotation.
                # 1 << 34 makes its seed differ from all others, see `_candidates`.
                key = (self.seed, visit, attempt, 1 << 34)
                rotation_rng = generator(*key) if self.draws_angles else rng
                return Visit(self._read(clip, rng, rotation_rng), broken)
            except DataError as error:
                self.known_broken[clip] = str(error)
                broken[self.clips.name(clip)] = str(error)
        return Visit([], broken)

    def _candidates(self, visit: int) -> Iterator[int]:
        """Yield the clip that the order of clips gives this visit, then others at random."""
        first = self.clips.turn(self.seed, visit)
        yield first
        # Larger than any attempt, so that no other generator has this seed. The order of clips
        # takes 1 << 33 (`reading.clips`), that of packed ones 1 << 35 (`packing.order`).
        others = np.random.default_rng([self.seed, visit, 1 << 32]).permutation(len(self.clips))
        if isinstance(self.clips, MixedClips):
            others = self.clips.alike_first(first, others)
        yield from (int(clip) for clip in others[: self.attempts] if clip != first)

    def _read(
        self, clip: int, rng: np.random.Generator, rotation_rng: np.random.Generator
    ) -> list[Sample]:
        if clip in self.known_broken:
            raise DataError(self.known_broken[clip])
        reader = self.clips.open(clip)
        pairs = self._pairs(rng, clip, reader)
        wanted = sorted({index for offsets in pairs for index in offsets.frames})
        place = {index: i for i, index in enumerate(wanted)}
        frames = reader.read(wanted)
        label = None if self.labels is None else int(self.labels[clip])
        samples = []
        for offsets in pairs:
            drawn = self.augment.draw(rng, len(offsets.frames), *frames.shape[1:3])
            angle = self.rotation.draw(rotation_rng, len(offsets.frames))
            chosen = [frames[place[index]] for index in offsets.frames]
            parts, crop = cut_out(chosen, drawn.boxes, angle, self.rotation.interpolates)
            parts, flip = self.augment.by_reader(parts, drawn.flip)
            gap = [reader.step * (index - offsets.frames[0]) for index in offsets.frames[1:]]
            how = (flip, drawn.colour, angle, gap, clip, offsets.short, crop, drawn.effects)
            samples.append(Sample(parts, *how, label))
        return samples

    def _pairs(self, rng: np.random.Generator, clip: int, reader: Clip) -> list[Offsets]:
        """Draw the frames of each pair; an error names the clip."""
        name = self.clips.name(clip)
        scale = frames_of_unit(self.targets.gap_unit, reader, name)
        try:
            return [self.targets.draw(rng, reader.frames, scale) for _ in range(self.pairs)]
        except DataError as error:
            raise DataError(f"{name}: {error}") from None


@dataclass(frozen=True)
class VisitChunks:
    """Deals the visits first .. last - 1 in chunks to several processes, one after the other.

    chunk: visits in one chunk. rank: number of this process, whose chunks these are.
    size: number of processes.
    """

    first: int
    last: int
    chunk: int
    rank: int
    size: int

    def __iter__(self) -> Iterator[list[int]]:
        begin, stride = self.first + self.rank * self.chunk, self.size * self.chunk
        for start in range(begin, self.last, stride):
            yield list(range(start, min(start + self.chunk, self.last)))

    def __len__(self) -> int:
        begin, stride = self.first + self.rank * self.chunk, self.size * self.chunk
        return len(range(begin, self.last, stride))


class PairLoader(DataLoader[PairBatch]):
    """A loader whose readers' errors are those of the user's data, in one line."""

    @override
    def __iter__(self) -> Iterator[PairBatch]:  # type: ignore[override]
        batches = super().__iter__()
        return _in_one_line(batches) if self.num_workers else batches


def _in_one_line(batches: Iterator[PairBatch]) -> Iterator[PairBatch]:
    """Yield batches; torch puts the traceback of a reading process before its error."""
    try:
        yield from batches
    except DataError as error:
        raise DataError(str(error).strip().splitlines()[-1].rpartition("DataError: ")[2]) from None
    except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
        if not _is_of_lost_reader(error):
            raise
        raise TrainingError(
            "a process that reads clips is gone, killed or out of memory: take fewer data.workers, "
            "a smaller batch_size or data.in_memory=false; the same command goes on"
        ) from None


def _is_of_lost_reader(error: Exception) -> bool:
    """Return whether an error of torch's loader says that a reading process has ended.

    It is a RuntimeError when torch looks for the process, another when it asks that for a batch.
    Errors that were raised in a reading process say so.
    """
    text = str(error)
    if isinstance(error, RuntimeError):
        return text.startswith("DataLoader worker")
    return "in DataLoader worker process" not in text


def _collate_shared(visits: list[Visit]) -> PairBatch:
    """Make a batch in shared memory, in a reading process.

    torch would share it in a thread whose errors nobody sees, and the trainer would wait for ever.

    Raises:
        DataError: when no visit has a sample, or there is not enough shared memory.
    """
    try:
        return collate(visits).share_memory()
    except RuntimeError as error:
        raise DataError(
            "a reading process gets no shared memory for a batch, see df /dev/shm: give more "
            "(docker run --shm-size=2g), take a smaller batch_size or fewer data.workers, or "
            f"data.workers=0 ({str(error).splitlines()[0]})"
        ) from None


def make_loader(
    dataset: PairDataset,
    batch_size: int,
    first_visit: int,
    last_visit: int,
    workers: int,
    rank: int = 0,
    size: int = 1,
) -> DataLoader[PairBatch]:
    """Return batches of ``batch_size`` pairs, in order, from visits first_visit .. last_visit - 1.

    The batches are dealt to ``size`` processes in turn; process ``rank`` gets its own.

    Workers come from a clean server process, see `clean_server`.
    """
    return PairLoader(
        dataset,  # type: ignore[arg-type]
        batch_sampler=VisitChunks(first_visit, last_visit, batch_size // dataset.pairs, rank, size),
        num_workers=workers,
        collate_fn=_collate_shared if workers else collate,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=4 if workers else None,
        worker_init_fn=_in_worker,
        multiprocessing_context=clean_server(PRELOAD) if workers else None,
    )


def _in_worker(worker: int) -> None:
    """Prepare a reading process; it uses one thread, since processes share out the cores."""
    if hasattr(signal, "sigwaitinfo"):  # Linux
        # First of all: threads inherit the signal mask, and one without it would take the signal.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threading.Thread(target=_end_when_parent_asks, daemon=True).start()
    # torch's own watchdog looks at the parent's number, which is the server's here: after a
    # SIGKILL of the trainer its workers would stay for ever.
    end_with_parent()
    import cv2

    cv2.setNumThreads(1)


def _end_when_parent_asks() -> None:
    """End at a SIGTERM of the trainer alone; torchrun and Slurm send one to all processes."""
    parent = parent_process()
    while parent is not None:
        if signal.sigwaitinfo({signal.SIGTERM}).si_pid == parent.pid:
            os._exit(0)


def first_pairs(dataset: PairDataset, pairs: int) -> PairBatch:
    """Return a fixed batch for pictures: the first pairs of the run's first visits."""
    visits = range(-(-pairs // dataset.pairs))
    return collate([dataset[visit] for visit in visits])


def generator(*numbers: int) -> np.random.Generator:
    """Return ``default_rng(list(numbers))`` of numbers that are not negative, in half the time.

    numpy makes 32-bit words of the numbers, the lowest first. Given those, it has nothing to do.
    """
    words = []
    for number in numbers:
        words.append(number & WORD)
        while number := number >> 32:
            words.append(number & WORD)
    return np.random.default_rng(np.array(words, np.uint32))
