"""Names that others chose, of agents and files, in one line that does not mislead."""

from __future__ import annotations

import re
import unicodedata

#: The flags of England, Scotland and Wales: the only emoji that contain tag characters.
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
#: Joiners, which emoji and the letters of some scripts need.
_JOINERS = frozenset("\u200c\u200d")
#: Control characters, format characters (direction, invisible), private use, and halves of surrogate pairs.
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs"})
#: Code points that are no characters.
_NONE = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")


def one_line(text: str) -> str:
    """Return *text* in one line, without characters that show nothing or turn the direction of the text.

    Each run of white space becomes one blank. A text of which nothing is visible becomes empty.
    """
    text = _NONE.sub("", text)
    flags = {at for flag in _FLAG.finditer(text) for at in range(*flag.span())}
    kept = (
        " " if sign.isspace() else sign
        for at, sign in enumerate(text)
        if sign.isspace() or sign in _JOINERS or at in flags or unicodedata.category(sign) not in _HIDDEN
    )
    line = " ".join("".join(kept).split())
    return line if any(sign not in _JOINERS and not unicodedata.category(sign).startswith("M") for sign in line) else ""
