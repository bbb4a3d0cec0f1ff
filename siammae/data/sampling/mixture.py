"""Several data sets at once, each with its share of the visits."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from typing_extensions import override

from siammae.data.reading.clip import Clip
from siammae.data.reading.clips import Clips
from siammae.data.sets.videos import ClipSource
from siammae.system.errors import ConfigError, DataError, SiammaeError

KEY = re.compile(r"(?<![\w/.])data\.(?=\w+[=.])")  # a setting in an error, and no file
LONGEST = 100_000  # visits of a pattern that is worked out in advance


class Mixture(ClipSource):
    """The clips of other sets, mixed by weights.

    Visits go round the parts so that after any number of visits each part has had its share to
    within one visit (see `pattern`). Within a part each clip is visited once before any clip is
    visited again, in the part's own order. The size of a part only decides how soon its clips come
    again. An epoch has as many pairs as all parts have clips together, and each part has its share
    of it, whether that is some of its clips or each of them many times.

    ``short_side``, ``in_memory`` and whatever else says which clips there are and how they are read
    belongs to the parts. ``repeated_sampling``, ``workers`` and ``max_broken`` (a share of all
    clips) belong to the mixture; the same keys of the parts do not count. A broken clip is replaced
    by another clip of the same part as long as there is one.

    Args:
        parts: sets by name; messages call their clips ``NAME: PATH``.
        weights: a weight above 0 for each part; only their ratios count.
        repeated_sampling: pairs drawn from each opened clip (paper: 2).
        workers: processes that read clips.
        max_broken: share of unreadable clips above which a run stops, 0 to 1.

    Raises:
        ConfigError: when there is no part, a part has no weight or a weight no part, a weight is
            not above 0, or the ratios are so odd that no short pattern has them.
    """

    incidental = ("workers",)
    overrules: ClassVar = ("repeated_sampling", "workers", "max_broken")  # keys of the parts

    def __init__(
        self,
        parts: Mapping[str, ClipSource],
        weights: Mapping[str, float],
        repeated_sampling: int = 2,
        workers: int = 1,
        max_broken: float = 0.05,
    ):
        super().__init__("", repeated_sampling, None, workers, max_broken)
        # By name: what a mixture gives must not follow from the order in which keys were typed.
        self.parts = dict(sorted((parts or {}).items()))
        self.weights = _checked(dict(weights or {}), list(self.parts))

    def prepare(self) -> None:
        """Prepare all parts, so that one error says what is missing.

        Raises:
            DataError: with what each part lacks.
        """
        self._each(lambda part: part.prepare())

    @property
    @override
    def has_single_images(self) -> bool:
        """Whether some part has single images."""
        return any(part.has_single_images for part in self.parts.values())

    def videos(self) -> list[Path]:
        """Return the files of all parts."""
        found: list[Path] = []
        self._each(lambda part: found.extend(part.videos()))
        return found

    @override
    def footage(self) -> "MixedClips":
        found: list[Clips] = []
        self._each(lambda part: found.append(part.footage()))
        return MixedClips(dict(zip(self.parts, found, strict=True)), list(self.weights.values()))

    @override
    def classes_of(self, names: Sequence[str]) -> list[str | None]:
        """Return that no clip has a class: those of several sets are no classes of one."""
        return [None] * len(names)

    def fingerprint(self) -> str:
        """Return a short hash of the parts' names, weights and clips."""
        prints: list[str] = []
        self._each(lambda part: prints.append(part.fingerprint()))
        digest = hashlib.sha256()
        for (name, weight), content in zip(self.weights.items(), prints, strict=True):
            digest.update(f"{name}\0{weight}\0{content}\n".encode())
        return digest.hexdigest()[:10]

    def _each(self, do: Callable[[ClipSource], None]) -> None:
        """Call ``do`` with each part; raise one error with what each of them lacks, by its keys."""
        problems: list[str] = []
        kind: type[SiammaeError] = DataError
        for name, part in self.parts.items():
            try:
                do(part)
            except (DataError, ConfigError) as error:
                problems.append(KEY.sub(f"data.parts.{name}.", str(error)))
                kind = type(error)
        if problems:
            raise kind("\n       ".join(problems))


