"""Cleans and bounds the text and the JSON that upstreams send."""

from __future__ import annotations

import json
import re
from typing import Any

#: Values of a JSON document. Python needs up to 50 ms for as many, and no other thread can run at that time.
MAX_VALUES = 150_000
#: Some servers write line breaks and tabs in texts without escapes.
_DECODER = json.JSONDecoder(strict=False)
_BEFORE_VALUES = ((b",", ","), (b"[", "["), (b"{", "{"))
#: A string without escapes; the last one may lack its end.
_STRING, _STRING_OF_BYTES = re.compile(r'"[^"]*+"?'), re.compile(rb'"[^"]*+"?')

#: A string, of which the last one may lack its end, or a sign that begins or ends a nested value.
_NESTING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*"?|[\[\]{}]')
#: The value in place of one that is nested too deeply.
_TOO_DEEP = '"…"'


class NestedTooDeeply(ValueError):
    """Python does not read a JSON document that is nested so deeply."""


def load_json(text: str | bytes, most: int = MAX_VALUES) -> Any:
    """Return the value of a JSON document. The time is bounded by the length of *text* and by *most*.

    Raises:
        NestedTooDeeply: *text* is nested too deeply.
        ValueError: *text* is not JSON in UTF-8, or contains about *most* values.
    """
    if _values(text) > most and _values(_without_strings(text)) > most:
        raise ValueError("too many values")
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except RecursionError:
        raise NestedTooDeeply("nested too deeply") from None


def flattened(text: str, depth: int) -> str:
    """Return the JSON document *text* with an ellipsis in place of each object and list below *depth* others."""
    kept: list[str] = []
    begin = level = 0
    for found in _NESTING.finditer(text):
        if found[0] in {"[", "{"}:
            level += 1
            if level == depth + 1:
                kept += (text[begin : found.start()], _TOO_DEEP)
        elif found[0] in {"]", "}"}:
            if level == depth + 1:
                begin = found.end()
            level -= 1
    return "".join((*kept, text[begin:]))


def _values(text: str | bytes) -> int:
    """Return about the number of values in *text*, or more: signs inside strings count too."""
    if isinstance(text, bytes):
        return sum(text.count(sign) for sign, _ in _BEFORE_VALUES)
    return sum(text.count(sign) for _, sign in _BEFORE_VALUES)


def _without_strings(text: str | bytes) -> str | bytes:
    # Without its escapes, a string ends at the next quotation mark.
    if isinstance(text, bytes):
        return _STRING_OF_BYTES.sub(b"", text.replace(rb"\\", b"").replace(rb"\"", b""))
    return _STRING.sub("", text.replace(r"\\", "").replace(r"\"", ""))


def json_text(value: Any) -> str:
    """Return *value*, which came as JSON, as JSON for people; an ellipsis if it is nested too deeply."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "…"


def storable(text: str) -> str:
    """Return *text* without the characters that PostgreSQL or Matrix cannot hold.

    NUL is removed, and half of a surrogate pair becomes U+FFFD.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")


def one_line(text: str) -> str:
    """Return *text* made :func:`storable`, each run of white space replaced by one blank."""
    return " ".join(storable(text).split())


def shorten(text: str, limit: int) -> str:
    """Return *text* if it has at most *limit* characters, else its beginning with an ellipsis, *limit* in all."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
