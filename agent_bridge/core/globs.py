"""Globs, as the configuration has them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def matches(texts: Iterable[str], globs: Iterable[str]) -> bool:
    """Tell whether one of *globs* matches one of *texts*. Upper and lower case are the same."""
    folded = [text.casefold() for text in texts]
    return any(fnmatchcase(text, glob.casefold()) for glob in globs for text in folded)
