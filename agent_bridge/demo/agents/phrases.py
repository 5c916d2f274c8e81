"""Phrases that several characters use."""

from __future__ import annotations

#: Maximum length of a quotation in characters.
QUOTE_LENGTH = 60


def quote(text: str) -> str:
    """Return the beginning of *text*, in quotation marks and on one line."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= QUOTE_LENGTH else line[: QUOTE_LENGTH - 1] + '…'}”"


def count(number: int, noun: str) -> str:
    """Return *number* and *noun*, which gets an s unless *number* is 1."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ordinal(number: int) -> str:
    """Return *number* as an ordinal: 1st for 1."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    ending = "th" if number % 100 in {11, 12, 13} else endings.get(number % 10, "th")
    return f"{number}{ending}"
