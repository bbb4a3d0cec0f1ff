"""A job on several GPUs or machines: an agent of torch elastic on each machine, as torchrun's.

Slurm starts submitit's process once on each machine. There it is the agent, which starts the
processes that train the run together, and Slurm sends them its signals as well. So they save and
end by themselves, and then the agent answers: that of the first machine requeues the job.
"""

import os
from collections.abc import Callable
from multiprocessing import resource_tracker
from typing import Any

from hydra.core.utils import JobReturn, JobStatus

from siammae.launching.launchers.base import WorkerDied
from siammae.system.processes import STARTED_BY, is_leader, silence
from siammae.system.signals import STOPPED, note_signals, shield_children_from_signals

# Modules that import torch are imported where they are used: what submits a job needs none.

PATIENCE = 600  # seconds that processes have to end after one has died, before they are killed
PORTS = range(20000, 30000)  # below those that systems give out by themselves


class ElasticJob:
    """What submitit calls on each machine of a job in place of the call that trains a run.

    Args:
        call: trains the run, in each of the processes.
        launcher: the option of ``hydra/launcher``.
        processes: on each machine.
        nodes: machines.
    """

    def __init__(self, call: Callable[..., JobReturn], launcher: str, processes: int, nodes: int):
        self.call, self.launcher = call, launcher
        self.processes, self.nodes = processes, nodes

    def __call__(self, overrides: list[str], *arguments: Any) -> JobReturn:
        """Train the run; return what its first process on this machine returned."""
        import cloudpickle
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
        from torch.distributed.launcher.api import elastic_launch

        os.environ[STARTED_BY] = self.launcher
        with shield_children_from_signals():  # it would be gone when the processes clean up
            resource_tracker.ensure_running()
        packed = cloudpickle.dumps((self.call, (overrides, *arguments)))
        with note_signals() as received:
            try:
                results = elastic_launch(self._config(), _train)(packed)
            except ChildFailedError as error:
                if received:  # what they answered to
                    raise SystemExit(STOPPED) from None
                failed = JobReturn(overrides=overrides, status=JobStatus.FAILED)
                failed.return_value = WorkerDied(_reason(error, self.processes * self.nodes))
                return failed
            result: JobReturn = cloudpickle.loads(results[min(results)])
            return result

    def checkpoint(self, *arguments: Any) -> Any:
        """Return the call that submitit makes when the job comes out of the queue again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)

    def _config(self) -> Any:
        """Return torchrun's settings: the agents meet on the job's first machine."""
        from submitit import JobEnvironment
        from torch.distributed.launcher.api import LaunchConfig

        job, endpoint = JobEnvironment(), "localhost:0"  # 0: any free port
        if self.nodes > 1:
            number = int(os.environ["SLURM_JOB_ID"])
            endpoint = f"{job.hostnames[0]}:{PORTS[number % len(PORTS)]}"
        return LaunchConfig(
            min_nodes=self.nodes,
            max_nodes=self.nodes,
            nproc_per_node=self.processes,
            run_id=job.job_id,
            rdzv_backend="c10d",
            rdzv_endpoint=endpoint,
            rdzv_configs={"is_host": job.node == 0},
            max_restarts=0,  # the job is requeued, and its run goes on from its checkpoint
            signals_to_handle="SIGINT",
            shutdown_timeout=PATIENCE,
        )


def _train(packed: bytes) -> bytes:
    """Carry the job out in one of the processes; its result is packed again."""
    import cloudpickle

    if not is_leader():
        silence()
    call, arguments = cloudpickle.loads(packed)
    result: bytes = cloudpickle.dumps(call(*arguments))
    return result


def _reason(error: Any, size: int) -> str:
    """Return in a line which process failed first, and how."""
    rank, failure = error.get_first_failure()
    message = failure.message
    if isinstance(message, dict):
        message = message.get("message", "")
    how = str(message).strip().splitlines()[-1:] if failure.error_file != "<N/A>" else []
    if failure.exitcode < 0:
        how = [f"killed by {failure.signal_name()}"]
    why = (how or [f"exit code {failure.exitcode}"])[0]
    return f"process {rank + 1} of {size} ended without a result: {why}"
