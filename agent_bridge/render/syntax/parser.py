"""The Markdown parser, imported with the first text, and the beginnings of lines as the parser sees them."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyromark import Markdown

#: The marks of block quotes and list items at the beginning of a line (CommonMark, "Container blocks").
MARK = r"[ \t]*(?:>|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t]))"
_PREFIX = re.compile(rf"(?:{MARK})*[ \t]*")
#: Characters before the text of a line at most. Deeper indentation is code in most cases.
_LONGEST_PREFIX = 200


def start_of_line(text: str, at: int) -> int:
    """Return the position of the beginning of the line of *text* that contains the position *at*."""
    return text.rfind("\n", 0, at) + 1


def start_of_text(text: str, line: int) -> int:
    """Return the position behind the marks of quotes and lists of the line that begins at *line*."""
    found = _PREFIX.match(text, line, line + _LONGEST_PREFIX)
    return found.end() if found else line


def is_in_row(text: str, at: int) -> bool:
    """Tell whether the line of *text* that contains *at* begins with a single bar, as a row of a table does."""
    start = start_of_text(text, start_of_line(text, at))
    return start < at and text[start] == "|" and text[start + 1 : start + 2] != "|"


@cache
def parser() -> Markdown:
    """Return a parser for CommonMark with tables, ``~~``, footnotes and task lists. Its time is linear in the text."""
    from pyromark import Markdown, Options

    return Markdown(
        options=Options.ENABLE_TABLES
        | Options.ENABLE_STRIKETHROUGH
        | Options.ENABLE_FOOTNOTES
        | Options.ENABLE_TASKLISTS
    )
