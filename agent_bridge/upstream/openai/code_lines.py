"""Tells which parts of a growing Markdown text are code."""

from __future__ import annotations

import re

_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")
#: Characters of a line that are kept.
_LINE = 200


class CodeLines:
    """The end of a text that grows, as far as it decides whether the next character is code."""

    def __init__(self) -> None:
        #: The last line: its beginning, and its end if it is long.
        self.line = ""
        #: Whether the last line is in a code block with a fence.
        self.in_block = False

    def add(self, text: str) -> None:
        """Add the next piece of the text."""
        *lines, rest = text.split("\n")
        for line in lines:
            self.in_block ^= bool(_FENCE.match(self.line + line))
            self.line = ""
        self.line += rest
        if len(self.line) > 2 * _LINE:
            self.line = self.line[:_LINE] + self.line[-_LINE:]
