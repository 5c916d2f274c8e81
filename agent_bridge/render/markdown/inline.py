"""The HTML of text, emphasis, links and marks inside a paragraph."""

from __future__ import annotations

import re
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from agent_bridge.render.syntax import links, maths, spoilers
from agent_bridge.render.syntax.standins import (
    LESS,
    MATHS,
    MATHS_END,
    REASON,
    SPOILER,
    SPOILER_END,
    URL,
    URL_END,
    html_of,
    restore,
)
from agent_bridge.render.syntax.tags import IGNORED, INLINE, address_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_bridge.render.syntax.footnotes import Body

#: Tags inside each other at most. Clients may ignore tags that are nested deeper than 100 (Matrix spec).
_DEEPEST = 30
_MARK = re.compile(
    rf"{LESS}(?:(?P<br>[bh]r)\s*/?|(?P<comment>!--(?:(?!-->)[^{LESS}])*--)"
    rf"|(?P<end>/?)(?P<tag>a|{'|'.join((*INLINE, *IGNORED))})(?P<attributes>\s[^>{LESS}]*)?)>"
    rf"|(?P<spoiler>{SPOILER})(?:(?P<reason>[^{SPOILER_END}{REASON}]{{1,200}}){REASON})?"
    rf"|(?P<ends>{SPOILER_END})"
    rf"|{MATHS}(?P<maths>[^{MATHS_END}]*)(?P<whole>{MATHS_END})?"
    rf"|{URL}(?P<url>[^{URL_END}]*){URL_END}",
    re.IGNORECASE,
)
_BREAK = "<br>\n"


