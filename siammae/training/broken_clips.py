"""What the readers could not give: broken clips, and gaps that a clip was too short for."""

from dataclasses import dataclass, field

from siammae.data.sampling.batch import PairBatch
from siammae.system.errors import DataError
from siammae.training.distributed import Team
from siammae.training.training_plan import Plan, Progress


@dataclass
class Shortfall:
    """Of the batches that this process has read and not yet settled with the others.

    short: pairs whose gap is smaller than drawn. broken: clips, with the reason.
    """

    short: int = 0
    broken: dict[str, str] = field(default_factory=dict)

    def note(self, batch: PairBatch) -> None:
        """Add what a batch lacks."""
        self.short += batch.short
        self.broken.update(batch.broken)

    def settle(self, progress: Progress, plan: Plan, team: Team, stops: bool) -> bool:
        """Add the shortfalls of all processes to the run's progress, and start from nothing.

        Returns:
            Whether ``stops`` holds in any process, which is asked in the same exchange.

        Raises:
            DataError: in every process, when more than ``plan.max_broken`` of the clips are broken.
        """
        new = {path: why for path, why in self.broken.items() if path not in progress.broken}
        short, news, stopped = team.total([self.short, len(new), stops])
        progress.short_gap_pairs += short
        self.short, self.broken = 0, {}
        if news:
            everyones = team.gather(new)
            with team.together():
                _add({k: v for each in everyones for k, v in each.items()}, progress.broken, plan)
        return stopped > 0


def _add(new: dict[str, str], broken: dict[str, str], plan: Plan) -> None:
    broken.update(new)
    for why in new.values():
        print(f"warning: skipped a clip: {why}", flush=True)
    if len(broken) > plan.max_broken * plan.clips:
        raise DataError(
            f"{len(broken)} of {plan.clips} clips cannot be read, more than data.max_broken="
            f"{plan.max_broken} allows: " + "; ".join(list(broken.values())[:5])
        )
