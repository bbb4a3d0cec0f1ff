"""Where a run came from: code, packages, machine."""

import hashlib
import platform
import socket
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
PACKAGES = ("torch", "timm", "numpy", "decord", "av", "hydra-core", "omegaconf", "optuna", "wandb")


def provenance(**details: Any) -> tuple[dict[str, Any], str]:
    """Facts for ``provenance.json``, and the uncommitted changes of the code as a diff."""
    diff = _git("diff", "HEAD")
    facts = {
        **details,
        "code_version": code_version(),
        "git": {"commit": _git("rev-parse", "HEAD").strip() or None, "dirty": bool(diff)},
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "created": time.time(),
    }
    return facts, diff


def code_version() -> str:
    """A short hash of the package's source: what ran, whether or not it was committed."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:10]


def _git(*arguments: str) -> str:
    """What git says about the package's repository; nothing where there is no git."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=PACKAGE, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
