"""Markdown as the HTML that the Matrix spec allows ("m.room.message msgtypes")."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

from agent_bridge.render.footnotes import footnotes
from agent_bridge.render.links import links
from agent_bridge.render.maths import maths
from agent_bridge.render.mend import mend, mend_inline
from agent_bridge.render.sanitise import sanitise
from agent_bridge.render.spoilers import spoilers
from agent_bridge.render.tags import balance_sections, tags

if TYPE_CHECKING:
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

#: Characters of Markdown that are rendered; longer texts fit no event, and are shown as they are.
MAX_MARKDOWN = 200_000

#: Characters that are rendered, and remembered, at a time: so that of a growing answer only the end is rendered anew.
_WINDOW = 2_000
#: Windows that are remembered.
_WINDOWS = 512
#: Block tags inside each other at most; the spec lets clients ignore what is nested deeper than 100 tags in all.
_DEEPEST = 30
_BOX = re.compile(r"\[([ xX])\](?=\s)")


def to_html(markdown: str, *, live: bool = False) -> str:
    """Return *markdown* as sanitised HTML: the spec's tags and attributes, and links that lead outside.

    With *live*, *markdown* is still growing: what is half-open at its end is shown as what it is going to be.
    """
    if len(markdown) > MAX_MARKDOWN:
        return f"<p>{escape(markdown, quote=False)}</p>"
    rest = markdown.replace("\r\n", "\n")
    # A link or a note may be defined anywhere: such a text is rendered as a whole.
    size = len(rest) if "]:" in rest else _WINDOW
    pieces: list[str] = []
    while len(rest) > size:
        end = rest.find("\n", size) + 1 or len(rest)
        html, taken = _closed_blocks(rest[:end])
        if not taken:
            size *= 2
            continue
        pieces.append(html)
        rest, size = rest[taken:], _WINDOW
    pieces.append(_rendered(rest, live=live))
    return sanitise(balance_sections("".join(pieces)))


def forget() -> None:
    """Forget what was rendered: the next rendering costs what the first did."""
    _closed_blocks.cache_clear()


def is_plain(text: str, html: str) -> bool:
    """Tell whether *html* says no more than *text* itself, or nothing at all, so that the plain text suffices."""
    return html in {"", f"<p>{escape(text, quote=False)}</p>"}


def blocks(markdown: str, *, live: bool = False) -> list[Token]:
    """Return the tokens of the blocks of *markdown* (markdown-it's, with the extensions of this package)."""
    return parser().block.parse(markdown, parser(), {"live": live}, []) or []


@cache
def parser() -> MarkdownIt:
    """Return the parser of what agents write."""
    md = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": _DEEPEST + 4})
    md.enable(["table", "strikethrough", "linkify"])
    for extension in (maths, spoilers, tags, links, footnotes):
        extension(md)
    md.block.ruler.before("table", "too_deep", _too_deep)
    md.core.ruler.before("inline", "half_open", _mend_end)
    md.core.ruler.after("inline", "boxes", _boxes)
    return md


@lru_cache(_WINDOWS)
def _closed_blocks(window: str) -> tuple[str, int]:
    """Return the HTML of the blocks that no text behind *window* can change, and how much of it they are."""
    md, env = parser(), dict[str, Any]()
    lines = window.split("\n")
    tokens = md.parse(window, env)
    for at in range(len(tokens) - 1, 0, -1):
        token = tokens[at]
        if token.level == 0 and token.map and token.nesting >= 0 and not lines[token.map[0] - 1].strip():
            taken = sum(len(line) + 1 for line in lines[: token.map[0]])
            return str(md.renderer.render(tokens[:at], md.options, env)), taken
    return "", 0


def _rendered(markdown: str, *, live: bool) -> str:
    if not live:
        return str(parser().render(markdown))
    return str(parser().render(mend(markdown, blocks(markdown, live=True)), {"live": True}))


def _too_deep(state: StateBlock, first: int, beyond: int, silent: bool) -> bool:  # noqa: FBT001
    """Take what is nested too deep for text: the parser would leave it out."""
    if silent or state.level < _DEEPEST:
        return False
    state.push("paragraph_open", "p", 1)
    inline = state.push("inline", "", 0)
    inline.content, inline.children = state.getLines(first, beyond, state.blkIndent, keepLastLF=False).strip(), []
    state.push("paragraph_close", "p", -1)
    state.line = beyond
    return True


def _mend_end(state: StateCore) -> None:
    if not state.env.get("live"):
        return
    for token in reversed(state.tokens):
        if token.content and token.type == "inline":
            token.content = mend_inline(token.content)
            return
        # The row of a table that ends early has empty cells behind its last one.
        if token.nesting >= 0 and token.type not in {"inline", "td_open"}:
            return


def _boxes(state: StateCore) -> None:
    # The spec has no <input>; a task list reads as well with characters.
    for at in range(2, len(state.tokens)):
        token = state.tokens[at]
        if token.type == "inline" and state.tokens[at - 2].type == "list_item_open" and _BOX.match(token.content):
            first = (token.children or [])[0]
            first.content = _BOX.sub(lambda box: "☐" if box[1] == " " else "☑", first.content, count=1)
