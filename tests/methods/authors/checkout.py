"""Importing a module of a checkout, whose packages may be called as ours or as those of others."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from unittest import mock

import numpy as np


def load(folder: Path, name: str, stubs: Mapping[str, ModuleType] | None = None) -> ModuleType:
    """Import module ``name`` of a checkout as if it were alone.

    Several repositories have a package ``util``, and some bring a timm of their own. Modules with
    the names of the folder's are therefore hidden while it is imported, and its own afterwards.

    Args:
        folder: the checkout.
        name: of the module, seen from the folder.
        stubs: modules that it imports and that stand for others meanwhile, by name.
    """
    stubs = stubs or {}
    own = {path.stem for path in folder.iterdir() if path.is_dir() or path.suffix == ".py"}
    own |= {stub.partition(".")[0] for stub in stubs}
    hidden = _taken_out(own)
    sys.modules.update(stubs)
    sys.path.insert(0, str(folder))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(folder))
        _taken_out(own)
        sys.modules.update(hidden)


def _taken_out(packages: set[str]) -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] in packages]
    return {name: sys.modules.pop(name) for name in names}


def stub(name: str, **attributes: object) -> ModuleType:
    """Return a module that has nothing but these attributes."""
    made = ModuleType(name)
    vars(made).update(attributes)
    return made


@contextmanager
def old_numpy() -> Iterator[None]:
    """Give numpy the name ``np.float`` of Python's float, which was removed in version 1.24."""
    with mock.patch.object(np, "float", float, create=True):
        yield
