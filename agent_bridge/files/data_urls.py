"""``data:`` URLs (RFC 2397): files inside JSON."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from agent_bridge.core.errors import FileProblem, FileRefused, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_SPACE = b" \t\r\n\f"
#: Characters that are decoded at once: other threads run in between, and a piece takes little memory. A multiple of
#: four, so that a piece of base64 is complete.
_AT_ONCE = 64 * 1024
#: Maximum number of characters before the data.
_MAX_HEAD = 1000
#: Maximum number of characters per byte: ``%41`` has three, and in base64 four such escapes hold three bytes.
_PER_BYTE = 4
_SCHEME = "data:"


def parse(url: str, *, limit: int) -> tuple[str, bytes]:
    """Return the media type, without parameters, and the bytes of a ``data:`` URL.

    Raises:
        TooLarge: the data has more than *limit* bytes.
        FileRefused: *url* is not a valid ``data:`` URL.
    """
    if url[: len(_SCHEME)].lower() != _SCHEME:
        raise _broken()
    comma = url.find(",", 0, _MAX_HEAD)
    if comma < 0:
        raise _broken()
    if len(url) - comma - 1 > limit * _PER_BYTE + _MAX_HEAD:
        raise TooLarge(limit)
    first, *parameters = (part.strip().lower() for part in url[len(_SCHEME) : comma].split(";"))
    try:
        data = b"".join(map(unquote_to_bytes, _pieces(url, comma + 1)))
        if parameters and parameters[-1] == "base64":
            packed = data.translate(None, _SPACE).rstrip(b"=")
            packed += b"=" * (-len(packed) % 4)
            starts = range(0, len(packed), _AT_ONCE)
            data = b"".join(base64.b64decode(packed[at : at + _AT_ONCE], validate=True) for at in starts)
    except (UnicodeEncodeError, binascii.Error):
        raise _broken() from None
    if len(data) > limit:
        raise TooLarge(limit)
    return first if _MEDIA_TYPE.fullmatch(first) else "text/plain", data


def _pieces(url: str, at: int) -> Iterator[str]:
    """Yield the pieces of *url* behind *at*; none ends within an escape."""
    while at < len(url):
        end = at + _AT_ONCE
        escape = url.rfind("%", end - 2, end)
        end = escape + 3 if escape >= 0 else end
        yield url[at:end]
        at = end


def build(content_type: str, data: bytes) -> str:
    """Return the URL that :func:`parse` reads. A *content_type* that is none, and parameters, are left out."""
    media_type = content_type.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(media_type):
        media_type = ""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _broken() -> FileRefused:
    return FileRefused("the data URL is not valid", FileProblem.UNREADABLE)
