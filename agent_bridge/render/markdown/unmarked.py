"""Markdown as text without marks: for notifications, and for lists of rooms with the last message."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from agent_bridge.render.markdown.html import MAX_MARKDOWN, to_html
from agent_bridge.render.markdown.plain import to_plain

_BLOCKS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "table", "ul", "ol", "details", "hr"}
)
_LINES = frozenset({"li", "tr", "summary"})
_BLANK_LINES = re.compile(r"\n{3,}")
_PILL = "https://matrix.to/"


def to_unmarked(markdown: str, *, live: bool = False) -> str:
    """Return *markdown* as text without Markdown: the text of its HTML, with a bullet or a number for each item.

    Spoilers, and sections with reasoning, are hidden as in :func:`to_plain`. The address of a link is behind its text.
    """
    plain = to_plain(markdown, live=live)
    if len(plain) > MAX_MARKDOWN:
        return plain
    reader = _Reader()
    reader.feed(to_html(plain, live=live))
    reader.close()
    return reader.text() or plain


class _Reader(HTMLParser):
    """Collects the text of sanitised HTML."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[str] = []
        #: The numbers of the next items of open lists; None: the list has no numbers.
        self._lists: list[int | None] = []
        self._address = ""
        self._link_start = 0
        self._verbatim = 0
        #: Cells of the row so far.
        self._cells = 0

    def text(self) -> str:
        """Return the text so far."""
        return _BLANK_LINES.sub("\n\n", "".join(self._pieces)).strip("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element."""
        values = {key: value or "" for key, value in attrs}
        if tag in {"ul", "ol"}:
            self._break("\n" if self._lists else "\n\n")
            start = values.get("start", "1")
            self._lists.append((int(start) if start.isdecimal() else 1) if tag == "ol" else None)
        elif tag == "li":
            self._item()
        elif tag in {"td", "th"}:
            self._pieces += ["\t"] if self._cells else []
            self._cells += 1
        elif tag == "br":
            self._break("\n")
        elif tag == "img":
            self._pieces.append(values.get("alt", ""))
        elif tag == "a":
            self._address, self._link_start = values.get("href", ""), len(self._pieces)
        elif tag in _BLOCKS or tag in _LINES:
            self._cells = 0
            self._open(tag)

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        if tag == "a":
            shown, address = "".join(self._pieces[self._link_start :]).strip(), self._address
            if address and address not in {shown, f"mailto:{shown}"} and not address.startswith(_PILL):
                self._pieces.append(f" ({address})")
            self._address = ""
        elif tag in {"ul", "ol"}:
            self._lists.pop()
            self._break("\n" if self._lists else "\n\n")
        elif tag in _BLOCKS:
            self._verbatim -= tag == "pre"
            self._break("\n" if self._lists else "\n\n")
        elif tag in _LINES:
            self._break("\n")

    def handle_data(self, data: str) -> None:
        """Add text. Line breaks outside code are between elements, and the elements bring their own."""
        if self._verbatim:
            self._pieces.append(data)
        elif text := data.replace("\n", " " if data.strip() else ""):
            fresh = not self._pieces or self._pieces[-1].endswith(("\n", " ", "\t"))
            self._pieces.append(text.lstrip(" ") if fresh and not text[:1].strip() else text)

    def _open(self, tag: str) -> None:
        self._verbatim += tag == "pre"
        # A paragraph that begins an item stays in the line of its bullet.
        if not (tag == "p" and self._pieces and self._pieces[-1].endswith((". ", "• "))):
            self._break("\n" if self._lists or tag in _LINES else "\n\n")

    def _item(self) -> None:
        self._break("\n")
        indent, number = "  " * (len(self._lists) - 1), self._lists[-1] if self._lists else None
        if number is None:
            self._pieces.append(f"{indent}• ")
        else:
            self._pieces.append(f"{indent}{number}. ")
            self._lists[-1] = number + 1

    def _break(self, lines: str) -> None:
        """Begin a new line, or a paragraph, unless the text is there already."""
        if not self._pieces:
            return
        end = "".join(self._pieces[-3:])
        missing = lines.count("\n") - (len(end) - len(end.rstrip("\n")))
        if missing > 0:
            self._pieces.append("\n" * missing)
