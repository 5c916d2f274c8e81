"""Fenced code blocks as agents write them, rewritten as CommonMark reads them.

==========================================  ==============================================================
an agent writes                             CommonMark would
==========================================  ==============================================================
a Markdown block with fences inside         end the block at the first fence without a language
a fence behind text on the same line        read the fence as text, and the end of the block as a beginning
an end that is indented less than its list  end the list item, and begin another block
==========================================  ==============================================================
"""

from __future__ import annotations

import re

MARKDOWN = frozenset({"md", "markdown", "mdx"})
LIST_MARK = r"(?:[-+*]|\d{1,9}[.)])[ \t]+"
_FENCE = re.compile(rf"(?P<indent>[ \t]*)(?P<mark>(?:{LIST_MARK})*)(?P<fence>`{{3,}}|~{{3,}})[ \t]*(?P<info>[^`]*)")
#: A fence with a language, or without one behind a colon, at the end of a line of text.
BEHIND_TEXT = re.compile(
    r"(?P<text>(?!\s*>)[^`]*[^`\s])(?:[ \t]+(?=```+[\w+#.-])|(?<=:)[ \t]*)(?P<fence>```+)(?P<language>[\w+#.-]*)[ \t]*"
)


def regular(markdown: str) -> str:
    """Return *markdown* with the fences of its code blocks as CommonMark reads them. Other texts are not changed."""
    if "```" not in markdown and "~~~" not in markdown:
        return markdown
    lines = list(_with_fences_on_lines(markdown.split("\n")))
    at = 0
    while at < len(lines):
        opening = _FENCE.fullmatch(lines[at])
        if opening is None:
            at += 1
            continue
        end = _end(lines, at, opening)
        if end is None:
            break
        _rewrite(lines, at, end, opening)
        at = end + 1
    return "\n".join(lines)


def _with_fences_on_lines(lines: list[str]) -> list[str]:
    """Return *lines* with each fence behind text on a line of its own, if the block has an end."""
    found: list[str] = []
    open_fence = ""
    last = max((at for at, line in enumerate(lines) if _is_bare(line)), default=-1)
    for at, line in enumerate(lines):
        fence = _FENCE.fullmatch(line)
        if open_fence:
            if fence and _is_bare(line) and fence["fence"].startswith(open_fence):
                open_fence = ""
        elif fence:
            open_fence = fence["fence"]
        elif at < last and (behind := BEHIND_TEXT.fullmatch(line)):
            found += [behind["text"], behind["fence"] + behind["language"]]
            open_fence = behind["fence"]
            continue
        found.append(line)
    return found


def _is_bare(line: str) -> bool:
    fence = _FENCE.fullmatch(line)
    return fence is not None and not fence["info"].strip() and not fence["mark"]


def _end(lines: list[str], at: int, opening: re.Match[str]) -> int | None:
    """Return the number of the line that ends the block of the line *at*; None without one."""
    nests = opening["info"].strip().lower().partition(" ")[0] in MARKDOWN
    first, depth = None, 1
    for number in range(at + 1, len(lines)):
        fence = _FENCE.fullmatch(lines[number])
        if fence is None or not fence["fence"].startswith(opening["fence"][0]):
            continue
        if _is_bare(lines[number]):
            if not fence["fence"].startswith(opening["fence"]):
                continue
            first = number if first is None else first
            depth -= 1
            if not nests or depth == 0:
                return number
        elif nests and fence["info"].strip():
            depth += 1
    # More inner beginnings than ends: as CommonMark reads it.
    return first


def _rewrite(lines: list[str], at: int, end: int, opening: re.Match[str]) -> None:
    """Make the block of the lines from *at* to *end* one that CommonMark reads."""
    inner = [fence for line in lines[at + 1 : end] if (fence := _FENCE.fullmatch(line))]
    same = [len(fence["fence"]) for fence in inner if fence["fence"][0] == opening["fence"][0]]
    longest = max(same, default=0)
    if any(_is_bare(fence[0]) for fence in inner) and longest >= len(opening["fence"]):
        longer = opening["fence"][0] * (longest + 1)
        start = opening.start("fence")
        lines[at] = f"{lines[at][:start]}{longer}{lines[at][opening.end('fence') :]}"
        closing = _FENCE.fullmatch(lines[end])
        lines[end] = f"{closing['indent'] if closing else ''}{longer}"
    indent = len(opening["indent"]) + len(opening["mark"])
    if indent and not any(_indent(line) < indent and fence for line, fence in _fences(lines[at + 1 : end])):
        body = range(at + 1, end)
        least = min((_indent(lines[number]) for number in body if lines[number].strip()), default=indent)
        for number in body:
            if lines[number].strip():
                lines[number] = " " * max(0, indent - least) + lines[number]
        if _indent(lines[end]) < indent:
            lines[end] = " " * indent + lines[end].lstrip(" \t")


def _fences(lines: list[str]) -> list[tuple[str, re.Match[str] | None]]:
    return [(line, _FENCE.fullmatch(line)) for line in lines]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
