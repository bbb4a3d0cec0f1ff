"""A study that is there does not go on with another search space, and no trial stays behind."""

import optuna
import pytest

from siammae.system.errors import ConfigError

STORAGES = ("sqlite:///test.db", "journal:///test.log")


@pytest.mark.parametrize("url", STORAGES)
@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        ("y=choice(1,2)", "y=choice(1,2,3)", "y drawn from 1, 2, not from 1, 2, 3"),
        ("y=choice(1,2)", "y=interval(1,2)", r"y drawn from 1, 2, not from 1\.0 to 2\.0"),
        ("y=interval(0.5,2)", "y=interval(0.5,4)", r"0\.5 to 2\.0, not from 0\.5 to 4\.0"),
        (
            "y=interval(1,9)",
            "y=tag(log,interval(1,9))",
            r"9\.0, not from 1\.0 to 9\.0 by logarithm",
        ),
    ],
)
def test_another_space_is_refused_before_a_trial_begins(studies, url, first, then, words):
    studies.url = url
    studies("hydra.sweeper.n_trials=2", first)
    with pytest.raises(ConfigError, match=rf"study test was.*{words}; .*study_name=NAME"):
        studies("hydra.sweeper.n_trials=4", then)
    assert studies.states() == ["COMPLETE"] * 2
    studies("hydra.sweeper.n_trials=3", first)
    assert studies.states() == ["COMPLETE"] * 3


def test_a_parameter_may_be_added_and_left_out(studies):
    studies("hydra.sweeper.n_trials=1")
    studies("hydra.sweeper.n_trials=2", "y=choice(1,2)")
    studies("hydra.sweeper.n_trials=3")
    assert studies.states() == ["COMPLETE"] * 3


@pytest.mark.parametrize("url", STORAGES)
def test_an_error_while_drawing_leaves_no_trial_running(studies, url, monkeypatch):
    """As in a race with a worker that draws from another space."""
    studies.url = url

    def refuse(*arguments):
        raise ValueError("CategoricalDistribution does not support dynamic value space.")

    with monkeypatch.context() as patch:
        patch.setattr(optuna.trial.Trial, "_suggest", refuse)
        with pytest.raises(ValueError, match="dynamic value space"):
            studies("hydra.sweeper.n_trials=2")
    assert studies.states() == ["FAIL"]
    studies("hydra.sweeper.n_trials=2")
    assert sorted(studies.states()) == ["COMPLETE", "COMPLETE", "FAIL"]
