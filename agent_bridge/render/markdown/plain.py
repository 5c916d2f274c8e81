"""Markdown as plain text, for clients that show no HTML."""

from __future__ import annotations

import re

from agent_bridge.render.markdown.html import MAX_MARKDOWN
from agent_bridge.render.syntax import maths
from agent_bridge.render.syntax.parser import parser
from agent_bridge.render.syntax.protect import protect
from agent_bridge.render.syntax.standins import (
    BLOCK,
    BLOCK_END,
    LESS,
    REASON,
    SPOILER,
    SPOILER_END,
    restore,
    without_standins,
)
from agent_bridge.render.syntax.tags import INLINE, SECTION, is_aside

#: Blank lines, tags and spoilers.
_MARK = re.compile(
    rf"(?P<blank>\n[ \t>]*(?=\n))"
    rf"|{LESS}(?:(?P<br>br)\s*/?|(?P<end>/?)(?P<tag>{'|'.join(INLINE)}))>(?P<break>(?=\n))?"
    rf"|(?P<spoiler>{SPOILER})(?:(?P<reason>[^{SPOILER_END}{REASON}]{{1,200}}){REASON})?"
    rf"|(?P<ends>{SPOILER_END})",
    re.IGNORECASE,
)
_BLANK_LINES = re.compile(r"\n{3,}")
_ENDS = re.compile(r"\A\n{2,}|\n{2,}\Z")
#: Open marks at most. Further marks stay text.
_MOST_OPEN = 30


def to_plain(markdown: str, *, live: bool = False) -> str:
    """Return *markdown* as text for clients without HTML: most Markdown stays as it is.

    Spoilers are hidden (Matrix spec, "Spoiler messages"). Tags are removed. Sections are shown below their summary; of
    sections with reasoning or tool calls only the summary is shown. With *live*, a spoiler may lack its end.
    """
    if len(markdown) > MAX_MARKDOWN or not ("<" in markdown or "||" in markdown):
        return markdown
    markdown = markdown.replace("\r\n", "\n")
    source, verbatim, sections = _parsed(markdown, live=live)
    text = _Plain()
    for number, line in enumerate(source.split("\n")):
        if number in sections:
            text.add_tags(line.partition(BLOCK)[2].partition(BLOCK_END)[0])
        else:
            text.add(line, verbatim=number in verbatim)
    return text.finish(live=live)


def _parsed(markdown: str, *, live: bool) -> tuple[str, set[int], set[int]]:
    """Return the text for the parser with all code restored, the numbers of lines of code, and of lines of sections."""
    source = protect(markdown, live=live).encode()
    pieces: list[str] = []
    verbatim, sections = set[int](), set[int]()
    done = line = 0
    for event, span in parser().events_with_range(source.decode(), merge_text=True):
        if isinstance(event, str):
            continue
        ((key, value),) = event.items()
        block = key == "Start" and (value == "HtmlBlock" or (isinstance(value, dict) and "CodeBlock" in value))
        if not block and key not in {"Code", "InlineHtml"}:
            continue
        written = source[span["start"] : span["end"]].decode()
        before = source[done : span["start"]].decode()
        line += before.count("\n")
        end = line + written.rstrip("\n").count("\n")
        done = span["end"]
        if block and value == "HtmlBlock" and not maths.is_formula(restore(written.strip())):
            sections.add(line)
            pieces += [before, written]
        else:
            verbatim |= set(range(line, end + 1)) if block else set()
            pieces += [before, without_standins(restore(written))]
        line += written.count("\n")
    return "".join([*pieces, source[done:].decode()]), verbatim, sections


class _Plain:
    """Collects the lines of a text."""

    def __init__(self) -> None:
        #: Successive lines, and whether they are verbatim.
        self._runs: list[tuple[bool, list[str]]] = []
        self._depth = 0
        #: Depth outside the section with reasoning, and whether its summary is still missing.
        self._outside: int | None = None
        self._summary_due = False

    def add(self, line: str, *, verbatim: bool) -> None:
        """Add a line, unless it is in a section with reasoning."""
        if self._outside is None:
            self._add(line, verbatim=verbatim)

    def _add(self, line: str, *, verbatim: bool = False) -> None:
        if not self._runs or self._runs[-1][0] is not verbatim:
            self._runs.append((verbatim, []))
        self._runs[-1][1].append(line)

    def add_tags(self, line: str) -> None:
        """Add a line with tags of sections: each text between them gets a line of its own."""
        at = 0
        for found in SECTION.finditer(line):
            self._add_piece(line[at : found.start()])
            at = found.end()
            if found["summary"] is not None:
                self._summary(found["summary"])
            elif found["open"]:
                self.add("", verbatim=False)
                self._depth += 1
                if is_aside(found) and self._outside is None:
                    self._outside, self._summary_due = self._depth - 1, True
            else:
                self._close()
        self._add_piece(line[at:])

    def _add_piece(self, text: str) -> None:
        if text.strip():
            self.add(text.strip(), verbatim=False)

    def _summary(self, text: str) -> None:
        if self._outside is None:
            self._add_piece(text)
        elif self._summary_due and text.strip():
            self._add(text.strip())
            self._summary_due = False

    def _close(self) -> None:
        self._depth = max(self._depth - 1, 0)
        if self._outside is not None and self._depth <= self._outside:
            self._outside = None
        self.add("", verbatim=False)

    def finish(self, *, live: bool) -> str:
        """Return the text."""
        runs = [
            "\n".join(lines) if verbatim else _readable("\n".join(lines), live=live and number == len(self._runs))
            for number, (verbatim, lines) in enumerate(self._runs, 1)
        ]
        return restore("\n".join(runs)).strip()


def _readable(source: str, *, live: bool) -> str:
    pieces: list[str] = []
    opened: list[tuple[str, int, str]] = []
    at = 0
    for found in _MARK.finditer(source):
        pieces.append(source[at : found.start()])
        at = found.end()
        _mark(found, pieces, opened)
    pieces.append(source[at:])
    if live and any(key == SPOILER for key, _, _ in opened):
        _closes(SPOILER, "", pieces, opened)
    return _ENDS.sub("\n", _BLANK_LINES.sub("\n\n", "".join(pieces)))


def _mark(found: re.Match[str], pieces: list[str], opened: list[tuple[str, int, str]]) -> None:
    """Add the text of a mark to *pieces*. *opened*: key, index of the piece, and text of each open mark."""
    key = SPOILER if found["spoiler"] or found["ends"] else (found["tag"] or "").lower()
    if found["blank"] is not None:
        opened.clear()
        pieces.append(found[0])
    elif found["br"]:
        pieces.append("" if found["break"] is not None else "\n")
    elif found["ends"] or found["end"]:
        _closes(key, found[0], pieces, opened)
    else:
        reason = restore(found["reason"] or "").strip()
        shown = (f"[Spoiler for {reason}]" if reason else "[Spoiler]") if key == SPOILER else "^" * (key == "sup")
        if len(opened) < _MOST_OPEN:
            opened.append((key, len(pieces), shown))
        pieces.append(found[0])


def _closes(key: str, written: str, pieces: list[str], opened: list[tuple[str, int, str]]) -> None:
    for at in range(len(opened) - 1, -1, -1):
        if opened[at][0] == key:
            _, place, shown = opened[at]
            pieces[place] = shown
            if key == SPOILER:
                del pieces[place + 1 :]
            del opened[at:]
            return
    pieces.append(written)
