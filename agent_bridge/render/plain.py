"""Markdown as plain text, for clients that show no HTML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_bridge.render.markdown import MAX_MARKDOWN, blocks
from agent_bridge.render.mend import mend_inline
from agent_bridge.render.spoilers import SPOILER
from agent_bridge.render.tags import SECTION, TAG

if TYPE_CHECKING:
    from markdown_it.token import Token

_VERBATIM = {"fence", "code_block", "maths_block"}
#: What has to be known by a reader, or hidden from them; escapes and code spans come first, for they are left alone.
_MARK = re.compile(
    r"(?P<kept>\\[\\`|<]|(?<!`)(?P<ticks>`+)(?!`).{1,2000}?(?<!`)(?P=ticks)(?!`))"
    rf"|(?P<spoiler>{SPOILER.pattern})"
    rf"|(?P<section>\n?[ \t]*(?:{SECTION.pattern})[ \t]*(?P<gap>\n*))"
    rf"|(?:{TAG.pattern})",
    re.IGNORECASE | re.DOTALL,
)
_BLANK_LINES = re.compile(r"\n{3,}")
_ENDS = re.compile(r"\A\n{2,}|\n{2,}\Z")


def to_plain(markdown: str, *, live: bool = False) -> str:
    """Return *markdown* readable by itself: it mostly is, and stays.

    Spoilers are hidden as in the Matrix spec ("Spoiler messages"), sections that fold stand open under their summary,
    but for those of class "aside" (what an agent thought): these are their summary alone. HTML tags do not show.
    With *live*, a spoiler that has no end yet is one all the same.
    """
    if len(markdown) > MAX_MARKDOWN or not ("<" in markdown or "||" in markdown):
        return markdown
    tokens = blocks(markdown)
    if live and tokens and tokens[-1].type not in _VERBATIM:
        markdown = _with_spoiler_ended(markdown)
    verbatim = {line for token in tokens if token.type in _VERBATIM and token.map for line in range(*token.map)}
    aside = _aside(tokens)
    runs: list[tuple[bool, list[str]]] = []
    for number, line in enumerate(markdown.splitlines()):
        if number in aside:
            continue
        kept = number in verbatim
        if not runs or runs[-1][0] is not kept:
            runs.append((kept, []))
        runs[-1][1].append(line)
    return "\n".join("\n".join(lines) if kept else _readable("\n".join(lines)) for kept, lines in runs).strip()


def _with_spoiler_ended(markdown: str) -> str:
    paragraph = markdown.rpartition("\n\n")[2]
    open_at_the_end = mend_inline(paragraph).endswith("||") and not paragraph.rstrip().endswith("||")
    return f"{markdown.rstrip().removesuffix('|')}||" if open_at_the_end else markdown


def _aside(tokens: list[Token]) -> set[int]:
    """Return the numbers of the lines inside the sections that are beside the message, without their summaries."""
    hidden: set[int] = set()
    depth, since = 0, None
    for token in tokens:
        if token.map is None:
            continue
        if token.type == "section_open":
            depth += 1
            if token.info == "aside" and since is None:
                since, outside, first = token.map[0] + 1, depth - 1, token.map[0]
        elif token.type == "section_close":
            depth -= 1
            if since is not None and depth <= outside:
                hidden.update(range(since, token.map[0]))
                since = None
        elif token.type == "summary_open" and since is not None and first is not None:
            hidden.update(range(since, token.map[0]))
            since, first = token.map[1], None
    if since is not None:
        hidden.update(range(since, max((token.map[1] for token in tokens if token.map), default=0)))
    return hidden


def _readable(text: str) -> str:
    return _ENDS.sub("\n", _BLANK_LINES.sub("\n\n", _MARK.sub(_shown, text)))


def _shown(found: re.Match[str]) -> str:
    if found["kept"]:
        return found[0]
    if found["spoiler"]:
        reason = (found["reason"] or "").strip()
        return f"[Spoiler for {reason}]" if reason else "[Spoiler]"
    if found["section"]:
        # What stood beside the tag gets a line of its own.
        return f"\n{_readable((found['summary'] or '').strip())}\n" + found["gap"]
    if found["br"]:
        return "" if found.string.startswith("\n", found.end()) else "\n"
    return ("^" if found["tag"].lower() == "sup" else "") + _readable(found["words"])
