"""Whether frozen patch features separate classes: a linear probe and nearest neighbours."""

import hashlib
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from siammae.data.built_in.puppets import Puppets
from siammae.evaluation.files.davis import read_ids
from siammae.evaluation.files.vip import VipFiles
from siammae.evaluation.files.vspw import VspwFiles
from siammae.evaluation.measuring.benchmark import Benchmark, OnVideo, Rows, size_of
from siammae.evaluation.measuring.metric import SHARE, Metric, OverVideos
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.measuring.scoring import only_this
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.scores.classes import class_rows, mean_iou
from siammae.system.errors import DataError

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor
    from siammae.evaluation.files.contents import Contents
    from siammae.evaluation.measuring.probes import Probes

LAYOUTS: dict[str, type[VipFiles] | type[VspwFiles]] = {"vip": VipFiles, "vspw": VspwFiles}
PROBES = ("linear", "knn")
NOTHING = {f"{probe}-{kind}": 0 for probe in PROBES for kind in ("intersection", "union")}
METRICS = tuple(
    Metric(f"{probe}-{name}", "more", SHARE, over_videos=over)
    for probe in PROBES
    for name, over in (
        ("mIoU", OverVideos((f"{probe}-intersection",), f"{probe}-union", group="class")),
        ("accuracy", OverVideos((f"{probe}-intersection",), "pixels")),
    )
)
Predicted = dict[str, list[np.ndarray]]  # by probe, ids (H, W) of each frame


