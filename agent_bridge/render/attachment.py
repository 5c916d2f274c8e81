"""Contents of ``m.room.message`` events that bring a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

#: Pictures that every client shows; others are files to download.
_SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
#: White space, and what turns the direction of writing, so that "gpj.exe" looks like a picture.
_NOT_SHOWN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_MAX_NAME = 255
_BY_FAMILY = {"audio": "m.audio", "video": "m.video"}


@dataclass(frozen=True, slots=True)
class Media:
    """A file that the homeserver keeps."""

    #: ``mxc://`` URL.
    url: str
    content_type: str
    #: Bytes.
    size: int
    #: Pixels, None for what has none.
    width: int | None = None
    height: int | None = None


def file_message(
    file: Media,
    name: str,
    *,
    thumbnail: Media | None = None,
    blurhash: str | None = None,
) -> dict[str, Any]:
    """Return the content that shows *file* as *name*. Nobody is mentioned.

    *thumbnail* and *blurhash* (MSC2448) are of a picture or film. Of the name is shown what people can read in a line.
    """
    name = _NOT_SHOWN.sub(" ", name).strip()[:_MAX_NAME] or "file"
    info = _info(file)
    if thumbnail:
        info |= {"thumbnail_url": thumbnail.url, "thumbnail_info": _info(thumbnail)}
    if blurhash:
        info["xyz.amorgan.blurhash"] = blurhash
    msgtype = _msgtype(file.content_type)
    return {"msgtype": msgtype, "body": name, "filename": name, "url": file.url, "info": info, "m.mentions": {}}


def _msgtype(content_type: str) -> str:
    if content_type in _SHOWN:
        return "m.image"
    return _BY_FAMILY.get(content_type.partition("/")[0], "m.file")


def _info(file: Media) -> dict[str, Any]:
    info: dict[str, Any] = {"mimetype": file.content_type, "size": file.size}
    if file.width is not None and file.height is not None:
        info |= {"w": file.width, "h": file.height}
    return info
