"""The report of a study, from real storages with trials of known shape."""

import math
import sys
from pathlib import Path

import optuna
import pandas as pd
import pytest
from PIL import Image
from preloaded import run_command

from siammae.launching.studies.budget import KILLED, UNCOUNTED
from siammae.launching.studies.storage import open_storage
from siammae.report.studies.frame import COST, importance, read_study
from siammae.report.studies.sweep_report import chosen_study, report
from siammae.system.errors import SiammaeError
from siammae.system.paths import ROOT

SPACE = {
    "strong": optuna.distributions.FloatDistribution(0.0, 1.0),
    "weak": optuna.distributions.FloatDistribution(0.01, 1.0, log=True),
    "decoder": optuna.distributions.CategoricalDistribution(["cross", "joint"]),
}
COMPLETE, PRUNED, FAIL = (
    optuna.trial.TrialState.COMPLETE,
    optuna.trial.TrialState.PRUNED,
    optuna.trial.TrialState.FAIL,
)


def add(study, number, state=COMPLETE, **attributes):
    """A trial whose quality is 'strong', whatever the others are."""
    strong, weak = math.fmod(number * 0.618, 1), 0.01 + 0.99 * math.fmod(number * 0.414, 1)
    params = {"strong": strong, "weak": weak, "decoder": ["cross", "joint"][number % 2]}
    one = len(study.directions) == 1
    way = {1: strong / 2, 2: strong} if one and state != FAIL else {}
    result = {"value": strong} if one else {"values": [strong, 2 - strong + weak]}
    study.add_trial(
        optuna.trial.create_trial(
            state=state,
            params=params,
            distributions=SPACE,
            intermediate_values=dict(list(way.items())[:1]) if state == PRUNED else way,
            user_attrs={"quality": "J&F-Mean on sprites", "run": f"{number:010x}", **attributes},
            **(result if state != FAIL else {}),
        )
    )


@pytest.fixture
def single():
    return masking()


def masking(storage=None):
    study = optuna.create_study(study_name="masking-1", storage=storage, direction="maximize")
    for number in range(20):
        state = {3: PRUNED, 5: FAIL, 6: FAIL}.get(number, COMPLETE)
        add(study, number, state, **({UNCOUNTED: KILLED} if number == 6 else {}))
    return study


@pytest.fixture
def double():
    study = optuna.create_study(study_name="everything-1", directions=["maximize", "minimize"])
    for number in range(20):
        add(study, number)
    return study


def test_trials_of_killed_processes_are_left_out_and_pruned_ones_ranked_nowhere(single):
    frame = read_study(single)
    assert frame.states() == "17 complete, 1 fail, 1 pruned"
    assert 6 not in set(frame.trials["number"])
    ranked = frame.ranked()
    assert 3 not in set(ranked["number"])
    assert list(ranked["J&F-Mean on sprites"]) == sorted(ranked["strong"], reverse=True)
    assert frame.best == [ranked["number"].iloc[0]]


def test_the_front_is_what_nobody_beats_in_both(double):
    frame = read_study(double)
    assert frame.objectives == ["J&F-Mean on sprites", COST]
    values = [trial.values for trial in double.trials]
    wanted = {
        i
        for i, (quality, cost) in enumerate(values)
        if not any(q >= quality and c <= cost and (q, c) != (quality, cost) for q, c in values)
    }
    assert set(frame.ranked()["number"]) == wanted
    assert frame.ranked()[COST].is_monotonic_increasing


def test_what_decides_is_found_important(single):
    _, shares = importance(single, read_study(single))
    found = shares.set_index("parameter")["importance"]
    assert found.sum() == pytest.approx(1)
    assert found.idxmax() == "strong"
    assert found["strong"] > 0.5


def test_trials_that_are_all_alike_have_no_importance():
    study = optuna.create_study(direction="maximize")
    for _ in range(3):
        add(study, 1)
    assert importance(study, read_study(study))[1].empty


def test_the_report_has_tables_pictures_and_one_page(single, tmp_path, capsys):
    written = report(single, tmp_path / "out")
    names = {path.name for path in written}
    pictures = {"history.png", "importance.png", "slices.png", "contour.png", "curves.png"}
    assert names == pictures | {"report.md", "trials.csv", "index.html"}
    for name in pictures:
        colours = Image.open(tmp_path / "out" / name).convert("RGB").getcolors(2**24)
        assert len(colours) > 50, name
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("data:image/png;base64,") == len(pictures)
    assert 'src="' not in page.replace('src="data:', "")
    best = read_study(single).ranked()["run"].iloc[0]
    assert best in page
    assert best in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "out" / "trials.csv")) == 19


def test_two_objectives_have_a_front_and_no_curves(double, tmp_path):
    names = {path.name for path in report(double, tmp_path)}
    assert "pareto.png" in names
    assert "curves.png" not in names


def command(folder: Path, *arguments: str):
    line = [sys.executable, str(ROOT / "analysis" / "sweep_report.py"), *arguments]
    return run_command(line, cwd=folder, timeout=100)


def test_without_a_name_it_lists_and_mistakes_are_one_line(tmp_path):
    masking(open_storage(f"journal:///{tmp_path}/s.journal"))
    listed = command(tmp_path, "--storage", "journal:///s.journal")
    assert "masking-1" in listed.stdout
    assert "17 complete" in listed.stdout
    typo = command(tmp_path, "maskin-2", "--storage", "journal:///s.journal")
    assert typo.returncode == 2
    assert typo.stderr == (
        "error: there is no study maskin-2 in journal:///s.journal; there are: masking-1\n"
    )
    gone = command(tmp_path)
    assert gone.returncode == 2
    assert gone.stderr.startswith("error: runs/.studies.db is not there")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_damaged_storage_is_one_line(tmp_path, monkeypatch, kind):
    url, path = f"{kind}:///s.{kind}", tmp_path / f"s.{kind}"
    masking(open_storage(f"{kind}:///{path}"))
    content = bytearray(path.read_bytes())
    if kind == "journal":
        content = content.replace(b'"distributions":', b'"distribution_":', 1)
    else:
        content[8192:] = bytes(len(content) - 8192)  # the header and the first table stay
    assert content != path.read_bytes()
    path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    for name in (None, "masking-1"):
        with pytest.raises(SiammaeError, match=rf"^storage {url} cannot be (opened|read)") as told:
            chosen_study(url, name)
        assert "\n" not in str(told.value)
