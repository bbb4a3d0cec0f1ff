"""The name of an Optuna study: what its trials share, so that unlike trials never meet in one."""

import json
from collections.abc import Iterator
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from siammae.system.processes import refuse_with_torchrun
from siammae.tracking.signature import signature


def recipe(_root_: DictConfig) -> str:
    """Return the value of ``${recipe:}`` in a sweep's ``study_name``: six hexadecimal digits.

    They follow from everything that can change a trial's result and is not drawn, from where clips
    and benchmark lie, and from the search space. What is drawn counts by its value outside of the
    sweep: a group may be drawn and one of its keys fixed.
    """
    # Refused before a study is made: every process would add trials of its own to it.
    refuse_with_torchrun(_root_.hydra.runtime.choices)
    keys = [str(key) for key in _root_ if key != "hydra"]
    plain: dict[str, Any] = OmegaConf.to_container(  # type: ignore[assignment]
        OmegaConf.masked_copy(_root_, keys), resolve=True
    )
    places = [*_roots(plain["data"]), *_roots(plain["benchmark"])]
    facts = {"places": json.dumps(places), "space": json.dumps(_space(_root_.hydra))}
    return signature(plain, facts)[:6]


def _space(hydra_config: DictConfig) -> dict[str, str]:
    """Return what is drawn: the sweep's parameters, with the changes of the command line."""
    space = {str(key): str(value) for key, value in (hydra_config.sweeper.params or {}).items()}
    for override in OverridesParser.create().parse_overrides(list(hydra_config.overrides.task)):
        space.pop(override.get_key_element(), None)
        if override.is_sweep_override():
            space[override.get_key_element()] = override.get_value_string()
    return dict(sorted(space.items()))


def _roots(section: dict[str, Any]) -> Iterator[str]:
    """Return the folders named ``root`` in a group and its parts."""
    for key, value in section.items():
        if key == "root":
            yield str(value)
        elif isinstance(value, dict):
            yield from _roots(value)
