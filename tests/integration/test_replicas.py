"""Several processes on one database: after a kill of one process the others go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.store.postgres.database import Database
from agent_bridge.store.turns import Turns
from support.conditions import eventually
from support.harness import DOMAIN
from support.process import BridgeProcess
from support.replicas import only_a_door, replica
from support.scripted_upstream import ScriptedUpstream, waits_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness

LEADING = "this process leads"
#: Seconds within which another process has to have taken over.
LEADER_WITHIN, TURN_WITHIN = 20, 60


def folder(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir()
    return tmp_path / name


def logs(bridge: BridgeProcess, event: str) -> Any:
    async def logged() -> bool:
        return bool(bridge.logged(event))

    return logged


async def test_a_killed_process_is_replaced_by_the_other(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("pair") as upstream:
        async with harness.talk(database_url, upstream) as talk:
            pass
        never = asyncio.Event()
        one = BridgeProcess(folder(tmp_path, "one"), replica(harness, database_url, upstream, door=True))
        two = BridgeProcess(folder(tmp_path, "two"), replica(harness, database_url, upstream, door=False))
        async with harness.watching(talk) as talk, Database(database_url) as database, one:
            await eventually(logs(one, LEADING), "the first leads")
            await eventually(logs(one, "listening"), "the first process listens")
            # The question comes before the second process, so that the first one answers.
            upstream.scripts.append(waits_for(never, "half"))
            await talk.say("question")
            await talk.person.wait_for(lambda: talk.answers)
            async with two:
                await eventually(logs(two, "listening"), "the second process listens")
                assert two.logged(LEADING) == []
                await one.kill()
                await eventually(logs(two, LEADING), "the second leads", LEADER_WITHIN)
                await talk.person.wait_for(lambda: talk.answers[0].body == "Echo: question", TURN_WITHIN)

                async def idle() -> bool:
                    return not await Turns(database).count_open()

                await eventually(idle, "every turn is closed")
                upstream.models[0]["name"] = "renamed pair"
                await talk.person.wait_for(lambda: "renamed pair" in (talk.room.name or ""))
                assert len(talk.answers) == 1
                assert await two.stop() == 0


@pytest.mark.long
async def test_a_worker_answers_and_stops_messages_that_another_process_receives(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("hands") as upstream:
        async with harness.talk(database_url, upstream) as talk:
            pass
        never = asyncio.Event()
        upstream.scripts.append(waits_for(never, "Once upon"))
        worker = BridgeProcess(folder(tmp_path, "w"), replica(harness, database_url, upstream, door=False), "worker")
        async with (
            harness.watching(talk) as talk,
            only_a_door(replica(harness, database_url, upstream, door=True)),
            worker,
            harness.person("admin") as admin,
        ):
            question = await talk.say("tell me")
            await talk.person.wait_for(lambda: talk.answers, TURN_WITHIN)
            await talk.person.react(talk.room_id, question, "🛑")
            await talk.person.wait_for(lambda: talk.answers[0].body == "Once upon\n\n*(stopped)*")
            # The worker answers commands too; the leader carries out the worker's requests.
            dm = await admin.create_dm(f"@agentbridge:{DOMAIN}")
            upstream.models.append({"id": "newcomer", "object": "model"})
            await admin.say(dm, "sync")
            await admin.wait_for(lambda: [m for m in admin.room(dm).messages.values() if "2 agents" in m.body])
            assert len(worker.logged("turn claimed")) == 1
            assert await worker.stop() == 0
