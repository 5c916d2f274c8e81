"""Parses lists of events and of agents from JSON, one entry at a time. Their entries come from people and servers.

:func:`json.loads` holds the interpreter until the whole value is made, and the event loop waits for it even if it runs
in another thread. A thread that runs :func:`load_pieces` lets the event loop run after each piece.
"""

from __future__ import annotations

import json
import re
from json import JSONDecodeError
from typing import Any

#: Characters of most pieces, and of the longest: an event has 64 KiB, three more times in ``unsigned``, escaped.
_USUAL, _LONGEST = 16 * 1024, 1024**2
#: Characters of the longest sign inside a string: an escape of two halves of a surrogate pair.
_LONGEST_SIGN = 12
#: Lists and objects of one piece, and of a document. Each time that Python looks for garbage, the process waits until
#: all of them are looked at.
_IN_PIECE, _IN_DOCUMENT = 500, 250_000
#: Levels above the pieces: ``{"events": [event]}``, and ``{"data": {"models": [agent]}}``.
_LEVELS = 3

_decoder = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


class PieceTooLong(JSONDecodeError):
    """A piece has more than a million characters."""


def load_pieces(raw: bytes) -> Any:
    """Return the value of the JSON document *raw*, as :func:`json.loads` does, with one exception.

    The pieces are the values at the third level. A list or object inside a piece is empty if it has so many lists and
    objects that the piece would have more than 500, counted level by level.

    Raises:
        PieceTooLong: a piece has more than a million characters.
        ValueError: *raw* is not JSON, or has more than 250,000 lists and objects.
        RecursionError: a piece is nested too deeply.
    """
    text = raw.decode("utf-8", "surrogatepass")
    if len(text) <= _USUAL and text.count("{") + text.count("[") <= _IN_PIECE:
        # The whole document is no larger than a piece may be.
        return json.loads(text)
    reader = _Reader(text)
    value, end = reader.value(reader.skip(0), _LEVELS)
    if end != len(text):
        raise JSONDecodeError("Extra data", text, end)
    return value


def load_piece(text: str) -> Any:
    """Return the JSON value with which *text* begins, as one piece.

    Raises: as :func:`load_pieces`.
    """
    return _Reader(text).piece(0)[0]


class _Reader:
    """Reads the values of a text. Each method gets the position of a token, and returns that of the next one."""

    def __init__(self, text: str) -> None:
        self._text = text
        #: Lists and objects that may follow.
        self._left = _IN_DOCUMENT

    def skip(self, at: int) -> int:
        """Return the position of the next character that is no white space."""
        space = _SPACE.match(self._text, at)
        return at if space is None else space.end()

    def value(self, at: int, levels: int) -> tuple[Any, int]:
        """Return the value at *at*, whose pieces are *levels* below."""
        if levels and self._text.startswith("[", at):
            return self._list(at, levels - 1)
        if levels and self._text.startswith("{", at):
            return self._object(at, levels - 1)
        value, end = self.piece(at)
        return value, self.skip(end)

    def piece(self, at: int) -> tuple[Any, int]:
        """Return the piece at *at*."""
        try:
            value, length = _decoder.raw_decode(self._text[at : at + _USUAL])
        except ValueError:
            value, length = self._long_piece(at)
        self._count(_bound(value), at)
        return value, at + length

    def _long_piece(self, at: int) -> tuple[Any, int]:
        """Return the piece at *at*, and its length."""
        try:
            return _decoder.raw_decode(self._text[at : at + _LONGEST])
        except JSONDecodeError as error:
            # The fault is where the text was cut: at its end, or in a string that has none.
            is_cut = error.pos >= _LONGEST - _LONGEST_SIGN or error.msg.startswith("Unterminated string")
            if is_cut and len(self._text) > at + _LONGEST:
                raise PieceTooLong("Too long", self._text, at) from None
            raise

    def _list(self, at: int, levels: int) -> tuple[list[Any], int]:
        found: list[Any] = []
        at = self._begin(at)
        while not (self._text.startswith("]", at) and not found):
            value, at = self.value(at, levels)
            found.append(value)
            if self._text.startswith("]", at):
                break
            at = self._after(",", at)
        return found, self.skip(at + 1)

    def _object(self, at: int, levels: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        at = self._begin(at)
        while not (self._text.startswith("}", at) and not found):
            key, at = self.value(at, 0)
            if not isinstance(key, str):
                raise JSONDecodeError("Expecting a property name", self._text, at)
            found[key], at = self.value(self._after(":", at), levels)
            if self._text.startswith("}", at):
                break
            at = self._after(",", at)
        return found, self.skip(at + 1)

    def _begin(self, at: int) -> int:
        self._count(1, at)
        return self.skip(at + 1)

    def _after(self, sign: str, at: int) -> int:
        if not self._text.startswith(sign, at):
            raise JSONDecodeError(f"Expecting '{sign}'", self._text, at)
        return self.skip(at + 1)

    def _count(self, number: int, at: int) -> None:
        self._left -= number
        if self._left < 0:
            raise JSONDecodeError("Too many values", self._text, at)


def _bound(piece: object) -> int:
    """Empty each list and object of *piece* whose own lists and objects exceed the limit, counted level by level.

    Returns the number of those that are left.
    """
    # The list grows while the loop reads it.
    kept = [piece] if isinstance(piece, dict | list) else []
    for container in kept:
        values = container.values() if isinstance(container, dict) else container
        inner = [value for value in values if isinstance(value, dict | list)]
        if len(kept) + len(inner) > _IN_PIECE:
            container.clear()
        else:
            kept += inner
    return len(kept)
