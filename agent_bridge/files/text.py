"""Decodes bytes as text for a model."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_NEWLINE = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff]")
#: Input characters that are processed per output character: the end of a line may have two.
_CLOSELY = 4


@dataclass(frozen=True, slots=True)
class DecodedText:
    """The text of a file."""

    #: Without control characters except tab and newline.
    text: str
    #: Whether the end of the text is missing.
    cut: bool


def as_text(data: bytes, *, max_chars: int) -> DecodedText:
    r"""Return up to *max_chars* characters of *data*, with ``\n`` as end of line.

    A byte order mark names the encoding. Without it the text is UTF-8 or, if it is not valid UTF-8, Windows-1252 (as
    in the WHATWG Encoding Standard). Invalid bytes become U+FFFD.
    """
    decoded = _decode(data)
    # Limits the work for a file of many megabytes.
    head = decoded[: _CLOSELY * max_chars]
    text = _CONTROL.sub("", _NEWLINE.sub("\n", head))
    return DecodedText(text[:max_chars], cut=len(text) > max_chars or len(head) < len(decoded))


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if data.startswith(codecs.BOM_UTF8):
        return data.decode("utf-8-sig", "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
