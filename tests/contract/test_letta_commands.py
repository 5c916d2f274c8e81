"""The commands of an App Server: the list, their ends, their questions to the agent, and losses of connections."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import aiohttp
import pytest

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import AnswerInterrupted
from agent_bridge.core.results.server_commands import CommandRefusal
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.upstream.answer import AnswerRequest, End, TextDelta
from agent_bridge.upstream.capabilities import CommandOutput, ServerCommand
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.letta.upstream import LettaUpstream
from support.conditions import eventually
from support.scripted_app_server import ScriptedAppServer
from support.scripted_upstream import Tool, says, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.upstream.capabilities import Commands

LANE = ("Dora", "!room:x", "Dora")
QUESTION = AnswerRequest("Dora", (ChatMessage("user", "hello"),), "!room:x", "key")


@pytest.fixture
async def server() -> AsyncIterator[ScriptedAppServer]:
    async with ScriptedAppServer() as running:
        running.models = [{"id": "Dora"}]
        yield running


@pytest.fixture
async def upstream(server: ScriptedAppServer) -> AsyncIterator[LettaUpstream]:
    config = UpstreamConfig.model_validate({"name": "up", "kind": "letta", "url": server.url})
    async with (
        aiohttp.ClientSession() as session,
        aclosing(LettaUpstream(config, session, MemoryConversations())) as upstream,
    ):
        yield upstream


@pytest.fixture
def commands(upstream: LettaUpstream) -> Commands:
    assert upstream.can.commands is not None
    return upstream.can.commands


async def answer(upstream: LettaUpstream) -> str:
    events = [event async for event in upstream.answer(QUESTION)]
    assert isinstance(events[-1], End)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_the_list_has_the_commands_of_the_server_and_of_its_extensions(
    server: ScriptedAppServer, commands: Commands
) -> None:
    server.extensions = [{"id": "joke", "description": "tells\0 a joke", "args": "<subject>"}]
    assert await commands.list(*LANE) == (
        ServerCommand("compact"),
        ServerCommand("init"),
        ServerCommand("clear"),
        ServerCommand("upgrade-letta-code", refusal=CommandRefusal.ENDS_SERVER),
        ServerCommand("secret", refusal=CommandRefusal.NEEDS_TERMINAL),
        ServerCommand("joke", "tells a joke", "<subject>"),
    )


async def test_a_command_runs_in_the_conversation_of_the_lane(
    server: ScriptedAppServer, upstream: LettaUpstream, commands: Commands
) -> None:
    assert await answer(upstream) == "Echo: hello"
    assert await commands.run(*LANE, "compact", "") == CommandOutput(succeeded=True, text="/compact")
    server.failing.add("compact")
    assert await commands.run(*LANE, "compact", "x") == CommandOutput(succeeded=False, text="/compact x")
    assert await answer(upstream) == "Echo: hello"
    assert len(server.talks) == 1


async def test_the_words_of_the_agent_are_a_part_of_the_end(server: ScriptedAppServer, commands: Commands) -> None:
    server.asking, server.guarded = {"init"}, {"Bash"}
    server.script = says("I look. ", Tool("Bash"), "Done.")
    found = await commands.run(*LANE, "init", "")
    assert (found.succeeded, found.text, found.said) == (True, "/init", "I look. \n\nDone.")
    # No person can decide about a tool here.
    assert server.verdicts == ["deny"]


async def test_a_command_of_an_extension_may_ask_the_agent_without_a_response(
    server: ScriptedAppServer, commands: Commands
) -> None:
    server.extensions = [{"id": "joke", "description": ""}]
    assert await commands.run(*LANE, "joke", "") == CommandOutput(
        succeeded=True, text="Running /joke...", said="Echo: /joke"
    )


async def test_the_failure_of_the_agent_is_a_failure(server: ScriptedAppServer, commands: Commands) -> None:
    server.asking, server.script = {"init"}, says(500)
    found = await commands.run(*LANE, "init", "")
    assert not found.succeeded
    assert "scripted" in found.text


async def test_clear_gives_the_lane_an_empty_conversation(
    server: ScriptedAppServer, upstream: LettaUpstream, commands: Commands
) -> None:
    await answer(upstream)
    assert await commands.run(*LANE, "clear", "") == CommandOutput(succeeded=True)
    assert [(each.archived, bool(each.messages)) for each in server.talks.values()] == [(True, True), (False, False)]
    await answer(upstream)
    assert [len(each.messages) for each in server.talks.values()] == [2, 2]
    assert "execute_command" not in {each["type"] for each in server.commands}


async def test_the_loss_of_one_connection_does_not_lose_the_end(server: ScriptedAppServer, commands: Commands) -> None:
    go_on = asyncio.Event()
    server.asking, server.script = {"init"}, waits_for(go_on, "So", " it is.")
    run = asyncio.create_task(commands.run(*LANE, "init", ""))

    async def begun() -> bool:
        return bool(server.asked)

    await eventually(begun, "the agent is asked")
    server.cut_one()
    go_on.set()
    assert await run == CommandOutput(succeeded=True, text="/init", said="So it is.")


async def test_the_loss_of_all_connections_is_told_and_nothing_is_sent_again(
    server: ScriptedAppServer, commands: Commands
) -> None:
    server.asking, server.script = {"init"}, says("So", None)
    with pytest.raises(AnswerInterrupted):
        await commands.run(*LANE, "init", "")
    assert [each["type"] for each in server.commands].count("execute_command") == 1


async def test_a_command_that_is_given_up_ends_the_work_of_the_agent(
    server: ScriptedAppServer, upstream: LettaUpstream, commands: Commands
) -> None:
    server.asking, server.script = {"init"}, waits_for(asyncio.Event(), "So")
    await give_up(server, commands, "init")
    server.script = says("Hello")
    assert await answer(upstream) == "Hello"
    # The server has ended the work: no copy is needed.
    assert len(server.talks) == 1


async def test_the_end_of_a_given_up_command_is_not_the_end_of_the_next_answer(
    server: ScriptedAppServer, upstream: LettaUpstream, commands: Commands
) -> None:
    server.asking, server.script, server.late_ends = {"init"}, waits_for(asyncio.Event(), "So"), 0.3
    await give_up(server, commands, "init")
    gate = asyncio.Event()
    server.script = waits_for(gate, "Hel", "lo")
    asyncio.get_running_loop().call_later(0.6, gate.set)
    assert await answer(upstream) == "Hello"


async def test_the_conversation_goes_on_in_a_copy_while_the_server_works_on_a_command_that_was_given_up(
    server: ScriptedAppServer, upstream: LettaUpstream, commands: Commands
) -> None:
    """When the summary is made, the server forgets the messages that came after the command."""
    assert await answer(upstream) == "Echo: hello"
    server.working["compact"] = asyncio.Event()
    await give_up(server, commands, "compact")
    old, copy = server.talks.values()
    assert (old.archived, copy.archived, copy.summary) == (True, False, "Dora")
    assert await answer(upstream) == "Echo: hello"
    assert [len(each.messages) for each in (old, copy)] == [2, 4]
    assert len(server.talks) == 2


async def give_up(server: ScriptedAppServer, commands: Commands, name: str) -> None:
    """Run a command, and cancel it while the server works on it."""
    run = asyncio.create_task(commands.run(*LANE, name, ""))

    async def arrived() -> bool:
        is_asked = name not in server.asking or bool(server.asked)
        return is_asked and "execute_command" in {each["type"] for each in server.commands}

    await eventually(arrived, "the server works on the command")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
