"""A study goes on towards its total, whatever happens to the processes that work on it."""

import os
import signal
import time
from pathlib import Path

import optuna
import pytest

from siammae.launching.studies import workers
from siammae.launching.studies.budget import KILLED, UNCOUNTED
from siammae.launching.studies.storage import StoredStudy
from siammae.launching.studies.workers import lock_path
from siammae.system.errors import ConfigError, DataError, TrainedElsewhere
from siammae.system.paths import CONFIGS


def quality(config):
    return -((config.x - 0.3) ** 2)


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def raising(error, when):
    """A job that raises at some of its calls, counted from 1."""
    calls = []

    def job(config):
        calls.append(1)
        if len(calls) in when:
            raise error
        return quality(config)

    return job


def test_restarts_reach_the_total_and_not_more(studies, capsys):
    for total in (2, 5, 5):
        studies(f"hydra.sweeper.n_trials={total}")
    assert "has 5 of 5 trials: 5 complete" in capsys.readouterr().out
    assert studies.states() == ["COMPLETE"] * 5
    drawn = [trial.params["x"] for trial in studies.load().trials]
    assert len(set(drawn)) == 5  # no start draws what another has drawn
    assert [trial.value for trial in studies.load().trials] == [-((x - 0.3) ** 2) for x in drawn]


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsgaii"])
def test_a_seeded_study_that_goes_on_draws_what_it_would_have_drawn(studies, sampler):
    """And not its first points again, which with one sampler a start it would."""
    seeded = f"hydra/sweeper/sampler={sampler}", "hydra.sweeper.sampler.seed=1"
    for total in (2, 5):
        studies(f"hydra.sweeper.n_trials={total}", *seeded)
    drawn = [trial.params["x"] for trial in studies.load().trials]
    studies.url = "sqlite:///whole.db"
    studies("hydra.sweeper.n_trials=5", *seeded)
    assert [trial.params["x"] for trial in studies.load().trials] == drawn
    assert len(set(drawn)) == 5


@pytest.mark.parametrize("url", ["sqlite:///test.db", "journal:///test.journal"])
def test_a_killed_trial_is_taken_up_again_and_the_total_is_reached(studies, url, capsys):
    studies.url = url
    calls = []

    def killed(config):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return quality(config)

    worker = studies.fork("hydra.sweeper.n_trials=4", job=killed)
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    assert studies.states() == ["COMPLETE", "COMPLETE", "RUNNING"]
    studies("hydra.sweeper.n_trials=4")
    assert "1 trial(s) of killed processes are taken up again" in capsys.readouterr().out
    study = studies.load()
    assert studies.states() == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    killed, instead = study.trials[2:4]
    assert killed.user_attrs[UNCOUNTED] == KILLED
    assert instead.params == killed.params
    assert instead.user_attrs["instead_of"] == killed.number


@pytest.mark.parametrize("url", ["sqlite:///test.db", "journal:///test.journal"])
def test_two_workers_share_the_total(studies, url):
    studies.url = url

    def slow(config):
        time.sleep(0.2)
        return quality(config)

    both = [studies.fork("hydra.sweeper.n_trials=9", job=slow) for _ in range(2)]
    for worker in both:
        worker.join(60)
        assert worker.exitcode == 0
    trials = [trial for trial in studies.load().trials if UNCOUNTED not in trial.user_attrs]
    assert (
        sorted(trial.state.name for trial in trials if trial.state.name != "WAITING")
        == ["COMPLETE"] * 9
    )
    owners = {trial.user_attrs["worker"] for trial in trials if "worker" in trial.user_attrs}
    assert len(owners) == 2
    assert not any(lock_path(owner).exists() for owner in owners)


def test_a_trial_of_a_living_worker_is_left_to_it(studies, capsys):
    def waiting(config):
        Path("begun").touch()
        wait_for(lambda: Path("go").exists())
        return quality(config)

    slow = studies.fork("hydra.sweeper.n_trials=1", job=waiting)
    wait_for(lambda: Path("begun").exists())
    studies("hydra.sweeper.n_trials=2")
    assert "Trials that another worker runs, or ran until just now: [0]" in capsys.readouterr().out
    assert studies.states() == ["RUNNING", "COMPLETE"]
    Path("go").touch()
    slow.join(60)
    assert studies.states() == ["COMPLETE", "COMPLETE"]


