"""Messages' contents, which are text or a list of parts, in both directions."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.base import FileDelta, ReasoningDelta, TextDelta
from agent_bridge.upstream.openai.pieces import file_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent_bridge.core.transcript import Image

_TEXT = ("text", "output_text", "input_text", "summary_text", "reasoning_text")
#: Parts that hold the agent's thoughts.
_REASONING = ("thinking", "reasoning")
_FILES = ("image_url", "output_image", "image", "file", "output_file")
#: Where a part, or the object in it, has its link.
_LINKS = ("image_url", "file_url", "file_data", "url")
_NAMES = ("filename", "name")
_TYPES = ("mime_type", "media_type", "content_type")


def as_list(value: Any) -> list[Any]:
    """Return *value* if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def data_url(data: str, content_type: str) -> str:
    """Return the URL (RFC 2397) of *data*, which is base64."""
    return f"data:{content_type};base64,{data}"


def image_url(image: Image) -> str:
    """Return *image* as a URL."""
    return data_url(base64.b64encode(image.data).decode(), image.content_type)


def read_content(content: Any) -> Iterator[TextDelta | ReasoningDelta | FileDelta]:
    """Yield what the content of an agent's message says."""
    if isinstance(content, str):
        yield TextDelta(content)
    for part in as_list(content):
        if isinstance(part, dict):
            yield from _read_part(part)


def plain_text(content: Any) -> str:
    """Return the text of *content* alone."""
    if isinstance(content, str):
        return content
    texts = (part.get("text") for part in as_list(content) if isinstance(part, dict) and part.get("type") in _TEXT)
    return "".join(text for text in texts if isinstance(text, str))


def read_files(parts: Any) -> Iterator[FileDelta]:
    """Yield the files of a list that may hold some."""
    for part in as_list(parts):
        if isinstance(part, dict) and (found := _file(part)):
            yield found


def _read_part(part: Mapping[str, Any]) -> Iterator[TextDelta | ReasoningDelta | FileDelta]:
    kind = part.get("type", "text")
    if kind in _TEXT and isinstance(part.get("text"), str):
        yield TextDelta(part["text"])
        for note in as_list(part.get("annotations")):
            # A citation's link is a source, not a part of the answer.
            if isinstance(note, dict) and "file" in str(note.get("type")):
                yield from read_files([note])
    elif kind == "refusal" and isinstance(part.get("refusal"), str):
        yield TextDelta(part["refusal"])
    elif kind in _REASONING:
        yield ReasoningDelta(plain_text(part.get("thinking") or part.get("text")))
    elif kind in _FILES and (found := _file(part)):
        yield found


def _file(part: Mapping[str, Any]) -> FileDelta | None:
    inner: Mapping[str, Any] = next((part[key] for key in ("image_url", "file") if isinstance(part.get(key), dict)), {})
    for place in (inner, part):
        for key in _LINKS:
            if found := file_at(place.get(key), _first(_NAMES, inner, part), _first(_TYPES, inner, part)):
                return found
    return None


def _first(keys: tuple[str, ...], *places: Mapping[str, Any]) -> str | None:
    found = (place[key] for place in places for key in keys if isinstance(place.get(key), str))
    return next(found, None)
