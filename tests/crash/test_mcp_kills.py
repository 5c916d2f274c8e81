"""A process dies while a tool waits for an answer: the question is in the room once, and is answered once."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.programs import SAID_BY
from support.api_client import program_of
from support.harness import DOMAIN
from support.mcp_client import LEGACY, MODERN, tools_of
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream, waits_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.api_client import Program
    from support.harness import BridgeHarness
    from support.postgres import Server


async def asks(program: Program, mode: str, agent: str) -> dict[str, object]:
    async with tools_of(program, mode) as tools:
        return await tools.call("ask", to=agent, text="how are you?", idempotency_key="one")


@pytest.mark.long
@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_a_process_is_killed_in_the_middle_of_ask(
    harness: BridgeHarness, postgres: Server, tmp_path: Path, mode: str
) -> None:
    gate = asyncio.Event()
    with postgres.migrated() as url:
        async with ScriptedUpstream("ada") as upstream, harness.person() as person:
            there = [{"name": "u", "url": upstream.url}]
            config = harness.config(url, there, permissions={DOMAIN: "member"}, logging={"format": "json"})
            agent = upstream.names[0]
            async with harness.bridge(config) as running:
                talk = await running.join(person, agent)
                program = await program_of(running, person.user_id)
            upstream.script = waits_for(gate, "First ", "and last.")
            async with BridgeProcess(tmp_path, config) as process:
                await process.wait_for("listening")
                asking = asyncio.create_task(asks(program, mode, agent))
                await person.wait_for(lambda: upstream.questions)
                await process.kill()
                with contextlib.suppress(Exception):
                    # The client tells it in groups of errors of its own.
                    await asking
                assert asking.cancelled() or asking.exception() is not None
            gate.set()
            async with BridgeProcess(tmp_path, config) as process:
                await process.wait_for("listening")
                # A repeat by any process, and after any handshake, has the answer.
                results = await asyncio.gather(asks(program, mode, agent), asks(program, MODERN, agent))
            assert results[0] == results[1]
            assert results[0]["is_complete"] is True
            said = [each for each in talk.from_bot if SAID_BY in each.versions[0]]
            assert [each.event_id for each in said] == [results[0]["event_id"]]
            await person.wait_for(lambda: [each.body for each in talk.answers] == ["First and last."])
