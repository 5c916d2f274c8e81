"""The content of a message, in both directions: a text, or a list of parts."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.answer import FileDelta, ReasoningDelta, TextDelta
from agent_bridge.upstream.openai.dialect import file_delta

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent_bridge.core.transcript import Image

_TEXT = ("text", "output_text", "input_text", "summary_text", "reasoning_text")
_REASONING = ("thinking", "reasoning")
_FILES = ("image_url", "output_image", "image", "file", "output_file")
#: Keys of the URL in a part, or in the object inside it.
_URL_KEYS = ("image_url", "file_url", "file_data", "url")
_NAME_KEYS = ("filename", "name")
_TYPE_KEYS = ("mime_type", "media_type", "content_type")


def as_list(value: Any) -> list[Any]:
    """Return *value* if it is a list, else an empty list."""
    return value if isinstance(value, list) else []


def data_url(data: str, content_type: str) -> str:
    """Return the URL (RFC 2397) of *data*, which is base64."""
    return f"data:{content_type};base64,{data}"


def image_url(image: Image) -> str:
    """Return *image* as a ``data:`` URL."""
    return data_url(base64.b64encode(image.data).decode(), image.content_type)


def read_content(content: Any) -> Iterator[TextDelta | ReasoningDelta | FileDelta]:
    """Yield the text, the reasoning and the files in the content of an agent's message."""
    if isinstance(content, str):
        yield TextDelta(content)
    for part in as_list(content):
        if isinstance(part, dict):
            yield from _read_part(part)


def plain_text(content: Any) -> str:
    """Return the text in *content*, without reasoning and files."""
    if isinstance(content, str):
        return content
    texts = (part.get("text") for part in as_list(content) if isinstance(part, dict) and part.get("type") in _TEXT)
    return "".join(text for text in texts if isinstance(text, str))


def read_files(parts: Any) -> Iterator[FileDelta]:
    """Yield the files in a list of parts."""
    for part in as_list(parts):
        if isinstance(part, dict) and (found := _file(part)):
            yield found


def _read_part(part: Mapping[str, Any]) -> Iterator[TextDelta | ReasoningDelta | FileDelta]:
    kind = part.get("type", "text")
    if kind in _TEXT and isinstance(part.get("text"), str):
        yield TextDelta(part["text"])
        for annotation in as_list(part.get("annotations")):
            # The link of a citation is a source, not a part of the answer.
            if isinstance(annotation, dict) and "file" in str(annotation.get("type")):
                yield from read_files([annotation])
    elif kind == "refusal" and isinstance(part.get("refusal"), str):
        yield TextDelta(part["refusal"])
    elif kind in _REASONING:
        yield ReasoningDelta(plain_text(part.get("thinking") or part.get("text")))
    elif kind in _FILES and (found := _file(part)):
        yield found


def _file(part: Mapping[str, Any]) -> FileDelta | None:
    inner: Mapping[str, Any] = next((part[key] for key in ("image_url", "file") if isinstance(part.get(key), dict)), {})
    name, content_type = _first(_NAME_KEYS, inner, part), _first(_TYPE_KEYS, inner, part)
    urls = (place.get(key) for place in (inner, part) for key in _URL_KEYS)
    return next(filter(None, (file_delta(url, name, content_type) for url in urls)), None)


def _first(keys: tuple[str, ...], *places: Mapping[str, Any]) -> str | None:
    found = (place[key] for place in places for key in keys if isinstance(place.get(key), str))
    return next(found, None)
