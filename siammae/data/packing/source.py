"""A pack as a data set."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from siammae.config.errors import DataError
from siammae.data.clips import Clips, HeldClips, SmallerClips
from siammae.data.datasets import ClipSource
from siammae.data.packing.files import shards
from siammae.data.packing.index import Index
from siammae.data.packing.reader import PackedClips
from siammae.data.packing.rebuild import open_index


@dataclass
class Packed(ClipSource):
    """What ``python -m siammae.pack`` wrote.

    root: the folder of the shards.
    short_side: frames are made still smaller to it; None: as they were packed.

    With every frame packed (``stride=1``) the same seed gives the pairs, crops and order of the
    source that was packed; pixels differ by what JPEG loses.
    """

    short_side: int | None = None

    @cached_property
    def index(self) -> Index:
        """What lies where, read once."""
        return open_index(self.folder, lambda text: print(f"warning: {text}", flush=True))

    @property
    def folder(self) -> Path:
        """Absolute."""
        return Path(self.root).expanduser().absolute()

    def videos(self) -> list[Path]:
        """The shards."""
        return list(shards(self.folder).values())

    def footage(self) -> Clips:
        """See `ClipSource.footage`."""
        clips: Clips = PackedClips(self.folder, self.index)
        if not len(clips):
            raise DataError(f"data.root={self.root}: the pack has no clip")
        if self.short_side is not None:
            clips = SmallerClips(clips, self.short_side)
        return HeldClips(clips) if self.in_memory else clips

    def fingerprint(self) -> str:
        """Of names, sizes and checksums of all frames."""
        return self.index.fingerprint
