"""``--help`` of the commands."""

import sys

import pytest
import yaml
from preloaded import run_command

from siammae.system.paths import CONFIGS


@pytest.mark.parametrize("name", ["train", "evaluate", "look", "audit", "pack"])
def test_help_has_examples_and_the_command_s_own_groups(name, tmp_path):
    command = [sys.executable, "-m", f"siammae.{name}", "--help"]
    done = run_command(command, cwd=tmp_path, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "powered by Hydra" not in done.stdout
    assert done.stdout.count(f"  python -m siammae.{name}") == 3
    groups = done.stdout.partition("chosen as GROUP=OPTION:\n\n")[2].partition("\n\n")[0]
    told = dict(line.split(": ") for line in groups.splitlines())
    defaults = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["defaults"]
    chosen = {
        key: value for entry in defaults if isinstance(entry, dict) for key, value in entry.items()
    }
    chosen = {key: value for key, value in chosen.items() if not key.startswith("override")}
    assert set(told) == set(chosen)
    for group, option in chosen.items():
        assert option is None or option in told[group].split(", ")
