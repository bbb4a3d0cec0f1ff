"""Train SiamMAE, measure it, and keep the run.

python -m siammae.train                                        one run of the demo preset
python -m siammae.train -m mask_ratio=0.9,0.95 frame_gap=4,10  four runs, one a setting
python -m siammae.train -m experiments=decoder preset=gpu      a declared experiment
torchrun --nproc-per-node=4 -m siammae.train ...               any of these, on four GPUs
"""

import sys
from contextlib import ExitStack

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from siammae.assembly.identity import identify
from siammae.config.check import read_settings
from siammae.config.composition import declared
from siammae.launching.entry import report_user_errors, run
from siammae.launching.invocation import invocation
from siammae.launching.single_run import begin, objective_text, train
from siammae.launching.studies.trial import Objective, RunningTrial, objective
from siammae.system.paths import CONFIGS
from siammae.system.processes import is_leader, quiet_torch, refuse_with_torchrun, silence
from siammae.system.signals import exit_on_signals
from siammae.training.distributed import join_team


@hydra.main(config_path=str(CONFIGS), config_name="train")
@report_user_errors
def job(config: DictConfig) -> Objective:
    """Carry out one run; return its objective, larger being better, for a sweeper.

    A study of two objectives gets the cost as well.
    """
    refuse_with_torchrun(HydraConfig.get().runtime.choices)
    team = join_team()
    with team.end_together(), exit_on_signals(), ExitStack() as stack:
        with team.raise_in_all():
            settings = read_settings(config)
            wanted = identify(settings, HydraConfig.get().runtime.choices.get("preset"))
            trial = RunningTrial.handed_over()
            asked = invocation(declared(config), trial)
        team.check_same_run(wanted.record.signature)
        with team.raise_in_all():
            is_known = begin(wanted, asked, team, stack) if team.is_main else False
        if not team.broadcast(is_known):
            train(wanted, asked, trial, team)
            if team.is_main:
                print(
                    f"  {objective_text(wanted.record.summary())}, in {wanted.record.folder}",
                    flush=True,
                )
        with team.raise_in_all():
            value = objective(wanted.settings, wanted.record, trial) if team.is_main else 0.0
        return team.broadcast(value)


def main() -> int:
    """Entry point."""
    quiet_torch()
    if not is_leader():
        silence()
    return run(job)


if __name__ == "__main__":
    sys.exit(main())
