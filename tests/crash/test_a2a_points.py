"""A process dies at each point of a question to an agent that speaks A2A: the next one reads the same task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agent_bridge.store.postgres.database import Database
from agent_bridge.store.turns import Turns
from crash.cases import around
from crash.doomed_process import kill_at
from support.conditions import eventually
from support.process import BridgeProcess
from support.scripted_a2a import ScriptedA2A

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.harness import BridgeHarness

#: The first write stores that the question is about to be sent, the second one its task.
POINTS = [
    "request",
    *around("remember:1", "remember:2"),
    "first_words",
    *around("send"),
    "last_words",
    *around("commit", "finish"),
]
#: The question was perhaps sent, and no task tells that it was not.
UNCLEAR = "after:remember:1"


async def _script(question: str) -> AsyncIterator[str]:
    yield f"Echo: {question} begins"
    await asyncio.sleep(0.4)
    yield " and ends"


@pytest.mark.long
@pytest.mark.parametrize("streams", [True, False], ids=["streams", "polls"])
@pytest.mark.parametrize("point", POINTS)
async def test_a_question_is_sent_once(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str, *, streams: bool
) -> None:
    text = f"the question at {point}"
    async with ScriptedA2A("Dora", streams=streams) as server, Database(database_url) as database:
        server.script = _script
        there = {"name": "agents", "kind": "a2a", "url": server.url, "cards": server.names}
        config = harness.config(database_url, [there], logging={"format": "json"})
        async with harness.person() as person:
            async with harness.bridge(config) as running:
                talk = await running.join(person, server.names[0])
            await kill_at(tmp_path, config, point, text, talk.say)
            async with BridgeProcess(tmp_path, config) as process:
                await process.wait_for("listening")
                await talk.say("next")

                async def idle() -> bool:
                    return not await Turns(database).count_open()

                await person.wait_for(lambda: any("Echo: next begins and ends" in each.body for each in talk.answers))
                await eventually(idle, "no turn is open")
            bodies = [each.body for each in talk.answers]
            if point == UNCLEAR:
                assert "may have got the message, and does not tell; it was not sent again" in bodies[0]
                assert server.questions == ["next"]
            else:
                assert bodies == [f"Echo: {text} begins and ends", "Echo: next begins and ends"]
                assert server.questions == [text, "next"]
