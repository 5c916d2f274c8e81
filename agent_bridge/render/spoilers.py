"""Spoilers: ``||text||`` and ``||reason|text||`` (Matrix spec, "Spoiler messages")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline

#: A spoiler within one paragraph. The bars hug the text, so that ``a || b || c`` is none.
SPOILER = re.compile(
    r"(?<![\w|\\])\|\|(?![\s|])"
    r"(?:(?P<reason>[^|\n]{1,200})\|(?=[^\s|]))?"
    r"(?P<text>(?:\\.|(?!\|\||\n[ \t>]*\n)[^\\])+)(?<!\s)\|\|(?![\w|])",
    re.DOTALL,
)


def spoilers(parser: MarkdownIt) -> None:
    """Teach *parser* spoilers."""
    parser.inline.add_terminator_char("|")
    parser.inline.ruler.before("escape", "spoiler", _spoiler)


def _spoiler(state: StateInline, silent: bool) -> bool:  # noqa: FBT001
    if not state.src.startswith("||", state.pos):
        return False
    found = SPOILER.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        inside(state, "spoiler", "span", found.span("text"), {"data-mx-spoiler": (found["reason"] or "").strip()})
    state.pos = found.end()
    return True


def inside(
    state: StateInline, name: str, tag: str, span: tuple[int, int], attributes: dict[str, str | int | float]
) -> None:
    """Push the tokens of *span* of the source, as Markdown, between those that open and close the *tag*."""
    before = state.posMax
    state.push(f"{name}_open", tag, 1).attrs = attributes
    state.pos, state.posMax = span
    state.md.inline.tokenize(state)
    state.push(f"{name}_close", tag, -1)
    state.posMax = before
