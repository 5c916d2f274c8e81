"""HTML reduced to the tags and attributes of the Matrix specification ("m.room.message msgtypes")."""

from __future__ import annotations

from functools import cache
from string import whitespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nh3 import Cleaner

#: The tags of the spec's list, without images: those could only be mxc:// ones.
TAGS = {
    "a", "b", "blockquote", "br", "caption", "code", "del", "details", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "i", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "th",
    "thead", "tr", "u", "ul",
}  # fmt: skip
#: The attributes of the spec's list that the renderer writes. Without the entry "*", nh3 allows "title" and "lang".
ATTRIBUTES: dict[str, set[str]] = {
    "*": set(),
    "a": {"href"},
    "code": {"class"},
    "div": {"data-mx-maths"},
    "ol": {"start"},
    "span": {"data-mx-maths", "data-mx-spoiler"},
}
#: The schemes of the spec's list that are safe to follow, and Matrix's own.
SCHEMES = {"https", "http", "mailto", "matrix"}
#: An HTML parser drops a byte order mark at the beginning, so the result must not begin with one.
_MARGINS = f"{whitespace}\ufeff"


def _attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "code" and name == "class":
        return value if value.startswith("language-") else None
    return value


def sanitise(html: str) -> str:
    """Return *html* with the spec's tags and attributes only, every tag closed, and links that lead outside."""
    # A block inside a paragraph ends the paragraph, and may leave it empty.
    return _cleaner().clean(html).replace("<p></p>", "").strip(_MARGINS)


@cache
def _cleaner() -> Cleaner:
    from nh3 import Cleaner

    return Cleaner(
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes=SCHEMES,
        url_relative="deny",  # relative to a client's own address it would be a link into that client
        link_rel=None,
    )
