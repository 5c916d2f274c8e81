"""Turns of phrase that the characters share."""

from __future__ import annotations

#: Characters of a quotation.
QUOTE_LENGTH = 60


def quote(text: str) -> str:
    """Return the beginning of *text*, in quotation marks and on one line."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= QUOTE_LENGTH else line[: QUOTE_LENGTH - 1] + '…'}”"


def count(number: int, what: str) -> str:
    """Return *number* of *what*, with an s where there is not one."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def ordinal(number: int) -> str:
    """Return the place *number* in a row: 1st for 1."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    ending = "th" if number % 100 in {11, 12, 13} else endings.get(number % 10, "th")
    return f"{number}{ending}"
