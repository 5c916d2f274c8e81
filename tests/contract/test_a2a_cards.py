"""Agent cards: the agents that they describe, and the keys that the bridge sends because of them."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import AgentGone, UpstreamError, UpstreamFailed, UpstreamProtocolError, UpstreamRefused
from agent_bridge.upstream.a2a.cards import place_of
from agent_bridge.upstream.a2a.upstream import A2AUpstream
from agent_bridge.upstream.base import UNCHANGED, AgentInfo
from agent_bridge.upstream.conversation_store import MemoryConversations
from support.a2a_questions import connected, question
from support.scripted_a2a import ScriptedA2A
from support.upstream_kinds import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "a-secret-key"
NEW = {"apiKeySecurityScheme": {"location": "header", "name": "X-Key"}}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedA2A]:
    async with ScriptedA2A() as running:
        running.models = [{"id": "Dora", "name": "Dora the explorer"}, {"id": "b", "name": "Bob"}]
        yield running


async def listed(server: ScriptedA2A, **keys: Any) -> list[AgentInfo]:
    async with connected(server.url, **keys) as upstream:
        agents = await upstream.agents()
    assert agents is not UNCHANGED
    return list(agents)


@pytest.mark.parametrize(
    ("url", "card", "place"),
    [
        ("http://x", "", "http://x/.well-known/agent-card.json"),
        ("http://x/a/", "", "http://x/a/.well-known/agent-card.json"),
        ("http://x/cards/a.json", "", "http://x/cards/a.json"),
        ("http://x", "a", "http://x/a/.well-known/agent-card.json"),
        ("http://x", "cards/a.json", "http://x/cards/a.json"),
        ("http://x", "https://y/a", "https://y/a/.well-known/agent-card.json"),
    ],
)
def test_the_place_of_a_card(url: str, card: str, place: str) -> None:
    assert place_of(url, card) == place


class TestAgents:
    async def test_each_card_is_an_agent(self, server: ScriptedA2A) -> None:
        server.card = {"iconUrl": "https://x/icon.png", "description": "Says\nthings."}
        assert await listed(server, cards=["b", f"{server.url}/Dora"]) == [
            AgentInfo("b", "Bob", image="https://x/icon.png", description="Says things."),
            AgentInfo(
                f"{server.url}/Dora", "Dora the explorer", image="https://x/icon.png", description="Says things."
            ),
        ]

    async def test_the_card_of_the_server(self, server: ScriptedA2A) -> None:
        """Its id is the name of the upstream: it may move."""
        server.card = {"iconUrl": "javascript:alert(1)"}
        (agent,) = await listed(server, cards=[])
        assert (agent.model, agent.name, agent.image) == ("up", "Dora the explorer", "")

    async def test_it_is_included_or_not(self, server: ScriptedA2A) -> None:
        assert [each.model for each in await listed(server, cards=["Dora", "b"], exclude=["bob"])] == ["Dora"]

    async def test_a_card_is_read_again_now_and_then(self, server: ScriptedA2A) -> None:
        now = 0.0
        config = UpstreamConfig.model_validate({"name": "up", "kind": "a2a", "url": server.url, "cards": ["Dora"]})
        async with aiohttp.ClientSession() as session:
            upstream = A2AUpstream(config, session, MemoryConversations(), clock=lambda: now)
            async with aclosing(upstream):
                assert await upstream.agents() is not UNCHANGED
                server.models[0]["name"] = "Dora"
                assert await upstream.agents() is UNCHANGED
                now = 20
                agents = await upstream.agents()
                assert agents is not UNCHANGED
                assert [agent.name for agent in agents] == ["Dora"]
        assert len(server.card_headers) == 2

    async def test_a_failure_is_not_a_change(self, server: ScriptedA2A) -> None:
        async with connected(server.url) as upstream:
            server.status = 500
            with pytest.raises(UpstreamFailed):
                await upstream.agents()
            server.status = 200
            assert await upstream.agents() is not UNCHANGED

    async def test_an_agent_that_the_configuration_lacks(self, server: ScriptedA2A) -> None:
        async with connected(server.url, cards=["b"]) as upstream:
            assert isinstance((await ask(upstream, question("q"))).error, AgentGone)


async def failure(server: ScriptedA2A, **keys: Any) -> UpstreamError:
    async with connected(server.url, **keys) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.agents()
        # A question fails in the same way, and is not sent.
        assert str((await ask(upstream, question("q"))).error) == str(caught.value)
    assert server.calls == []
    return caught.value


class TestFaults:
    async def test_no_card(self, server: ScriptedA2A) -> None:
        server.status = 404
        error = await failure(server)
        assert type(error) is UpstreamRefused
        assert str(error).startswith("up has no agent card (404): kind: a2a needs the url of a card, or of a server")

    @pytest.mark.parametrize("card", [{"name": " "}, {"name": 7}, {"supportedInterfaces": []}])
    async def test_another_document(self, server: ScriptedA2A, card: dict[str, Any]) -> None:
        server.card = card
        assert isinstance(await failure(server), UpstreamProtocolError)

    @pytest.mark.parametrize(
        "interface",
        [
            {"protocolBinding": "GRPC", "protocolVersion": "1.0"},
            {"protocolBinding": "JSONRPC", "protocolVersion": "2.0"},
            {"protocolBinding": "JSONRPC"},
            {},
        ],
    )
    async def test_no_interface_that_the_bridge_speaks(self, server: ScriptedA2A, interface: dict[str, Any]) -> None:
        server.card = {"supportedInterfaces": [{"url": f"{server.url}/Dora/rpc", **interface}]}
        assert str(await failure(server)).startswith("the agent card of up names no address for JSON-RPC")

    @pytest.mark.parametrize(
        "url", ["http://other.example/rpc", "file:///etc/passwd", "//127.0.0.1/", "http://[", "", 7, "http://@/"]
    )
    async def test_the_key_stays_on_the_host_of_the_card(self, server: ScriptedA2A, url: Any) -> None:
        server.card = {"supportedInterfaces": [{"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}]}
        assert "add a host that may have the key to trusted_hosts" in str(await failure(server, api_key=KEY))

    async def test_a_trusted_host(self, server: ScriptedA2A) -> None:
        url = f"{server.url}/Dora/rpc".replace("127.0.0.1", "localhost")
        server.card = {"supportedInterfaces": [{"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}]}
        async with connected(server.url, trusted_hosts=["LOCALHOST"]) as upstream:
            assert (await ask(upstream, question("q"))).text == "Echo: q"


class TestKeys:
    @pytest.mark.parametrize(
        ("schemes", "header", "value"),
        [
            ({}, "Authorization", f"Bearer {KEY}"),
            ({"a": {"httpAuthSecurityScheme": {"scheme": "bearer"}}}, "Authorization", f"Bearer {KEY}"),
            ({"a": NEW}, "X-Key", KEY),
            ({"a": {"type": "apiKey", "in": "header", "name": "X-Key"}}, "X-Key", KEY),
            ({"a": {"apiKeySecurityScheme": {"location": "cookie", "name": "k"}}}, "Cookie", f"k={KEY}"),
            # A card must not choose a header of the request itself.
            ({"a": {"apiKeySecurityScheme": {"location": "header", "name": "Host"}}}, "Authorization", f"Bearer {KEY}"),
            (
                {"a": {"apiKeySecurityScheme": {"location": "header", "name": "X\r\nY"}}},
                "Authorization",
                f"Bearer {KEY}",
            ),
        ],
    )
    async def test_the_card_tells_the_place_of_the_key(
        self, server: ScriptedA2A, schemes: dict[str, Any], header: str, value: str
    ) -> None:
        server.card = {"securitySchemes": schemes, "securityRequirements": [{"schemes": {"a": {"list": []}}}]}
        async with connected(server.url, api_key=KEY, headers={"X-Team": "blue"}) as upstream:
            assert (await ask(upstream, question("q"))).error is None
        headers = server.headers[-1]
        assert (headers.get(header), headers.get("X-Team")) == (value, "blue")
        assert [name for name, each in headers.items() if KEY in each] == [header]

    async def test_the_form_of_version_0_3(self, server: ScriptedA2A) -> None:
        server.card = {
            "securitySchemes": {"a": {"type": "apiKey", "in": "header", "name": "X-Key"}},
            "security": [{"a": []}],
        }
        async with connected(server.url, api_key=KEY) as upstream:
            await ask(upstream, question("q"))
        assert server.headers[-1]["X-Key"] == KEY

    async def test_the_tenant_is_sent_back(self, server: ScriptedA2A) -> None:
        interface = {"url": f"{server.url}/Dora/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        server.card = {"supportedInterfaces": [interface | {"tenant": "blue"}]}
        async with connected(server.url) as upstream:
            await ask(upstream, question("q"))
        assert {params.get("tenant") for _, params in server.calls} == {"blue"}

    async def test_no_error_contains_the_key(self, server: ScriptedA2A) -> None:
        server.card = {"securitySchemes": {"a": NEW}, "securityRequirements": [{"schemes": {"a": {}}}]}
        server.script = _fails
        async with connected(server.url, api_key=KEY) as upstream:
            error = (await ask(upstream, question("q"))).error
        assert error is not None
        assert error.detail == "the key is [hidden]"


async def _fails(_question: str) -> AsyncIterator[Any]:
    yield RuntimeError(f"the key is {KEY}")
