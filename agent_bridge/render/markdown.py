"""Markdown as the HTML that the Matrix spec allows ("m.room.message msgtypes")."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

import nh3
from markdown_it import MarkdownIt
from mdit_py_plugins.tasklists import tasklists_plugin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token

#: The tags of the spec's list, without images: those could only be mxc:// ones.
TAGS = {
    "a", "b", "blockquote", "br", "caption", "code", "del", "details", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "i", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "th",
    "thead", "tr", "u", "ul",
}  # fmt: skip
#: Without the entry for any tag, nh3 lets "title" and "lang" through.
_ATTRIBUTES: dict[str, set[str]] = {"*": set(), "a": {"href"}, "ol": {"start"}, "code": {"class"}}
#: Of the spec's list, what a person may follow without surprise, and Matrix's own links.
_SCHEMES = {"https", "http", "mailto", "matrix"}


def _attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "code" and name == "class":
        return value if value.startswith("language-") else None
    return value


@cache
def _parser() -> MarkdownIt:
    # Raw HTML is shown as text: an agent speaks Markdown, and half an HTML tag while streaming would flicker.
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})
    parser.enable(["table", "strikethrough"]).use(tasklists_plugin)
    parser.add_render_rule("image", _image_as_link)
    return parser


def _image_as_link(_self: RendererHTML, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    # Clients show mxc:// images only, and none may be fetched from a person's client behind their back.
    source = str(tokens[at].attrs.get("src", ""))
    return f'<a href="{escape(source)}">{escape(tokens[at].content or source)}</a>'


def to_html(markdown: str) -> str:
    """Return *markdown* as sanitised HTML: the spec's tags and attributes, and links that lead outside."""
    return nh3.clean(
        _tick_boxes(_parser().render(markdown)),
        tags=TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes=_SCHEMES,
        url_relative="deny",  # relative to a client's own address it would be a link into that client
        link_rel=None,
    ).strip()


def _tick_boxes(html: str) -> str:
    # The spec has no <input>; a task list reads as well with characters.
    checked = '<input class="task-list-item-checkbox" checked="checked" disabled="disabled" type="checkbox">'
    empty = '<input class="task-list-item-checkbox" disabled="disabled" type="checkbox">'
    return html.replace(checked, "☑").replace(empty, "☐")


def is_plain(markdown: str, html: str) -> bool:
    """Tell whether *html* says no more than *markdown* itself, or nothing at all, so that the plain text suffices."""
    return html in {"", f"<p>{escape(markdown, quote=False)}</p>"}
