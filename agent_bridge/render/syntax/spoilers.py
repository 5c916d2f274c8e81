"""Spoilers: ``||text||`` and ``||reason|text||`` (Matrix spec, "Spoiler messages")."""

from __future__ import annotations

import re
from html import escape

from agent_bridge.render.syntax.parser import is_in_row
from agent_bridge.render.syntax.standins import REASON, SPOILER, SPOILER_END, hide

#: The beginning of a spoiler within one paragraph. No space stands inside the bars: ``a || b || c`` is not a spoiler.
_BEGINNING = (
    r"\|\|(?<![\w|\\]..)(?![\s|])"
    r"(?:(?P<reason>[^|\n]{1,200})\|(?=[^\s|]))?"
    r"(?P<text>(?:\\.|[^|\\\n]|\|(?!\|)|\n(?![ \t>]*\n))+)"
)
_SPOILER = re.compile(rf"{_BEGINNING}(?<!\s)\|\|(?![\w|])", re.DOTALL)
_WITHOUT_END = re.compile(rf"{_BEGINNING}\\?\Z", re.DOTALL)


def protect(text: str, *, live: bool = False) -> str:
    """Return *text* with marks in place of the bars of its spoilers.

    With *live*, *text* still grows, and a spoiler in its last paragraph may lack its end.
    """
    if "||" not in text:
        return text
    text = _SPOILER.sub(_marked, text)
    return _WITHOUT_END.sub(_marked_without_end, text) if live else text


def _marked(found: re.Match[str]) -> str:
    if _is_of_table(found):
        return found[0]
    reason = f"{hide(found['reason'])}{REASON}" if found["reason"] else ""
    end = SPOILER_END if found.re is _SPOILER else found.string[found.end("text") :]
    return f"{SPOILER}{reason}{found['text']}{end}"


def _marked_without_end(found: re.Match[str]) -> str:
    paragraph = found.string.rfind("\n\n", 0, found.start()) + 1
    in_code = found.string.count("`", paragraph, found.start()) % 2
    return found[0] if in_code else _marked(found)


def _is_of_table(found: re.Match[str]) -> bool:
    """Tell whether the bars are empty cells: a spoiler in a row of a table has spaces around it."""
    text, start, end = found.string, found.start(), found.end()
    alone = text[start - 1 : start].isspace() and (end == len(text) or text[end].isspace())
    return not (alone and "\n" not in found[0]) and is_in_row(text, start)


def opening(reason: str) -> str:
    """Return the start tag of a spoiler."""
    return f'<span data-mx-spoiler="{escape(reason)}">'
