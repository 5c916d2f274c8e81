"""Fenced code blocks as agents write them, rewritten as CommonMark reads them.

==========================================  ==============================================================
an agent writes                             CommonMark would
==========================================  ==============================================================
a Markdown block with fences inside         end the block at the first fence without a language
a fence behind text on the same line        read the fence as text, and the end of the block as a beginning
an end that is indented less than its list  end the list item, and begin another block
==========================================  ==============================================================
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MARKDOWN = frozenset({"md", "markdown", "mdx"})
LIST_MARK = r"(?:[-+*]|\d{1,9}[.)])[ \t]+"
#: A fence takes all of its signs ("++"). A shorter one would be tried for each of them: quadratic time.
_FENCE = re.compile(
    rf"(?P<indent>[ \t]*+)(?P<mark>(?:{LIST_MARK})*)(?P<fence>`{{3,}}+|~{{3,}}+)[ \t]*+(?P<info>[^`]*+)"
)
#: A fence with a language, or without one behind a colon, at the end of a line of text.
BEHIND_TEXT = re.compile(
    r"(?P<text>(?!\s*>)[^`]*[^`\s])(?:[ \t]+(?=```+[\w+#.-])|(?<=:)[ \t]*)(?P<fence>```+)(?P<language>[\w+#.-]*)[ \t]*"
)
#: Characters of a fence whose Markdown block may contain other blocks. Each length takes a pass over all fences.
_LONGEST_NESTING = 12


def regular(markdown: str) -> str:
    """Return *markdown* with the fences of its code blocks as CommonMark reads them. Other texts are not changed.

    The time is linear in the length of *markdown*.
    """
    if "```" not in markdown and "~~~" not in markdown:
        return markdown
    lines = list(_with_fences_on_lines(markdown.split("\n")))
    fences = _Fences(lines)
    at = 0
    while at < len(lines):
        opening = fences.on(at)
        if opening is None:
            at += 1
            continue
        end = fences.end(at)
        if end is None:
            break
        _rewrite(lines, at, end, opening)
        at = end + 1
    return "\n".join(lines)


def _with_fences_on_lines(lines: list[str]) -> list[str]:
    """Return *lines* with each fence behind text on a line of its own, if the block has an end."""
    found: list[str] = []
    open_fence = ""
    last = next((at for at in reversed(range(len(lines))) if _is_bare(_fence(lines[at]))), -1)
    for at, line in enumerate(lines):
        fence = _fence(line)
        if open_fence:
            if fence and _is_bare(fence) and fence["fence"].startswith(open_fence):
                open_fence = ""
        elif fence:
            open_fence = fence["fence"]
        elif at < last and "```" in line and (behind := BEHIND_TEXT.fullmatch(line)):
            found += [behind["text"], behind["fence"] + behind["language"]]
            open_fence = behind["fence"]
            continue
        found.append(line)
    return found


def _fence(line: str) -> re.Match[str] | None:
    """Return the fence on *line*."""
    # Most lines have none, and a search for text is cheaper than an expression.
    return _FENCE.fullmatch(line) if "```" in line or "~~~" in line else None


def _is_bare(fence: re.Match[str] | None) -> bool:
    return fence is not None and not fence["info"].strip() and not fence["mark"]


class _Fences:
    """The fences of *lines*, and the ends of their blocks."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._fences = {at: fence for at, line in enumerate(lines) if (fence := _fence(line))}
        #: The ends of Markdown blocks by their first lines, for each fence of such a block.
        self._nested: dict[str, dict[int, int]] = {}
        self._numbers = list(self._fences)

    def on(self, at: int) -> re.Match[str] | None:
        """Return the fence on the line *at*."""
        return self._fences.get(at)

    def end(self, at: int) -> int | None:
        """Return the number of the line that ends the block of the line *at*; None without one."""
        opening = self._fences[at]
        fence = opening["fence"]
        if opening["info"].strip().lower().partition(" ")[0] in MARKDOWN and len(fence) <= _LONGEST_NESTING:
            if fence not in self._nested:
                self._nested[fence] = self._pairs(fence)
            if at in self._nested[fence]:
                return self._nested[fence][at]
        # In a Markdown block with more beginnings than ends: as CommonMark reads it.
        numbers = self._numbers
        behind = range(bisect_right(numbers, at), len(numbers))
        return next((numbers[each] for each in behind if self._ends(numbers[each], fence)), None)

    def _ends(self, at: int, fence: str) -> bool:
        return _is_bare(self._fences[at]) and self._fences[at]["fence"].startswith(fence)

    def _pairs(self, fence: str) -> dict[int, int]:
        """Return the ends of all blocks by their first lines, as if all of them nested and *fence* was the shortest."""
        pairs: dict[int, int] = {}
        opened: list[int] = []
        for number, found in self._fences.items():
            if self._ends(number, fence):
                if opened:
                    pairs[opened.pop()] = number
            elif found["fence"][0] == fence[0] and found["info"].strip():
                opened.append(number)
        return pairs


def _rewrite(lines: list[str], at: int, end: int, opening: re.Match[str]) -> None:
    """Make the block of the lines from *at* to *end* one that CommonMark reads."""
    inner = [fence for line in lines[at + 1 : end] if (fence := _fence(line))]
    same = [len(fence["fence"]) for fence in inner if fence["fence"][0] == opening["fence"][0]]
    longest = max(same, default=0)
    if any(_is_bare(fence) for fence in inner) and longest >= len(opening["fence"]):
        longer = opening["fence"][0] * (longest + 1)
        start = opening.start("fence")
        lines[at] = f"{lines[at][:start]}{longer}{lines[at][opening.end('fence') :]}"
        closing = _fence(lines[end])
        lines[end] = f"{closing['indent'] if closing else ''}{longer}"
    indent = len(opening["indent"]) + len(opening["mark"])
    if indent and not any(_indent(line) < indent and fence for line, fence in _fences(lines[at + 1 : end])):
        body = range(at + 1, end)
        least = min((_indent(lines[number]) for number in body if lines[number].strip()), default=indent)
        for number in body:
            if lines[number].strip():
                lines[number] = " " * max(0, indent - least) + lines[number]
        if _indent(lines[end]) < indent:
            lines[end] = " " * indent + lines[end].lstrip(" \t")


def _fences(lines: list[str]) -> list[tuple[str, re.Match[str] | None]]:
    return [(line, _fence(line)) for line in lines]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
