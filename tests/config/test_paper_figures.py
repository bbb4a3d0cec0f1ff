"""The one file with the figures of papers."""

import pytest
import yaml

from siammae.config.experiment import read_experiments
from siammae.config.paper_figures import FILE, read_paper_figures
from siammae.system.errors import ConfigError
from siammae.system.paths import ROOT

EXPERIMENT = {
    "name": "ratio",
    "question": "How much?",
    "axes": {"mask_ratio": [0.5, 0.9]},
    "rows": [
        {"set": {"mask_ratio": 0.5}, "label": "half"},
        {"set": {"mask_ratio": 0.9}, "label": "most", "default": True},
        {"set": None, "label": "another"},
    ],
}


@pytest.fixture
def folder(tmp_path):
    """folder(figures): experiments with a file of figures."""

    def write(figures, **changes):
        block = {"experiment": EXPERIMENT | changes}
        (tmp_path / "ratio.yaml").write_text(yaml.safe_dump(block))
        (tmp_path / FILE).write_text(yaml.safe_dump(figures))
        return tmp_path

    return write


def test_figures_stand_beside_the_rows_of_their_labels(folder):
    rows = {
        "half": {"J&F-Mean": 50.0, "J-Mean": None},
        "another": {"J&F-Mean": 61, "source": "a README", "second_hand": False},
    }
    figures = {"ratio": {"source": "Table 9", "second_hand": True, "rows": rows}}
    experiment = read_experiments(folder(figures))["ratio"]
    half, most, another = experiment.rows
    assert experiment.source == "Table 9"
    assert half.paper == {"J&F-Mean": 50.0, "J-Mean": None}
    assert (half.second_hand, half.source) == (True, "")
    assert most.paper == {}
    assert another.paper == {"J&F-Mean": 61}
    assert (another.second_hand, another.source) == (False, "a README")


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        (
            {"ratoi": {"source": "", "rows": {}}},
            r"ratoi: no such experiment \(did you mean 'ratio'",
        ),
        ({"ratio": {"source": "", "rows": {"hlaf": {}}}}, r"hlaf: experiments/ratio\.yaml has no"),
        ({"ratio": {"rows": {}}}, "ratio: source: field required"),
        ({"ratio": {"source": "", "rows": {"half": {"J": "much"}}}}, "ratio: rows: half: J: input"),
        ({"ratio": {"source": "", "rows": {"half": {"J": float("nan")}}}}, "half: J: input should"),
        ({"ratio": {"source": "", "rows": {}, "more": 1}}, "ratio: more: extra inputs"),
        ([1], "dictionary"),
    ],
)
def test_a_wrong_file_gets_one_line_with_the_place(folder, figures, told):
    with pytest.raises(ConfigError, match=told) as error:
        read_experiments(folder(figures))
    assert FILE in str(error.value)
    assert "\n" not in str(error.value)


def test_figures_of_a_row_stand_in_one_place(folder):
    rows = [EXPERIMENT["rows"][0] | {"paper": {"J": 1.0}}, *EXPERIMENT["rows"][1:]]
    figures = {"ratio": {"source": "", "rows": {"half": {"J": 2.0}}}}
    with pytest.raises(ConfigError, match=r"half: experiments/ratio\.yaml has figures of it too"):
        read_experiments(folder(figures, rows=rows))
    own = read_experiments(folder({}, rows=rows))["ratio"]
    assert own.rows[0].paper == {"J": 1.0}


def test_ours_are_all_in_that_file():
    for name, experiment in read_experiments(ROOT / "experiments").items():
        block = yaml.safe_load((ROOT / f"experiments/{name}.yaml").read_text())["experiment"]
        assert not any("paper" in row for row in block["rows"])
        # Where there are figures the file says whence; else the experiment says why there are none.
        has_figures = name in read_paper_figures(ROOT / "experiments")
        assert ("source" in block) == (not has_figures)
        assert experiment.source
