"""Markdown as the HTML that the Matrix spec allows ("m.room.message msgtypes")."""

from __future__ import annotations

from html import escape

from agent_bridge.render.markdown.mend import mended
from agent_bridge.render.markdown.writer import write
from agent_bridge.render.sanitise import sanitise
from agent_bridge.render.syntax import fences, lists
from agent_bridge.render.syntax.protect import protect

#: Characters of Markdown at most. A longer text does not fit an event, and is shown without rendering.
MAX_MARKDOWN = 200_000


def to_html(markdown: str, *, live: bool = False) -> str:
    """Return *markdown* as sanitised HTML: tags and attributes of the spec, and links to the outside.

    With *live*, *markdown* still grows: incomplete constructs at its end are completed. The time is linear in the
    length of *markdown*.
    """
    if len(markdown) > MAX_MARKDOWN:
        return f"<p>{escape(markdown, quote=False)}</p>"
    markdown = lists.nested(fences.regular(markdown.replace("\r\n", "\n")))
    return sanitise(write(mended(markdown) if live else protect(markdown)))


def is_plain(text: str, html: str) -> bool:
    """Tell whether *html* adds nothing to *text*, so that the plain text suffices."""
    return html in {"", f"<p>{escape(text, quote=False)}</p>"}
