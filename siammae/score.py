"""Score a folder of predicted masks against DAVIS's ground truth.

  python -m siammae.score --gt DAVIS --pred DIR [--year 2017] [--split val] [--csv FILE]
                          [--allow-missing]

DIR holds SEQUENCE/00000.png with object ids, as the official semi-supervised task expects them.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from siammae.data.sets.clip_lists import read_text
from siammae.evaluation.files.davis import SEQUENCES, USE_2016, DavisFiles
from siammae.evaluation.files.labels import stack
from siammae.evaluation.files.listing import visible
from siammae.evaluation.measuring.result import BenchmarkResult, shortfall
from siammae.evaluation.measuring.scoring import Rows, only_this
from siammae.evaluation.measuring.show import show_result
from siammae.evaluation.scores.davis import J_AND_F, score_sequence, total
from siammae.system.broken_pipe import ignore_broken_pipe
from siammae.system.errors import DataError, SiammaeError


def score(files: DavisFiles, predictions: Path) -> BenchmarkResult:
    """Score all sequences of a split.

    A sequence of which a mask is missing or damaged, or does not fit the ground truth, is named in
    the result; the others are scored.

    Raises:
        DataError: when predictions of a whole sequence are missing, or none can be scored.
    """
    names = files.sequences()
    files.check_year()
    missing = [name for name in names if not (predictions / name).is_dir()]
    if missing:
        raise DataError(
            f"{predictions} lacks {len(missing)} of {len(names)} sequences: "
            f"{', '.join(missing[:5])}{USE_2016 if _has_those_of_2016(files, predictions) else ''}"
        )
    rows, failed = [], dict[str, str]()
    for name in names:
        with only_this(name, failed):
            rows += _score_one(files, name, predictions)
    if len(failed) == len(names):
        raise DataError("; ".join(list(dict.fromkeys(failed.values()))[:3]))
    settings = {
        "year": files.year,
        "split": files.split,
        "resolution": files.resolution,
        "official_sequences": SEQUENCES.get((files.year, files.split)),
        "sequences": len(names) - len(failed),
    }
    name, videos = f"davis{files.year}", len(names)
    return BenchmarkResult(
        name, "J&F-Mean", total(rows), rows, settings, failed, declared=J_AND_F, videos=videos
    )


def _score_one(files: DavisFiles, name: str, predictions: Path) -> Rows:
    """Return a sequence's rows of figures."""
    paths = files.masks(name)
    _check_names(files, name, predictions)
    truth = [files.read_mask(path) for path in paths]
    predicted = [np.zeros_like(mask) for mask in truth]
    for t in range(1, len(paths) - 1):  # first and last are not scored and need not be there
        predicted[t] = _read(predictions / name / paths[t].name, files, truth[t].shape)
    true = stack(name, truth)
    return score_sequence(name, true, stack(name, predicted), files.objects(name))


def _check_names(files: DavisFiles, sequence: str, predictions: Path) -> None:
    """Check that true masks have the names of the frames, if there are any, and of predictions.

    Raises:
        DataError: naming a file without a partner.
    """
    frames = visible(files.root / "JPEGImages" / files.resolution / sequence, "*.jpg")
    if frames:
        files.pairs(sequence)
    true = {path.name for path in files.masks(sequence)}
    for path in visible(predictions / sequence, "*.png"):
        if path.stem.isdecimal() and path.name not in true:
            raise DataError(
                f"{path} has no true mask of that name in {files.masks(sequence)[0].parent}"
            )


def _has_those_of_2016(files: DavisFiles, predictions: Path) -> bool:
    """Return whether 2017 is asked for, but all sequences of 2016's list are predicted."""
    path = files.root / "ImageSets" / "2016" / f"{files.split}.txt"
    if files.year != 2017 or not path.is_file():
        return False
    names = read_text(path).split()
    return bool(names) and all((predictions / name).is_dir() for name in names)


def _read(path: Path, files: DavisFiles, shape: tuple[int, ...]) -> np.ndarray:
    """Read one predicted mask, as large as the true one."""
    if not path.is_file():
        raise DataError(f"{path}: no such mask; all frames but the first and last need one")
    ids = files.read_mask(path)
    if ids.shape != shape:
        raise DataError(f"{path} is {ids.shape}, the true mask {shape} (height, width)")
    return ids


@ignore_broken_pipe()
def main(arguments: list[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--gt", type=Path, required=True, help="folder of DAVIS, which holds Annotations/"
    )
    parser.add_argument("--pred", type=Path, required=True, help="folder of predicted masks")
    parser.add_argument("--year", type=int, choices=(2016, 2017), default=2017)
    parser.add_argument("--split", "--set", default="val", help="name of a list in ImageSets/YEAR/")
    parser.add_argument("--resolution", default="480p")
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="score the sequences that --gt holds, although listed ones are missing",
    )
    parser.add_argument(
        "--allow-gaps",
        action="store_true",
        help="score only ids that true masks have, where these are not 1 to n",
    )
    parser.add_argument(
        "--csv", type=Path, help="also write the figures of each object to this file"
    )
    given = parser.parse_args(arguments)
    try:
        files = DavisFiles(
            given.gt,
            given.year,
            given.split,
            given.resolution,
            given.allow_missing,
            given.allow_gaps,
        )
        result = score(files, given.pred)
        show_result(result, f"{given.pred} against {given.gt}")
        if given.csv:
            _write_csv(result, given.csv)
    except SiammaeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if result.failed:
        print(f"error: figures {shortfall(result.as_dict())}", file=sys.stderr)
    return int(bool(result.failed))


def _write_csv(result: BenchmarkResult, path: Path) -> None:
    """Write a row for each object, and the global one first."""
    import csv

    heads = ["sequence", "object", *result.metrics]
    try:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, heads)
            writer.writeheader()
            writer.writerow({"sequence": "global", "object": "", **result.metrics})
            writer.writerows(result.per_object)
    except OSError as error:
        raise DataError(f"--csv {path} cannot be written: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
