"""What a run was made with: code, packages, machine."""

import hashlib
import os
import platform
import socket
import subprocess
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import copy2
from tempfile import TemporaryDirectory
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
# No training imports these rooms, and these commands train nothing: their code changes no result.
WITHOUT_RESULTS = (
    *("report/", "planning/", "launching/"),
    *("audit.py", "download.py", "look.py", "pack.py", "page.py", "plan.py", "runs.py"),
    *("score.py", "share.py"),
)
OURS = ("siammae", "configs", "experiments", "sweeps", "analysis")  # folders with our code
SHOWN = 8  # files that are named; of more only the number
PACKAGES = ("torch", "timm", "numpy", "decord", "av", "hydra-core", "omegaconf", "optuna", "wandb")


def provenance(**details: Any) -> tuple[dict[str, Any], str]:
    """Return the facts for ``provenance.json``, and the code's uncommitted changes as a diff."""
    own, files = _is_own(), code_files()
    diff = _uncommitted() if own else ""
    commit = _git("rev-parse", "HEAD").strip() if own else None
    facts = {
        **details,
        "code_version": _version_of(files),
        "code_files": files,
        "git": {"commit": commit or None, "dirty": bool(diff)},
        "packages": {name: _installed(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "created": time.time(),
    }
    return facts, diff


def code_files() -> dict[str, str]:
    """Return a short hash of each source file that can change a result, by its path in siammae/."""
    paths = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    return {
        name: hashlib.sha256(paths[name].read_bytes()).hexdigest()[:8]
        for name in sorted(paths)
        if not name.startswith(WITHOUT_RESULTS)
    }


def code_version() -> str:
    """Return a short hash of these files together, whether or not they were committed."""
    return _version_of(code_files())


def code_difference(known: dict[str, Any]) -> str:
    """Say which source files differ now from those that a run was trained with, over all resumes.

    Args:
        known: the run's provenance.

    Returns:
        Names of files, separated by commas; empty when the code is the same, or when the record
        says nothing about it.
    """
    files = code_files()
    version, changed, are_unknown = _version_of(files), set(), False
    versions_with_files = set()
    for stage in (known, *known.get("resumes", [])):
        before, its_version = stage.get("code_files"), stage.get("code_version")
        if before is not None:
            versions_with_files.add(its_version)
            changed |= {f"siammae/{name}" for name in changed_files(before, files)}
        elif its_version not in (None, version, *versions_with_files):
            are_unknown = True
    if are_unknown:
        changed.add(f"files that its older record does not name (now {version})")
    names = sorted(changed)
    return ", ".join([*names[:SHOWN], *([f"{len(names) - SHOWN} more"] * (len(names) > SHOWN))])


def changed_files(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return the names of source files that were edited or removed between two states of the code.

    A new file does not count: it changes no result unless another file, or the configuration,
    begins to name it. So adding a decoder leaves the runs of before as they are.
    """
    return [name for name in sorted(before) if before[name] != now.get(name)]


def _version_of(files: dict[str, str]) -> str:
    return hashlib.sha256(repr(files).encode()).hexdigest()[:10]


def _uncommitted() -> str:
    """Return what the package's repository has and its commit has not, as ``git apply`` takes it.

    New files count. They are entered into a copy of git's index, so that its own stays as it is.
    """
    index = _git("rev-parse", "--git-path", "index").strip()
    if not index:
        return ""
    with TemporaryDirectory() as folder, suppress(OSError):
        copy = Path(folder) / "index"
        copy2(PACKAGE / index, copy)  # with its time, by which git sees what was edited since
        ours = [f":/{name}" for name in OURS if (PACKAGE.parent / name).exists()]
        _git("add", "--intent-to-add", "--", *ours, index=copy)
        how = ("--no-ext-diff", "--no-textconv", "--no-color", "--binary", "--full-index")
        prefixes = ("--src-prefix=a/", "--dst-prefix=b/")
        return _git("diff", *how, *prefixes, "HEAD", "--", ":/", index=copy)
    return ""


def _is_own() -> bool:
    """Return whether the package lies at the top of its repository, and not in another one."""
    top = _git("rev-parse", "--show-toplevel").strip()
    return bool(top) and Path(top).resolve() == PACKAGE.parent


def _git(*arguments: str, index: Path | None = None) -> str:
    """Return git's output about the repository that the package lies in; empty without one.

    A checkout of another owner is read too. Bytes that are no UTF-8 stay, as surrogates.
    """
    try:
        done = subprocess.run(
            ["git", "-c", f"safe.directory={PACKAGE.parent}", *arguments],
            cwd=PACKAGE,
            capture_output=True,
            timeout=20,
            check=True,
            env=os.environ | ({"GIT_INDEX_FILE": str(index)} if index else {}),
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "surrogateescape")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
