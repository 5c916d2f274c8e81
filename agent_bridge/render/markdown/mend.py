r"""Incomplete constructs at the end of a growing text, completed.

===============================  ======================================
end of the text                  shown as
===============================  ======================================
``**bo``, ``a `co``, ``~~go``    closed
``||sec``, ``H<sub>2``, ``\(x``  closed
``[text](htt``                   ``text``
a mark without words             nothing
``| a | b``                      the head of a table
a row of a table                 the row with a completed last cell
===============================  ======================================
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_bridge.render.syntax import emphasis, maths
from agent_bridge.render.syntax.parser import parser
from agent_bridge.render.syntax.protect import protect
from agent_bridge.render.syntax.standins import BLOCK, restore

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyromark.event import Range

#: A last line that consists of a mark. The parser would read "text\n-" as a heading.
_MARK = re.compile(
    r"(?:[-+*=]{1,2}|#{1,6}|\d{1,3}[.)]|[-+*]?[ \t]*\[[ xX]?\]?|`{1,2}|~{1,2}|\$|\\\[?|<[/a-z]*)?[ \t]*",
    re.IGNORECASE,
)
_DELIMITERS = re.compile(r"[ \t|:-]*")
_CELL_END = re.compile(r"(?<!\\)\|")
_LAST_CELL = re.compile(r"(?<![\\|])\|(?!\|)(?P<cell>(?:\\.|\|\||[^\\|])*)\Z", re.DOTALL)
_HALF_FENCE = re.compile(r"\n[ \t>]*(?:`{1,2}|~{1,2})\Z")
_BLANK_LINE = re.compile(r"\n[ \t>]*\n[ \t>]*\Z")
#: Blocks that contain no other blocks.
_LEAVES = {"Paragraph", "Heading", "TableCell", "CodeBlock", "HtmlBlock"}


def mended(markdown: str) -> str:
    """Return the text for the parser: *markdown* with its last construct completed, and with stand-ins."""
    source, kind, line = _last_block(markdown)
    if kind == "CodeBlock":
        shorter = _HALF_FENCE.sub("", markdown)
        return source if shorter == markdown else protect(shorter, live=True)
    before, _, last = markdown.rpartition("\n")
    if kind == "Paragraph" and (head := _head_of_table(before, last)):
        return protect(head, live=True)
    if last.strip() and _MARK.fullmatch(last.lstrip(" \t>")):
        markdown = before
        source, kind, line = _last_block(markdown)
    if kind == "TableCell":
        return _with_end(source, markdown, markdown.count("\n"), _with_last_cell)
    if kind not in {"Paragraph", "Heading"} or _BLANK_LINE.search(markdown):
        return source
    return _with_end(source, markdown, line, mend_inline)


def _with_end(source: str, markdown: str, line: int, mend: Callable[[str], str]) -> str:
    """Return *source*, the text for the parser of *markdown*, with the lines from *line* on completed by *mend*."""
    lines = "\n".join(markdown.split("\n")[line:]).rstrip()
    end = mend(lines)
    if end.startswith(lines) and not end[len(lines) :].strip("*~`"):
        # Marks at the end need no stand-ins.
        return source.rstrip() + end[len(lines) :]
    return "\n".join([*source.split("\n")[:line], protect(end, live=True)])


def _last_block(markdown: str) -> tuple[str, str, int]:
    """Return the text for the parser, the kind of the last block by the names of the parser, and its first line.

    A formula counts as code, a line with tags of sections as a paragraph.
    """
    source = protect(markdown, live=True)
    kind = ""
    span: Range = {"start": 0, "end": 0}
    for event, at in parser().events_with_range(source, merge_text=True):
        if isinstance(event, str):
            kind = "" if event == "Rule" else kind
        elif "Start" in event:
            tag = event["Start"]
            name = tag if isinstance(tag, str) else next(iter(tag))
            if name in _LEAVES or name == "Item":
                kind, span = name, at
        elif kind == "Item" and "End" not in event:
            # The text of an item in a tight list is no paragraph for the parser.
            kind, span = "Paragraph", at
    encoded = source.encode()
    if kind == "HtmlBlock":
        block = encoded[span["start"] : span["end"]].decode().strip()
        kind = "CodeBlock" if maths.is_formula(restore(block.removeprefix(BLOCK))) else "Paragraph"
    return source, kind, encoded.count(b"\n", 0, span["start"])


def _head_of_table(before: str, last: str) -> str | None:
    """Return the text with a completed table if its last lines begin one, otherwise None."""
    above, _, head = before.rpartition("\n")
    if not head.strip() and last.startswith("|") and not last.startswith("||"):
        return f"{before}\n{_with_last_cell(last)}\n{_delimiters(last)}"
    if head.startswith("|") and _DELIMITERS.fullmatch(last) and not above.rpartition("\n")[2].strip():
        return f"{before}\n{_delimiters(head)}"
    return None


def _delimiters(head: str) -> str:
    cells = _CELL_END.split(head.strip().removeprefix("|").removesuffix("|"))
    return "|" + "---|" * len(cells)


def _with_last_cell(row: str) -> str:
    found = _LAST_CELL.search(row)
    return row if found is None else row[: found.start("cell")] + mend_inline(found["cell"])


#: Constructs that can be open at the end of a paragraph.
_PIECE = re.compile(
    r"(?P<skip>\\[^(\[]|!?\[\^?[^\[\]\n]*\]\([^()\s]*\)|<[a-z][a-z0-9+.-]{1,31}:[^\s<>]*>|https?://[^\s<>*]*)"
    r"|(?P<code>`+)"
    r"|(?P<maths>\$\$|\\\(|\\\[)"
    r"|(?P<both>\*\*|__|~~|\|\||\*|_)"
    r"|<(?P<end>/?)(?P<tag>sub|sup|u|kbd)>"
    r"|(?P<bracket>!?\[)",
    re.IGNORECASE,
)
_HALF_LINK = re.compile(
    r"\[(?P<label>[^\[\]()\n]{0,200}(?=\n?\Z)|[^\[\]\n]{0,200}(?=\]\([^()\s\[\]]*(?:\s+\"[^\"\n]*)?\n?\Z))"
)
_MATHS_END = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}
#: Marks at the end without words behind them.
_DANGLING = re.compile(
    r"(?:(?<!\s)\s+(?:\*{1,3}|_{1,3}|~{1,2}|`{1,2}|\|{1,2}|\${1,2}|!?\[|!)|<[/a-z]*|\\)$", re.IGNORECASE
)
#: Open marks at most. Further marks stay text.
_MOST_OPEN = 30


def mend_inline(text: str) -> str:
    """Return the Markdown of a paragraph with its open constructs closed."""
    opened: list[str] = []
    at = 0
    half_link = _HALF_LINK.match(text, max(text.rfind("["), 0))
    while found := _PIECE.search(text, at):
        at = found.end()
        if found["bracket"]:
            if half_link and found.end() == half_link.start() + 1:
                at, text = found.start(), text[: found.start()] + half_link["label"]
                half_link = None
        elif opener := found["code"] or found["maths"]:
            end = _MATHS_END.get(opener, opener)
            closing = _closing(text, at, opener, end)
            if closing < 0:
                return _close(_closed_verbatim(text, found, end), opened)
            at = closing
        elif found["tag"]:
            _toggle_tag(opened, found)
        elif mark := found["both"]:
            _toggle(opened, mark, text, found)
    return _close(_DANGLING.sub("", text), opened)


def _closing(text: str, at: int, opener: str, end: str) -> int:
    """Return the position behind the *end* of the construct that *opener* opens before *at*, -1 if it has no end."""
    if opener[0] != "`":
        found = text.find(end, at)
        return found + len(end) if found >= 0 else -1
    run = re.compile(rf"(?<!`){end}(?!`)").search(text, at)
    return run.end() if run else -1


def _closed_verbatim(text: str, found: re.Match[str], end: str) -> str:
    inside = text[found.end() :].rstrip().rstrip(end[0] if end[0] != "\\" else "\\")
    return text[: found.start()].rstrip() if not inside.strip() else text[: found.end()] + inside + end


def _toggle(opened: list[str], mark: str, text: str, found: re.Match[str]) -> None:
    before = text[found.start() - 1] if found.start() else " "
    behind = text[found.end()] if found.end() < len(text) else " "
    if mark in opened and not before.isspace():
        del opened[opened.index(mark) :]
    elif len(opened) < _MOST_OPEN and not behind.isspace() and emphasis.may_open(text, found.start(), found.end()):
        opened.append(mark)


def _toggle_tag(opened: list[str], found: re.Match[str]) -> None:
    end = f"</{found['tag'].lower()}>"
    if not found["end"] and len(opened) < _MOST_OPEN:
        opened.append(end)
    elif found["end"] and end in opened:
        del opened[opened.index(end) :]


def _close(text: str, opened: list[str]) -> str:
    if not opened:
        return text
    text = text.rstrip()
    closing = "".join(reversed(opened))
    # The text ends with the first half of the closing mark.
    half = closing[0]
    if half in "*_~|" and text.endswith(half) and not text.endswith(half * 2) and opened[-1] == half * 2:
        text = text[:-1].rstrip()
    return text + closing
