"""A study goes on towards its total, whatever happens to the processes that work on it."""

import os
import signal
import time

import optuna
import pytest

from siammae.studies.budget import KILLED, UNCOUNTED
from siammae.studies.workers import lock_path

KILL = "os.kill(os.getpid(), signal.SIGKILL)"


def counted(study):
    return [trial for trial in study.trials if UNCOUNTED not in trial.user_attrs]


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_restarts_reach_the_total_and_not_more(studies):
    studies("hydra.sweeper.n_trials=2")
    told = studies("hydra.sweeper.n_trials=5")
    assert "has 5 of 5 trials: 5 complete" in told
    again = studies("hydra.sweeper.n_trials=5")
    assert "has 5 of 5 trials" in again
    assert studies.states() == ["COMPLETE"] * 5
    drawn = [trial.params["x"] for trial in studies.load().trials]
    assert len(set(drawn)) == 5  # no start draws what another has drawn
    assert [trial.value for trial in studies.load().trials] == [-((x - 0.3) ** 2) for x in drawn]


@pytest.mark.parametrize("url", ["sqlite:///test.db", "journal:///test.journal"])
def test_a_killed_trial_is_taken_up_again_and_the_total_is_reached(studies, url):
    studies.url = url
    third = "if len(open('jobs.txt').readlines()) == 3:\n    " + KILL
    studies.body(third)
    studies("hydra.sweeper.n_trials=4", code=-signal.SIGKILL)
    assert studies.states() == ["COMPLETE", "COMPLETE", "RUNNING"]
    told = studies("hydra.sweeper.n_trials=4")
    assert "1 trial(s) of killed processes are taken up again" in told
    study = studies.load()
    assert studies.states() == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    killed, instead = study.trials[2:4]
    assert killed.user_attrs[UNCOUNTED] == KILLED
    assert instead.params == killed.params
    assert instead.user_attrs["instead_of"] == killed.number


def test_two_workers_share_the_total(studies):
    arguments = ["hydra.sweeper.n_trials=7", "work=0.3"]
    workers = [studies.start(*arguments) for _ in range(2)]
    for worker in workers:
        out, err = worker.communicate(timeout=100)
        assert worker.returncode == 0, out + err
    trials = counted(studies.load())
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 7
    owners = {trial.user_attrs["worker"] for trial in trials}
    assert len(owners) == 2
    assert not any(lock_path(owner).exists() for owner in owners)


def test_a_trial_of_a_living_worker_is_left_to_it(studies):
    slow = studies.start("hydra.sweeper.n_trials=1", "work=4")
    wait_for(lambda: (studies.folder / "jobs.txt").is_file())
    told = studies("hydra.sweeper.n_trials=2")
    assert "Trials that another worker runs" in told
    out, err = slow.communicate(timeout=60)
    assert slow.returncode == 0, out + err
    assert studies.states() == ["COMPLETE", "COMPLETE"]


def test_an_interrupted_worker_leaves_its_trial_to_the_next(studies):
    studies.body("if not os.path.exists('again'):\n    raise KeyboardInterrupt")
    studies("hydra.sweeper.n_trials=1", code=130)
    assert studies.states() == ["FAIL", "WAITING"]
    (studies.folder / "again").touch()
    studies("hydra.sweeper.n_trials=1")
    assert studies.states() == ["FAIL", "COMPLETE"]


def test_failed_trials_count_and_do_not_end_the_study(studies):
    studies.body("if len(open('jobs.txt').readlines()) in (1, 3):\n    raise DataError('no clips')")
    told = studies("hydra.sweeper.n_trials=4")
    assert studies.states() == ["FAIL", "COMPLETE", "FAIL", "COMPLETE"]
    assert "has 4 of 4 trials: 2 complete, 2 fail" in told
    assert told.count("failed, {'x': ") == 2
    assert studies.load().trials[0].user_attrs["error"] == "no clips"


def test_on_failure_stop_ends_it_at_the_first(studies):
    studies.body("raise DataError('no clips')")
    told = studies("hydra.sweeper.n_trials=4", "on_failure=stop", code=2)
    assert studies.states() == ["FAIL"]
    assert told.count("error: no clips") == 1


