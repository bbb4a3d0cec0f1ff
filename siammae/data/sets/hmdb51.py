"""HMDB51: some 6,800 clips of 51 actions, 240 pixels high (Kuehne and others, 2011)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from typing_extensions import override

from siammae.data.sets.clip_lists import read_text
from siammae.data.sets.released import ReleasedSet
from siammae.system.errors import DataError

TRAIN, TEST = "1", "2"  # tags in the lists; 0: in neither


@dataclass
class HMDB51(ReleasedSet):
    """Clips ``{class}/{name}.avi``, at any depth below the root.

    split: ``all``, or one of the official splits, ``train1`` to ``test3``, whose lists
        ``testTrainMulti_7030_splits/{class}_test_split1.txt`` lie anywhere below the root.
    """

    SPLITS: ClassVar = ("all", "train1", "train2", "train3", "test1", "test2", "test3")

    @override
    def clips(self) -> dict[str, Path]:
        files = self.files()
        found = self.named(files, "{}/{}".format)
        if self.split == "all":
            return found
        ending = f"_test_split{self.split[-1]}.txt"
        folder = self.list_file(files, ending).parent
        wanted, classes = [], set()
        for path in sorted(folder.glob(f"*{ending}")):
            action = path.name.removesuffix(ending)
            classes.add(action)
            wanted += [f"{action}/{stem}" for stem in self._listed(path)]
        unlisted = sorted({name.split("/")[0] for name in found} - classes)
        if unlisted:
            raise DataError(f"{folder} has no *{ending} for {', '.join(unlisted)}")
        return self.chosen(f"{folder}/*{ending}", wanted, found)

    @override
    def classes_of(self, names: Sequence[str]) -> list[str | None]:
        """Return the folder that each clip is in."""
        return [Path(name).parent.name for name in names]

    def _listed(self, path: Path) -> list[str]:
        """Return the names of a class's clips in the split, without their endings."""
        tag = TRAIN if self.split.startswith("train") else TEST
        lines = read_text(path).splitlines()
        rows = [re.fullmatch(r"(.+?)\s+([012])", line.strip()) for line in lines]
        return [PurePosixPath(row[1]).stem for row in rows if row and row[2] == tag]
