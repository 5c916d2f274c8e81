"""Bytes as text that a model can be given."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_NEWLINE = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff]")
#: Characters that are looked at for each that is taken: the end of a line may be two.
_CLOSELY = 4


@dataclass(frozen=True, slots=True)
class DecodedText:
    """The text of a file."""

    #: No control characters besides tab and newline.
    text: str
    #: Whether there was more.
    cut: bool


def as_text(data: bytes, *, max_chars: int) -> DecodedText:
    r"""Return up to *max_chars* characters of *data*, every end of a line as ``\n``.

    A byte order mark says how it is encoded; else it is UTF-8 or, when that cannot be, Windows-1252, which the web
    reads instead of Latin-1 (WHATWG Encoding Standard). What has no meaning in it becomes U+FFFD.
    """
    decoded = _decode(data)
    # Of a file of many megabytes, only what may be taken is looked at closely.
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
