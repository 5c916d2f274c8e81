"""Requests to servers that are not configured yet: ``agent-bridge init`` finds out how to configure them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from agent_bridge.core.errors import TooLarge
from agent_bridge.core.http import read_bounded

#: Seconds for one request, and bytes of a response that are read.
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_MAX_BODY = 8 * 1024 * 1024
_OK = 200
_V1 = "/v1"
#: ``owned_by`` of the agents that Letta lists, and the type of its description of itself.
_LETTA, _LETTA_INFO = "letta", "app_server_info_response"


@dataclass(frozen=True, slots=True)
class FoundUpstream:
    """A server that lists agents."""

    #: The URL at which it does: the one that was asked, or with ``/v1`` behind it.
    url: str
    agents: int
    is_letta: bool


async def find_server_name(homeserver: str) -> str | None:
    """Return the server name of the homeserver at the URL *homeserver*; None if it does not tell.

    Matrix spec, Server-Server API, "Publishing Keys": every server that federates tells its name without a token.
    """
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        _, body = await _get(session, f"{homeserver.rstrip('/')}/_matrix/key/v2/server")
    name = body.get("server_name") if isinstance(body, dict) else None
    return name if isinstance(name, str) else None


async def find_upstream(url: str, api_key: str | None) -> FoundUpstream | None:
    """Return the upstream at *url*, which may lack ``/v1`` at its end; None if no server lists agents there."""
    url = url.rstrip("/")
    headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    async with aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session:
        for candidate in (url,) if url.endswith(_V1) else (url, url + _V1):
            status, body = await _get(session, f"{candidate}/models")
            entries = body.get("data") if isinstance(body, dict) else body
            if status == _OK and isinstance(entries, list):
                return FoundUpstream(candidate, len(entries), await _is_letta(session, candidate, entries))
    return None


async def _is_letta(session: aiohttp.ClientSession, url: str, entries: list[Any]) -> bool:
    if entries:
        return any(isinstance(entry, dict) and entry.get("owned_by") == _LETTA for entry in entries)
    # Without agents, only its description of itself tells.
    _, body = await _get(session, f"{url.removesuffix(_V1)}/app-server-info")
    return isinstance(body, dict) and body.get("type") == _LETTA_INFO


async def _get(session: aiohttp.ClientSession, url: str) -> tuple[int | None, Any]:
    """Return the status and the JSON value of a response; None for each that is missing."""
    try:
        async with session.get(url, allow_redirects=False) as response:
            body = await read_bounded(response.content.iter_any(), _MAX_BODY, announced=response.content_length)
            return response.status, json.loads(body)
    except (aiohttp.ClientError, TimeoutError, TooLarge, ValueError, RecursionError):
        return None, None
