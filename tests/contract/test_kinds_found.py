"""``agent-bridge init`` proposes the kind that fits a server, and ``doctor`` tells of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from agent_bridge.cli import cli
from agent_bridge.cli.doctor import Doctor
from agent_bridge.cli.probe import find_upstream, is_on_this_machine
from agent_bridge.config.load import load
from agent_bridge.config.model import DatabaseConfig
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import UpstreamError
from support.app_server_doors import GuardedAppServer
from support.scripted_a2a import ScriptedA2A
from support.scripted_letta_v1 import ScriptedLettaV1
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
async def server() -> AsyncIterator[GuardedAppServer]:
    async with GuardedAppServer() as running:
        running.models = [{"id": "Dora", "owned_by": "letta"}]
        yield running


def at(url: str, **keys: Any) -> UpstreamConfig:
    return UpstreamConfig.model_validate({"name": "up", "url": url, **keys})


async def test_an_app_server_is_found_with_and_without_v1(server: GuardedAppServer) -> None:
    for url in (server.url, server.api_url):
        found = await find_upstream(at(url))
        assert (found.kind, found.url, found.agents) == ("letta", server.url, 1)
        assert found.server == "App Server 0.0, protocol 1"
    found = await find_upstream(at(server.url), "openai")
    assert (found.kind, found.url, found.is_letta) == ("openai", server.api_url, True)


async def test_a_rest_server_is_found() -> None:
    async with ScriptedLettaV1("Dora") as server:
        for url in (server.url, server.api_url):
            found = await find_upstream(at(url))
            assert (found.kind, found.agents) == ("letta_v1", 1)
    async with ScriptedUpstream("Dora") as other:
        assert (await find_upstream(at(other.api_url))).kind == "openai"


async def test_an_agent_card_is_found(tmp_path: Path) -> None:
    async with ScriptedA2A() as server:
        for url in (server.url, f"{server.url}/.well-known/agent-card.json"):
            found = await find_upstream(at(url))
            assert (found.kind, found.url, found.agents, found.is_letta) == ("a2a", url, 1, False)
        code, said = await asyncio.to_thread(run_init, tmp_path, *options_for(server.url))
        assert code == 0, said
        assert "An A2A server lists 1 agent" in said
        [upstream] = load(tmp_path / "config.yaml", {}).upstreams
        assert (upstream.kind, upstream.url) == ("a2a", server.url)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"protocol_version": 2}, "up speaks version 2 of the App Server protocol, and the bridge speaks version 1;"),
        ({"capabilities": {}}, "lacks capabilities that the bridge needs: agent_management, conversation_management"),
        ({"handshake": 403}, "refuses the WebSocket (403): perhaps a proxy or the key headers adds an Origin"),
        ({"handshake": 426}, "refuses the WebSocket (426): it speaks another version of the protocol"),
        ({"handshake": 404}, "has no WebSocket at /ws (404)"),
    ],
)
async def test_an_app_server_that_the_bridge_cannot_use(
    server: GuardedAppServer, fault: dict[str, Any], words: str
) -> None:
    for name, value in fault.items():
        setattr(server, name, value)
    found = await find_upstream(at(server.url))
    assert (found.kind, found.url, found.agents) == ("openai", server.api_url, 1)
    assert words in str(found.obstacle)
    # An operator may choose it all the same.
    found = await find_upstream(at(server.url), "letta")
    assert isinstance(found.agents, UpstreamError)
    assert words in str(found.agents)


def test_addresses_of_this_machine() -> None:
    own = ["http://localhost:4500", "http://127.0.0.2", "http://[::1]:4500/v1"]
    assert [is_on_this_machine(url) for url in (*own, "http://letta:4500", "http://10.0.0.1")] == [True] * 3 + [
        False
    ] * 2


def run_init(folder: Path, *options: str, answers: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["init", "--folder", str(folder), *options], input=answers)
    return result.exit_code, f"{result.output}{result.exception or ''}"


def options_for(url: str) -> tuple[str, ...]:
    return "--homeserver", NOWHERE, "--domain", "bed.test", "--upstream", url, "--admin", "@me:bed.test"


async def test_init_configures_the_kind(server: GuardedAppServer, tmp_path: Path) -> None:
    code, said = await asyncio.to_thread(run_init, tmp_path, *options_for(server.api_url))
    assert code == 0, said
    assert "Letta's App Server lists 1 agent" in said
    assert "config.yaml has kind: letta" in said
    [upstream] = load(tmp_path / "config.yaml", {}).upstreams
    assert (upstream.kind, upstream.url, upstream.session_header) == ("letta", server.url, None)

    code, said = await asyncio.to_thread(
        run_init, tmp_path, *options_for(server.api_url), "--kind", "openai", "--force"
    )
    assert code == 0, said
    [upstream] = load(tmp_path / "config.yaml", {}).upstreams
    assert (upstream.kind, upstream.url, upstream.session_header) == ("openai", server.api_url, "X-Letta-Chat-Key")

    code, said = await asyncio.to_thread(run_init, tmp_path, *options_for(server.url), "--kind", "oracle", "--force")
    assert code == 1
    assert "--kind: must be one of openai, letta, letta_v1, a2a" in said


async def test_the_address_of_the_websocket_names_the_server(server: GuardedAppServer, tmp_path: Path) -> None:
    websocket = server.url.replace("http://", "ws://")
    for given in (websocket, f"{websocket}/ws", f"{server.url}/ws"):
        code, said = await asyncio.to_thread(run_init, tmp_path, *options_for(given), "--force")
        assert code == 0, said
        assert "Letta's App Server lists 1 agent" in said
        [upstream] = load(tmp_path / "config.yaml", {}).upstreams
        assert (upstream.kind, upstream.url) == ("letta", server.url)
        [line] = await findings(tmp_path, at(given, kind="letta"))
        assert line.startswith(f"ok    upstream up: {server.url} answers, 1 agent")
    options = ("--homeserver", NOWHERE, "--domain", "bed.test", "--admin", "@me:bed.test")
    code, said = await asyncio.to_thread(run_init, tmp_path, *options, "--force", answers=f"{websocket}/ws\n\n\n\n")
    assert code == 0, said
    assert load(tmp_path / "config.yaml", {}).upstreams[0].url == server.url


async def test_init_asks_about_the_kind(server: GuardedAppServer, tmp_path: Path) -> None:
    options = ("--homeserver", NOWHERE, "--domain", "bed.test", "--upstream", server.url)
    for answer, kind in {"": "letta", "openai": "openai"}.items():
        # The key, the user id, the plain names, the kind.
        answers = f"\n@me:bed.test\n\n{answer}\n"
        code, said = await asyncio.to_thread(run_init, tmp_path, *options, "--force", answers=answers)
        assert code == 0, said
        assert load(tmp_path / "config.yaml", {}).upstreams[0].kind == kind


async def test_init_with_a_token(server: GuardedAppServer, tmp_path: Path) -> None:
    server.token = "right-key"
    for key, problem in {
        "": "needs an API key",
        "wrong-key": "refuses the API key",
        "right-key": "lists 1 agent",
    }.items():
        given = ("--api-key", key) if key else ()
        code, said = await asyncio.to_thread(run_init, tmp_path, *options_for(server.url), *given, "--force")
        assert code == 0, said
        assert problem in said
        assert "wrong-key" not in said
        assert load(tmp_path / "config.yaml", {}).upstreams[0].kind == "letta"


async def findings(folder: Path, upstream: UpstreamConfig) -> list[str]:
    assert (await asyncio.to_thread(run_init, folder, *options_for(NOWHERE), "--force"))[0] == 0
    file = folder / "config.yaml"
    away = DatabaseConfig(url="postgresql://127.0.0.1:9/none")
    config = load(file, {}).model_copy(update={"upstreams": (upstream,), "database": away})
    found = [str(each) async for each in Doctor(config, file, folder / "registration.yaml").findings()]
    return [each for each in found if "upstream up" in each]


async def test_doctor_tells_of_the_kind(server: GuardedAppServer, tmp_path: Path) -> None:
    _, hint = await findings(tmp_path, at(server.api_url))
    assert hint.startswith("ok    upstream up: kind: letta gives agents ids that last")
    assert "agent-bridge plan up --kind letta" in hint
    [line] = await findings(tmp_path, at(server.url, kind="letta"))
    assert "1 agent, App Server 0.0, protocol 1, capabilities: " in line
    assert "approvals" in line
    async with ScriptedUpstream("Dora") as other:
        assert len(await findings(tmp_path, at(other.api_url))) == 1


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        ({"protocol_version": 2}, "set kind: openai, url: <server>/v1"),
        ({"token": "right-key"}, "set api_key to the token of the server (--ws-token-file)"),
        ({"handshake": 403}, "check its url and headers, and that letta server runs"),
    ],
)
async def test_doctor_names_the_remedy(
    server: GuardedAppServer, fault: dict[str, Any], remedy: str, tmp_path: Path
) -> None:
    for name, value in fault.items():
        setattr(server, name, value)
    [line] = await findings(tmp_path, at(server.url, kind="letta"))
    assert line.startswith("FAIL")
    assert line.replace(server.url, "<server>").endswith(f"→ {remedy}")
