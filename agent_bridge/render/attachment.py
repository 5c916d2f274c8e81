"""Contents of ``m.room.message`` events that bring a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.names import one_line

if TYPE_CHECKING:
    from agent_bridge.core.answers import AnswerFile, MediaFile

#: Pictures that every client shows; others are files to download.
_SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_MAX_NAME = 255
_BY_FAMILY = {"audio": "m.audio", "video": "m.video"}


def file_message(file: AnswerFile) -> dict[str, Any]:
    """Return the content that shows *file*. ``m.mentions`` is empty."""
    name = shown_name(file.name)
    info = _info(file.media)
    if file.thumbnail:
        info |= {"thumbnail_url": file.thumbnail.url, "thumbnail_info": _info(file.thumbnail)}
    if file.blurhash:
        info["xyz.amorgan.blurhash"] = file.blurhash
    msgtype = _msgtype(file.media.content_type)
    return {"msgtype": msgtype, "body": name, "filename": name, "url": file.media.url, "info": info, "m.mentions": {}}


def shown_name(name: str) -> str:
    """Return *name* as one readable line of at most 255 characters, see :func:`one_line`; never empty."""
    return one_line(name)[:_MAX_NAME] or "file"


def _msgtype(content_type: str) -> str:
    if content_type in _SHOWN:
        return "m.image"
    return _BY_FAMILY.get(content_type.partition("/")[0], "m.file")


def _info(file: MediaFile) -> dict[str, Any]:
    info: dict[str, Any] = {"mimetype": file.content_type, "size": file.size}
    if file.width is not None and file.height is not None:
        info |= {"w": file.width, "h": file.height}
    if file.animated is not None:
        # Without it, Element takes a PNG whose thumbnail is a JPEG for animated (MSC4230).
        info["org.matrix.msc4230.is_animated"] = file.animated
    return info