def test_the_last_trial_drawn_twice_is_run_once(studies, monkeypatch):
    """Another worker draws between this one's count and its own drawing."""
    ask = optuna.Study.ask

    def late(study, *details):
        ask(study)
        return ask(study, *details)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "ask", late)
        studies("hydra.sweeper.n_trials=1", job=raising(AssertionError("run twice"), {1}))
    assert studies.states() == ["RUNNING", "FAIL", "WAITING"]
    assert studies.load().trials[1].user_attrs[UNCOUNTED] == "surplus"


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interrupted_worker_leaves_its_trial_to_the_next(studies, end):
    with pytest.raises(type(end)):
        studies("hydra.sweeper.n_trials=1", job=raising(end, {1}))
    assert studies.states() == ["FAIL", "WAITING"]
    studies("hydra.sweeper.n_trials=1")
    assert studies.states() == ["FAIL", "COMPLETE"]


def test_failed_trials_count_and_do_not_end_the_study(studies, capsys):
    studies("hydra.sweeper.n_trials=4", job=raising(DataError("no clips"), {1, 3}))
    assert studies.states() == ["FAIL", "COMPLETE", "FAIL", "COMPLETE"]
    told = capsys.readouterr().out
    assert "has 4 of 4 trials: 2 complete, 2 fail" in told
    assert told.count("failed, {'x': ") == 2
    assert studies.load().trials[0].user_attrs["error"] == "no clips"


@pytest.mark.parametrize("value", [None, float("nan"), (1.0, 2.0), "much"])
def test_a_result_that_is_no_number_is_a_failure(studies, value):
    with pytest.raises(ConfigError, match="not 1 number"):
        studies("hydra.sweeper.n_trials=1", job=lambda config: value)
    assert studies.states() == ["FAIL"]


def test_on_failure_stop_ends_it_at_the_first(studies):
    with pytest.raises(DataError, match="no clips"):
        studies(
            "hydra.sweeper.n_trials=4", "on_failure=stop", job=raising(DataError("no clips"), {2})
        )
    assert studies.states() == ["COMPLETE", "FAIL"]


def test_a_trial_whose_run_is_trained_elsewhere_stops_nothing(studies):
    elsewhere = TrainedElsewhere("run abc is being trained by another process")
    studies("hydra.sweeper.n_trials=3", "on_failure=stop", job=raising(elsewhere, {2}))
    assert studies.states() == ["COMPLETE", "FAIL", "COMPLETE"]


def test_a_study_without_any_result_says_so(studies):
    error = ZeroDivisionError("nobody thought of it")
    with pytest.raises(ConfigError, match="gave a result; the last error: nobody thought of it"):
        studies("hydra.sweeper.n_trials=2", job=raising(error, {1, 2}))
    assert "Traceback" in studies.load().trials[1].user_attrs["error"]


def test_a_grid_is_walked_once_over_restarts(studies):
    grid = ["hydra/sweeper/sampler=grid", "x=choice(0.1,0.2)", "y=range(1,4)"]
    studies(*grid, "hydra.sweeper.n_trials=2")
    with pytest.raises(KeyboardInterrupt):
        studies(*grid, job=raising(KeyboardInterrupt(), {1}))
    studies(*grid, "hydra.sweeper.n_trials=50")
    trials = [t for t in studies.load().trials if t.state.name == "COMPLETE"]
    points = sorted((trial.params["x"], trial.params["y"]) for trial in trials)
    assert points == [(x, y) for x in (0.1, 0.2) for y in (1, 2, 3)]


def test_a_batch_runs_side_by_side_and_counts(studies):
    random = ["hydra/sweeper/sampler=random", "hydra/launcher=joblib", "hydra.sweeper.n_jobs=2"]

    def job(config):  # travels to a process that does not know this module
        return -((config.x - 0.3) ** 2)

    studies(*random, "hydra.sweeper.n_trials=3", job=job)
    assert studies.states() == ["COMPLETE"] * 3


