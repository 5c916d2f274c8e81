"""Names and other text that others chose, in one line that does not mislead, and for terminals."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The flags of England, Scotland and Wales: the only emoji that contain tag characters.
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
#: Joiners, which emoji and the letters of some scripts need.
_JOINERS = frozenset("\u200c\u200d")
#: Control characters, format characters (direction, invisible), private use, and halves of surrogate pairs.
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs"})
#: Letters and symbols that show nothing: fillers of Hangul and of Khmer, and the empty pattern of Braille.
EMPTY_LETTERS = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
_BLANK = re.compile(f"[{EMPTY_LETTERS}]")
#: Line breaks, tabs and the joiner of emoji.
_KEPT_IN_TEXT = frozenset("\n\t\u200d")
#: Code points that are no characters (Unicode, "Noncharacters"): a block, and the last two of each plane.
NONCHARACTERS = (
    *(chr(code) for code in range(0xFDD0, 0xFDF0)),
    *(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF)),
)
_NONE = re.compile(f"[{''.join(NONCHARACTERS)}]")
#: Categories of symbols such as emoji and stars, of modifiers, and of marks around signs (keycaps).
_DECORATION = frozenset({"So", "Sk", "Me"})
#: Signs that choose between the picture and the text of a symbol.
_VARIANTS = frozenset(map(chr, range(0xFE00, 0xFE10)))
#: A joiner that joins no letters: the emoji around it are gone.
_LOOSE_JOINER = re.compile(r"(?:(?<=\s)|\A)[\u200c\u200d]+|[\u200c\u200d]+(?=\s|\Z)")


def one_line(text: str) -> str:
    """Return *text* in one line, without characters that show nothing or turn the direction of the text.

    Each run of white space and of empty letters becomes one blank. A text of which nothing is visible becomes empty.
    """
    if text.isascii() and text.isprintable():
        # Most texts: nothing in them is hidden.
        return " ".join(text.split())
    text = _BLANK.sub(" ", _NONE.sub("", text))
    flags = {at for flag in _FLAG.finditer(text) for at in range(*flag.span())}
    kept = (
        " " if sign.isspace() else sign
        for at, sign in enumerate(text)
        if sign.isspace() or sign in _JOINERS or at in flags or unicodedata.category(sign) not in _HIDDEN
    )
    line = " ".join("".join(kept).split())
    return line if any(sign not in _JOINERS and not unicodedata.category(sign).startswith("M") for sign in line) else ""


def folded(name: str) -> str:
    """Return *name* for comparisons: keyboards compose the same letter from different code points."""
    return unicodedata.normalize("NFC", name.casefold())


def undecorated(name: str) -> str:
    """Return *name* in one line without emoji and other symbols, which people leave out when they write it.

    Empty if nothing else is in it.
    """
    if name.isascii():
        # Most names. Signs such as ``^`` are no decoration there.
        return one_line(name)
    kept = (" " if sign in _VARIANTS or unicodedata.category(sign) in _DECORATION else sign for sign in name)
    return one_line(_LOOSE_JOINER.sub("", "".join(kept)))


def can_be_called(name: str) -> bool:
    """Tell whether *name* is long enough to call an agent: two characters, or one that is a word, as in Chinese."""
    return len(name) > 1 or (name.isalpha() and unicodedata.east_asian_width(name) in "WF")


def printable(text: str, kept: frozenset[str] = _KEPT_IN_TEXT) -> str:
    """Return *text* with escaped control characters except *kept*, so that it cannot control a terminal."""
    if text.isprintable():
        # Most texts; the log asks for each value of each line.
        return text
    return "".join(
        sign
        if sign in kept or unicodedata.category(sign) not in _HIDDEN
        else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )


def member_name(member: Mapping[str, Any], otherwise: str) -> str:
    """Return the display name in *member*, the content of a membership, in one line; *otherwise* if there is none."""
    shown = member.get("displayname")
    return (one_line(shown) if isinstance(shown, str) else "") or otherwise
