"""Requests that find out the kind of a server: ``agent-bridge init`` configures the bridge by it, ``doctor`` checks it.

An upstream is asked as the bridge asks it: by its proxy, with its certificates, headers and query parameters.
"""

from __future__ import annotations

import ipaddress
import json
import re
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from agent_bridge.config.kinds import as_kind
from agent_bridge.core.errors import TooLarge, UpstreamError
from agent_bridge.core.http import read_bounded
from agent_bridge.upstream.a2a.cards import place_of
from agent_bridge.upstream.base import UNCHANGED
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.openai.model_list import PATH, Page, parse_page
from agent_bridge.upstream.registry import make_upstream
from agent_bridge.upstream.transport.client import UpstreamClient
from agent_bridge.upstream.transport.text import load_json

if TYPE_CHECKING:
    from agent_bridge.config.kinds import UpstreamKind
    from agent_bridge.config.upstreams import UpstreamConfig

#: Seconds for one request, and bytes of a response that are read.
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_MAX_BODY = 8 * 1024 * 1024
_V1 = "/v1"
_CREDENTIALS = re.compile("//[^/]*@")
#: ``owned_by`` of the agents that Letta lists, its description of itself and the type of it, and the end of the
#: message with which it refuses a request without the right key ("missing …" or "invalid …").
_LETTA, _INFO_PATH, _LETTA_INFO = "letta", "/app-server-info", "app_server_info_response"
_LETTA_REFUSAL = "websocket bearer token"
#: The address of Letta Cloud; the health page of its REST server, and the versions that the bridge knows.
_CLOUD, _HEALTH_PATH, _REST_VERSIONS = "api.letta.com", "/v1/health/", "0.16."


@dataclass(frozen=True, slots=True)
class FoundUpstream:
    """The result of a request for the agents of an upstream."""

    #: The URL that was asked, or the one with or without ``/v1`` at its end that *kind* needs.
    url: str
    is_letta: bool
    #: The number of agents, or why the server does not list them.
    agents: int | UpstreamError
    kind: UpstreamKind = "openai"
    #: The software of the server, empty if it is not known.
    server: str = ""
    #: Why the bridge cannot use the kind that belongs to the server; None: it can, or there is none.
    obstacle: UpstreamError | None = None


async def find_server_name(homeserver: str) -> str | None:
    """Return the server name of the homeserver at the URL *homeserver*; None if it does not tell.

    Matrix spec, Server-Server API, "Publishing Keys": every server that federates tells its name without a token.
    """
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        body = await _get(session, f"{homeserver.rstrip('/')}/_matrix/key/v2/server")
    name = body.get("server_name") if isinstance(body, dict) else None
    return name if isinstance(name, str) else None


async def find_upstream(config: UpstreamConfig, kind: UpstreamKind | None = None) -> FoundUpstream:
    """Return the upstream at the URL of *config*, as *kind*; None: as the kind that fits the server best.

    If no server lists agents, the result has the URL at which a server wants another key, else the one of *config*.
    """
    async with aiohttp.ClientSession() as session:
        wanted = await _own_kind(config, session) if kind is None else kind
        obstacle = None
        if wanted != "openai":
            found = await _ask(config, wanted, session)
            if kind is not None or isinstance(found.agents, int) or found.agents.is_about_key:
                return found
            obstacle = found.agents
        return await _find_openai(config, session, obstacle)


async def _find_openai(
    config: UpstreamConfig, session: aiohttp.ClientSession, obstacle: UpstreamError | None
) -> FoundUpstream:
    urls = [config.url] if config.url.endswith(_V1) else [config.url, config.url + _V1]
    found: list[FoundUpstream] = []
    for url in urls:
        examined = await examine_upstream(config.model_copy(update={"url": url}), session)
        found.append(FoundUpstream(examined.url, examined.is_letta, examined.agents, obstacle=obstacle))
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
            _LETTA_REFUSAL in (error.detail or "") or await is_app_server(config, session)
        )
        return FoundUpstream(config.url, is_letta, error)
    if page.models:
        is_letta = any(model.owner == _LETTA for model in page.models)
    else:
        # Without agents, only its description of itself tells.
        is_letta = await is_app_server(config, session)
    return FoundUpstream(config.url, is_letta, len(page.models))


