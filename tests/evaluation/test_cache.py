"""Results that are found again, and only where they belong."""

import json
from pathlib import Path

import pytest

from siammae.evaluation.files.contents import Contents
from siammae.evaluation.measuring.metric import SHARE, Metric, OverVideos
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.result_cache import Evaluations, Setting, as_result, read_entry
from siammae.system.errors import ConfigError

WHAT = {"encoder": {"content": "a"}, "precision": "fp32"}


class Bench:
    name = "toy"

    def __init__(self, fingerprint="f1"):
        self.content_fingerprint = lambda contents: fingerprint


def setting(fingerprint="f1", **config):
    return Setting.of(Bench(fingerprint), {"top_k": 7, **config}, Contents(Path("unused")))


def result(value=0.5, failed=None):
    rows = [{"clip": "a", "joint": 1, "PCK": value}]
    units = ("clip", "joint")
    over = OverVideos(("hits",), "frames", group="joint", levels=(0.1, 0.3), video="clip")
    declared = (Metric("PCK", "more", SHARE, over_videos=over), Metric("lost", "less", "px"))
    declared += (Metric("coverage", "neither", SHARE, over_videos=None),)
    settings = {"clips": 1}
    return BenchmarkResult(
        "toy", "PCK", {"PCK": value}, rows, settings, failed or {}, units, declared=declared
    )


def test_a_result_comes_back_as_it_was(tmp_path):
    Evaluations(tmp_path / "new", setting()).keep(WHAT, "label", result())
    entry = Evaluations(tmp_path / "new", setting()).find(WHAT)
    assert as_result(entry) == result()
    assert entry["label"] == "label"


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (setting(), True),
        (setting(root="elsewhere", workers=4), True),
        (setting(allow_missing=True, parts={"a": {"allow_missing": False}}), False),
        (setting(allow_missing=True), True),
        (setting(top_k=5), False),
        (setting("f2"), False),
    ],
)
def test_settings_and_files_decide_but_not_where_they_lie(tmp_path, other, found):
    Evaluations(tmp_path, setting()).keep(WHAT, "label", result())
    assert (Evaluations(tmp_path, other).find(WHAT) is not None) == found


def test_other_encoders_and_reruns_do_not_find_it(tmp_path):
    evaluations = Evaluations(tmp_path, setting())
    evaluations.keep(WHAT, "label", result())
    assert evaluations.find({**WHAT, "precision": "bf16"}) is None
    assert Evaluations(tmp_path, setting(), rerun=True).find(WHAT) is None


def test_failed_videos_are_kept_by_name(tmp_path):
    Evaluations(tmp_path, setting()).keep(WHAT, "label", result(failed={"b": "broken"}))
    entry = Evaluations(tmp_path, setting()).find(WHAT)
    assert as_result(entry).failed == {"b": "broken"}


def test_the_control_is_measured_once_for_each_setting(tmp_path):
    calls = []

    def measure():
        calls.append(1)
        return result(0.25)

    for _ in range(2):
        assert Evaluations(tmp_path, setting()).control(measure).metrics == {"PCK": 0.25}
    Evaluations(tmp_path, setting(top_k=5)).control(measure)
    assert len(calls) == 2

    def none():
        raise NotImplementedError

    assert Evaluations(tmp_path, setting("f9")).control(none) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"result": {"name": 3}}'])
def test_damaged_files_are_measured_again(tmp_path, text):
    evaluations = Evaluations(tmp_path, setting())
    evaluations.path(WHAT).write_text(text)
    assert evaluations.find(WHAT) is None
    assert read_entry(evaluations.path(WHAT)) is None
    evaluations.keep(WHAT, "label", result())
    assert json.loads(evaluations.path(WHAT).read_text())["label"] == "label"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("result", "declared", 0), None),
        (("result", "declared", 0), 1.5),
        (("result", "declared", 0, "name"), []),
        (("result", "declared", 0, "decimals"), {"a": 1}),
        (("result", "declared", 0, "over_videos", "columns"), 3),
        (("result", "metrics", "PCK"), [[]]),
        (("result", "metrics"), None),
        (("result", "metrics"), {"-rf": 0.5}),
        (("result", "units"), "clip"),
        (("result", "failed"), ["b"]),
        (("label",), 4),
        (("created",), "today"),
        (("what",), []),
        (("benchmark", "fingerprint"), None),
        (("benchmark", "another"), 1),
    ],
)
def test_values_of_other_kinds_are_measured_again(tmp_path, place, value):
    evaluations = Evaluations(tmp_path, setting())
    evaluations.keep(WHAT, "label", result())
    content = json.loads(evaluations.path(WHAT).read_text())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    evaluations.path(WHAT).write_text(json.dumps(content))
    assert read_entry(evaluations.path(WHAT)) is None
    assert evaluations.find(WHAT) is None


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"results_dir=.*file cannot be written"):
        Evaluations(tmp_path / "file", setting()).keep(WHAT, "label", result())
