"""The ``order`` of ``m.space.child`` (spec, "Ordering of children within a space"): names of any script, in ASCII.

An order has room for 50 letters. A letter of ASCII is itself. Any other letter is its place in a *window* of 64 code
points, whose number is written where the window changes. So a word of most alphabets takes one letter per letter, and
three more.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONGEST = 50
#: Code points of a window, and the code point at which the first one begins: the small letters of Cyrillic, Greek,
#: Armenian and Arabic then lie in one window each.
_SIZE, _BEGIN = 64, 0x20
#: Two digits name a window. Code points behind the last one, which are no letters, count as its last one.
_LAST = _SIZE**3 - 1
#: The letter of the place, or of the digit, 0. Those of the 63 others follow it.
_ZERO = ord("0")
#: Escapes. The first two are below the letters of all places, the last one is above them. Only ``~`` is above it, with
#: which the orders of chats begin: they stand behind the rooms of agents.
_TO_ASCII, _TO_LOWER, _TO_HIGHER = "!", '"', "}"


def order_of(name: str) -> str:
    """Return an ``order`` that sorts like *name*: at most 50 printable ASCII characters.

    Case and accents do not count. Names that differ behind the 50 characters have the same order.
    """
    letters = unicodedata.normalize("NFKD", name.casefold())
    # Without accents. The syllables of Hangul are put together again.
    plain = unicodedata.normalize("NFC", "".join(each for each in letters if not unicodedata.combining(each)))
    return "".join(_written(letter for letter in plain if letter >= " "))[:_LONGEST] or " "


def _written(letters: Iterable[str]) -> Iterator[str]:
    """Give the text of each letter. Of two texts after the same letters, that of the smaller letter is the smaller."""
    present: int | None = None
    for letter in letters:
        if letter < _TO_HIGHER:
            # A space is below all escapes.
            yield letter if present is None or letter == " " else _TO_ASCII + letter
            present = present if letter == " " else None
            continue
        number, place = divmod(min(ord(letter) - _BEGIN, _LAST), _SIZE)
        if number == present:
            yield _digit(place)
            continue
        escape = _TO_LOWER if present is not None and number < present else _TO_HIGHER
        yield escape + "".join(map(_digit, (*divmod(number, _SIZE), place)))
        present = number


def _digit(value: int) -> str:
    return chr(_ZERO + value)
