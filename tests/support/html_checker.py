"""The HTML that the Matrix spec allows in a message, checked by another parser than the sanitiser's."""

from __future__ import annotations

import re
from html.parser import HTMLParser

#: Matrix spec 1.18, "m.room.message msgtypes": the tags that the bridge makes, and the attributes of each.
TAGS = {
    "del", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "p", "a", "ul", "ol", "sup", "sub", "li", "b", "i", "u",
    "strong", "em", "s", "code", "hr", "br", "div", "table", "thead", "tbody", "tr", "th", "td", "caption", "pre",
    "span", "details", "summary",
}  # fmt: skip
ATTRIBUTES = {
    "a": {"href"},
    "code": {"class"},
    "div": {"data-mx-maths"},
    "ol": {"start"},
    "span": {"data-mx-maths", "data-mx-spoiler"},
}
DEEPEST = 100
_VOID = {"br", "hr"}
_HREF = re.compile(r"(?:https?://[^/\s]|mailto:.|matrix:.)", re.IGNORECASE)


class Checker(HTMLParser):
    """Raises AssertionError at the first part that is not well-formed, or that the spec does not allow."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        assert set(names) <= ATTRIBUTES.get(tag, set()), (tag, attrs)
        values = dict(attrs)
        assert _HREF.match(values.get("href") or "https://x"), values
        assert (values.get("class") or "language-").startswith("language-"), values
        assert (values.get("start") or "1").isdigit(), values
        assert tag != "a" or "a" not in self._open
        if tag not in _VOID:
            self._open.append(tag)
            assert len(self._open) < DEEPEST

    def handle_endtag(self, tag: str) -> None:
        assert self._open, tag
        assert self._open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        raise AssertionError((tag, attrs))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)

    def close(self) -> None:
        super().close()
        assert not self._open, self._open


def check(html: str) -> None:
    """Raise AssertionError unless *html* is well-formed and of the spec's tags, attributes and schemes only."""
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert "\0" not in html
