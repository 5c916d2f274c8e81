"""Globs, as the configuration has them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The bracket that begins an address of IPv6, as in ``@bob:[2001:db8::1]:8448``. Other brackets begin a set of letters.
_ADDRESS = re.compile(r"\[(?=[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\])")


def matches(texts: Iterable[str], globs: Iterable[str]) -> bool:
    """Tell whether one of *globs* matches one of *texts*. Upper and lower case are the same."""
    folded = [text.casefold() for text in texts]
    return any(matches_exactly(text, glob.casefold()) for glob in globs for text in folded)


def matches_exactly(text: str, glob: str) -> bool:
    """Tell whether *glob* matches *text*. Upper and lower case differ."""
    return fnmatchcase(text, _ADDRESS.sub("[[]", glob))
