"""The kind ``letta``: unsuitable servers, and the list of agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agent_bridge.core.errors import UpstreamError, UpstreamProtocolError
from agent_bridge.upstream.base import UNCHANGED
from support.letta_questions import QUESTION, connected
from support.questions import read
from support.scripted_app_server import ScriptedAppServer

if TYPE_CHECKING:
    from agent_bridge.upstream.letta.upstream import LettaUpstream
    from support.letta_questions import Store


async def test_another_version_of_the_server_is_named(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    await letta_upstream.agents()
    app_server.version = "0.1"
    with capture_logs() as logs:
        app_server.cut()
        await read(letta_upstream, QUESTION)
    [found] = [each for each in logs if each["event"] == "the App Server has another version"]
    assert (found["before"], found["now"]) == ("0.0", "0.1")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"protocol_version": 2}, "speaks version 2 of the App Server protocol"),
        ({"capabilities": {"runtime_start": True}}, "agent_management, conversation_management"),
    ],
)
async def test_an_unsuitable_server_is_named(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream, changes: dict[str, object], words: str
) -> None:
    for name, value in changes.items():
        setattr(app_server, name, value)
    with pytest.raises(UpstreamProtocolError, match=words):
        await letta_upstream.agents()


async def test_a_redirect_is_an_error(app_server: ScriptedAppServer, letta_store: Store) -> None:
    """It could lead the key and the questions to another server."""
    async with ScriptedAppServer() as other, connected(app_server, letta_store) as upstream:
        app_server.moved_to = f"{other.url}/ws"
        with pytest.raises(UpstreamError, match="redirect"):
            await read(upstream, QUESTION)
        assert other.sockets == []
        assert other.commands == []


async def test_the_whole_list_is_read_after_a_change_only(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    app_server.models = [{"id": f"agent-{number}", "name": f"Agent {number}"} for number in range(250)]
    agents = await letta_upstream.agents()
    assert agents is not UNCHANGED
    assert len(agents) == 250
    lists = [each for each in app_server.commands if each["type"] == "agent_list"]
    assert len(lists) == 3
    assert await letta_upstream.agents() is UNCHANGED
    app_server.models[7] = {"id": "agent-7", "name": "Another"}
    agents = await letta_upstream.agents()
    assert agents is not UNCHANGED
    assert agents[7].name == "Another"
    assert len([each for each in app_server.commands if each["type"] == "agent_list"]) == 6


async def test_a_page_of_hidden_agents_does_not_end_the_list(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    app_server.models = [{"id": f"agent-{number}", "hidden": number < 100} for number in range(150)]
    agents = await letta_upstream.agents()
    assert agents is not UNCHANGED
    assert [each.model for each in agents] == [f"agent-{number}" for number in range(100, 150)]
