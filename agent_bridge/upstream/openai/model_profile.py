"""The picture and the description that an entry of the list of models may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yarl import URL

from agent_bridge.upstream.transport import agent_texts
from agent_bridge.upstream.transport.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Keys of servers: of the entry, or of an object inside it.
_IMAGE_KEYS = ("image_url", "avatar_url", "profile_image_url", "icon_url", "avatar", "image", "icon")
_DESCRIPTION_KEYS = ("description", "summary")
_INNER = ("meta", "metadata", "info")
_MAX_URL = 2_000


def description_of(entry: Mapping[str, Any]) -> str:
    """Return the description of an entry in one line of at most 300 characters; empty without one."""
    return agent_texts.description_of(_texts(entry, _DESCRIPTION_KEYS))


def image_of(entry: Mapping[str, Any]) -> str:
    """Return the address of the picture of an entry as it is written, at most 2,000 characters; empty without one."""
    # A word is the name of an icon, and other schemes are not downloaded.
    starts = ("http://", "https://", "/")
    images = (text for text in _texts(entry, _IMAGE_KEYS) if text.startswith(starts) and len(text) <= _MAX_URL)
    return storable(next(images, ""))


def address_of(image: str, base: str) -> str:
    """Return the complete address of *image*, relative to the upstream's URL *base*; empty if it is no address."""
    if not image:
        return ""
    try:
        url = URL(base).join(URL(image))
    except ValueError:
        return ""
    return str(url) if url.scheme in {"http", "https"} and url.host else ""


def _texts(entry: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    """Yield the texts of *keys* in the entry, then those in the objects inside it."""
    objects = [entry]
    for each in objects:
        yield from (each[key] for key in keys if isinstance(each.get(key), str))
        if len(objects) <= len(_INNER) ** 2:
            objects += [each[key] for key in _INNER if isinstance(each.get(key), dict)]
