"""What the entry points share: how they start, and how errors reach the user."""

import os
import sys
import traceback
from collections.abc import Callable
from errno import EACCES
from functools import wraps
from pathlib import Path
from typing import TypeVar

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from siammae.assembly.equal_compute import equal_compute
from siammae.config.schema import nearest
from siammae.launching import experiment_sweeper, hydra_plugins
from siammae.launching.studies.recipe import recipe
from siammae.system.command import Command
from siammae.system.errors import ConfigError, RunsFailed, SiammaeError, ending
from siammae.system.paths import CONFIGS
from siammae.system.processes import leads
from siammae.training.intermediate import Pruned

Returned = TypeVar("Returned")
_kept: list[Exception] = []  # what `one_line` kept from Hydra for `run` to tell


def one_line(job: Callable[[DictConfig], Returned]) -> Callable[[DictConfig], Returned | None]:
    """Decorate a job, below ``hydra.main``, so that `run` alone tells of a user's error.

    Hydra would first print "Error executing job" and the overrides. In a multirun a failure is told
    at once, for the others may take days, and then goes to Hydra, for the job to count as failed.
    Whatever is no user's error keeps its traceback.
    """

    @wraps(job)
    def guarded(config: DictConfig) -> Returned | None:
        many = HydraConfig.get().mode == RunMode.MULTIRUN
        try:
            return job(config)
        except (SiammaeError, HydraException, OmegaConfBaseException) as error:
            if not many:
                _kept.append(error)
                return None
            _tell(ending(error), str(error))
            raise
        except Pruned:  # told by the run, and no failure
            raise
        except Exception:
            if many:
                _tell("failed", traceback.format_exc())
            raise

    return guarded


def run(main: Callable[[], object]) -> int:
    """Call an entry point; a user's error becomes one line on stderr and the exit code 2."""
    # On few cores, threads that spin while they wait take time from the process that reads clips.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    Command.instance()
    tell_hydra()
    # Hydra then raises its errors instead of printing them with hints at its own internals.
    os.environ["HYDRA_FULL_ERROR"] = "1"
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
    """Of the call, whose errors it tells."""
    try:
        main()
        if _kept:
            raise _kept.pop()
    except RunsFailed as error:
        _fail(str(error))
        return 1
    except MissingConfigException as error:
        return _fail(_missing_option(error))
    except ConfigCompositionException as error:
        if "hydra.mode changed" in str(error):
            return _fail("experiments=NAME and sweeps=NAME are multiruns: add -m")
        return _fail(_first_lines(error, error.__cause__))
    except (HydraException, OmegaConfBaseException) as error:
        return _fail(_first_lines(error))
    except SiammaeError as error:
        return _fail(str(error))
    return 0


def tell_hydra() -> None:
    """Make our groups, sweeper and resolvers known; to be called before anything is composed."""
    hydra_plugins.register()
    experiment_sweeper.register()
    OmegaConf.register_resolver("writable", writable_folder, replace=True)
    OmegaConf.register_resolver("recipe", recipe, replace=True)
    OmegaConf.register_resolver("groups", groups_of, replace=True)
    OmegaConf.register_resolver("equal_compute", equal_compute, replace=True)
    OmegaConf.register_resolver("half", lambda number: int(number) // 2, replace=True)


def writable_folder(path: str | int) -> str:
    """``${writable:PATH}`` in a configuration: the same path, made when it is not there.

    For what Hydra and Optuna write before a run of ours begins.

    Raises:
        ConfigError: when it cannot be made or written.
    """
    folder = str(path)  # runs_dir=2026 is an int to Hydra
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written ({error.strerror}); name another folder with runs_dir=DIR"
        ) from None
    return folder


def groups_of(command: str) -> str:
    """``${groups:NAME}`` in a help template: a line with the options of each group of NAME.yaml.

    Hydra's own list has the groups of all commands.
    """
    entries = OmegaConf.load(CONFIGS / f"{command}.yaml").defaults
    keys = sorted(str(key) for entry in entries if entry != "_self_" for key in entry)
    names = [key for key in keys if not key.startswith("override ")]
    loader = GlobalHydra.instance().config_loader()
    return "\n".join(f"{name}: {', '.join(loader.get_group_options(name))}" for name in names)


def _tell(what: str, error: str) -> None:
    if leads():  # which tells of the others' errors as well
        overrides = " ".join(HydraConfig.get().overrides.task)
        print(f"{what}: {overrides}: {error}", file=sys.stderr, flush=True)


def _fail(message: str) -> int:
    if leads():
        print(f"error: {message}", file=sys.stderr)
    return 2


def _missing_option(error: MissingConfigException) -> str:
    """Which option of which group is not there, the nearest one and all that are."""
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    options = list(error.options or [])
    if not group or not options:
        return _first_lines(error)
    return f"{group}={option}: no such option{nearest(option, options)}; there are: " + ", ".join(
        sorted(options)
    )


def _first_lines(error: Exception, cause: BaseException | None = None) -> str:
    """Hydra's message, and its cause's, without the details of its own objects.

    Nor its advice to append the key: most of the time it is a typo, and the nearest name helps.
    """
    text = f"{error}\n{cause or ''}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [
        line
        for line in lines
        if not line.startswith(("full_key", "object_type", "reference_", "To append to your"))
    ]
    return " ".join(kept[:4])
