"""Objects that people type: JSON, and forms without the quotes of keys and of plain texts.

``{subtask: 1, sources: 12, confidence: 0.87}`` is the same as JSON with quoted keys. Texts stand between quotes of any
kind, or are words up to the next comma or bracket.
"""

from __future__ import annotations

import json
import re
from typing import Any

#: Objects and lists in one another that are read.
_DEPTH = 50
_BLANK = re.compile(r"\s*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
#: A text between quotes: those of JSON, single ones, and those that phones make of them.
_QUOTED = re.compile(
    r'"(?P<json>[^"\\]*+(?:\\.[^"\\]*+)*)"|\'(?P<single>[^\']*+)\'|[“”„](?P<curly>[^“”]*+)[“”]', re.DOTALL
)
_BARE_KEY = re.compile(r"[^\s,:{}\[\]\"'“”„]+")
_BARE = re.compile(r"[^,{}\[\]\"“”„\n]+")
_WORDS = {"true": True, "false": False, "null": None}
#: Digits of a whole number that are read.
_DIGITS = 1_000


class NotReadable(ValueError):
    """The text is no object; the position of the first sign that cannot be read, from 1."""

    def __init__(self, position: int) -> None:
        super().__init__(f"cannot read from position {position}")
        self.position = position


def load_object(text: str) -> dict[str, Any]:
    """Return the object that *text* is; an empty text is an empty object. The time is linear.

    Raises:
        NotReadable: it is none.
    """
    if not text.strip():
        return {}
    reader = _Reader(text)
    value = reader.value(0)
    reader.blank()
    if reader.at < len(text) or not isinstance(value, dict):
        raise NotReadable(reader.at + 1 if isinstance(value, dict) else 1)
    return value


class _Reader:
    """Reads values from a text, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def blank(self) -> str:
        """Skip white space, and return the next sign; empty at the end."""
        self.at = _matched(_BLANK, self._text, self.at)
        return self._text[self.at : self.at + 1]

    def value(self, depth: int) -> Any:
        sign = self.blank()
        if sign and sign in "{[":
            if depth >= _DEPTH:
                raise NotReadable(self.at + 1)
            self.at += 1
            return self._object(depth + 1) if sign == "{" else self._list(depth + 1)
        quoted = self._quoted()
        return self._bare() if quoted is None else quoted

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._ends("}"):
            return found
        while True:
            self.blank()
            key = self._quoted()
            if key is None:
                begin = self.at
                self.at = _matched(_BARE_KEY, self._text, begin)
                key = self._text[begin : self.at]
            if not key and self._text[self.at - 1 : self.at] not in "\"'“”":
                raise NotReadable(self.at + 1)
            self._take(":")
            found[key] = self.value(depth)
            if self._ends("}"):
                return found
            self._take(",")

    def _list(self, depth: int) -> list[Any]:
        found: list[Any] = []
        if self._ends("]"):
            return found
        while True:
            found.append(self.value(depth))
            if self._ends("]"):
                return found
            self._take(",")

    def _ends(self, sign: str) -> bool:
        if self.blank() != sign:
            return False
        self.at += 1
        return True

    def _take(self, sign: str) -> None:
        if not self._ends(sign):
            raise NotReadable(self.at + 1)

    def _quoted(self) -> str | None:
        match = _QUOTED.match(self._text, self.at)
        if match is None:
            return None
        text = match["single"] if match["single"] is not None else match["curly"]
        if match["json"] is not None:
            try:
                text = json.loads(f'"{match["json"]}"', strict=False)
            except ValueError:
                raise NotReadable(self.at + 1) from None
        self.at = match.end()
        return str(text)

    def _bare(self) -> Any:
        begin = self.at
        end = _matched(_BARE, self._text, begin)
        word = self._text[begin:end].strip()
        if not word:
            raise NotReadable(begin + 1)
        self.at = end
        if word in _WORDS:
            return _WORDS[word]
        if _NUMBER.fullmatch(word) is None:
            return word
        is_whole = word.lstrip("-").isdecimal()
        if is_whole and len(word) > _DIGITS:
            raise NotReadable(begin + 1)
        return int(word) if is_whole else float(word)


def _matched(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()
