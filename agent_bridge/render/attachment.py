"""Contents of ``m.room.message`` events that bring a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from agent_bridge.core.ids import SPOKEN
from agent_bridge.core.names import one_line

if TYPE_CHECKING:
    from agent_bridge.core.answers import AnswerFile, MediaFile, SpokenPiece
    from agent_bridge.core.file_key import FileKey

#: Pictures that every client shows; others are files to download.
_SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_MAX_NAME = 255
#: Of directories, on any system.
_SEPARATORS = re.compile(r"[/\\]")
_BY_FAMILY = {"audio": "m.audio", "video": "m.video"}


def file_message(file: AnswerFile) -> dict[str, Any]:
    """Return the content that shows *file*. ``m.mentions`` is empty."""
    name = shown_name(file.name)
    info = _info(file.media)
    if file.thumbnail:
        info |= _place(file.thumbnail, "thumbnail_url", "thumbnail_file")
        info["thumbnail_info"] = _info(file.thumbnail)
    if file.blurhash:
        info["xyz.amorgan.blurhash"] = file.blurhash
    msgtype = _msgtype(file.media.content_type)
    content = {"msgtype": msgtype, "body": name, "filename": name, "info": info, "m.mentions": {}}
    return content | _place(file.media)


def voice_message(piece: SpokenPiece, name: str) -> dict[str, Any]:
    """Return the content of a voice message (MSC3245, MSC1767) called *name*. ``m.mentions`` is empty."""
    media, details = piece.media, {"duration": piece.duration, "waveform": list(piece.waveform)}
    file = {"name": name, "mimetype": media.content_type, "size": media.size}
    return _place(media) | {
        "msgtype": "m.audio",
        "body": name,
        "filename": name,
        "info": _info(media) | {"duration": piece.duration},
        "m.mentions": {},
        "org.matrix.msc1767.text": name,
        "org.matrix.msc1767.file": file | _place(media),
        "org.matrix.msc1767.audio": details,
        "org.matrix.msc3245.voice": {},
        SPOKEN: True,
    }


def encrypted_file(url: str, key: FileKey | None) -> dict[str, Any] | None:
    """Return the ``EncryptedFile`` of the spec for the file at *url*; None if it is not encrypted."""
    if key is None:
        return None
    jwk = {"kty": "oct", "key_ops": ["encrypt", "decrypt"], "alg": "A256CTR", "k": key.key, "ext": True}
    return {"v": "v2", "url": url, "key": jwk, "iv": key.iv, "hashes": {"sha256": key.sha256}}


def shown_name(name: str) -> str:
    """Return the last part of the path *name* as one readable line, see :func:`one_line`, of at most 255 characters.

    Clients save the file under this name: it is never empty, and names no directory.
    """
    parts = (one_line(part) for part in reversed(_SEPARATORS.split(name)))
    return next((part[:_MAX_NAME] for part in parts if part.strip(". ")), "file")


def _msgtype(content_type: str) -> str:
    if content_type in _SHOWN:
        return "m.image"
    return _BY_FAMILY.get(content_type.partition("/")[0], "m.file")


def _place(media: MediaFile, plain: str = "url", sealed: str = "file") -> dict[str, Any]:
    """Return the field with the place of a file: *plain*, or *sealed* if it is encrypted."""
    file = encrypted_file(media.url, media.key)
    return {plain: media.url} if file is None else {sealed: file}


def _info(file: MediaFile) -> dict[str, Any]:
    info: dict[str, Any] = {"mimetype": file.content_type, "size": file.size}
    if file.width is not None and file.height is not None:
        info |= {"w": file.width, "h": file.height}
    if file.animated is not None:
        # Without it, Element takes a PNG whose thumbnail is a JPEG for animated (MSC4230).
        info["org.matrix.msc4230.is_animated"] = file.animated
    return info
