"""Which trials of a study count towards its total, and what becomes of those that nobody runs."""

from typing import TYPE_CHECKING

from siammae.launching.studies.storage import StoredStudy
from siammae.launching.studies.workers import is_dead

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

UNCOUNTED = "uncounted"  # user attribute of a trial: why it does not count
KILLED, SURPLUS = "killed", "surplus"


def counted(study: "Study") -> list["FrozenTrial"]:
    """Return the trials that count, by number: complete, pruned, failed by themselves, or run."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    counting = [
        trial
        for trial in trials
        if trial.state != TrialState.WAITING and UNCOUNTED not in trial.user_attrs
    ]
    return sorted(counting, key=lambda trial: trial.number)


def running(study: "Study") -> list["FrozenTrial"]:
    """Return the trials that somebody runs, or ran until it was killed."""
    return [trial for trial in counted(study) if not trial.state.is_finished()]


def release(stored: StoredStudy, number: int, why: str) -> None:
    """End a trial that gave no result as failed, and queue its parameters.

    Whoever draws next takes them up: the run's folder has its checkpoints, so that it goes on where
    it was. In the study's count the new trial replaces this one.
    """
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        stored.set_attribute(number, UNCOUNTED, why)
        stored.fail(number)
    except UpdateFinishedTrialError:  # another worker has released it, too
        return
    if params := stored.trial(number).params:
        stored.study.enqueue_trial(params, user_attrs={"instead_of": number})


def release_dead(stored: StoredStudy) -> int:
    """Release the trials of workers that are no more; return how many."""
    dead = [trial for trial in running(stored.study) if is_dead(trial)]
    for trial in dead:
        release(stored, trial.number, KILLED)
    return len(dead)


def is_surplus(study: "Study", number: int, total: int) -> bool:
    """Return whether a trial is one too many: two workers may draw the last one at the same time.

    Both see the same numbers, so that the earlier one stays.
    """
    return number in [trial.number for trial in counted(study)][total:]
