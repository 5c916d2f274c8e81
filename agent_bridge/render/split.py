"""Long answers in parts, each small enough for one event."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from agent_bridge.render.syntax.fences import BEHIND_TEXT, LIST_MARK, MARKDOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Bytes of Markdown in one part. An event may have 65,536 bytes, and an edit carries its text four times: as plain
#: text and as HTML, once for clients that know edits and once for those that do not.
PART_BYTES = 9_000

#: Smaller limits count as this one: a part has to hold a fence's two ends and some text.
_LEAST = 77
#: A line that begins or ends a code block. Longer markers are taken for text.
_FENCE = re.compile(
    rf"(?P<indent>[ \t]*)(?P<mark>(?:{LIST_MARK})*)"
    r"(?P<marker>(?P<sign>[`~])(?P=sign){2,11})(?!(?P=sign))(?P<info>.*)",
    re.DOTALL,
)
_LANGUAGE = re.compile(r"\s*([\w+#.-]{1,24})(?=\s|$)", re.ASCII)
_CLOSED = re.compile(r" {0,3}(?P<marker>[`~]{3,12}) {0,8}(?:\n|$)")
#: The second line of a table, as it is mostly written.
_DELIMITERS = re.compile(r"\|(?: *:?-+:? *\|)+ *")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]")
#: Columns by which the end of a block may be indented less one: CommonMark reads more as code.
_CODE_INDENT = 4
#: Bytes of a line break and the longest marker, for a block and one within it.
_CLOSING = 26
#: Blocks inside each other that are closed and opened again.
_LEVELS = 2
#: Bytes of text that a part has at least.
_SOME_TEXT = 8


@dataclass(frozen=True, slots=True)
class _Fence:
    """The code block that a text ends in."""

    marker: str
    language: str
    #: The column of the marker.
    column: int

    @property
    def opening(self) -> str:
        return f"{self.marker}{self.language}\n"

    def ended_by(self, marker: str, column: int = 0) -> bool:
        return marker.startswith(self.marker) and column < self.column + _CODE_INDENT

    def may_contain(self, marker: str) -> bool:
        """Tell whether a block with *marker* may be within this one."""
        return self.language.lower() in MARKDOWN and marker[0] == self.marker[0]


def split(markdown: str, limit: int = PART_BYTES) -> list[str]:
    """Cut *markdown* into parts of at most *limit* bytes of UTF-8, at least one part.

    It cuts between paragraphs if possible, else between lines, words or characters. A heading stays with the text under
    it. A fenced code block that is cut is closed and opened again, and the head of a table is repeated. A longer text
    begins with the same parts as its beginning, except for the last one, so a growing text never changes a complete
    part. The text has to be encodable: no half surrogate pairs.
    """
    limit = max(limit, _LEAST)
    parts: list[str] = []
    rest, opening = markdown, ""
    while True:
        if len(rest) <= limit and len((opening + rest).encode()) <= limit:
            return [*parts, opening + rest] if rest.strip() or not parts else parts
        head, rest = _cut(rest, limit - len(opening.encode()) - _CLOSING)
        text = opening + head
        fences = _open_fences(text)
        if head.strip():
            parts.append(_closed(text, fences))
        while fences and (closed := _CLOSED.match(rest)) and fences[-1].ended_by(closed["marker"]):
            rest, fences = rest[closed.end() :], fences[:-1]
        opening = "".join(fence.opening for fence in fences)
        if limit - len(opening.encode()) - _CLOSING < _SOME_TEXT:
            opening = ""
        elif not fences:
            opening = _head_of_table(text, limit // 4) if rest.startswith("|") else ""
            rest = rest.lstrip("\n")


def with_ending(markdown: str, ending: str) -> str:
    """Return *markdown* with *ending* as a paragraph of its own behind it, a code block that is open closed before."""
    return f"{closed(markdown)}\n\n{ending}"


def closed(markdown: str) -> str:
    """Return *markdown* with its open code blocks closed."""
    fences = _open_fences(markdown)
    return _closed(markdown, fences) if fences else markdown


def _closed(text: str, fences: tuple[_Fence, ...]) -> str:
    return "\n".join((text.rstrip(), *(fence.marker for fence in reversed(fences))))


def _cut(text: str, limit: int) -> tuple[str, str]:
    head = text[:limit].encode()[:limit].decode("utf-8", "ignore")
    for separator in ("\n\n", "\n", " "):
        at = head.rfind(separator, len(head) // 2)
        if at > 0:
            end = _before_headings(head[: at + len(separator)])
            return text[:end], text[end:]
    return head, text[len(head) :]


def _before_headings(head: str) -> int:
    """Return where *head* ends without the headings at its end, which belong to the text behind them."""
    end, least = len(head), len(head) // 2
    while (line := head.rstrip("\n").rfind("\n") + 1) > least and _HEADING.match(head, line):
        end, head = line, head[:line]
    return end


def _head_of_table(text: str, most: int) -> str:
    """Return the first two lines of the table that *text* ends within, empty if none of at most *most* bytes."""
    *lines, last = text.split("\n")
    *_, delimiters, names = "", "", *takewhile(lambda line: line.startswith("|"), reversed(lines))
    head = f"{names}\n{delimiters}\n"
    return head if not last and _DELIMITERS.fullmatch(delimiters) and len(head.encode()) <= most else ""


def _open_fences(text: str) -> tuple[_Fence, ...]:
    """Return the code blocks that *text* ends in, outer first: at most one, but for blocks within a Markdown block.

    A fence behind text begins a block, and fences within a Markdown block nest, as
    :func:`~agent_bridge.render.syntax.fences.regular` reads them; all others as CommonMark does ("Fenced code blocks").
    """
    fences: list[_Fence] = []
    for line in text.split("\n"):
        found = _FENCE.fullmatch(line)
        if found is None:
            if not fences and (behind := BEHIND_TEXT.fullmatch(line)):
                fences.append(_Fence(behind["fence"], behind["language"], 0))
            continue
        marker, info = found["marker"], found["info"]
        column = len(found["indent"]) + len(found["mark"])
        if fences and not found["mark"] and not info.strip() and fences[-1].ended_by(marker, column):
            fences.pop()
        elif ("`" not in info or marker[0] == "~") and _may_begin(fences, marker, info):
            language = _LANGUAGE.match(info)
            fences.append(_Fence(marker, language[1] if language else "", column))
    return tuple(fences)


def _may_begin(fences: Sequence[_Fence], marker: str, info: str) -> bool:
    """Tell whether a fence begins a block within *fences*: only a Markdown block contains others."""
    return not fences or (len(fences) < _LEVELS and fences[0].may_contain(marker) and bool(info.strip()))
