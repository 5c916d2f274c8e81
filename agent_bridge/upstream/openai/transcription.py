"""``POST /audio/transcriptions``: speech as text."""

from __future__ import annotations

import aiohttp

from agent_bridge.core.errors import UpstreamProtocolError, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.transport.text import load_json, one_line, storable


def recording(audio: bytes, *, name: str, content_type: str, model: str) -> aiohttp.FormData:
    """Return the body of a request; servers look at the ending of *name* to know what *audio* is.

    Raises:
        UpstreamRefused: *content_type* can be no header.
    """
    form = aiohttp.FormData({"model": model, "response_format": "json"})
    try:
        form.add_field("file", audio, filename=one_line(name), content_type=content_type)
    except ValueError:
        raise UpstreamRefused(Text("voice_type")) from None
    return form


def read_transcript(who: str, body: bytes) -> str:
    """Return the text that the upstream *who* answered with.

    Raises:
        UpstreamNonsense: the answer holds none.
    """
    try:
        value = load_json(body)
    except ValueError:
        value = None
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise UpstreamProtocolError(Text("voice_nonsense", who=who))
    return storable(text).strip()
