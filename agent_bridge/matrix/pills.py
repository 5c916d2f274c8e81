"""Mentions in the HTML of a message: links to users (spec, "User and room mentions", "URIs"), shown as pills."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: A link to a user, also as a URI, and its text. The search takes time in proportion to the HTML, also to a broken one.
_PILL = re.compile(
    r"""\bhref=["'](?:https://matrix\.to/#/(?:@|%40)|matrix:u/)(?P<user>[^"'?/<>]+)[^"'<>]{0,200}["'][^<>]{0,200}>"""
    r"(?:(?P<name>.{0,500}?)</a>)?",
    re.DOTALL,
)
_TAG = re.compile(r"<[^<>]*>")
#: The end of the quotation that old clients put before a reply.
_FALLBACK_END = "</mx-reply>"
#: The begin or the end of a quotation that a person chose.
_QUOTATION = re.compile(r"<(?P<end>/?)blockquote\b[^<>]*>", re.IGNORECASE)
#: The text behind a user id: the id is no part of a longer one.
_BEHIND_ID = r"(?![\w=/+-]|[.:]\w)"
#: Characters of a name at most. A longer text is no name.
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Pill:
    """The mention of a user.

    Attributes:
        user: the Matrix id.
        name: the text that the client shows; empty if it shows none.
    """

    user: str
    name: str


def pills(content: Mapping[str, Any], *, in_quotations: bool = True) -> Iterator[Pill]:
    """Yield the mentions in the HTML of the message *content*, without those of the message that it replies to.

    *in_quotations*: also those in quotations, in which others speak.
    """
    html = content.get("formatted_body")
    if isinstance(html, str):
        said = html.rpartition(_FALLBACK_END)[2]
        for found in _PILL.finditer(said if in_quotations else _unquoted(said)):
            name = unescape(_TAG.sub("", found["name"] or ""))
            yield Pill(f"@{unquote(found['user'])}", " ".join(name.split()))


def with_names(body: str, content: Mapping[str, Any]) -> str:
    """Return *body*, the text of the message *content*, with names in place of the user ids of its mentions.

    Some clients write the id into the text of a message, and the name only into its HTML.
    """
    names = {pill.user: pill.name for pill in pills(content) if 0 < len(pill.name) <= _LONGEST and pill.user in body}
    if not names:
        return body
    # One pass: a name that has the id of another user in it stays as it is.
    ids = "|".join(map(re.escape, names))
    return re.sub(f"(?:{ids}){_BEHIND_ID}", lambda found: names[found[0]], body)


def with_ids(body: str, content: Mapping[str, Any]) -> str:
    """Return *body*, the text of the message *content*, with user ids in place of the names of its mentions.

    A name may have several words, and two users may have the same one.
    """
    for pill in pills(content):
        if pill.name:
            body = body.replace(pill.name, pill.user, 1)
    return body


def _unquoted(html: str) -> str:
    """Return *html* without its quotations."""
    depth = begin = 0
    kept: list[str] = []
    for tag in _QUOTATION.finditer(html):
        if depth == 0:
            kept.append(html[begin : tag.start()])
        depth = max(depth - 1, 0) if tag["end"] else depth + 1
        begin = tag.end()
    return "".join(kept) + (html[begin:] if depth == 0 else "")
