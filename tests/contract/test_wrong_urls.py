"""An upstream whose url or kind belongs to another server: ``doctor`` and the log name the fault and the remedy."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent_bridge.cli.remedies import remedy_for
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import UpstreamError, UpstreamUnreachable
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream
from support.app_server_doors import GuardedAppServer
from support.scripted_letta_v1 import ScriptedLettaV1
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

NO_WEBSOCKET = "up has no WebSocket at /ws ({}): its url has to be the address that letta server prints"
NO_REST = (
    "up has no list of agents at /v1/agents/ ({}): kind: letta_v1 needs the url of Letta Cloud or of Letta's server "
    "0.16, and an App Server needs kind: letta"
)
NO_LIST = "up has no list of agents (404): is its url correct? It usually ends in /v1"
LACKS = (
    "up lacks capabilities that the bridge needs: conversation_management; install the newest version of Letta, or "
    "set kind: openai"
)


@asynccontextmanager
async def serving(response: web.Response) -> AsyncIterator[str]:
    """Serve one response at each path."""

    async def page(_request: web.Request) -> web.Response:
        copy = web.Response(body=response.body, status=response.status)
        copy.content_type = response.content_type
        return copy

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "http://127.0.0.1:{1}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


async def failure(session: aiohttp.ClientSession, url: str, kind: str, **keys: Any) -> tuple[str, str]:
    """Return the words and the remedy of the failure of an upstream called ``up``; its address is ``<server>``."""
    config = UpstreamConfig.model_validate({"name": "up", "url": url, "kind": kind, **keys})
    async with aclosing(make_upstream(config, session, MemoryConversations())) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.agents()
    assert not isinstance(caught.value, UpstreamUnreachable)
    root = "/".join(url.split("/")[:3])
    return str(caught.value).removesuffix(": 404: Not Found"), (await remedy_for(caught.value, config)).replace(
        root, "<server>"
    )


@pytest.mark.parametrize(
    ("kind", "path", "words", "remedy"),
    [
        ("letta", "/ui", NO_WEBSOCKET.format(404), "set url: <server>"),
        ("letta_v1", "", NO_REST.format(404), "set kind: letta"),
        ("letta_v1", "/v1", NO_REST.format(404), "set kind: letta, url: <server>"),
        ("openai", "", NO_LIST, "set kind: letta"),
        ("openai", "/ui", NO_LIST, "set kind: letta, url: <server>"),
    ],
)
async def test_the_server_is_an_app_server(
    session: aiohttp.ClientSession, kind: str, path: str, words: str, remedy: str
) -> None:
    async with GuardedAppServer() as server:
        server.models = [{"id": "Dora", "owned_by": "letta"}]
        assert await failure(session, server.url + path, kind) == (words, remedy)
        server.token = "a-key"
        assert await failure(session, server.url + path, kind) == (words, f"{remedy}, and api_key to its token")


async def test_the_app_server_lacks_a_capability(session: aiohttp.ClientSession) -> None:
    async with GuardedAppServer() as server:
        server.models = [{"id": "Dora", "owned_by": "letta"}]
        server.capabilities["conversation_management"] = False
        assert await failure(session, server.url, "letta") == (LACKS, "set kind: openai, url: <server>/v1")
        assert await failure(session, server.url, "openai") == (NO_LIST, "set url: <server>/v1")
        server.capabilities["conversation_management"] = True
        server.protocol_version = 2
        words, _ = await failure(session, server.url, "letta")
        assert words.endswith("the bridge speaks version 1; install a version of Letta that does, or set kind: openai")


@pytest.mark.parametrize(
    ("kind", "path", "words", "remedy"),
    [
        ("letta", "", NO_WEBSOCKET.format(404), "set kind: letta_v1"),
        ("letta_v1", "/api", NO_REST.format(404), "set url: <server>"),
        ("openai", "", NO_LIST, "set kind: letta_v1"),
    ],
)
async def test_the_server_is_a_rest_server(
    session: aiohttp.ClientSession, kind: str, path: str, words: str, remedy: str
) -> None:
    async with ScriptedLettaV1("Dora") as server:
        assert await failure(session, server.url + path, kind) == (words, remedy)


@pytest.mark.parametrize(
    ("kind", "path", "words", "remedy"),
    [
        ("letta", "/v1", NO_WEBSOCKET.format(404), "set kind: openai"),
        ("letta_v1", "/v1", NO_REST.format(404), "set kind: openai"),
        ("openai", "", NO_LIST, "set url: <server>/v1"),
    ],
)
async def test_the_server_has_the_openai_api(
    session: aiohttp.ClientSession, kind: str, path: str, words: str, remedy: str
) -> None:
    async with ScriptedUpstream("Dora") as server:
        url = server.api_url.removesuffix("/v1") + path
        assert await failure(session, url, kind) == (words, remedy)


@pytest.mark.parametrize(
    ("kind", "words", "remedy"),
    [
        ("letta", NO_WEBSOCKET, "check its url and headers, and that letta server runs"),
        ("letta_v1", NO_REST, "check its url and api_key, and that it runs"),
    ],
)
@pytest.mark.parametrize(
    "response",
    [
        web.Response(text="<html>Hello</html>", content_type="text/html"),
        web.Response(text="<html>Not found</html>", content_type="text/html", status=404),
        web.json_response({"hello": "world"}),
    ],
    ids=["page", "no page", "JSON"],
)
async def test_the_server_is_something_else(
    session: aiohttp.ClientSession, response: web.Response, kind: str, words: str, remedy: str
) -> None:
    async with serving(response) as url:
        assert await failure(session, url, kind) == (words.format(response.status), remedy)
