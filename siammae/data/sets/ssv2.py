"""Something-Something v2: 220,847 short clips of hands doing something (Goyal and others, 2017)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from siammae.data.sets.clip_lists import read_text
from siammae.data.sets.released import ReleasedSet
from siammae.system.errors import DataError
from siammae.system.foreign_json import read_objects, read_value

LABELLED = ("/train.json", "-train.json", "/validation.json", "-validation.json")


@dataclass
class SomethingSomethingV2(ReleasedSet):
    """Clips ``{number}.webm`` or ``.mp4``, at any depth below the root.

    split: ``all``, or ``train``, ``validation`` or ``test``, whose lists ``train.json`` or
        ``something-something-v2-train.json`` lie anywhere below the root.
    """

    SPLITS: ClassVar = ("all", "train", "validation", "test")

    @override
    def clips(self) -> dict[str, Path]:
        files = self.files()
        found = self.named(files, lambda folder, stem: stem)
        found = {name: path for name, path in found.items() if name.isdigit()}
        if self.split == "all":
            return found
        source = self.list_file(files, f"/{self.split}.json", f"-{self.split}.json")
        return self.chosen(source, _numbers(source), found)

    @override
    def classes_of(self, names: Sequence[str]) -> list[str | None]:
        """Return the sentence that each clip acts out, in which all objects are "something"."""
        known: dict[str, str] = {}
        for file in self.files():
            if f"/{file}".endswith(LABELLED):
                known |= _templates(self.folder() / file)
        return [known.get(Path(name).stem) for name in names]


def _templates(path: Path) -> dict[str, str]:
    """Return the class of each clip in a list, without the brackets around what stands for things.

    It is as in the set's ``labels.json``.
    """
    try:
        clips = {str(clip["id"]): clip.get("template") for clip in _clips(path)}
    except (ValueError, KeyError) as error:
        raise DataError(f"{path} is no list of clips with an id each: {error!r}") from None
    return {
        number: re.sub(r"[\[\]]", "", template)
        for number, template in clips.items()
        if isinstance(template, str)
    }


def _numbers(path: Path) -> list[str]:
    try:
        return [str(clip["id"]) for clip in _clips(path)]
    except (ValueError, KeyError) as error:
        raise DataError(f"{path} is no list of clips with an id each: {error!r}") from None


def _clips(path: Path) -> list[dict[str, Any]]:
    return read_objects(read_value(read_text(path)))
