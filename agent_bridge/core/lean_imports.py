"""Lean imports: libraries without the parts that they import only because these are installed, or only for types."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Have the imports of the block find *packages* not installed, unless they are imported already."""
    with _in_place(dict.fromkeys(packages)):
        yield


@contextmanager
def in_place_of(module: str, **names: object) -> Iterator[None]:
    """Have the imports of the block find a *module* with these *names* only, unless it is imported already."""
    stand_in = ModuleType(module)
    vars(stand_in).update(names)
    with _in_place({module: stand_in}):
        yield


@contextmanager
def _in_place(modules: dict[str, ModuleType | None]) -> Iterator[None]:
    # To the import system None stands for a module that cannot be found.
    added = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(added)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]
