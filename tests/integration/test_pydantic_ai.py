"""An unmodified framework for agents discovers the tools, asks an agent, and claims and completes a task."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.api_client import program_of
from support.harness import DOMAIN, SHARED
from support.pydantic_ai_agent import run_agent
from support.scripted_model import ScriptedModel
from support.scripted_upstream import ScriptedUpstream, Tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Running
    from support.postgres import Server
    from support.scripted_upstream import Piece

pytestmark = pytest.mark.pydantic_ai


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream("Ada") as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    with postgres.migrated() as url:
        there = [{"name": "u", "url": upstream.url}]
        config = harness.config(url, there, service=SHARED, permissions={DOMAIN: "member"})
        async with harness.bridge(config) as running:
            yield running


async def test_an_agent_of_a_framework_asks_and_works(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as person, ScriptedModel() as model:
        name = upstream.names[0]
        talk = await running.join(person, name)
        program = await program_of(running, person.user_id)
        made = await program.post("/v1/tasks", room=name, title="Ask Ada how she is")
        results: list[Any] = []

        def told() -> Any:
            results.append(json.loads(model.told))
            return results[-1]

        async def script(_question: str) -> AsyncIterator[Piece]:
            yield Tool("tasks", json.dumps({"room": name}))
            # The model has the result of a tool behind the next piece.
            yield "I look. "
            (task,) = told()["tasks"]
            yield Tool("task_update", json.dumps({"task": task["number"], "action": "claim"}))
            yield "It is mine. "
            assert told()["state"] == "working"
            yield Tool("ask", json.dumps({"to": name, "text": "How are you?"}))
            yield "I tell it. "
            (answer,) = told()["answers"]
            yield Tool(
                "task_update", json.dumps({"task": task["number"], "state": "completed", "note": answer["text"]})
            )
            yield "Done: "
            yield told()["note"]

        model.script = script
        output = await run_agent(program, model, "Do what there is to do.")
        assert output == "Done: Echo: How are you?"
        offered = {each["function"]["name"] for each in model.asked[0]["tools"]}
        assert {"me", "who", "send", "ask", "read", "tasks", "task_update"} <= offered
        (task,) = (await program.get("/v1/tasks", room=name, closed=True))["tasks"]
        assert (task["number"], task["state"], task["assignee"], task["note"]) == (
            made["number"],
            "completed",
            person.user_id,
            "Echo: How are you?",
        )
        await person.wait_for(lambda: "Echo: How are you?" in [each.body for each in talk.answers])


async def test_an_agent_of_a_framework_reads_a_refusal(harness: BridgeHarness, running: Running) -> None:
    async with harness.person() as person, ScriptedModel() as model:
        program = await program_of(running, person.user_id)

        async def script(_question: str) -> AsyncIterator[Piece]:
            yield Tool("read", json.dumps({"room": "!nowhere:test.local"}))
            yield "I read: "
            yield "room_not_found" if "room_not_found" in model.told else model.told

        model.script = script
        assert await run_agent(program, model, "Read the room.") == "I read: room_not_found"
