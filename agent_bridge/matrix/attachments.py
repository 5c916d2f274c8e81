"""Files that people send, as their events tell of them: anything may stand there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from agent_bridge.matrix.events import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Matrix spec, appendices "Matrix Content (mxc://) URIs" and "Server Name".
_MXC = re.compile(
    r"mxc://(?P<server>(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?)"
    r"/(?P<media>[A-Za-z0-9_-]{1,255})"
)
_VOICE = ("m.voice", "org.matrix.msc3245.voice")
_MAX_NAME = 255
_MAX_TYPE = 100
_MAX_SIZE = 2**53


class MediaKind(StrEnum):
    """``msgtype`` of a message that brings a file."""

    IMAGE = "m.image"
    FILE = "m.file"
    AUDIO = "m.audio"
    VIDEO = "m.video"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a message brings. What its sender says about it is not to be believed."""

    kind: MediaKind
    #: ``mxc://`` URL that :func:`parse_mxc` takes; None when there is none, as when the file is encrypted.
    url: str | None
    #: Its name, storable and perhaps empty; may be anything else.
    name: str
    #: Media type and bytes as claimed.
    content_type: str | None
    size: int | None
    #: What is said about it (Matrix spec, "Media captions"), storable; None without.
    caption: str | None
    #: Whether it was spoken as a message (MSC3245).
    voice: bool
    #: Whether it is encrypted (``file`` in place of ``url``).
    encrypted: bool


def parse_mxc(url: str) -> tuple[str, str]:
    """Return the server name and the media id of an ``mxc://`` URL.

    Raises:
        ValueError: *url* is not such a URL.
    """
    match = _MXC.fullmatch(url)
    if not match:
        raise ValueError("not an mxc URL")
    return match["server"], match["media"]


def attachment_of(content: Mapping[str, Any]) -> Attachment | None:
    """Return the file of an ``m.room.message`` with *content*; None if it has no file."""
    msgtype = content.get("msgtype")
    if not isinstance(msgtype, str) or msgtype not in set(MediaKind):
        return None
    body, filename = _text(content.get("body")), _text(content.get("filename"))
    info = content.get("info")
    claims = info if isinstance(info, dict) else {}
    content_type, size = _text(claims.get("mimetype")), claims.get("size")
    return Attachment(
        kind=MediaKind(msgtype),
        url=_mxc(content.get("url")),
        name=(filename or body or "")[:_MAX_NAME],
        content_type=content_type[:_MAX_TYPE] if content_type else None,
        size=size if type(size) is int and 0 <= size <= _MAX_SIZE else None,
        caption=body if body and filename and body != filename else None,
        voice=any(isinstance(content.get(key), dict) for key in _VOICE),
        encrypted=isinstance(content.get("file"), dict),
    )


def kept(values: Mapping[str, Any]) -> Attachment:
    """Return the attachment whose fields are *values*, as they come back from where they were kept."""
    return Attachment(**{**values, "kind": MediaKind(values["kind"])})


def _text(value: object) -> str | None:
    return clean(value) if isinstance(value, str) else None


def _mxc(value: object) -> str | None:
    return value if isinstance(value, str) and _MXC.fullmatch(value) else None
