"""Rooms: imports go downward only, as pyproject.toml's import-linter contracts state them."""

from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parents[1]


def test_imports_go_downward_only(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    code = lint_imports(str(ROOT / "pyproject.toml"), no_cache=True)
    assert code == EXIT_STATUS_SUCCESS, capsys.readouterr().out
