"""Nested lists as agents write them, rewritten as CommonMark reads them.

Agents indent each level by two blanks. Below ``1.``, CommonMark needs three: the inner list has to begin below the text
of its item (CommonMark, "List items").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ITEM = re.compile(r"(?P<indent> *)(?P<mark>[-+*]|\d{1,9}[.)])(?P<space> {1,4})(?=\S)")
_NESTED = re.compile(r"^ {2,}(?:[-+*]|\d{1,9}[.)]) ", re.MULTILINE)
_FENCE = re.compile(r"(?P<fence>`{3,}|~{3,})")
#: The characters with which the mark of an item begins.
_MARKS = frozenset("-+*0123456789")
#: Blanks before a nested list at least.
_LEAST = 2
#: Items inside each other that are rewritten.
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class _Item:
    """An open item of a list."""

    #: Blanks before its mark, as written; blanks that are added to its lines; and the column of its text.
    indent: int
    added: int
    text: int


def nested(markdown: str) -> str:
    """Return *markdown* with each list that is indented by two blanks below the text of its item."""
    if _NESTED.search(markdown) is None:
        return markdown
    lines, items, fence = markdown.split("\n"), list[_Item](), ""
    for number, line in enumerate(lines):
        written = line.lstrip(" ")
        if not written:
            continue
        indent = len(line) - len(written)
        if fence:
            closing = written.strip()
            fence = "" if closing.startswith(fence) and not closing.strip(fence[0]) else fence
        else:
            while items and indent <= items[-1].indent:
                items.pop()
            opening = _FENCE.match(written)
            fence = opening["fence"] if opening else ""
        added = items[-1].added if items else 0
        if not fence and written[0] in _MARKS and (found := _ITEM.match(line)):
            if items and indent - items[-1].indent >= _LEAST:
                added = max(added, items[-1].text - indent)
            if len(items) < _DEEPEST:
                items.append(_Item(indent, added, added + found.end()))
        if added:
            lines[number] = " " * added + line
    return "\n".join(lines)
