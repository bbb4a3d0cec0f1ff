"""Whether a study that is there may go on with the search space that it is given now."""

from typing import TYPE_CHECKING, Any

from siammae.launching.hydra_adapter import SearchSpace
from siammae.system.errors import ConfigError

if TYPE_CHECKING:
    from optuna import Study


def check_same_space(study: "Study", space: SearchSpace) -> None:
    """Refuse to draw a parameter from other values than the study's trials before.

    Optuna refuses other choices only while it draws, with a trial begun. Of another range it would
    take the old trials for trials of the new one.

    Raises:
        ConfigError: naming the parameter, what it was drawn from and what it would be.
    """
    drawn, _, _ = space
    for trial in study.get_trials(deepcopy=False):
        for name, before in trial.distributions.items():
            now = drawn.get(name, before)
            if now != before:
                raise ConfigError(
                    f"study {study.study_name} was begun with {name} drawn from {_text(before)}, "
                    f"not from {_text(now)}; give the same again, or begin another study with "
                    "hydra.sweeper.study_name=NAME"
                )


def _text(distribution: Any) -> str:
    if hasattr(distribution, "choices"):
        return ", ".join(map(str, distribution.choices))
    step = "" if distribution.step in (None, 1) else f" in steps of {distribution.step}"
    log = " by logarithm" if distribution.log else ""
    return f"{distribution.low} to {distribution.high}{step}{log}"
