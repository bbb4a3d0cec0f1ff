"""UCF101: 13,320 clips of 101 actions, 320x240, in class folders (Soomro and others, 2012)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from siammae.data.sets.clip_lists import read_text
from siammae.data.sets.released import ReleasedSet, folder_and_stem

CLIP = re.compile(r"v_(?P<class>.+)_g\d+_c\d+")


@dataclass
class UCF101(ReleasedSet):
    """Clips ``UCF-101/{Class}/v_{Class}_g{group}_c{clip}.avi``, at any depth below the root.

    split: ``all``, or one of the official splits, ``train1`` to ``test3``, whose lists
        ``trainlist01.txt`` to ``testlist03.txt`` lie anywhere below the root.
    """

    SPLITS: ClassVar = ("all", "train1", "train2", "train3", "test1", "test2", "test3")

    @override
    def clips(self) -> dict[str, Path]:
        files = self.files()
        found = self.named(files, _name)
        if self.split == "all":
            return found
        source = self.list_file(files, f"/{self.split[:-1]}list0{self.split[-1]}.txt")
        lines = [line.split() for line in read_text(source).splitlines() if line.strip()]
        return self.chosen(source, [_name(*folder_and_stem(words[0])) for words in lines], found)

    @override
    def classes_of(self, names: Sequence[str]) -> list[str | None]:
        """Return the class in each clip's name."""
        found = [CLIP.fullmatch(Path(name).stem) for name in names]
        return [match["class"] if match else None for match in found]


def _name(folder: str, stem: str) -> str:
    """Return a clip's name in lower case: lists have HandStandPushups, files HandstandPushups."""
    return stem.casefold()
