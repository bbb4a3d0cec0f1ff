"""Which trials of a study count towards its total, and what becomes of those that nobody runs."""

from typing import TYPE_CHECKING

from siammae.launching.studies.workers import is_dead

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

UNCOUNTED = "uncounted"  # user attribute of a trial: why it does not count
KILLED, SURPLUS = "killed", "surplus"


def counted(study: "Study") -> list["FrozenTrial"]:
    """Trials that count, by number: complete, pruned, failed by themselves, or being run."""
    from optuna.trial import TrialState

    waiting = TrialState.WAITING
    trials = study.get_trials(deepcopy=False)
    counting = [t for t in trials if t.state != waiting and UNCOUNTED not in t.user_attrs]
    return sorted(counting, key=lambda trial: trial.number)


def running(study: "Study") -> list["FrozenTrial"]:
    """Trials that somebody runs, or did."""
    return [trial for trial in counted(study) if not trial.state.is_finished()]


def release(study: "Study", trial: "FrozenTrial", why: str) -> None:
    """End a trial that gave no result as failed and queue its parameters.

    Whoever draws next takes them up: the run's folder has its checkpoints, so that it goes on where
    it was. In the study's count the new trial stands for this one.
    """
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    storage = study._storage
    try:
        storage.set_trial_user_attr(trial._trial_id, UNCOUNTED, why)
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:  # another worker saw it, too
        return
    params = storage.get_trial(trial._trial_id).params
    if params:
        study.enqueue_trial(params, user_attrs={"instead_of": trial.number})


def release_dead(study: "Study") -> int:
    """Release the trials of workers that are no more; returns how many."""
    dead = [trial for trial in running(study) if is_dead(trial)]
    for trial in dead:
        release(study, trial, KILLED)
    return len(dead)


def is_surplus(study: "Study", number: int, total: int) -> bool:
    """Whether a trial is one too many: two workers may have drawn the last one at the same time.

    Both see the same numbers, so that the earlier one stays.
    """
    return number in [trial.number for trial in counted(study)][total:]