async def is_app_server(config: UpstreamConfig, session: aiohttp.ClientSession) -> bool:
    """Tell whether the server of *config* describes itself as Letta's App Server, or wants the key of one for that."""
    try:
        async with UpstreamClient(_root(config), session, idempotent=False).open("GET", _INFO_PATH, _TIMEOUT) as body:
            found = load_json(await body.read_all())
    except UpstreamError as error:
        return error.is_about_key and _LETTA_REFUSAL in (error.detail or "")
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("type") == _LETTA_INFO


def without_credentials(url: str) -> str:
    """Return *url* without user and password."""
    return _CREDENTIALS.sub("//", url, count=1)


def is_on_this_machine(url: str) -> bool:
    """Tell whether *url* names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _own_kind(config: UpstreamConfig, session: aiohttp.ClientSession) -> UpstreamKind:
    """Return the kind that fits the server of *config* best."""
    if await is_app_server(config, session):
        return "letta"
    if urlsplit(config.url).hostname == _CLOUD or await _is_rest_server(config, session):
        return "letta_v1"
    if await _has_card(config, session):
        return "a2a"
    return "openai"


async def _is_rest_server(config: UpstreamConfig, session: aiohttp.ClientSession) -> bool:
    try:
        async with UpstreamClient(_root(config), session, idempotent=False).open("GET", _HEALTH_PATH, _TIMEOUT) as body:
            found = load_json(await body.read_all())
    except (UpstreamError, ValueError):
        return False
    return isinstance(found, dict) and str(found.get("version")).startswith(_REST_VERSIONS)


async def _has_card(config: UpstreamConfig, session: aiohttp.ClientSession) -> bool:
    """Tell whether there is an agent card at the URL of *config*, perhaps one that the bridge cannot use."""
    place = config.model_copy(update={"url": place_of(config.url, "")})
    try:
        async with UpstreamClient(place, session, idempotent=False).open("GET", "", _TIMEOUT) as body:
            found = load_json(await body.read_all())
    except (UpstreamError, ValueError):
        return False
    return isinstance(found, dict) and "skills" in found and "name" in found


async def _ask(config: UpstreamConfig, kind: UpstreamKind, session: aiohttp.ClientSession) -> FoundUpstream:
    """Return the upstream as *kind*."""
    is_letta = kind in ("letta", "letta_v1")
    config = as_kind(_root(config) if is_letta else config, kind)
    async with aclosing(make_upstream(config, session, MemoryConversations())) as upstream:
        try:
            agents = await upstream.agents()
        except UpstreamError as error:
            return FoundUpstream(config.url, is_letta, error, kind, upstream.server)
    return FoundUpstream(config.url, is_letta, 0 if agents is UNCHANGED else len(agents), kind, upstream.server)


def _root(config: UpstreamConfig) -> UpstreamConfig:
    return config.model_copy(update={"url": config.url.removesuffix(_V1)})


async def _first_page(config: UpstreamConfig, session: aiohttp.ClientSession) -> Page:
    client = UpstreamClient(config, session, idempotent=False)
    async with client.open("GET", PATH, _TIMEOUT) as body:
        return parse_page(config.name, await body.read_all(), secrets=client.errors.secrets)


async def _get(session: aiohttp.ClientSession, url: str) -> Any:
    """Return the JSON value of a response; None if it is missing."""
    try:
        async with session.get(url, allow_redirects=False) as response:
            body = await read_bounded(response.content.iter_any(), _MAX_BODY, announced=response.content_length)
            return json.loads(body)
    except (aiohttp.ClientError, TimeoutError, TooLarge, ValueError, RecursionError):
        return None