class LinearParts(Benchmark):
    """Measures classes of patches by probes of frozen features, with labels of other videos only.

    Propagation asks whether features find the same point again; this asks whether they know what
    kind of thing it is, which another method may do better. No encoder weight is changed.

    The first half of the split's list trains the probes and the second is measured, so no video is
    on both sides, and neighbours in a list, often of one source, are seldom parted. Both probes
    learn from patches and are scored on pixels: their maps are enlarged to the masks' own size, so
    encoders of different patches compare. There is no standard protocol; figures compare encoders
    measured here.

    Args:
        root: of the data; None takes the built-in set of ``source``.
        source: the built-in set, which is written when it is not there.
        layout: of the root, ``vip`` or ``vspw``.
        classes: ids are 0 to ``classes - 1``.
        ignore: ids that do not count, in training as in scoring.
        split: of the list.
        frames_per_video: annotated frames that are taken of each, evenly spaced.
        patches_per_frame: that train, drawn from each frame; all are measured.
        max_patches: that train, of all frames together. Beyond it each frame gives fewer, evenly,
            so that the memory does not grow with the data set: a patch takes about 32 bytes times
            the encoder's width, the default with 384 channels 1.6 GB.
        input_size: frames are resized to this short side, or to [height, width]; None keeps them.
        l2: penalty of the linear probe; see `LinearProbe`.
        top_k: neighbours that vote; see `NearestNeighbours`.
        temperature: of their vote.
        workers: processes that score.
        name: in tables.

    Raises:
        ValueError: when a value is out of range.
    """

    metrics = METRICS
    objective = "linear-mIoU"
    units = ("video", "class")
    control_name = "majority class"
    can_be_split = False  # one probe learns from all training videos; a second may round otherwise

    def __init__(
        self,
        root: str | None = None,
        source: Puppets | None = None,
        layout: str = "vip",
        classes: int = 20,
        ignore: Collection[int] = (255,),
        split: str = "val",
        frames_per_video: int = 8,
        patches_per_frame: int = 256,
        max_patches: int = 2**17,
        input_size: int | Collection[int] | None = None,
        l2: float = 1e-2,
        top_k: int = 20,
        temperature: float = 0.07,
        workers: int = 0,
        name: str = "linear_parts",
    ):
        if layout not in LAYOUTS:
            raise ValueError(f"layout '{layout}' is none of {', '.join(LAYOUTS)}")
        if root is not None:
            source, folder = None, Path(root).expanduser()
        elif source is not None:
            folder = source.vip_root
        else:
            raise ValueError("root must name a folder when there is no source")
        counts = frames_per_video, patches_per_frame, max_patches, top_k
        if not 2 <= classes <= 256 or min(counts) < 1:
            raise ValueError(
                "classes must be 2 to 256, frames_per_video, patches_per_frame, max_patches and "
                f"top_k at least 1, not {classes}, {', '.join(map(str, counts))}"
            )
        if l2 <= 0 or temperature <= 0:
            raise ValueError(f"l2 {l2} and temperature {temperature} must be above 0")
        self.source = source
        self.files: VipFiles | VspwFiles = LAYOUTS[layout](folder, split)
        self.layout, self.classes, self.ignore = layout, classes, sorted(ignore)
        self.frames_per_video, self.patches_per_frame = frames_per_video, patches_per_frame
        self.max_patches = max_patches
        self.l2, self.top_k, self.temperature = l2, top_k, temperature
        self.workers, self.name = workers, name
        self.sizing = Propagation(input_size=input_size)  # type: ignore[arg-type]

    @override
    def prepare(self) -> None:
        """Write the built-in set when it is asked for; check that there is something to learn from.

        Raises:
            DataError: when there are fewer than two videos.
        """
        if self.source is not None:
            self.source.prepare()
        self.videos()

    @override
    def fingerprint(self) -> str:
        """Return a short hash of frames' and masks' names and sizes, or the built-in set's own."""
        if self.source is not None:
            return self.source.fingerprint()
        digest = hashlib.sha256()
        for video in self._all():
            with suppress(DataError):
                for path in (path for pair in self.files.annotated(video) for path in pair):
                    digest.update(f"{video}/{path.name}\0{size_of(path)}\n".encode())
        return digest.hexdigest()[:10]

    @override
    def content_fingerprint(self, contents: "Contents") -> str:
        if self.source is not None:
            return self.source.fingerprint()
        return super().content_fingerprint(contents)

    @override
    def _files(self) -> list[Path]:
        found: list[Path] = []
        for video in self._all():
            with suppress(DataError):
                found += [path for pair in self.files.annotated(video) for path in pair]
        return found

    @override
    def videos(self) -> list[str]:
        """Return the measured videos: the second half of the list."""
        videos = self._all()
        return videos[-(len(videos) // 2) :]

    def training_videos(self) -> list[str]:
        """Return the videos that train the probes: the first half of the list, rounded up."""
        videos = self._all()
        return videos[: -(len(videos) // 2)]

    @override
    def frames(self, video: str) -> list[Path]:
        """Return the image files of the frames that have a mask."""
        return [frame for frame, _ in self.files.annotated(video)]

    @override
    def evaluate(
        self, features: "FeatureExtractor", on_video: OnVideo | None = None
    ) -> BenchmarkResult:
        """Fit the probes to the training videos, and score them on the others.

        A training video that cannot be read is named in the result; the rest goes on.

        Raises:
            DataError: when no video of either half can be read.
        """
        training, failed = self.training_videos(), dict[str, str]()
        probes = self._fit(features, on_video, failed)

        def later(done: int, of: int, video: str) -> None:
            if on_video is not None:
                on_video(len(training) + done, len(training) + of, video)

        result = self._measure(lambda video: self._classify(video, features, probes), later)
        settings = {**result.settings, "training_videos": len(training) - len(failed)}
        videos = len(training) + len(self.videos())
        return replace(result, settings=settings, failed={**failed, **result.failed}, videos=videos)

    @override
    def predict(self, video: str, features: "FeatureExtractor") -> Predicted:
        """Predict ids of the video's chosen frames; fits the probes anew."""
        return self._classify(video, features, self._fit(features, None, {}))

    @override
    def control(self, video: str) -> Predicted:
        """Predict the most frequent class of the training videos, everywhere."""
        shown = [np.full_like(read_ids(mask), self.majority) for _, mask in self._chosen(video)]
        return {"linear": shown, "knn": shown}

    @cached_property
    def majority(self) -> int:
        """The id that most pixels of the training videos' chosen masks have."""
        counts, failed = np.zeros(256, np.int64), dict[str, str]()
        for video in self.training_videos():
            with only_this(video, failed):
                masks = [self._read(mask) for _, mask in self._chosen(video)]
                counts += sum(np.bincount(ids.ravel(), minlength=256) for ids in masks)
        if not counts.any():
            raise DataError("; ".join(list(failed.values())[:3]))
        return int(np.argmax(np.where(self._counted, counts, -1)))

    @override
    def score(self, video: str, predicted: Predicted) -> Rows:
        """Count pixels, intersections and unions of each class that occurs, for each probe."""
        truth = np.concatenate([self._read(mask).ravel() for _, mask in self._chosen(video)])
        pixels = np.bincount(truth, minlength=256)
        rows: dict[int, dict[str, Any]] = {}
        for probe, maps in predicted.items():
            guess = np.concatenate([ids.ravel() for ids in maps])
            for row in class_rows(video, truth, guess, self.classes, self.ignore):
                number = row["class"]
                blank = {"video": video, "class": number, "pixels": int(pixels[number]), **NOTHING}
                kept = rows.setdefault(number, blank)
                kept[f"{probe}-intersection"], kept[f"{probe}-union"] = (
                    row["intersection"],
                    row["union"],
                )
        return [rows[number] for number in sorted(rows)]

    @override
    def total(self, rows: Rows) -> dict[str, float]:
        """Return mIoU over classes that occur, and the share of right pixels, over all videos."""
        metrics = {}
        pixels = sum(row["pixels"] for row in rows)
        if not pixels:
            raise DataError(f"{self.files.root}: no pixel of the measured videos has a class")
        for probe in PROBES:
            both, either = f"{probe}-intersection", f"{probe}-union"
            plain = [
                {"class": row["class"], "intersection": row[both], "union": row[either]}
                for row in rows
                if row[either]
            ]
            metrics[f"{probe}-mIoU"] = mean_iou(plain)[0]
            metrics[f"{probe}-accuracy"] = sum(row[both] for row in rows) / pixels
        return metrics

    @override
    def settings(self) -> dict[str, Any]:
        return {
            "layout": self.layout,
            "split": self.files.split,
            "classes": self.classes,
            "ignore": self.ignore,
            "frames_per_video": self.frames_per_video,
            "patches_per_frame": self.patches_per_frame,
            "max_patches": self.max_patches,
            "input_size": self.sizing.input_size,
            "l2": self.l2,
            "top_k": self.top_k,
            "temperature": self.temperature,
        }

    # ---------------------------------------------------------------------------------------------

    def _all(self) -> list[str]:
        videos = self.files.videos()
        if len(videos) < 2:
            raise DataError(
                f"{self.files.root} lists {len(videos)} video(s); probes need two: one to learn "
                "from, one to be measured on"
            )
        return videos

    def _chosen(self, video: str) -> list[tuple[Path, Path]]:
        """Return frame and mask of evenly spaced frames, the first and the last among them."""
        pairs = self.files.annotated(video)
        count = min(self.frames_per_video, len(pairs))
        return [pairs[i] for i in np.linspace(0, len(pairs) - 1, count).round().astype(int)]

    @property
    def _counted(self) -> np.ndarray:
        """(256,) bool: which ids count."""
        ids = np.arange(256)
        return (ids < self.classes) & ~np.isin(ids, self.ignore)

    def _read(self, mask: Path) -> np.ndarray:
        """Read the ids (H, W) of a mask.

        Raises:
            DataError: when it has an id that is no class and is not ignored.
        """
        ids = read_ids(mask)
        strange = sorted(set(np.unique(ids).tolist()) - {*range(self.classes), *self.ignore})
        if strange:
            raise DataError(
                f"{mask} has the id {strange[0]}, which is none of the classes 0 to "
                f"{self.classes - 1} and is not in ignore={self.ignore}"
            )
        return ids

    def _fit(
        self, features: "FeatureExtractor", on_video: OnVideo | None, failed: dict[str, str]
    ) -> "Probes":
        from siammae.evaluation.measuring.probes import Probes, Samples, labelled_tokens, shares

        training, samples = self.training_videos(), Samples()
        everything, each = len(training) + len(self.videos()), self.frames_per_video
        most = shares(len(training) * each, self.patches_per_frame, self.max_patches)
        for number, video in enumerate(training):
            with only_this(video, failed):
                frames = [(frame, self._read(mask)) for frame, mask in self._chosen(video)]
                tokens = list(labelled_tokens(features, frames, self.sizing, self._counted))
                samples.add(tokens, most[number * each :][: len(tokens)])
            if on_video is not None:
                on_video(number + 1, everything, video)
        if not samples.tokens:
            raise DataError("; ".join(list(dict.fromkeys(failed.values()))[:3]))
        return Probes.fit(*samples.all(), self.l2, self.top_k, self.temperature)

    def _classify(self, video: str, features: "FeatureExtractor", probes: "Probes") -> Predicted:
        from siammae.evaluation.measuring.probes import class_maps

        frames = [(frame, self._read(mask)) for frame, mask in self._chosen(video)]
        maps = list(class_maps(features, frames, self.sizing, probes))
        return {probe: [both[i] for both in maps] for i, probe in enumerate(PROBES)}
