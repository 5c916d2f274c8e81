"""Spoilers: ``||text||`` and ``||reason|text||`` (Matrix spec, "Spoiler messages")."""

from __future__ import annotations

import re
from html import escape

from agent_bridge.render.parser import is_in_row
from agent_bridge.render.standins import REASON, SPOILER, SPOILER_END, hide

#: A spoiler within one paragraph. No space stands inside the bars, so ``a || b || c`` is not a spoiler.
_SPOILER = re.compile(
    r"\|\|(?<![\w|\\]..)(?![\s|])"
    r"(?:(?P<reason>[^|\n]{1,200})\|(?=[^\s|]))?"
    r"(?P<text>(?:\\.|[^|\\\n]|\|(?!\|)|\n(?![ \t>]*\n))+)(?<!\s)\|\|(?![\w|])",
    re.DOTALL,
)


def protect(text: str) -> str:
    """Return *text* with marks in place of the bars of its spoilers."""
    return _SPOILER.sub(_marked, text) if "||" in text else text


def _marked(found: re.Match[str]) -> str:
    if _is_of_table(found):
        return found[0]
    reason = f"{hide(found['reason'])}{REASON}" if found["reason"] else ""
    return f"{SPOILER}{reason}{found['text']}{SPOILER_END}"


def _is_of_table(found: re.Match[str]) -> bool:
    """Tell whether the bars are empty cells: a spoiler in a row of a table has spaces around it."""
    text, start, end = found.string, found.start(), found.end()
    alone = text[start - 1 : start].isspace() and (end == len(text) or text[end].isspace())
    return not (alone and "\n" not in found[0]) and is_in_row(text, start)


def opening(reason: str) -> str:
    """Return the start tag of a spoiler."""
    return f'<span data-mx-spoiler="{escape(reason)}">'
