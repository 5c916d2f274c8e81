"""``POST /audio/transcriptions``: the request and its response."""

from __future__ import annotations

import aiohttp

from agent_bridge.core.errors import UpstreamProtocolError, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.transport.text import load_json, one_line, storable

PATH = "/audio/transcriptions"


def request(audio: bytes, *, name: str, content_type: str, model: str) -> aiohttp.FormData:
    """Return the body of a request. Servers tell the format of *audio* by the ending of *name*.

    Raises:
        UpstreamRefused: *content_type* cannot be sent in a header.
    """
    form = aiohttp.FormData({"model": model, "response_format": "json"})
    try:
        form.add_field("file", audio, filename=one_line(name), content_type=content_type)
    except ValueError:
        raise UpstreamRefused(Text("voice_type")) from None
    return form


def read_transcript(upstream: str, body: bytes) -> str:
    """Return the text in the response of *upstream*.

    Raises:
        UpstreamProtocolError: the response contains no text.
    """
    try:
        value = load_json(body)
    except ValueError:
        value = None
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise UpstreamProtocolError(Text("voice_invalid", upstream=upstream))
    return storable(text).strip()
