"""Pictures as records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """Description of a picture for clients that have not downloaded it."""

    #: Pixels, in upright orientation.
    width: int
    height: int
    content_type: str
    #: Bytes.
    size: int
    #: Whether it has several frames.
    animated: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A re-encoded picture: PNG or JPEG, upright, one frame, without metadata."""

    data: bytes
    content_type: str
    #: Pixels.
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Preview:
    """The appearance of a picture before it is downloaded."""

    info: PictureInfo
    #: At most 800 by 600 pixels.
    thumbnail: Picture
    #: BlurHash with 4 by 3 components.
    blurhash: str
