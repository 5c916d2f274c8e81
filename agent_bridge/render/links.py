"""Links: those that lead outside stay, of all others the text does; an image becomes a link."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from linkify_it import LinkifyIt  # type: ignore[import-untyped]
from markdown_it.rules_inline import linkify
from markdown_it.token import Token

from agent_bridge.render.sanitise import SCHEMES

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline

#: Inline tags inside each other at most; the spec lets clients ignore what is nested deeper than 100 tags in all.
_DEEPEST = 30
_OUTSIDE = re.compile(rf"(?:https?://[^/\s]|(?:{'|'.join(sorted(SCHEMES - {'http', 'https'}))}):.)", re.IGNORECASE)
_HOST = re.compile(r"(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}(?::\d{1,5})?(?:[/?#][^\s<>\"'`|*]*)?", re.IGNORECASE)
_TRAILING = ".,:;!?)"
#: What the end of a text must be for a colon to go on with a link.
_SCHEME = re.compile(r"[a-z][a-z0-9.+-]*$", re.IGNORECASE)
_LONGEST_SCHEME = 32


def links(parser: MarkdownIt) -> None:
    """Let *parser* recognise web addresses in text, and keep links only that lead outside.

    A name as ``README.md`` or ``foo.py`` is no address: it takes a scheme or ``www.`` to be one.
    """
    finder = LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    for scheme in ("ftp:", "//"):
        finder.add(scheme, None)
    finder.add("www.", {"validate": _host_length, "normalize": _with_scheme})
    parser.linkify = finder
    parser.options["linkify"] = True
    parser.inline.ruler.at("linkify", _linkify)
    # What the parser refuses it shows as Markdown; a reader is better served with the words of the link.
    parser.validateLink = _any_link  # type: ignore[assignment, method-assign]
    parser.inline.ruler2.push("links", _lead_outside)


def _linkify(state: StateInline, silent: bool) -> bool:  # noqa: FBT001
    # The rule searches all that stands before a colon: of a text of colons, again and again.
    return _SCHEME.search(state.pending[-_LONGEST_SCHEME:]) is not None and linkify(state, silent)


def _any_link(_url: str) -> bool:
    return True


def _host_length(_finder: LinkifyIt, text: str, at: int) -> int:
    found = _HOST.match(text, at)
    return len(found[0].rstrip(_TRAILING)) if found else 0


def _with_scheme(_finder: LinkifyIt, match: Any) -> None:
    match.url = f"https://{match.url}"


def _lead_outside(state: StateInline) -> None:
    """Hide the tags that a client could not follow or show."""
    shown: list[Token] = []
    hidden: list[bool] = []
    for token in state.tokens:
        if token.type == "image":
            shown += _image(token, linked=not all(hidden))
            continue
        if token.type == "link_open":
            hidden.append(not _OUTSIDE.match(str(token.attrs["href"])))
            token.attrs.pop("title", None)
            token.hidden = hidden[-1]
        elif token.type == "link_close":
            token.hidden = hidden.pop()
        if token.nesting and token.level >= _DEEPEST:
            token.hidden = True
        shown.append(token)
    state.tokens[:] = shown


def _image(image: Token, *, linked: bool) -> list[Token]:
    # Clients show mxc:// images only, and none may be fetched from a person's client behind their back.
    source = str(image.attrs.get("src", ""))
    outside = _OUTSIDE.match(source) is not None
    text = Token("text", "", 0, content=image.content.strip() or (source if outside else "image"), level=image.level)
    if linked or not outside:
        return [text]
    return [
        Token("link_open", "a", 1, attrs={"href": source}, level=image.level),
        text,
        Token("link_close", "a", -1, level=image.level),
    ]
