"""A pack as a data set."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from typing_extensions import override

from siammae.data.packing.index import Index
from siammae.data.packing.index_check import remove_index
from siammae.data.packing.layout import INDEX, SETTINGS, shards
from siammae.data.packing.order import WindowedOrder
from siammae.data.packing.pack_plan import parse_plan
from siammae.data.packing.reader import PackedClips
from siammae.data.packing.rebuild import open_index
from siammae.data.packing.remote import ShardCache, fetch, is_remote
from siammae.data.packing.stream import StreamedClips
from siammae.data.reading.clips import Clips, HeldClips, SmallerClips
from siammae.data.sets.videos import ClipSource
from siammae.system.checksum import checksum_path
from siammae.system.errors import DataError


@dataclass
class Packed(ClipSource):
    """A pack that ``python -m siammae.pack`` wrote.

    root: folder of the shards. When streaming it may be a URL: http(s)://, or what fsspec knows,
        such as s3://.
    short_side: short side to which frames are shrunk further; None keeps them as they were packed.
    streaming: whether whole shards are read one after another, in the order of `WindowedOrder`,
        instead of single frames in the order of the source that was packed.
    window: number of shards among which clips are shuffled.
    lanes: number of parts of a pass that are read side by side. When it is a multiple of the
        processes of a run times ``accumulate``, each process reads shards of its own.
    batch_size: pairs of an optimiser step, which ``lanes`` must divide; not needed for one lane.
    cache: folder for the shards of a URL, shared by the processes of a machine.
    cache_gb: size that it may have.

    Without streaming, and with every frame packed (``stride=1``), the same seed gives the pairs,
    crops and order of the source that was packed; pixels differ by what JPEG loses.
    """

    incidental = (*ClipSource.incidental, "cache", "cache_gb")

    short_side: int | None = None
    streaming: bool = False
    window: int = 16
    lanes: int = 1
    batch_size: int | None = None
    cache: str = "datasets/.cache"
    cache_gb: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("window", "lanes"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}={getattr(self, key)} must be at least 1")
        if self.manifest is not None:
            raise ValueError(
                f"manifest={self.manifest} goes with the clips that are packed; the pack itself "
                "is checked by siammae.pack out=DIR --verify"
            )
        if not self.cache_gb > 0:
            raise ValueError(f"cache_gb={self.cache_gb} must be above 0")
        if is_remote(self.root) and not self.streaming:
            raise ValueError(f"root={self.root} is a URL, which needs streaming=true")
        if self.lanes > 1 and (self.batch_size or 0) % (self.lanes * self.repeated_sampling):
            raise ValueError(
                f"batch_size={self.batch_size} is not a multiple of lanes={self.lanes} times "
                f"repeated_sampling={self.repeated_sampling}"
            )
        if self.lanes > 1 and self.batch_size is None:
            raise ValueError(f"lanes={self.lanes} needs batch_size, the pairs of a step")

    @property
    @override
    def has_single_images(self) -> bool:
        """Whether some clip is a single image; False as long as the index has not been read."""
        return "index" in vars(self) and self.index.has_single_frames()

    @cached_property
    def index(self) -> Index:
        """The index, read once.

        Raises:
            DataError: when there is no pack.
        """
        if not is_remote(self.root):
            return open_index(self.folder, lambda text: print(f"warning: {text}", flush=True))
        path = self.folder / INDEX
        if path.is_file():
            try:
                return self._of_this_pack(path)
            except DataError:  # damaged in the cache
                remove_index(path)
        return self._fetched_index(path)

    def _fetched_index(self, path: Path) -> Index:
        """Fetch the index and its checksum, which packs of before there was one lack.

        Raises:
            DataError: when it cannot be fetched, or is damaged.
        """
        url, checksum = self.root.rstrip("/"), checksum_path(path)
        with suppress(DataError):
            fetch(f"{url}/{checksum.name}", checksum)
        fetch(f"{url}/{INDEX}", path)
        try:
            return self._of_this_pack(path)
        except DataError as error:
            remove_index(path)
            raise DataError(
                f"{self.root}: its {INDEX} is damaged or of another pack ({error}); where the pack "
                "lies, python -m siammae.pack out=DIR --verify makes it again"
            ) from None

    def _of_this_pack(self, path: Path) -> Index:
        index = Index.load(path)
        if index.fingerprint != self.folder.name:
            raise DataError(f"{INDEX} and {SETTINGS} are not of the same pack")
        return index

    @cached_property
    def folder(self) -> Path:
        """The folder where shards are read: the pack's, or its part of the cache."""
        if not is_remote(self.root):
            return Path(self.root).expanduser().absolute()
        url = f"{self.root.rstrip('/')}/{SETTINGS}"
        with TemporaryDirectory() as work:  # small, and fetched each time: it may be another pack
            fetch(url, Path(work) / SETTINGS)
            plan = parse_plan((Path(work) / SETTINGS).read_bytes(), url)
        if plan.fingerprint is None:
            raise DataError(f"{self.root} is not packed to its end: {SETTINGS} says so")
        return Path(self.cache).expanduser().absolute() / plan.fingerprint

    def videos(self) -> list[Path]:
        """Return the shards that are here."""
        return list(shards(self.folder).values())

    @override
    def footage(self) -> Clips:
        if not len(self.index):
            raise DataError(f"data.root={self.root}: the pack has no clip")
        clips: Clips = self._stream() if self.streaming else PackedClips(self.folder, self.index)
        if self.short_side is not None:
            clips = SmallerClips(clips, self.short_side)
        return HeldClips(clips) if self.in_memory else clips

    def _stream(self) -> StreamedClips:
        granule = (self.batch_size or 1) // (self.lanes * self.repeated_sampling)
        order = WindowedOrder(self.index.shard, self.window, self.lanes, max(1, granule))
        if not is_remote(self.root):
            return StreamedClips(self.folder, self.index, order)
        cache = ShardCache(self.root, self.folder, self.cache_gb * 1e9)
        clips = StreamedClips(self.folder, self.index, order, cache)
        needed = clips.room() / 1e9
        if needed > self.cache_gb:
            raise DataError(
                f"data.cache_gb={self.cache_gb} holds no two windows for each lane: "
                f"window={self.window} and lanes={self.lanes} need {needed:.3g}"
            )
        return clips

    @override
    def classes(self, clips: Clips | None = None) -> list[str | None]:
        """Return the classes that the packed source had."""
        return [self.index.label(clip) for clip in range(len(self.index))]

    def fingerprint(self) -> str:
        """Return a short hash of the names, sizes and checksums of all frames."""
        return self.index.fingerprint