class Inline:
    """Writes the HTML of the events inside paragraphs to *body*.

    The two marks of a spoiler or a tag are a pair only inside the same element of the parser. The first mark is written
    as text, and replaced by a tag when the second one follows.
    """

    def __init__(self, body: Body) -> None:
        self.into(body)
        #: Handlers of events, and of the starts and ends of elements, by the names of the parser.
        self.on: dict[str, Callable[[Any], None]] = {
            "Text": self._text,
            "Code": self._code,
            "InlineHtml": self._html,
            "FootnoteReference": self._reference,
            "TaskListMarker": self._box,
        }
        self.starts: dict[str, Callable[[Any], None]] = {
            "Strong": partial(self._start, "strong"),
            "Emphasis": partial(self._start, "em"),
            "Strikethrough": partial(self._start, "s"),
            "Link": self._start_link,
            "Image": self._start_image,
        }
        self.ends: dict[str, Callable[[Any], None]] = dict.fromkeys(self.starts, self._end)
        self._reset()

    def into(self, body: Body) -> None:
        """Continue in *body*."""
        self.body, self.out = body, body.pieces

    def _reset(self) -> None:
        #: Whether the paragraph has marks or elements that :meth:`finish` has to end.
        self.unfinished = False
        #: Open marks and elements, innermost last: key, index of the piece, HTML. Elements of the parser have no key.
        self._open: list[tuple[str, int, str]] = []
        #: End tags of the open elements of the parser.
        self._ends: list[str] = []
        self._linked = False
        #: Index of the first piece of the open link's text, and the link's address.
        self._link: tuple[int, str] | None = None
        #: Text of the open image, and LaTeX of the open formula.
        self._alt: list[str] | None = None
        self._tex: list[str] | None = None
        #: Open elements inside the image.
        self._inside_image = 0

    def finish(self) -> None:
        """End the paragraph."""
        if self._tex is not None:
            self._end_formula()
        self._reset()

    def line_break(self) -> None:
        """Write a line break: agents expect one at the end of each line."""
        if self._alt is not None:
            self._alt.append(" ")
        elif self._tex is not None:
            self._tex.append("\n")
        else:
            self.out.append(_BREAK)

    def _start(self, tag: str, _value: Any) -> None:
        shown = len(self._open) < _DEEPEST
        self._element(f"<{tag}>" if shown else "", f"</{tag}>" if shown else "")

    def _start_link(self, value: Any) -> None:
        address = restore(value["dest_url"])
        address = f"mailto:{address}" if value["link_type"] == "Email" else address
        if self._linked or not links.leads_outside(address):
            self._element("", "")
        else:
            self._element(links.link(address), "</a>")
            self._linked = self._alt is None
            self._link = (len(self.out), address) if self._linked else None

    def _start_image(self, value: Any) -> None:
        self._element("", restore(value["dest_url"]))
        if self._alt is None:
            self._alt = []

    def _element(self, begin: str, end: str) -> None:
        """Start an element of the parser."""
        if self._tex is not None:
            self._end_formula()
        if self._alt is not None:
            self._inside_image += 1
        else:
            self.unfinished = True
            self._open.append(("", 0, ""))
            self._ends.append(end)
            self.out.append(begin)

    def _end(self, _value: Any) -> None:
        """End the innermost element of the parser."""
        if self._tex is not None:
            self._end_formula()
        if self._inside_image:
            self._inside_image -= 1
            return
        end = self._ends.pop()
        while self._open.pop()[0]:
            pass
        self.unfinished = bool(self._open)
        if self._alt is not None:
            alt, self._alt = "".join(self._alt).strip(), None
            self._image(alt, end)
            return
        self.out.append(end)
        if end == "</a>" and self._link is not None:
            start, address = self._link
            self._linked, self._link = False, None
            if host := links.other_host("".join(self.out[start:]), address):
                # The text of the link pretends to be another address.
                self._literal(f" ({host})")

    def _text(self, text: str) -> None:
        if text.isascii() and self._tex is None and self._alt is None:
            # Most texts: no stand-ins, and no characters to escape, for which a search is cheaper.
            self.out.append(escape(text, quote=False) if "&" in text or "<" in text or ">" in text else text)
        elif self._alt is not None:
            self._alt.append(restore(text))
        else:
            self._marked(text)

    def _literal(self, text: str) -> None:
        self.out.append(html_of(text))

    def _marked(self, text: str) -> None:
        """Write text that may contain marks."""
        if self._tex is not None:
            tex, ends, text = text.partition(MATHS_END)
            self._tex.append(tex)
            if not ends:
                return
            self._formula("".join(self._tex))
            self._tex = None
        at = 0
        for found in _MARK.finditer(text):
            if found.start() > at:
                self._literal(text[at : found.start()])
            at = found.end()
            self._mark(found)
        if at < len(text):
            self._literal(text[at:])

    def _mark(self, found: re.Match[str]) -> None:
        if found["url"] is not None:
            self.out.append(html_of(found["url"]) if self._linked else links.bare(restore(found["url"])))
        elif found["whole"]:
            self._formula(found["maths"])
        elif found["spoiler"]:
            self._opens(SPOILER, spoilers.opening(restore(found["reason"] or "").strip()), found[0])
        elif found["ends"]:
            self._closes(SPOILER, "</span>", found[0])
        elif found["br"]:
            self.out.append(_BREAK if found["br"].lower() == "br" else "<hr>")
        elif found["comment"]:
            pass
        elif found["tag"]:
            self._tag(found)
        else:
            self._tex, self.unfinished = [found["maths"]], True

    def _tag(self, found: re.Match[str]) -> None:
        tag = found["tag"].lower()
        if tag in IGNORED:
            begin = end = ""
        elif tag == "a":
            address = address_of(restore(found["attributes"] or ""))
            begin, end = (links.link(address), "</a>") if links.leads_outside(address) else ("", "")
        else:
            begin, end = f"<{INLINE[tag]}>", f"</{INLINE[tag]}>"
        if found["end"]:
            self._closes(tag, "</a>" if tag == "a" else end, found[0])
        else:
            self._opens(tag, begin, found[0])

    def _opens(self, key: str, html: str, written: str) -> None:
        if len(self._open) < _DEEPEST:
            self._open.append((key, len(self.out), html))
            self.unfinished = True
        self._literal(written)

    def _closes(self, key: str, html: str, written: str) -> None:
        for at in range(len(self._open) - 1, -1, -1):
            opened, place, begin = self._open[at]
            if opened == key:
                self.out[place] = begin
                self.out.append(html)
                del self._open[at:]
                return
            if not opened:
                break
        self._literal(written)

    def _formula(self, hidden: str) -> None:
        self.out.append(maths.html(restore(hidden), "span"))

    def _end_formula(self) -> None:
        """Write the formula as text: its end is missing."""
        self.out.append(html_of("".join(self._tex or ())).replace("\n", _BREAK))
        self._tex = None

    def _code(self, code: str) -> None:
        if self._tex is not None:
            self._end_formula()
        if self._alt is not None:
            self._alt.append(restore(code))
        else:
            self.out.append(f"<code>{html_of(code)}</code>")

    def _html(self, html: str) -> None:
        # A block of stand-ins that continues a paragraph.
        written = restore(html)
        if self._alt is not None:
            self._alt.append(written)
        elif maths.is_formula(written):
            self.out.append(maths.html(written, "span"))
        else:
            self._literal(html)

    def _reference(self, label: str) -> None:
        if self._alt is None:
            self.body.references.append((len(self.out), label))
            self.out.append("")

    def _box(self, ticked: bool) -> None:  # noqa: FBT001
        # The spec does not allow <input>.
        # The variation selector keeps ☑ from becoming an emoji beside a plain ☐.
        self.out.append("☑\ufe0e " if ticked else "☐ ")

    def _image(self, alt: str, source: str) -> None:
        # Clients show mxc:// images only. Other images would reveal the address of the reader.
        outside = links.leads_outside(source)
        shown = escape(alt or (source if outside else "image"), quote=False)
        if self._linked or not outside:
            self.out.append(shown)
            return
        self.out.append(f"{links.link(source)}{shown}</a>")
        if host := links.other_host(shown, source):
            self._literal(f" ({host})")
