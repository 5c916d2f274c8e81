"""Files that people send, as their events describe them: the content of an event may be anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from agent_bridge.core.file_key import FileKey
from agent_bridge.core.payloads import Attachment, MediaKind
from agent_bridge.matrix.events import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Matrix spec, appendices "Matrix Content (mxc://) URIs" and "Server Name".
_MXC = re.compile(
    r"mxc://(?P<server>(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?)"
    r"/(?P<media>[A-Za-z0-9_-]{1,255})"
)
#: Base64 of the 16 to 32 bytes of a key, a counter block or a hash; some clients pad it.
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,44}={0,2}")
_VOICE = ("m.voice", "org.matrix.msc3245.voice")
_MAX_NAME = 255
_MAX_TYPE = 100
_MAX_SIZE = 2**53


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
    file = content.get("file")
    sealed = file if isinstance(file, dict) else {}
    return Attachment(
        kind=MediaKind(msgtype),
        url=_mxc(sealed.get("url") if sealed else content.get("url")),
        name=(filename or body or "")[:_MAX_NAME],
        content_type=content_type[:_MAX_TYPE] if content_type else None,
        size=size if type(size) is int and 0 <= size <= _MAX_SIZE else None,
        caption=body if body and filename and body != filename else None,
        voice=any(isinstance(content.get(key), dict) for key in _VOICE),
        encrypted=isinstance(file, dict),
        key=_key_of(sealed),
    )


def _key_of(file: Mapping[str, Any]) -> FileKey | None:
    """Return the key in an ``EncryptedFile`` of the spec; None if it has none of the version ``v2``."""
    key, hashes = file.get("key"), file.get("hashes")
    if file.get("v") != "v2" or not isinstance(key, dict) or not isinstance(hashes, dict):
        return None
    values = key.get("k"), file.get("iv"), hashes.get("sha256")
    if key.get("alg") != "A256CTR" or not all(isinstance(each, str) and _BASE64.fullmatch(each) for each in values):
        return None
    return FileKey(*map(str, values))


def _text(value: object) -> str | None:
    return clean(value) if isinstance(value, str) else None


def _mxc(value: object) -> str | None:
    return value if isinstance(value, str) and _MXC.fullmatch(value) else None
