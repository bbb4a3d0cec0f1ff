"""Declared experiments: which settings they mean, and what is wrong with a file."""

from itertools import product

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from siammae.config.experiment import Experiment, parse_experiment, read_experiments, spelled
from siammae.config.paper_figures import FILE as FIGURES
from siammae.system.errors import ConfigError
from siammae.system.paths import ROOT

AXES = {"mask_ratio": [0.5, 0.9], "decoder": ["cross", "cross_self"]}
DEFAULT = {"mask_ratio": "0.95", "decoder": "cross_self"}


def make(**block):
    return parse_experiment({"name": "x", "question": "?", **block}, "x.yaml")


@given(
    st.dictionaries(
        st.sampled_from("abcd"),
        st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True),
        min_size=1,
    )
)
def test_a_grid_is_every_combination_once_the_last_axis_fastest(axes):
    settings = make(axes=axes).settings({}, {})
    expected = [
        dict(zip(axes, map(str, values), strict=True)) for values in product(*axes.values())
    ]
    assert settings == expected


def test_one_factor_is_the_default_and_each_other_value_alone():
    settings = make(design="one_factor", axes=AXES).settings({}, DEFAULT)
    assert settings == [{}, {"mask_ratio": "0.5"}, {"mask_ratio": "0.9"}, {"decoder": "cross"}]


def test_one_factor_keeps_an_axis_that_the_command_line_fixes():
    settings = make(design="one_factor", axes=AXES).settings({"decoder": ["joint"]}, DEFAULT)
    assert settings == [
        {"decoder": "joint"},
        {"decoder": "joint", "mask_ratio": "0.5"},
        {"decoder": "joint", "mask_ratio": "0.9"},
    ]


def test_rows_are_run_as_they_stand_and_a_row_of_the_paper_is_not():
    rows = [
        {"set": {"mask_ratio": 0.5, "decoder": "cross"}, "label": "a"},
        {"set": {}, "label": "b", "default": True},
        {"set": None, "label": "paper's", "paper": {"J&F-Mean": 50.0}},
    ]
    experiment = make(design="rows", rows=rows)
    assert experiment.keys == ["mask_ratio", "decoder"]
    assert experiment.settings({}, {}) == [{"mask_ratio": "0.5", "decoder": "cross"}, {}]
    assert experiment.row({}).label == "b"
    assert experiment.row({"decoder": "cross", "mask_ratio": "0.5"}).label == "a"
    assert experiment.row({"decoder": "joint"}) is None
    with pytest.raises(ConfigError, match="decoder is what experiment x compares"):
        experiment.settings({"decoder": ["joint"]}, {})


def test_the_command_line_replaces_the_values_of_an_axis():
    settings = make(axes=AXES).settings({"decoder": ["joint"]}, {})
    assert settings == [
        {"mask_ratio": "0.5", "decoder": "joint"},
        {"mask_ratio": "0.9", "decoder": "joint"},
    ]


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"axes": {}}, "design grid needs axes"),
        ({"axes": AXES, "design": "rows"}, "leave axes out"),
        ({"axes": AXES, "design": "lattice"}, "design: "),
        ({"axes": {"decoder": []}}, "axes.decoder has no value"),
        ({"axes": AXES, "rows": [{"set": {"seed": 1}, "label": "a"}]}, "rows set seed"),
        ({"axes": AXES, "rows": [{"set": {}, "label": "a"}] * 2}, "two rows have the label a"),
        ({"axes": AXES, "seeds": []}, "seeds: "),
        ({"axes": AXES, "questoin": "?"}, "questoin: "),
        ({"axes": AXES, "rows": [{"set": {}, "label": "a", "paper": 3}]}, "rows.0.paper"),
    ],
)
def test_a_wrong_file_is_told_by_name_and_key(block, words):
    with pytest.raises(ConfigError) as told:
        make(**block)
    assert str(told.value).startswith("x.yaml: ")
    assert words in str(told.value)


def test_an_experiment_is_called_by_its_file(tmp_path):
    block = {"experiment": {"name": "other", "question": "?", "axes": {"decoder": ["joint"]}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(block))
    with pytest.raises(ConfigError, match="name: other must be mine"):
        read_experiments(tmp_path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.9, "0.90"),
        ([4, 48], "[4, 48]"),
        (True, "true"),
        (None, "null"),
        (1e-3, "1.0e-3"),
        (1, "1.0"),
    ],
)
def test_a_value_has_one_spelling(one, other):
    assert spelled(one) == spelled(other)


def test_every_file_of_the_repository_is_well_formed():
    found = read_experiments(ROOT / "experiments")
    paths = set((ROOT / "experiments").glob("*.yaml")) - {ROOT / "experiments" / FIGURES}
    assert {path.stem for path in paths} == set(found)
    for path in paths:
        content = yaml.safe_load(path.read_text())
        assert content["experiment"]["name"] == path.stem
        assert content["hydra"] == {"mode": "MULTIRUN"}
        assert isinstance(found[path.stem], Experiment)
        assert found[path.stem].source
