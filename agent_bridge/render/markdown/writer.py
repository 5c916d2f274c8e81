"""The HTML of the events of the parser."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from agent_bridge.render.markdown.inline import Inline
from agent_bridge.render.syntax import maths
from agent_bridge.render.syntax.footnotes import Body, Footnotes
from agent_bridge.render.syntax.parser import parser
from agent_bridge.render.syntax.protect import DEEPEST
from agent_bridge.render.syntax.standins import BLOCK, BLOCK_END, EDGE, html_of, restore
from agent_bridge.render.syntax.tags import SECTION

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable

    from pyromark.event import Event

#: Sections inside sections at most. Clients may ignore tags that are nested deeper than 100 (Matrix spec).
_DEEPEST_SECTION = 10
_HEAD_CELL, _CELL = ("<th>", "</th>\n"), ("<td>", "</td>\n")


def write(source: str) -> str:
    """Return the HTML of *source*, Markdown behind :func:`~agent_bridge.render.syntax.protect.protect`."""
    return _Writer().html(parser().events(source))


class _Writer:
    def __init__(self) -> None:
        self._footnotes = Footnotes()
        #: The text, and the open notes.
        self._bodies = [Body()]
        self._inline = Inline(self._bodies[0])
        #: End tags of the open containers; empty for a container that is nested too deep.
        self._containers: list[str] = []
        self._sections = 0
        #: Start and end tag of a cell, and whether the table has rows besides its head.
        self._cell, self._has_rows = _HEAD_CELL, False
        #: Lines of code or of a block of stand-ins.
        self._lines: list[str] = []
        self._code = ""
        self._on = self._inline.on | {"Html": self._lines.append}
        self._starts: dict[str, Callable[[Any], None]] = self._inline.starts | {
            "Paragraph": partial(self._begin, "<p>"),
            "Heading": lambda value: self._begin(f"<{value['level'].lower()}>"),
            "CodeBlock": self._start_code,
            "HtmlBlock": lambda _value: self._inline.finish(),
            "BlockQuote": partial(self._start_container, "<blockquote>\n", "</blockquote>\n"),
            "List": self._start_list,
            "Item": partial(self._start_container, "<li>", "</li>\n"),
            "Table": partial(self._begin, "<table>\n"),
            "TableHead": partial(self._begin, "<thead>\n<tr>\n"),
            "TableRow": self._start_row,
            "TableCell": lambda _value: self._inline.out.append(self._cell[0]),
            "FootnoteDefinition": self._start_note,
        }
        self._ends: dict[str, Callable[[Any], None]] = self._inline.ends | {
            "Paragraph": partial(self._finish, "</p>\n"),
            "Heading": lambda level: self._finish(f"</{level.lower()}>\n"),
            "CodeBlock": self._end_code,
            "HtmlBlock": self._end_block,
            "BlockQuote": self._end_container,
            "List": self._end_container,
            "Item": self._end_container,
            "Table": self._end_table,
            "TableHead": partial(self._finish, "</tr>\n</thead>\n"),
            "TableRow": partial(self._finish, "</tr>\n"),
            "TableCell": lambda _value: self._finish(self._cell[1]),
            "FootnoteDefinition": self._end_note,
        }

    def html(self, events: Iterable[Event]) -> str:
        """Return the HTML of a whole text."""
        self._write(events)
        notes = self._footnotes.finish(self._bodies[0])
        return "".join(self._bodies[0].pieces) + notes

    def _write(self, events: Iterable[Any]) -> None:
        # One loop without further calls: a long text has tens of thousands of events.
        on, tags, line_break = self._on, {"Start": self._starts, "End": self._ends}, self._inline.line_break
        for event in events:
            if event.__class__ is not dict:
                if event == "Rule":
                    self._begin("<hr>\n")
                else:
                    line_break()
                continue
            kind, value = event.popitem()
            if kind not in tags:
                on[kind](value)
            elif value.__class__ is str:
                tags[kind][value](None)
            else:
                name, value = value.popitem()
                tags[kind][name](value)

    def _begin(self, html: str, _value: Any = None, *, apart: bool = True) -> None:
        """Write the start of a block. With *apart*, it gets a line of its own behind the text of a list item."""
        inline = self._inline
        if inline.unfinished:
            inline.finish()
        out = inline.out
        if out and (out[-1] == "<li>" or (apart and out[-1][-1:] != "\n")):
            out.append("\n")
        out.append(html)

    def _finish(self, html: str, _value: Any = None) -> None:
        """Write the end of a block."""
        inline = self._inline
        if inline.unfinished:
            inline.finish()
        inline.out.append(html)

    def _start_container(self, begin: str, end: str, _value: Any = None) -> None:
        if len(self._containers) < DEEPEST:
            self._begin(begin)
            self._containers.append(end)
        else:
            # Each item is shown on a line without a mark.
            self._begin("<br>\n" if begin == "<li>" else "", apart=False)
            self._containers.append("")

    def _start_list(self, first: int | None) -> None:
        if first is None:
            self._start_container("<ul>\n", "</ul>\n")
        else:
            self._start_container("<ol>\n" if first == 1 else f'<ol start="{first}">\n', "</ol>\n")

    def _end_container(self, _value: Any) -> None:
        self._finish(self._containers.pop())

    def _start_row(self, _value: Any) -> None:
        self._inline.out.append("<tr>\n" if self._has_rows else "<tbody>\n<tr>\n")
        self._cell, self._has_rows = _CELL, True

    def _end_table(self, _value: Any) -> None:
        self._finish("</tbody>\n</table>\n" if self._has_rows else "</table>\n")
        self._cell, self._has_rows = _HEAD_CELL, False

    def _start_note(self, label: str) -> None:
        self._inline.finish()
        self._bodies.append(self._footnotes.note(label))
        self._inline.into(self._bodies[-1])

    def _end_note(self, _value: Any) -> None:
        self._inline.finish()
        self._bodies.pop()
        self._inline.into(self._bodies[-1])

    def _start_code(self, kind: Any) -> None:
        self._inline.finish()
        self._on["Text"] = self._lines.append
        info = [] if kind == "Indented" else restore(kind["Fenced"]).split(maxsplit=1)
        self._code = f'<pre><code class="language-{escape(info[0])}">' if info else "<pre><code>"

    def _end_code(self, _value: Any) -> None:
        self._on["Text"] = self._inline.on["Text"]
        self._begin(f"{self._code}{html_of(self._taken_lines())}</code></pre>\n", apart=False)

    def _taken_lines(self) -> str:
        text = "".join(self._lines)
        self._lines.clear()
        return text

    def _end_block(self, _value: Any) -> None:
        """Write a formula, or a line with tags of sections."""
        lines = self._taken_lines().strip()
        written = restore(lines)
        if maths.is_formula(written) and lines.endswith(BLOCK_END):
            self._begin(f"{maths.html(written, 'div')}\n", apart=False)
        else:
            self._section_line(lines.removeprefix(BLOCK).removesuffix(BLOCK_END))

    def _section_line(self, line: str) -> None:
        at = 0
        for found in SECTION.finditer(line):
            self._leaf("p", line[at : found.start()])
            at = found.end()
            if found["summary"] is not None:
                self._leaf("summary", found["summary"])
            else:
                self._section(found)
        self._leaf("p", line[at:])

    def _section(self, tag: re.Match[str]) -> None:
        """Write a tag of a section, except for an end without a start and for a section that is nested too deep."""
        self._sections += 1 if tag["open"] else 0
        if 0 < self._sections <= _DEEPEST_SECTION:
            self._begin("<details>\n" if tag["open"] else "</details>\n")
        if self._sections and not tag["open"]:
            self._sections -= 1

    def _leaf(self, tag: str, text: str) -> None:
        """Write the Markdown within one line as a block *tag*."""
        if text := text.strip():
            self._begin(f"<{tag}>")
            # A heading contains no other blocks. The edges keep signs at its beginning and end.
            events = parser().events(f"# {EDGE}{text}{EDGE}")
            self._write(event for event in events if not _is_of_heading(event))
            self._finish(f"</{tag}>\n")


def _is_of_heading(event: Any) -> bool:
    if event.__class__ is not dict:
        return False
    (tag,) = event.values()
    return tag.__class__ is dict and "Heading" in tag
