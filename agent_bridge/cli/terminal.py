"""Text for a terminal."""

from __future__ import annotations

import unicodedata

#: Unicode categories that a terminal interprets or does not show: controls, formats, surrogates, private use.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co"})
#: Line breaks, tabs and the joiner of emoji.
_KEPT = frozenset("\n\t\u200d")


def printable(text: str) -> str:
    """Return *text* with escaped control characters, so that untrusted names cannot control the terminal."""
    return "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char in _KEPT or unicodedata.category(char) not in _HIDDEN:
        return char
    return char.encode("unicode_escape").decode("ascii")