def test_two_objectives(studies):
    two = ["hydra/sweeper/sampler=nsgaii", "hydra.sweeper.sampler.population_size=4"]
    two += ["hydra.sweeper.direction=[maximize,minimize]", "y=choice(1,2)"]

    def both(config):
        return quality(config), config.x + config.y

    for total in (4, 7):
        studies(*two, f"hydra.sweeper.n_trials={total}", job=both)
    study = studies.load()
    assert len(study.trials) == 7
    for trial in study.trials:
        x, y = trial.params["x"], trial.params["y"]
        assert trial.values == pytest.approx([-((x - 0.3) ** 2), x + y])
    # Against the definition: nobody is better in one objective and no worse in the other.
    front = {
        t.number
        for t in study.trials
        if not any(
            o.values[0] >= t.values[0] and o.values[1] <= t.values[1] and o.values != t.values
            for o in study.trials
        )
    }
    assert {trial.number for trial in study.best_trials} == front
    told = Path("multirun/optimization_results.yaml").read_text()
    assert told.count("params:") == len(front)
    with pytest.raises(ConfigError, match="was begun with direction="):
        studies("hydra.sweeper.n_trials=13")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hydra.sweeper.storage=mysqlite:///a"], "storage mysqlite:///a cannot be opened"),
        (["hydra.sweeper.storage=sqlite:///gone/a.db"], "unable to open database file"),
        (
            ["hydra.sweeper.storage='oracle://u:secret@h/d'"],
            r"storage oracle://u:\*\*\*@h/d needs a",
        ),
        (["hydra.sweeper.storage=null"], "hydra.sweeper.storage=null: a study is kept"),
        (["hydra.sweeper.n_trials=0"], "n_trials=0 and n_jobs=1 must be 1 or more"),
        (["hydra.sweeper.direction=up"], "maximize, or \\[maximize,minimize\\]"),
        (["hydra.sweeper.direction=minimize"], "less is better counts with its sign turned"),
        (["x=0.5"], "the study draws nothing"),
        (
            ["hydra/sweeper/pruner=median", "hydra.sweeper.direction=[maximize,minimize]"],
            "a study of two objectives cannot prune",
        ),
        (["hydra/sweeper/pruner=median", "+schedule.evaluations=1"], "a pruner needs 2 or more"),
    ],
)
def test_mistakes_are_told(studies, arguments, words):
    with pytest.raises(ConfigError, match=words):
        studies(*arguments)


def test_a_worker_of_another_machine_is_dead_when_it_gives_no_sign(monkeypatch):
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage)
    stored, trial = StoredStudy(study, storage), study.ask()
    assert not workers.is_dead(study.trials[0])  # drawn this moment
    trial.set_user_attr(workers.OWNER, "elsewhere")
    trial.set_user_attr(workers.ALIVE, time.time() - workers.GRACE / 2)
    assert not workers.is_dead(study.trials[0])
    trial.set_user_attr(workers.ALIVE, time.time() - workers.GRACE - 1)
    assert workers.is_dead(study.trials[0])
    monkeypatch.setattr(workers, "INTERVAL", 0.01)
    with workers.Worker() as worker, worker.alive(stored, [trial.number]):
        wait_for(lambda: not workers.is_dead(study.trials[0]))
    worker.own(stored, trial.number)
    lock_path(worker.id).parent.mkdir()
    lock_path(worker.id).touch()  # as a killed worker of this machine leaves it
    assert workers.is_dead(study.trials[0])
    lock_path(worker.id).unlink()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["+decoder.widht=choice(32,64)"],
            r"decoder.widht: no such key \(did you mean 'decoder.width'\?\)",
        ),
        (["mask_ratio=interval(1.1,1.2)"], "mask_ratio=1.1: should be less than 1"),
        (["mask_ratio=choice(0.5,0.9)", "image_size=33"], "image_size=33 is not a multiple"),
        (["decoder=choice(cross,jiont)"], r"decoder=jiont: no such option \(did you mean 'joint'"),
    ],
)
def test_a_space_of_which_no_run_can_come_is_refused_before_the_study(studies, arguments, words):
    studies.configs, studies.name = CONFIGS, "train"
    with pytest.raises(ConfigError, match=words):
        studies(*arguments, job=lambda config: pytest.fail("a run was started"))
    assert not Path("test.db").exists()


def test_a_space_that_holds_a_wrong_point_is_drawn_from(studies):
    """The other points are good: those trials alone fail that draw it."""
    studies.configs, studies.name = CONFIGS, "train"
    space = ["mask_ratio=choice(1.5,0.5)", "hydra.sweeper.n_trials=1"]
    studies(*space, job=lambda config: float(config.mask_ratio))
    assert studies.states() == ["COMPLETE"]
