"""Characters that stand in for others while the parser reads a text.

The parser knows CommonMark and some extensions. It does not know formulas, spoilers and sections. Before it reads a
text, the ``protect`` functions of this package replace characters that the parser must not read as Markdown, and insert
marks where formulas, spoilers and tags begin and end. The writer turns a mark into HTML if the parser returns the mark
as text. In code and in addresses, :func:`restore` returns the original characters. So no ``protect`` function has to
know where code is.

Most stand-ins are noncharacters, which Unicode reserves for use inside a program; the parser takes them for letters. A
few have to be punctuation for the parser (CommonMark, "Emphasis"); they are rare characters of one script.
"""

from __future__ import annotations

import re
from html import escape
from string import punctuation

from agent_bridge.core.names import NONCHARACTERS

#: Stand-ins for ASCII punctuation that is text.
_HIDDEN = dict(zip(punctuation, NONCHARACTERS, strict=False))
_free = iter(NONCHARACTERS[len(punctuation) :])

#: Beginning and end of a formula within a paragraph.
MATHS, MATHS_END = next(_free), next(_free)
#: Beginning and end of an address.
URL, URL_END = next(_free), next(_free)
#: A space in the address of a link.
SPACE = next(_free)
#: Beginning and end of lines that are one block: a formula, or a line with tags of sections. For the parser they are a
#: processing instruction: an HTML block that can interrupt a paragraph, can contain blank lines, and has an explicit
#: end (CommonMark, "HTML blocks").
BLOCK, BLOCK_END = f"<?{next(_free)}", f"{next(_free)}?>"

#: The ``<`` of text, and of the HTML tags that this package knows.
LESS = "\U0001da87"
#: The bars of a spoiler, and the bar between its reason and its text.
SPOILER, SPOILER_END, REASON = "\U0001da88", "\U0001da89", "\U0001da8a"
#: An inserted character without a shape: the parser lets emphasis open and close beside punctuation.
EDGE = "\U0001da8b"

_WRITTEN = {standin: sign for sign, standin in _HIDDEN.items()} | {
    **dict.fromkeys((MATHS, MATHS_END, URL, URL_END, EDGE, BLOCK[-1], BLOCK_END[0]), ""),
    SPACE: " ", LESS: "<", SPOILER: "||", SPOILER_END: "||", REASON: "|",
}  # fmt: skip
#: Stand-ins for the rare characters, for texts that contain them.
_RARE = {sign: next(_free) for sign in (LESS, SPOILER, SPOILER_END, REASON, EDGE)}
_WRITTEN |= {standin: sign for sign, standin in _RARE.items()}

_HIDE = str.maketrans(_HIDDEN)
_WRITE = str.maketrans(_WRITTEN)
_NONCHARACTER = re.compile(f"[{''.join(NONCHARACTERS)}]+")
_RARE_CHARACTER = re.compile(f"[{''.join(_RARE)}]")
#: All stand-ins, and those for punctuation, to be put into character classes of regular expressions.
ALL, HIDDEN = "".join(_WRITTEN), "".join(_HIDDEN.values())
_ANY = re.compile(f"[{ALL}]+")
#: Characters of a text up to which a look at each of them is cheaper than a search for stand-ins.
_SHORT = 100


def without_standins(text: str) -> str:
    """Return *text* without stand-ins: noncharacters become U+FFFD; :func:`restore` returns the rare characters."""
    if text.isascii():
        return text
    return _RARE_CHARACTER.sub(lambda found: _RARE[found[0]], _NONCHARACTER.sub("\ufffd", text))


def hide(text: str) -> str:
    """Return *text* with stand-ins for its ASCII punctuation, which the parser takes for letters."""
    return text.translate(_HIDE)


def restore(text: str) -> str:
    """Return *text* with the original characters in place of stand-ins."""
    if text.isascii():
        return text
    if "?" in text:
        text = text.replace(BLOCK, "").replace(BLOCK_END, "")
    if len(text) <= _SHORT:
        return text.translate(_WRITE)
    return _ANY.sub(lambda found: found[0].translate(_WRITE), text)


def html_of(text: str) -> str:
    """Return *text* with the original characters, escaped for HTML."""
    return escape(restore(text), quote=False)
