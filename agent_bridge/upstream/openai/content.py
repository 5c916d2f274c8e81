"""The content of a message, in both directions: a text, or a list of parts."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.answer import FileDelta, ReasoningDelta, TextDelta
from agent_bridge.upstream.openai.dialect import Sources
from agent_bridge.upstream.transport.pieces import file_delta
from agent_bridge.upstream.transport.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent_bridge.core.transcript import Image

_TEXT = ("text", "output_text", "input_text", "summary_text", "reasoning_text")
#: Keys of the text in a part, best first.
_TEXT_KEYS = ("text", "content", "summary", "thinking", "reasoning", "value")
_REASONING = ("thinking", "reasoning", "reasoning_text")
_FILES = ("image_url", "output_image", "image", "file", "output_file", "input_image", "document")
#: Keys of the objects inside a part that hold its URL or its data.
_INNER_KEYS = ("image_url", "file", "source", "image")
#: Keys of the URL in a part, or in the object inside it; and keys of base64.
_URL_KEYS = ("image_url", "file_url", "file_data", "url", "image")
_DATA_KEYS = ("b64_json", "file_data", "data", "base64")
_BASE64 = re.compile(r"[A-Za-z0-9+/=_\s-]{8,}")
#: Characters of base64 that are surely a file.
_LEAST_FILE = 64
_WEB = re.compile(r"https?://[^\s<>\"]{1,2000}", re.IGNORECASE)
_MAX_TITLE = 1_000
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


def read_content(content: Any) -> Iterator[TextDelta | ReasoningDelta | FileDelta | Sources]:
    """Yield the text, the reasoning, the files and the sources in the content of an agent's message."""
    for part in [content] if isinstance(content, str | dict) else as_list(content):
        if isinstance(part, str):
            yield TextDelta(part)
        elif isinstance(part, dict):
            yield from _read_part(part)


def plain_text(content: Any, *, depth: int = 4) -> str:
    """Return the text in *content*, without files: at most *depth* objects and lists inside each other are read."""
    if isinstance(content, str):
        return content
    if depth and isinstance(content, dict):
        return next(filter(None, (plain_text(content.get(key), depth=depth - 1) for key in _TEXT_KEYS)), "")
    parts = as_list(content) if depth else []
    return "".join(plain_text(part, depth=depth - 1) for part in parts if isinstance(part, str) or _has_text(part))


def read_files(parts: Any) -> Iterator[FileDelta]:
    """Yield the files in a list of parts, or of URLs."""
    for part in as_list(parts):
        # A text is a URL, or the file itself.
        keys = ("url", "data") if isinstance(part, str) and len(part) >= _LEAST_FILE else ("url",)
        fields = dict.fromkeys(keys, part) if isinstance(part, str) else part
        if isinstance(fields, dict) and (found := _file(fields)):
            yield found


def read_sources(parts: Any) -> Iterator[Sources]:
    """Yield the sources in a list of URLs, of search results, or of annotations."""
    links = [link for part in as_list(parts) if (link := _source(part))]
    if links:
        yield Sources(tuple(links))


def _source(part: Any) -> tuple[str, str] | None:
    if isinstance(part, str):
        part = {"url": part}
    if not isinstance(part, dict) or "file" in str(part.get("type")):
        return None
    inner = part.get("url_citation")
    found = inner if isinstance(inner, dict) else part
    url, title = found.get("url"), found.get("title")
    if not isinstance(url, str) or not _WEB.fullmatch(url):
        return None
    return storable(url), storable(title[:_MAX_TITLE]) if isinstance(title, str) else ""


def _has_text(part: Any) -> bool:
    return isinstance(part, dict) and (part.get("type") in _TEXT or _is_reasoning(part))


def _is_reasoning(part: Mapping[str, Any]) -> bool:
    kind = part.get("type")
    return isinstance(kind, str) and (kind in _REASONING or kind.startswith("reasoning."))


def _read_part(part: Mapping[str, Any]) -> Iterator[TextDelta | ReasoningDelta | FileDelta | Sources]:
    kind = part.get("type", "text")
    if _is_reasoning(part):
        yield ReasoningDelta(plain_text(part))
    elif kind in _TEXT and isinstance(part.get("text"), str | dict):
        yield TextDelta(plain_text(part["text"]))
        for annotation in as_list(part.get("annotations")):
            # The link of a citation is a source, not a part of the answer.
            if isinstance(annotation, dict) and "file" in str(annotation.get("type")):
                yield from read_files([annotation])
        yield from read_sources(part.get("annotations"))
    elif kind == "refusal" and isinstance(part.get("refusal"), str):
        yield TextDelta(part["refusal"])
    elif kind in _FILES and (found := _file(part)):
        yield found


def _file(part: Mapping[str, Any]) -> FileDelta | None:
    inner: Mapping[str, Any] = next((part[key] for key in _INNER_KEYS if isinstance(part.get(key), dict)), {})
    name, content_type = _first(_NAME_KEYS, inner, part), _first(_TYPE_KEYS, inner, part)
    urls = (place.get(key) for place in (inner, part) for key in _URL_KEYS)
    found = next(filter(None, (file_delta(url, name, content_type) for url in urls)), None)
    data = _first(_DATA_KEYS, inner, part)
    if found or data is None or not _BASE64.fullmatch(data):
        return found
    # The bytes of the file decide its type.
    return file_delta(data_url(data, content_type or "application/octet-stream"), name)


def _first(keys: tuple[str, ...], *places: Mapping[str, Any]) -> str | None:
    found = (place[key] for place in places for key in keys if isinstance(place.get(key), str))
    return next(found, None)
