"""What the commands share: how they start, and how errors reach the user."""

import os
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from siammae.config.suggestions import nearest
from siammae.launching.registration import register_with_hydra
from siammae.system.broken_pipe import ignore_broken_pipe
from siammae.system.command import Command
from siammae.system.errors import RunsFailed, SiammaeError, ending
from siammae.system.printable import printable
from siammae.system.processes import is_leader, launched
from siammae.training.intermediate import Pruned

Returned = TypeVar("Returned")
_kept_errors: list[Exception] = []  # kept from Hydra by `report_user_errors`, printed by `run`


def report_user_errors(
    job: Callable[[DictConfig], Returned],
) -> Callable[[DictConfig], Returned | None]:
    """Decorate a job, below ``hydra.main``, so that `run` prints a user's error as one line.

    Hydra would print "Error executing job" and the overrides before it. In a multirun a failure is
    printed at once, since the other runs may take days, and then raised for Hydra to count the job
    as failed. An error that is not the user's keeps its traceback.
    """

    @wraps(job)
    def guarded(config: DictConfig) -> Returned | None:
        is_multirun = HydraConfig.get().mode == RunMode.MULTIRUN
        try:
            return job(config)
        except (SiammaeError, HydraException, OmegaConfBaseException) as error:
            if not is_multirun:
                _kept_errors.append(error)
                return None
            _print_job_error(ending(error), str(error))
            raise
        except Pruned:  # the run has printed it, and it is no failure
            raise
        except Exception:
            if is_multirun:
                _print_job_error("failed", traceback.format_exc())
            raise

    return guarded


def run(main: Callable[[], object]) -> int:
    """Call the main function of a command and return its exit code.

    A user's error becomes one line on stderr and exit code 2, failed runs of a multirun exit code
    1, Ctrl-C exit code 130. A reader that leaves early (``| head``) does not disturb the command.
    """
    # On few cores, threads that spin while they wait take time from the process that reads clips.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    Command.instance()
    register_with_hydra()
    # Hydra then raises its errors instead of printing them with hints at its own internals.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    with ignore_broken_pipe():
        try:
            return _exit_code(main)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        except SystemExit as stop:
            if isinstance(stop.code, int) and stop.code > 128:
                print("stopped by a signal; the same command goes on", file=sys.stderr)
            raise


def _exit_code(main: Callable[[], object]) -> int:
    def carry_out() -> None:
        main()
        if _kept_errors:
            raise _kept_errors.pop()

    try:
        (record_for_torchrun(carry_out) if launched() else carry_out)()
    except RunsFailed as error:
        _print_error(str(error))
        return 1
    except MissingConfigException as error:
        return _print_error(_missing_option(error))
    except ConfigCompositionException as error:
        if "hydra.mode changed" in str(error):
            return _print_error("experiments=NAME and sweeps=NAME are multiruns: add -m")
        return _print_error(_shorten(error, error.__cause__))
    except (HydraException, OmegaConfBaseException) as error:
        return _print_error(_shorten(error))
    except SiammaeError as error:
        return _print_error(str(error))
    return 0


def record_for_torchrun(main: Callable[[], None]) -> Callable[[], object]:
    """Let what ``main`` raises stand in torch elastic's error file, a user's error as one line."""
    import json
    import time

    from torch.distributed.elastic.multiprocessing.errors import ErrorHandler, record

    class Plain(ErrorHandler):
        def record_exception(self, e: BaseException) -> None:
            file = self._get_error_file_path()
            if file is None or not isinstance(e, SiammaeError):
                super().record_exception(e)
                return
            # Without a call stack torchrun shows the message, and nothing of our insides.
            facts = {"message": str(e), "extraInfo": {"timestamp": str(int(time.time()))}}
            self._write_error_file(file, json.dumps({"message": facts}))

    return record(main, Plain())


def _print_job_error(outcome: str, error: str) -> None:
    if is_leader():  # which prints the errors of the other processes as well
        overrides = " ".join(HydraConfig.get().overrides.task)
        print(printable(f"{outcome}: {overrides}: {error}"), file=sys.stderr, flush=True)


def _print_error(message: str) -> int:
    """Print an error once for all processes of torchrun; return the exit code for it."""
    if is_leader():
        print(f"error: {printable(message)}", file=sys.stderr)
    return 2


def _missing_option(error: MissingConfigException) -> str:
    """Name the group and the option that is missing, the nearest option and all that there are."""
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    options = list(error.options or [])
    if not group or not options:
        return _shorten(error)
    return f"{group}={option}: no such option{nearest(option, options)}; there are: " + ", ".join(
        sorted(options)
    )


def _shorten(error: Exception, cause: BaseException | None = None) -> str:
    """Return Hydra's message, and its cause's, without the details of its own objects.

    An unknown key is reported with the nearest one, without Hydra's advice to append it: most of
    the time the key is a typo.
    """
    text = f"{error}\n{cause or ''}"
    key, group = getattr(cause, "key", None), getattr(cause, "parent_node", None)
    if "not in struct" in text and key is not None:
        path = str(getattr(cause, "full_key", None) or key)
        names = [str(name) for name in group or ()]
        return f"{path}: no such key{nearest(str(key), names, path.rpartition('.')[0])}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    details = ("full_key", "object_type", "reference_", "To append to your")
    return " ".join([line for line in lines if not line.startswith(details)][:4])
