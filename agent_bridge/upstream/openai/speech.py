"""``POST /audio/speech``: the request and its response."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import aiohttp

from agent_bridge.core.errors import UpstreamProtocolError, UpstreamUnreachable
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.transport.errors import RequestContext

if TYPE_CHECKING:
    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.upstream.transport.client import UpstreamClient

PATH: Final = "/audio/speech"
#: Bytes of a recording of 4,096 characters at most: five minutes of uncompressed sound have less.
_MAX_BYTES = 32 * 1024 * 1024
#: Seconds for one recording, and without data.
_WITHIN, _SILENCE = 120.0, 60.0


class OpenAISpeech:
    """The capability to read texts aloud with *model*, in the voice that *config* names."""

    #: Characters of ``input`` (OpenAI API).
    longest = 4_096

    def __init__(self, config: UpstreamConfig, client: UpstreamClient, model: str) -> None:
        self._upstream = config.name
        self._client = client
        self._body = {"model": model, "voice": config.speech_voice, "response_format": config.speech_format}
        silence = min(config.idle_timeout, _SILENCE)
        self._timeout = aiohttp.ClientTimeout(connect=config.connect_timeout, sock_read=silence)

    async def __call__(self, text: str, /) -> bytes:
        """See :class:`~agent_bridge.upstream.capabilities.Speak`."""
        context, request = RequestContext(speech=True), {**self._body, "input": text}
        try:
            async with (
                asyncio.timeout(_WITHIN),
                self._client.open(
                    "POST",
                    PATH,
                    self._timeout,
                    json=request,
                    context=context,
                    own_connection=True,
                ) as body,
            ):
                data = await body.read_all(_MAX_BYTES)
        except TimeoutError:
            raise UpstreamUnreachable(Text("upstream_slow", upstream=self._upstream, seconds=_WITHIN)) from None
        if not data:
            raise UpstreamProtocolError(Text("speech_invalid", upstream=self._upstream))
        return data
