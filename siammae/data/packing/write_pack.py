"""Packing the clips of a source into a folder of shards."""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from siammae.data.packing.crew import CannotWrite, Job, packing_crew, run_jobs
from siammae.data.packing.index import Index, join, make_table, write
from siammae.data.packing.layout import BROKEN, INDEX, WORK, common_folders, shard_name, shards
from siammae.data.packing.pack_plan import (
    PackSettings,
    Plan,
    dealt,
    make_plan,
    read_plan,
    refuse_others,
    sample_size,
)
from siammae.data.packing.rebuild import Print, open_index, rows_of_shard
from siammae.data.packing.row import Row
from siammae.data.packing.shard_writer import Broken, Closed, How
from siammae.data.packing.verify_pack import OnProgress, wrong_sizes
from siammae.data.reading.clips import Clips
from siammae.system.atomic_files import write_atomic
from siammae.system.claim import claimed
from siammae.system.errors import DataError
from siammae.system.process_crew import ProcessCrew
from siammae.system.progress import size_text, span_text

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLES = 4  # samples that are tried before a set without a readable clip is given up


class Packer:
    """Packs ``clips`` into ``folder``, or goes on where an earlier packing stopped.

    Args:
        clips: the clips of the source.
        folder: folder of the shards; it is made when it is not there.
        settings: settings of the pack.
        workers: number of processes that decode and encode.
        max_broken: share of unreadable clips above which it stops.
        note: called with each line that a person should read.
        on_progress: called with clips done, clips in all, and bytes written.
        classes: of the clips, see `ClipSource.classes`; None: they have none.
    """

    def __init__(
        self,
        clips: Clips,
        folder: Path,
        settings: PackSettings,
        workers: int,
        max_broken: float,
        note: Print,
        on_progress: OnProgress,
        classes: Sequence[str | None] | None = None,
    ):
        self.clips, self.folder, self.settings = clips, folder, settings
        self.workers, self.max_broken = workers, max_broken
        self.note, self.on_progress = note, on_progress
        self.classes = [None] * len(clips) if classes is None else classes
        self.order = dealt(len(clips))
        self.run_id = f"{os.getpid()}-{time.time_ns()}"  # an orphan of another run shares no file
        self.broken: dict[int, str] = {}
        self.done = self.bytes = 0

    def run(self) -> Index:
        """Pack what is missing and return the index.

        Raises:
            ConfigError: when the folder was begun with other settings.
            DataError: when another process packs into it, its disk is full, or more clips are
                broken than may be. Finished shards stay, and the same command goes on.
        """
        try:
            (self.folder / WORK).mkdir(parents=True, exist_ok=True)
            refusal = DataError(f"out={self.folder}: another process packs into it")
            with claimed(self.folder / WORK / "lock", refusal):
                return self._run()
        except CannotWrite as error:
            raise DataError(self._cannot_write(str(error))) from None
        except OSError as error:
            raise DataError(self._cannot_write(error.strerror or str(error))) from None

    def _run(self) -> Index:
        plan = read_plan(self.folder)
        refuse_others(self.folder, plan, self.settings)
        if plan is not None and plan.complete and len(shards(self.folder)) == plan.shards:
            return self._known()
        self._sweep()
        folders, settings = common_folders(self.clips), self.settings
        how = How(folders, settings.stride, settings.quality, self.classes)
        try:
            with packing_crew(self.workers, self.clips, how) as crew:
                begun, began = None, time.monotonic()
                if plan is None:
                    begun = self._sample(crew)
                    plan = self._planned(begun, time.monotonic() - began)
                self._announce(plan, 0 if begun is None else begun.end())
                run_jobs(crew, self._jobs(plan, begun), self._on_answer)
        finally:  # when no process is left that could make such a file again
            self._sweep()
        return self._finish(plan)

    def _known(self) -> Index:
        """Return the index of a pack that is complete.

        Raises:
            DataError: when a shard has another size than it was written with.
        """
        index = open_index(self.folder, self.note)
        cut = [path.name for path in wrong_sizes(self.folder, index)]
        if cut:
            raise DataError(
                f"out={self.folder} was complete, and {', '.join(cut[:5])} ({len(cut)}) is not as "
                "long as it was; remove it and give the same command again, which makes it anew"
            )
        self.note(f"{self.folder} is complete: {_summary(index)}; --verify checks it")
        return index

    def _known_broken(self) -> dict[str, str]:
        """Return the reasons of earlier packings by number of the clip, as far as they are kept."""
        path = self.folder / BROKEN
        try:
            return {str(int(clip)): str(why) for clip, why in json.loads(path.read_bytes()).items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError) as error:
            self.note(f"{path} is damaged ({error}): what it said of finished shards is lost")
            return {}

    def _sample(self, crew: ProcessCrew) -> Job:
        """Begin the first shard with a few clips, to measure sizes and times.

        Raises:
            DataError: when none of them can be read.
        """
        job = Job(0, self._part(0), [], stays_open=True)
        size = sample_size(len(self.order))
        self.note(f"packing {size} of {len(self.order)} clips to measure sizes and times")
        for first in range(0, SAMPLES * size, size):
            job.todo = self.order[first : first + size]
            if job.rows or not job.todo:
                break
            run_jobs(crew, [job], lambda job, answer: None)
        if not job.rows:
            reasons = "; ".join(list(job.broken.values())[:5])
            raise DataError(f"none of the first {len(job.broken)} clips can be packed: {reasons}")
        return job

    def _planned(self, begun: Job, seconds: float) -> Plan:
        """Make the plan and write it down."""
        tried = len(begun.rows) + len(begun.broken)
        plan = make_plan(self.settings, len(self.order), begun.end() / tried, seconds / tried)
        plan.write(self.folder)
        return plan

    def _announce(self, plan: Plan, begun: int) -> None:
        """Print expected sizes and times, and see whether there is room.

        ``begun`` bytes of the first shard are there already.

        Raises:
            DataError: when there is no room.
        """
        finished = shards(self.folder)
        known = self._known_broken()
        places = {clip: place // plan.per_shard for place, clip in enumerate(self.order)}
        entries = {int(clip): entry for clip, entry in known.items()}
        self.broken = {clip: why for clip, why in entries.items() if places.get(clip) in finished}
        self.done = sum(len(plan.of_shard(shard, self.order)) for shard in finished)
        self.bytes = sum(path.stat().st_size for path in finished.values())
        left = plan.clips - self.done
        free = shutil.disk_usage(self.folder).free
        if finished:
            self.note(f"going on: {len(finished)} of {plan.shards} shards are finished")
        span = span_text(plan.seconds * left / min(self.workers, plan.shards))
        self.note(
            f"{plan.clips} clips: about {size_text(plan.bytes * plan.clips)} in {plan.shards} "
            f"shards; about {span} for {left} of them with {self.workers} processes; "
            f"{size_text(free)} are free"
        )
        needed = plan.bytes * left - begun
        if needed > free:
            raise DataError(
                f"out={self.folder} has {size_text(free)} free, and about {size_text(needed)} more "
                "are needed; free some, or give another folder, a larger stride or a lower quality"
            )

    def _jobs(self, plan: Plan, begun: Job | None) -> Iterator[Job]:
        """Yield the shards that are not finished, in order."""
        finished = shards(self.folder)
        for shard in range(plan.shards):
            if shard in finished:
                continue
            job = Job(shard, self._part(shard), plan.of_shard(shard, self.order))
            if shard == 0 and begun is not None:
                job.rows = [row for row in begun.rows if row.number in job.todo]
                job.broken = {clip: why for clip, why in begun.broken.items() if clip in job.todo}
                known = {row.number for row in job.rows} | set(job.broken)
                job.todo = [clip for clip in job.todo if clip not in known]
                self.broken |= job.broken
                self.done, self.bytes = self.done + len(known), self.bytes + job.end()
            yield job

    def _on_answer(self, job: Job, answer: Row | Broken | Closed) -> None:
        """Count an answer; a whole shard is kept."""
        if isinstance(answer, Closed):
            self._keep(job)
            return
        self.done += 1
        if isinstance(answer, Row):
            self.bytes += answer.end() - answer.start
        else:
            self.broken |= job.broken
            self._check_broken()
        self.on_progress(self.done, len(self.order), self.bytes)

    def _keep(self, job: Job) -> None:
        """Keep a whole shard: what is known about it is written first, then it gets its name."""
        self._write_broken()
        write(make_table(job.rows), self._rows(job.shard))
        job.path.rename(self.folder / shard_name(job.shard))

    def _check_broken(self) -> None:
        """Stop when too many clips are broken.

        Raises:
            DataError: with the first reasons.
        """
        if len(self.broken) > self.max_broken * len(self.order):
            self._write_broken()
            raise DataError(
                f"packing stopped: {len(self.broken)} of {len(self.order)} clips were broken so "
                f"far, more than data.max_broken={self.max_broken} allows; set it higher, or leave "
                f"out what siammae.audit finds (data.manifest=FILE). {self.folder / BROKEN} has "
                "those: " + "; ".join(list(self.broken.values())[:5])
            )

    def _finish(self, plan: Plan) -> Index:
        """Write the index, and that the pack is complete.

        Raises:
            DataError: when a shard lacks a clip.
        """
        tables = []
        for shard, path in shards(self.folder).items():
            table = self._table(shard, path)
            asked = set(plan.of_shard(shard, self.order))
            if set(table["number"].to_pylist()) != asked - set(self.broken):
                raise DataError(
                    f"{path} has not the clips that it was given; remove it and give the same "
                    "command again"
                )
            tables.append(table)
        write(join(tables), self.folder / INDEX)
        index = Index.load(self.folder / INDEX)
        replace(plan, complete=True, fingerprint=index.fingerprint).write(self.folder)
        for path in (self.folder / WORK).glob("*.arrow*"):  # with their checksums
            path.unlink()
        self.note(f"packed: {_summary(index)}, {size_text(self.bytes)} in {plan.shards} shards")
        if self.broken:
            self.note(
                f"{len(self.broken)} of {len(self.order)} clips cannot be read and are left out; "
                f"{self.folder / BROKEN} says why"
            )
        return index

    def _table(self, shard: int, path: Path) -> "pa.Table":
        part = self._rows(shard)
        if part.exists():
            try:
                return Index.load(part).table
            except DataError as error:
                self.note(f"{error}: made again from {path}")
        return make_table(rows_of_shard(shard, path, self.note))

    def _part(self, shard: int) -> Path:
        return self.folder / WORK / f"{shard_name(shard)}.{self.run_id}.part"

    def _rows(self, shard: int) -> Path:
        return self.folder / WORK / f"{shard:06d}.arrow"

    def _sweep(self) -> None:
        """Remove shards that are not whole."""
        for path in (self.folder / WORK).glob("*.part"):
            path.unlink(missing_ok=True)

    def _write_broken(self) -> None:
        if self.broken:
            reasons = {str(clip): self.broken[clip] for clip in sorted(self.broken)}
            write_atomic(self.folder / BROKEN, json.dumps(reasons, indent=1, ensure_ascii=False))
        else:
            (self.folder / BROKEN).unlink(missing_ok=True)

    def _cannot_write(self, reason: str) -> str:
        finished = len(shards(self.folder)) if self.folder.is_dir() else 0
        return (
            f"out={self.folder} cannot be written: {reason}; {finished} finished shards are kept, "
            "and the same command goes on when there is room"
        )


def _summary(index: Index) -> str:
    return f"{len(index)} clips with {index.frames()} frames"
