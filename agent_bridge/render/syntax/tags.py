"""The HTML tags that are allowed in Markdown. All other tags are shown as text."""

from __future__ import annotations

import re

from agent_bridge.render.syntax.parser import start_of_line, start_of_text
from agent_bridge.render.syntax.standins import BLOCK, BLOCK_END, LESS, hide

#: Tags within a paragraph, and the element that each becomes.
INLINE = {
    "sub": "sub", "sup": "sup", "u": "u", "kbd": "code", "b": "strong", "strong": "strong", "i": "em", "em": "em",
    "s": "s", "del": "s", "strike": "s", "code": "code", "mark": "strong", "tt": "code",
    **{f"h{level}": f"h{level}" for level in range(1, 7)}, "p": "p", "blockquote": "blockquote",
}  # fmt: skip
#: Tags that say nothing in a message. Each becomes nothing if the end follows.
IGNORED = ("div", "center", "span", "font", "section", "article", "small", "big")
_HREF = re.compile(r"""\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
#: Tags whose attributes the parser must not read.
_ATTRIBUTES = re.compile(
    rf"(?<={LESS})(?P<tag>a|p|h[1-6]|{'|'.join(IGNORED)})\s[^<>{LESS}\n]{{1,1000}}(?=>)", re.IGNORECASE
)
#: The tags of a folded section.
SECTION = re.compile(
    rf"(?P<open>{LESS}details(?P<attributes>\s[^<>{LESS}]*)?>)"
    rf"|(?P<close>{LESS}/details\s*>)"
    rf"|{LESS}summary\s*>(?P<summary>(?:(?!{LESS}/?(?:summary|details)\b)[^\n])*)(?:{LESS}/summary\s*>)?",
    re.IGNORECASE,
)
#: Attributes of a section with the reasoning of an agent or its tool calls.
_ASIDE = re.compile(r"""\s(?:class="aside"|type="(?:reasoning|tool_calls)")""", re.IGNORECASE)
#: ``<`` and the cases in which it stays: an escape; an address in angle brackets (CommonMark, "Autolinks") without a
#: bar, which would be a link of another syntax; the address of a link or of a definition; a block of stand-ins.
_LESS = re.compile(
    r"[\\<](?:(?<=\\)."
    r"|(?<=<)[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>|]*>"
    r"|(?<=<)[\w.!#$%&'*+/=?^`{}~-]{1,64}@[A-Za-z0-9.-]{1,255}>"
    r"|(?:(?<=\]\(<)|(?<=\]: <))[^<>\n]*>"
    rf"|(?<=<)\?{BLOCK[-1]})?",
    re.DOTALL,
)
_OF_SECTION = re.compile(rf"{LESS}/?(?:details|summary)\b", re.IGNORECASE)
_ENDS_SECTION = re.compile(rf"{LESS}/details\s*>\s*\Z", re.IGNORECASE)


def protect(text: str) -> str:
    """Return *text* with a stand-in for each ``<`` that begins no address, and with lines of sections as blocks."""
    if "<" not in text:
        return text
    text = _LESS.sub(lambda found: LESS if found[0] == "<" else found[0], text)
    text = _ATTRIBUTES.sub(lambda found: hide(found[0]), text)
    return _with_blocks(text)


def address_of(attributes: str) -> str:
    """Return the address of a link with *attributes*, empty if it has none."""
    found = _HREF.search(attributes)
    return next(filter(None, found.groups()), "").strip() if found else ""


def is_aside(opening: re.Match[str]) -> bool:
    """Tell whether the section that begins with *opening* contains reasoning or tool calls."""
    return _ASIDE.search(opening["attributes"] or "") is not None


def _with_blocks(text: str) -> str:
    """Return *text* with each line that begins or ends with a tag of a section as a block."""
    pieces: list[str] = []
    done = 0
    for tag in _OF_SECTION.finditer(text):
        if tag.start() < done:
            continue
        start = start_of_text(text, start_of_line(text, tag.start()))
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end]
        block = SECTION.match(line) or _ENDS_SECTION.search(line)
        pieces += [text[done:start], BLOCK, line, BLOCK_END] if block else [text[done:end]]
        done = end
    return "".join([*pieces, text[done:]])