def _checked(weights: Mapping[str, float], parts: list[str]) -> dict[str, int]:
    """Return the smallest whole numbers in the ratios of the weights, by part.

    Raises:
        ConfigError: see `Mixture`.
    """
    if not parts:
        raise ConfigError(
            "data.parts is empty; name sets as +data@data.parts.NAME=OPTION, each with its weight "
            "as +data.weights.NAME=1"
        )
    lacking, unknown = sorted(set(parts) - set(weights)), sorted(set(weights) - set(parts))
    if lacking:
        raise ConfigError(f"data.weights lacks {', '.join(lacking)}: each part needs a weight")
    if unknown:
        raise ConfigError(
            f"data.weights.{unknown[0]}: there is no such part; there are: {', '.join(parts)}"
        )
    for name, weight in weights.items():
        if type(weight) not in (int, float) or not 0 < weight < math.inf:
            raise ConfigError(f"data.weights.{name}={weight}: a number above 0 is needed")
    exact = [Fraction(str(weights[name])) for name in parts]
    common = math.lcm(*(weight.denominator for weight in exact))
    whole = [int(weight * common) for weight in exact]
    whole = [weight // math.gcd(*whole) for weight in whole]
    if sum(whole) > LONGEST:
        ratio = ":".join(map(str, whole))
        raise ConfigError(
            f"data.weights: {ratio} is no ratio of small numbers (their sum is at most {LONGEST}); "
            "round them, three digits do"
        )
    return dict(zip(parts, whole, strict=True))


class MixedClips(Clips):
    """The clips of several sets, those of the first part first.

    Args:
        parts: by name.
        weights: whole numbers without a common factor.
    """

    def __init__(self, parts: Mapping[str, Clips], weights: list[int]):
        self.names, self.parts, self.weights = list(parts), list(parts.values()), tuple(weights)
        self.starts = np.cumsum([0, *(len(part) for part in self.parts)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def name(self, clip: int) -> str:
        """Return ``PART: NAME``."""
        part, inner = self._place(clip)
        return f"{self.names[part]}: {self.parts[part].name(inner)}"

    @override
    def open(self, clip: int) -> Clip:
        part, inner = self._place(clip)
        return self.parts[part].open(inner)

    @override
    def turn(self, seed: int, visit: int) -> int:
        order, before = pattern(self.weights)
        rounds, place = divmod(visit, len(order))
        part = int(order[place])
        earlier = rounds * self.weights[part] + int(before[place])
        return int(self.starts[part]) + self.parts[part].turn(seed, earlier)

    def alike_first(self, clip: int, others: np.ndarray) -> np.ndarray:
        """Return other clips in their order, those of the clip's own part before the rest."""
        part = np.searchsorted(self.starts, others, side="right") - 1
        alike = part == self._place(clip)[0]
        return np.concatenate([others[alike], others[~alike]])

    def _place(self, clip: int) -> tuple[int, int]:
        part = int(np.searchsorted(self.starts, clip, side="right")) - 1
        return part, clip - int(self.starts[part])


@lru_cache(maxsize=4)
def pattern(weights: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of each visit, in a pattern that repeats itself.

    This is Tijdeman's algorithm for the chairman assignment problem (Discrete Mathematics 32,
    1980): after n visits a part with share s has had n s of them to within 1 - 1 / (2 k - 2), where
    k is the number of parts, and no bound that holds for all shares is smaller.

    Args:
        weights: whole numbers without a common factor.

    Returns:
        For each visit of the pattern, its part, and how many visits of that part came before it.
    """
    total, slack = sum(weights), max(1, 2 * len(weights) - 2)
    had = [0] * len(weights)
    order = np.empty(total, np.int16)
    before = np.empty(total, np.int32)
    for visit in range(total):
        chosen, soonest = 0, math.inf
        for part, weight in enumerate(weights):
            owed = weight * (visit + 1) - had[part] * total  # in parts of total
            if owed * slack < total:
                continue
            due = ((slack - 1) * total - owed * slack) / weight
            if due < soonest:
                chosen, soonest = part, due
        order[visit], before[visit] = chosen, had[chosen]
        had[chosen] += 1
    return order, before
