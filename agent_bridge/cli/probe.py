"""Requests that find out the kind of a server: ``agent-bridge init`` configures the bridge by it, ``doctor`` checks it.

An upstream is asked as the bridge asks it: by its proxy, with its certificates, headers and query parameters.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from agent_bridge.core.errors import TooLarge, UpstreamError
from agent_bridge.core.http import read_bounded
from agent_bridge.upstream.openai.model_list import PATH, Page, parse_page
from agent_bridge.upstream.transport.client import UpstreamClient
from agent_bridge.upstream.transport.text import load_json

if TYPE_CHECKING:
    from agent_bridge.config.model import UpstreamConfig

#: Seconds for one request, and bytes of a response that are read.
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_MAX_BODY = 8 * 1024 * 1024
_V1 = "/v1"
_CREDENTIALS = re.compile("//[^/]*@")
#: ``owned_by`` of the agents that Letta lists, its description of itself and the type of it, and the end of the
#: message with which it refuses a request without the right key ("missing …" or "invalid …").
_LETTA, _INFO_PATH, _LETTA_INFO = "letta", "/app-server-info", "app_server_info_response"
_LETTA_REFUSAL = "websocket bearer token"


@dataclass(frozen=True, slots=True)
class FoundUpstream:
    """The result of a request for the agents of an upstream."""

    #: The URL that was asked, or with ``/v1`` behind it.
    url: str
    is_letta: bool
    #: The number of agents, or why the server does not list them.
    agents: int | UpstreamError


async def find_server_name(homeserver: str) -> str | None:
    """Return the server name of the homeserver at the URL *homeserver*; None if it does not tell.

    Matrix spec, Server-Server API, "Publishing Keys": every server that federates tells its name without a token.
    """
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        body = await _get(session, f"{homeserver.rstrip('/')}/_matrix/key/v2/server")
    name = body.get("server_name") if isinstance(body, dict) else None
    return name if isinstance(name, str) else None


async def find_upstream(config: UpstreamConfig) -> FoundUpstream:
    """Return the upstream at the URL of *config*, which may lack ``/v1`` at its end.

    If no server lists agents, the result has the URL at which a server wants another key, else the one of *config*.
    """
    urls = [config.url] if config.url.endswith(_V1) else [config.url, config.url + _V1]
    found: list[FoundUpstream] = []
    async with aiohttp.ClientSession() as session:
        for url in urls:
            found.append(await examine_upstream(config.model_copy(update={"url": url}), session))
            if isinstance(found[-1].agents, int):
                return found[-1]
    return next(
        (each for each in found if isinstance(each.agents, UpstreamError) and each.agents.is_about_key), found[0]
    )


async def examine_upstream(config: UpstreamConfig, session: aiohttp.ClientSession) -> FoundUpstream:
    """Return whether the upstream at exactly the URL of *config* lists agents, and whether it is Letta."""
    try:
        page = await _first_page(config, session)
    except UpstreamError as error:
        is_letta = error.is_about_key and (
            _LETTA_REFUSAL in (error.detail or "") or await _describes_letta(config, session)
        )
        return FoundUpstream(config.url, is_letta, error)
    if page.models:
        is_letta = any(model.owner == _LETTA for model in page.models)
    else:
        # Without agents, only its description of itself tells.
        is_letta = await _describes_letta(config, session)
    return FoundUpstream(config.url, is_letta, len(page.models))


def without_credentials(url: str) -> str:
    """Return *url* without user and password."""
    return _CREDENTIALS.sub("//", url, count=1)


async def _first_page(config: UpstreamConfig, session: aiohttp.ClientSession) -> Page:
    client = UpstreamClient(config, session, idempotent=False)
    async with client.open("GET", PATH, _TIMEOUT) as body:
        return parse_page(config.name, await body.read_all(), secrets=client.errors.secrets)


async def _describes_letta(config: UpstreamConfig, session: aiohttp.ClientSession) -> bool:
    root = config.model_copy(update={"url": config.url.removesuffix(_V1)})
    try:
        async with UpstreamClient(root, session, idempotent=False).open("GET", _INFO_PATH, _TIMEOUT) as body:
            found = load_json(await body.read_all())
    except (UpstreamError, ValueError):
        return False
    return isinstance(found, dict) and found.get("type") == _LETTA_INFO


async def _get(session: aiohttp.ClientSession, url: str) -> Any:
    """Return the JSON value of a response; None if it is missing."""
    try:
        async with session.get(url, allow_redirects=False) as response:
            body = await read_bounded(response.content.iter_any(), _MAX_BODY, announced=response.content_length)
            return json.loads(body)
    except (aiohttp.ClientError, TimeoutError, TooLarge, ValueError, RecursionError):
        return None
