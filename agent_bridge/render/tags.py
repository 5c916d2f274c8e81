"""The few HTML tags that are understood in Markdown. Every other one is shown as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_bridge.render.spoilers import inside

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

#: A section that folds: its ends and its summary. One of class "aside" is beside the message: see ``to_plain``.
SECTION = re.compile(
    r'(?P<open><details(?P<aside>\s+class="aside")?(?:\s+open(?:="")?)?\s*>)'
    r"|(?P<close></details\s*>)"
    r"|<summary\s*>(?P<summary>(?:(?!</?(?:summary|details)\b)[^\n])*)(?:</summary\s*>)?",
    re.IGNORECASE,
)
_ENDS_SECTION = re.compile(r"</details\s*>\s*$", re.IGNORECASE)
#: What stands for itself, or around words, within a paragraph.
TAG = re.compile(
    r"(?P<br><br\s*/?>)|<(?P<tag>sub|sup|u|kbd)>(?P<words>(?:(?!<(?P=tag)>).){1,2000}?)</(?P=tag)>",
    re.IGNORECASE | re.DOTALL,
)
#: Sections inside sections at most; the spec lets clients ignore what is nested deeper than 100 tags.
_DEEPEST = 10
_SECTION_ENDS = re.compile(r"<(/?)details>")


def tags(parser: MarkdownIt) -> None:
    """Teach *parser* ``<details>``, ``<summary>``, ``<br>``, ``<sub>``, ``<sup>``, ``<u>``, and ``<kbd>`` as code."""
    parser.inline.ruler.before("autolink", "tag", _tag)
    parser.block.ruler.before("fence", "section", _section, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def balance_sections(html: str) -> str:
    """Return *html* without ends of sections that have no beginning, and without sections nested too deep."""
    depth = 0

    def keep(found: re.Match[str]) -> str:
        nonlocal depth
        if not found[1]:
            depth += 1
            return found[0] if depth <= _DEEPEST else ""
        depth -= 1
        if depth < 0:
            depth = 0
            return ""
        return found[0] if depth < _DEEPEST else ""

    return _SECTION_ENDS.sub(keep, html)


def _tag(state: StateInline, silent: bool) -> bool:  # noqa: FBT001
    if state.src[state.pos] != "<":
        return False
    found = TAG.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent and found["br"]:
        state.push("hardbreak", "br", 0)
    elif not silent:
        tag = found["tag"].lower()
        inside(state, "tag", "code" if tag == "kbd" else tag, found.span("words"), {})
    state.pos = found.end()
    return True


def _section(state: StateBlock, first: int, _beyond: int, silent: bool) -> bool:  # noqa: FBT001
    if state.is_code_block(first):
        return False
    line = state.src[state.bMarks[first] + state.tShift[first] : state.eMarks[first]]
    if "<" not in line or not (SECTION.match(line) or _ENDS_SECTION.search(line)):
        return False
    if not silent:
        state.line = first + 1
        at = 0
        for found in SECTION.finditer(line):
            _leaf(state, first, "paragraph", "p", line[at : found.start()])
            _section_token(state, first, found)
            at = found.end()
        _leaf(state, first, "paragraph", "p", line[at:])
    return True


def _section_token(state: StateBlock, line: int, found: re.Match[str]) -> None:
    if found["summary"] is not None:
        _leaf(state, line, "summary", "summary", found["summary"])
        return
    token = state.push("section_open" if found["open"] else "section_close", "details", 0)
    token.nesting = 1 if found["open"] else -1  # a section is no container to the parser: its ends may be anywhere
    token.block, token.map, token.info = True, [line, line + 1], "aside" if found["aside"] else ""


def _leaf(state: StateBlock, line: int, name: str, tag: str, text: str) -> None:
    if not text.strip():
        return
    state.push(f"{name}_open", tag, 1).map = [line, line + 1]
    inline = state.push("inline", "", 0)
    inline.content, inline.map, inline.children = text.strip(), [line, line + 1], []
    state.push(f"{name}_close", tag, -1)
