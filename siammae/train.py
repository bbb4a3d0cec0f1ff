"""Train SiamMAE, measure it, and keep the run.

python -m siammae.train                                        one run of the demo preset
python -m siammae.train -m mask_ratio=0.9,0.95 frame_gap=4,10  four runs, one a setting
python -m siammae.train -m experiments=decoder preset=gpu      a declared experiment
"""

import sys
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from siammae.config.check import check
from siammae.config.launch import CONFIGS, run
from siammae.tracking.record import Invocation

if TYPE_CHECKING:
    from hydra.conf import HydraConf


@hydra.main(config_path=str(CONFIGS), config_name="train")
def job(config: DictConfig) -> float:
    """One run; returns its objective, larger being better, to whoever sweeps."""
    # Settings are checked and a finished run recognised before torch is imported.
    settings = check(config)
    from siammae.run import carry_out

    return carry_out(config, settings, invocation(config, HydraConfig.get()))


def invocation(config: DictConfig, hydra_config: "HydraConf") -> Invocation:
    """What asked for this run: the command, and its place in a multirun."""
    multirun = hydra_config.mode == RunMode.MULTIRUN
    overrides = [text.lstrip("+~").partition("=") for text in hydra_config.overrides.task]
    return Invocation(
        id=str(hydra_config.sweep.dir).rpartition("/")[2] if multirun else None,
        command=[*sys.orig_argv],
        experiment=None if config.experiment is None else config.experiment.get("name"),
        overrides={key: value for key, _, value in overrides},
        preset=OmegaConf.select(OmegaConf.create(hydra_config.runtime.choices), "preset"),
        job=hydra_config.job.num if multirun else None,
    )


def main() -> int:
    """Entry point."""
    return run(job)


if __name__ == "__main__":
    sys.exit(main())
