"""A process dies while a tool waits, or works: what the tool does is done once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.programs import SAID_BY
from agent_bridge.store.postgres.database import Database
from crash.cases import around
from crash.doomed_process import DoomedProcess
from support.api_client import program_of
from support.conditions import eventually
from support.harness import DOMAIN
from support.mcp_client import LEGACY, MODERN, tools_of
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream, waits_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.api_client import Program
    from support.harness import BridgeHarness, Conversation
    from support.postgres import Server


async def asks(program: Program, mode: str, agent: str) -> dict[str, object]:
    async with tools_of(program, mode) as tools:
        # The client checks the result by the list, which it would ask for otherwise when the process is gone.
        await tools.names()
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


CALLS: dict[str, dict[str, Any]] = {
    "task_create": {"title": "Read"},
    "task_claim": {"action": "claim"},
    "task_assign": {"action": "assign", "assignee": "me"},
    "task_split": {"action": "split", "titles": ["Read"]},
    "task_update": {"state": "completed", "note": "It is done."},
    "post_event": {"kind": "research_complete", "data": {"confidence": 0.87}},
}


@pytest.mark.long
@pytest.mark.parametrize("point", around("api_finish"))
@pytest.mark.parametrize("name", CALLS)
async def test_a_process_dies_while_a_tool_works(
    harness: BridgeHarness, postgres: Server, tmp_path: Path, name: str, point: str
) -> None:
    with postgres.migrated() as url:
        async with ScriptedUpstream("ada") as upstream, harness.person() as person, Database(url) as database:
            there = [{"name": "u", "url": upstream.url}]
            config = harness.config(url, there, permissions={DOMAIN: "member"}, logging={"format": "json"})
            agent = upstream.names[0]
            async with harness.bridge(config) as running:
                talk = await running.join(person, agent)
                program = await program_of(running, person.user_id)
                made = await program.post("/v1/tasks", room=agent, title="Work")
            place = {"room": agent} if name in {"task_create", "post_event"} else {"task": made["number"]}
            given = CALLS[name] | ({"assignee": person.user_id} if name == "task_assign" else {})
            tool = name if name in {"task_create", "post_event"} else "task_update"

            async def call() -> dict[str, object]:
                async with tools_of(program, MODERN) as tools:
                    return await tools.call(tool, **place, **given, idempotency_key="one")

            if name == "task_update":
                async with harness.bridge(config):
                    await program.post(f"/v1/tasks/{made['number']}/claim")
            async with DoomedProcess(tmp_path, config, point, "") as doomed:
                await doomed.wait_for("listening")
                with contextlib.suppress(Exception):
                    # The client tells it in groups of errors of its own.
                    await call()
                assert await doomed.death() == -signal.SIGKILL
            async with BridgeProcess(tmp_path, config) as process:
                await process.wait_for("listening")
                result = await call()
                assert await call() == result
                rows = await database.rows("SELECT title, state, assignee, changes FROM task ORDER BY id")
                both = ["Work", "Read"]
                assert [row["title"] for row in rows] == (both if name in {"task_create", "task_split"} else ["Work"])
                states = {"task_claim": "working", "task_update": "completed", "task_assign": "submitted"}
                assert rows[0]["state"] == states.get(name, "submitted")
                assert rows[0]["assignee"] == (person.user_id if name in states else None)
                if name == "post_event":
                    await person.wait_for(lambda: events(talk))

                    async def is_shown() -> bool:
                        return not await database.rows("SELECT 1 FROM agent_event WHERE event_id IS NULL")

                    await eventually(is_shown, "all events are shown")
                    assert len(events(talk)) == 1


def events(talk: Conversation) -> list[object]:
    """Return the agent events of a room."""
    return [each for each in talk.from_bot if "org.agent_bridge.event" in each.versions[0]]


@pytest.mark.long
@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_a_process_ends_while_a_tool_waits(
    harness: BridgeHarness, postgres: Server, tmp_path: Path, mode: str
) -> None:
    gate = asyncio.Event()
    with postgres.migrated() as url:
        async with ScriptedUpstream("ada") as upstream, harness.person() as person:
            there = [{"name": "u", "url": upstream.url}]
            config = harness.config(url, there, permissions={DOMAIN: "member"}, logging={"format": "json"})
            agent = upstream.names[0]
            async with harness.bridge(config) as running:
                await running.join(person, agent)
                program = await program_of(running, person.user_id)
            upstream.script = waits_for(gate, "First ", "and last.")
            async with BridgeProcess(tmp_path, config) as process:
                await process.wait_for("listening")
                asking = asyncio.create_task(asks(program, mode, agent))
                await person.wait_for(lambda: upstream.questions)
                before = asyncio.get_running_loop().time()
                assert await process.stop() == 0
                assert asyncio.get_running_loop().time() - before < 20
                result = await asking
                # Another process goes on with the handle.
                assert result["is_complete"] is False
            gate.set()
            async with BridgeProcess(tmp_path, config) as process:
                await process.wait_for("listening")
                async with tools_of(program, mode) as tools:
                    found = await tools.call("ask", handle=result["handle"])
            assert [each["text"] for each in found["answers"]] == ["First and last."]