def test_a_study_without_any_result_says_so(studies):
    studies.body("raise ZeroDivisionError('nobody thought of it')")
    told = studies("hydra.sweeper.n_trials=2", code=2)
    assert "gave a result; the last error: nobody thought of it" in told
    assert "Traceback" in studies.load().trials[1].user_attrs["error"]


def test_a_grid_is_walked_once_over_restarts(studies):
    grid = ["hydra/sweeper/sampler=grid", "x=choice(0.1,0.2)", "y=range(1,4)"]
    studies(*grid, "hydra.sweeper.n_trials=2")
    studies(*grid, "hydra.sweeper.n_trials=50")
    trials = studies.load().trials
    points = sorted((trial.params["x"], trial.params["y"]) for trial in trials)
    assert points == [(x, y) for x in (0.1, 0.2) for y in (1, 2, 3)]


def test_random_and_two_objectives(studies):
    studies("hydra/sweeper/sampler=random", "hydra.sweeper.n_trials=1")
    studies.body("return -(config.x - 0.3) ** 2, config.x + config.y")
    two = ["hydra/sweeper/sampler=nsgaii", "hydra.sweeper.sampler.population_size=4"]
    two += ["hydra.sweeper.direction=[maximize,minimize]", "y=choice(1,2)"]
    told = studies(*two, "hydra.sweeper.n_trials=1", code=2)
    assert "was begun with direction=['maximize'], not ['maximize', 'minimize']" in told
    studies.url = "journal:///two.journal"
    for total in (5, 9):
        studies(*two, f"hydra.sweeper.n_trials={total}")
    study = studies.load()
    assert len(study.trials) == 9
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
    told = (studies.folder / "multirun" / "optimization_results.yaml").read_text()
    assert told.count("params:") == len(front)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hydra.sweeper.storage=mysqlite:///a"], "storage mysqlite:///a cannot be opened"),
        (["hydra.sweeper.storage=oracle://u:secret@h/d"], "storage oracle://u:***@h/d needs a driver"),
        (["hydra.sweeper.storage=null"], "hydra.sweeper.storage=null: a study is kept"),
        (["hydra.sweeper.n_trials=0"], "n_trials=0 and n_jobs=1 must be 1 or more"),
        (["hydra.sweeper.direction=up"], "direction=['up']: maximize, or [maximize,minimize]"),
        (["x=0.5"], "the study draws nothing"),
        (
            ["hydra/sweeper/pruner=median", "hydra.sweeper.direction=[maximize,minimize]"],
            "a study of two objectives cannot prune",
        ),
        (["hydra/sweeper/pruner=median", "+schedule.evaluations=1"], "a pruner needs 2 or more"),
        (["hydra/sweeper/pruner=medain"], "did you mean 'median'?"),
    ],
)
def test_mistakes_are_told_in_one_line(studies, arguments, words):
    told = studies(*arguments, code=2)
    assert words in told
    assert "Traceback" not in told


def test_a_worker_of_another_machine_is_dead_when_it_gives_no_sign(studies, monkeypatch):
    from siammae.studies import workers

    study = optuna.create_study()
    trial = study.ask()
    trial.set_user_attr(workers.OWNER, "elsewhere")
    trial.set_user_attr(workers.ALIVE, time.time() - workers.GRACE / 2)
    assert not workers.is_dead(study.trials[0])
    trial.set_user_attr(workers.ALIVE, time.time() - workers.GRACE - 1)
    assert workers.is_dead(study.trials[0])
    monkeypatch.setattr(workers, "INTERVAL", 0.01)
    with workers.Worker() as worker, worker.alive(study._storage, [trial._trial_id]):
        wait_for(lambda: not workers.is_dead(study.trials[0]))
    worker.own(study._storage, trial._trial_id)
    lock_path(worker.id).touch()  # as a killed worker of this machine leaves it
    assert workers.is_dead(study.trials[0])
    os.unlink(lock_path(worker.id))
