"""Text for a terminal."""

from __future__ import annotations

import unicodedata

#: Categories of characters that a terminal acts on or does not show: controls, formats, surrogates, private use.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co"})
#: The controls that lay text out, and the joiner of emoji.
_KEPT = frozenset("\n\t\u200d")


def printable(text: str) -> str:
    """Return *text* with control characters as escapes: a name from elsewhere cannot rewrite the terminal."""
    return "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char in _KEPT or unicodedata.category(char) not in _HIDDEN:
        return char
    return char.encode("unicode_escape").decode("ascii")
