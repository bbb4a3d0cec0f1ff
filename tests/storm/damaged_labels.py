"""Inputs of the benchmarks: masks, annotations, joints and lists."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from siammae.evaluation.benchmarks.davis import Davis
from siammae.evaluation.benchmarks.jhmdb import Jhmdb
from siammae.evaluation.benchmarks.kitti_mots import KittiMots
from siammae.evaluation.benchmarks.kitti_step import KittiStep
from siammae.evaluation.benchmarks.uvo import Uvo
from siammae.evaluation.benchmarks.vspw import Vspw
from siammae.evaluation.measuring.benchmark import Benchmark
from siammae.evaluation.propagation.protocol import Propagation
from tests.evaluation import test_jhmdb, test_kitti, test_uvo, test_vspw
from tests.evaluation.conftest import write_davis
from tests.storm.kind import Kind, skipped

PROTOCOL = Propagation(top_k=3, queue=2, radius=4, temperature=0.05)


def make_davis(folder: Path) -> None:
    """Two sequences of five frames."""
    write_davis(folder, ["walk", "run"])


def make_uvo(folder: Path) -> None:
    folder.mkdir(parents=True)
    test_uvo.root.__wrapped__(folder)


def make_jhmdb(folder: Path) -> None:
    folder.mkdir(parents=True)
    test_jhmdb.root.__wrapped__(folder)


def make_step(folder: Path) -> None:
    folder.mkdir(parents=True)
    test_kitti.step.__wrapped__(folder)


def make_mots(folder: Path) -> None:
    folder.mkdir(parents=True)
    test_kitti.mots.__wrapped__(folder)


def make_mots_text(folder: Path) -> None:
    folder.mkdir(parents=True)
    test_kitti.write_text(test_kitti.mots.__wrapped__(folder))


def make_vspw(folder: Path) -> None:
    folder.mkdir(parents=True)
    test_vspw.root.__wrapped__(folder)


def measured(benchmark: Callable[[str], Benchmark], folder: Path) -> dict[str, Any]:
    """The rows of each video by the control, which needs labels alone; and what was left out."""
    made = benchmark(str(folder))
    made.prepare()
    made.fingerprint()
    result = made.copy_first_mask()
    found: dict[str, Any] = {video: skipped(reason) for video, reason in result.failed.items()}
    for row in result.per_object:
        name = str(row[result.units[0]])
        found[name] = found.get(name, "") + json.dumps(row)
    return found


def davis(root: str) -> Davis:
    return Davis(root, PROTOCOL)


def jhmdb(root: str) -> Jhmdb:
    return Jhmdb(f"{root}/JHMDB", PROTOCOL)


def uvo(root: str) -> Uvo:
    return Uvo(root, PROTOCOL)


def step(root: str) -> KittiStep:
    return KittiStep(f"{root}/KITTI_STEP", PROTOCOL, allow_missing=True)


def mots(root: str) -> KittiMots:
    return KittiMots(f"{root}/KITTI_MOTS", PROTOCOL, allow_missing=True)


def vspw(root: str) -> Vspw:
    return Vspw(f"{root}/VSPW_480p", PROTOCOL)


KINDS = [
    Kind("masks of DAVIS", make_davis, partial(measured, davis), "*.png", 0.03, can_tell=True),
    Kind("lists of DAVIS", make_davis, partial(measured, davis), "val.txt", 0.01),
    Kind("annotations of UVO", make_uvo, partial(measured, uvo), "*.json", 0.03),
    Kind("joints of JHMDB", make_jhmdb, partial(measured, jhmdb), "*.mat", 0.02),
    Kind("maps of KITTI-STEP", make_step, partial(measured, step), "panoptic_maps/**/*.png", 0.015,
         can_tell=True),
    Kind("maps of KITTI-MOTS", make_mots, partial(measured, mots), "instances/**/*.png", 0.015,
         can_tell=True),
    Kind("text of KITTI-MOTS", make_mots_text, partial(measured, mots), "0006.txt", 0.015),
    Kind("masks of VSPW", make_vspw, partial(measured, vspw), "mask/*.png", 0.015, can_tell=True),
]  # fmt: skip
