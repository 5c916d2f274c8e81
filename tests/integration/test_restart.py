"""Kills, stops and restarts, with the bridge as a real process, and the messages that a person sees afterwards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from agent_bridge.bridge.queue.worker import MAX_INTERRUPTIONS
from agent_bridge.core.ids import mark, turn_key
from agent_bridge.render.content import LIVE
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.migrate import migrate
from agent_bridge.store.turns import Turns
from support.conditions import DEADLINE, eventually
from support.process import BridgeProcess
from support.proxy import Proxy
from support.scripted_letta_v1 import ScriptedLettaV1
from support.scripted_upstream import ScriptedUpstream, says, until_cancelled, waits_for

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness


def configured(harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, **keys: str) -> Config:
    return harness.config(
        database_url,
        [{"name": "scripted", "url": upstream.url, **keys}],
        logging={"format": "json"},
        lanes={"drain_timeout": 5},
    )


def process(folder: Path, config: Config) -> AbstractAsyncContextManager[BridgeProcess]:
    return BridgeProcess(folder, config)


async def test_a_killed_bridge_goes_on_with_the_answer_it_had_begun(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("phoenix") as upstream:
        config = configured(harness, database_url, upstream)
        async with harness.talk(database_url, upstream) as talk:
            pass
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, "half of "))
        async with harness.watching(talk) as talk, Database(database_url) as database:
            async with process(tmp_path, config) as bridge:
                await talk.say("one")
                await talk.say("two")
                await talk.person.wait_for(lambda: talk.answers and talk.answers[0].body == "half of")
                await bridge.kill()
            await talk.say("three")
            async with process(tmp_path, config) as bridge:

                async def all_done() -> bool:
                    return not await Turns(database).count_open() and len(bridge.logged("answer sent")) == 3

                await eventually(all_done, "three answers")
                await talk.person.wait_for(lambda: len(talk.answers) == 3)
                await talk.person.wait_for(lambda: talk.answers[0].body == "Echo: one")
                assert await bridge.stop() == 0
        assert [answer.body for answer in talk.answers] == ["Echo: one", "Echo: two", "Echo: three"]
        assert upstream.questions == ["one", "one", "two", "three"]


@pytest.mark.long
async def test_a_run_that_went_on_after_a_kill_ends_with_a_stop(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    over = asyncio.Event()
    async with ScriptedLettaV1("undead") as upstream:
        config = configured(harness, database_url, upstream, kind="letta_v1")
        async with harness.talk(database_url, upstream, kind="letta_v1") as talk:
            pass
        upstream.scripts.append(until_cancelled(over, "half of "))
        async with harness.watching(talk) as talk, Database(database_url) as database:
            async with process(tmp_path, config) as bridge:
                await talk.say("one")
                await talk.person.wait_for(lambda: talk.answers and talk.answers[0].body == "half of")
                await bridge.kill()
            assert not over.is_set()
            # The bridge finds the stop before it looks for the answer.
            await database.execute("UPDATE turn SET stop = 'stopped' WHERE state = 'running'")
            async with process(tmp_path, config) as bridge:
                await talk.person.wait_for(lambda: talk.answers[0].body.endswith("(stopped)"))
                assert over.is_set()
                await talk.say("two")
                await talk.person.wait_for(lambda: talk.answers[-1].body == "Echo: two")
        assert upstream.questions == ["one", "two"]


async def test_a_message_that_kills_the_bridge_fails_in_the_end(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("deadly") as upstream:
        config = configured(harness, database_url, upstream)
        async with harness.talk(database_url, upstream) as talk:
            pass
        upstream.scripts.append(waits_for(asyncio.Event(), "half of "))
        async with harness.watching(talk) as talk, Database(database_url) as database:
            async with process(tmp_path, config) as bridge:
                await talk.say("kill")
                await talk.say("next")
                await talk.person.wait_for(lambda: talk.answers and talk.answers[0].body == "half of")
                assert LIVE in talk.answers[0].content
                await bridge.kill()
            await database.execute(
                "UPDATE turn SET interruptions = %s WHERE state = 'running'", (MAX_INTERRUPTIONS - 1,)
            )
            async with process(tmp_path, config) as bridge:
                await talk.person.wait_for(lambda: len(talk.answers) == 3 and LIVE not in talk.answers[0].content)
        assert [answer.body for answer in talk.answers[::2]] == ["half of", "Echo: next"]
        assert f"the bridge ended {MAX_INTERRUPTIONS} times" in (talk.answers[1].html or "") + talk.answers[1].body
        assert upstream.questions == ["kill", "next"]


async def test_a_message_whose_sending_was_not_written_down_is_adopted(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    """The bridge dies between the homeserver's response and the row; the homeserver forgets transaction ids as well."""
    async with ScriptedUpstream("twice") as upstream:
        async with harness.talk(database_url, upstream) as talk:
            await talk.say("only once")
            await talk.wait_for_answers(1)
        async with Database(database_url) as database:
            await database.execute("UPDATE turn SET state = 'committed', finished_at = NULL")
            await database.execute("UPDATE outbox SET event_id = NULL")
            await harness.synapse.restart()
            async with harness.watching(talk) as talk, process(tmp_path, configured(harness, database_url, upstream)):

                async def done() -> bool:
                    return not await Turns(database).count_open()

                await eventually(done, "the turn is closed")
                row = await database.row("SELECT event_id FROM outbox")
                await talk.say("next")
                await talk.person.wait_for(lambda: talk.answers and talk.answers[-1].body == "Echo: next")
        assert [answer.body for answer in talk.answers] == ["Echo: only once", "Echo: next"]
        assert row is not None
        assert row["event_id"] == talk.answers[0].event_id
        assert upstream.questions == ["only once", "next"]


async def test_a_clean_stop_lets_a_running_answer_finish(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("drain") as upstream:
        async with harness.talk(database_url, upstream) as talk:
            pass
        gate = asyncio.Event()
        upstream.scripts.append(waits_for(gate, "slow ", "but whole"))
        async with harness.watching(talk) as talk:
            async with process(tmp_path, configured(harness, database_url, upstream)) as bridge:
                await talk.say("finish this")
                await talk.say("and this later")
                await talk.person.wait_for(lambda: talk.answers)
                stopping = asyncio.create_task(bridge.stop())

                async def draining() -> bool:
                    return bool(bridge.logged("finishing running turns"))

                await eventually(draining, "the bridge knows that it shall stop")
                gate.set()
                assert await stopping == 0
            await talk.person.wait_for(lambda: talk.answers[0].body == "slow but whole")
            assert len(upstream.asked) == 1
            async with process(tmp_path, configured(harness, database_url, upstream)):
                await talk.person.wait_for(lambda: [a.body for a in talk.answers][1:] == ["Echo: and this later"])


async def test_messages_sent_while_no_bridge_ran_are_answered_at_its_start(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("away") as upstream:
        async with harness.talk(database_url, upstream) as talk:
            pass
        async with harness.watching(talk) as talk:
            for number in range(5):
                await talk.say(f"{number}")
            async with process(tmp_path, configured(harness, database_url, upstream)) as bridge:
                await talk.person.wait_for(lambda: len(talk.answers) == 5)
                await bridge.wait_for("the homeserver reaches the bridge")
        assert [answer.body for answer in talk.answers] == [f"Echo: {number}" for number in range(5)]


@pytest.mark.long
async def test_a_lane_of_a_dead_worker_is_taken_over(harness: BridgeHarness, database_url: str) -> None:
    """A running job without the lock of its lane has lost its worker."""
    async with ScriptedUpstream("orphan") as upstream, harness.talk(database_url, upstream) as talk:
        await talk.say("first")
        await talk.wait_for_answers(1)

        async def at_rest() -> bool:
            return not await talk.running.database.rows("SELECT 1 FROM procrastinate_jobs")

        await eventually(at_rest, "the lane's job has ended")
        async with talk.running.database.transaction() as connection:
            lane = await (await connection.execute("SELECT id FROM conversation")).fetchone()
            assert lane is not None
            await connection.execute(
                """
                INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args, status)
                VALUES ('lanes', 'lane', %(name)s, %(name)s, jsonb_build_object('lane', %(id)s::bigint), 'doing')
                """,
                {"name": f"lane-{lane['id']}", "id": lane["id"]},
            )
        await talk.say("second")
        await talk.wait_for_answers(2)
        assert talk.answers[-1].body == "Echo: second"


@pytest.mark.long
async def test_two_bridges_share_the_work_and_say_nothing_twice(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("shared") as upstream, harness.talk(database_url, upstream) as talk:
        async with BridgeProcess(tmp_path, configured(harness, database_url, upstream), "worker"):
            for number in range(10):
                await talk.say(f"{number}")
            await talk.wait_for_answers(10)
        assert [answer.body for answer in talk.answers] == [f"Echo: {number}" for number in range(10)]
        assert upstream.questions == [f"{number}" for number in range(10)]


async def test_an_empty_database_adopts_the_existing_rooms(harness: BridgeHarness, database_url: str) -> None:
    """The bridge finds the rooms by their aliases; it creates none twice, and answers go on."""
    async with ScriptedUpstream("anew") as upstream:
        async with harness.talk(database_url, upstream) as talk:
            await talk.say("before")
            await talk.wait_for_answers(1)
        async with Database(database_url) as database:
            await database.execute("DROP SCHEMA public CASCADE")
            await database.execute("CREATE SCHEMA public")
            await asyncio.to_thread(migrate, database_url)
        async with (
            harness.bridge(configured(harness, database_url, upstream)) as running,
            harness.watching(talk) as talk,
        ):
            contact = await running.contact(upstream.names[0])
            assert contact.home.room_id == talk.room_id
            await talk.say("after")
            await talk.person.wait_for(lambda: [a.body for a in talk.answers] == ["Echo: before", "Echo: after"])


@pytest.mark.parametrize(
    "forgets", [pytest.param(False, id="it remembers"), pytest.param(True, id="it forgets", marks=pytest.mark.long)]
)
async def test_a_first_word_whose_reply_was_lost_becomes_the_whole_answer(
    harness: BridgeHarness, database_url: str, *, forgets: bool
) -> None:
    async with ScriptedUpstream("lossy") as upstream, Proxy(harness.synapse.url) as proxy:
        gate, cut = asyncio.Event(), asyncio.Event()

        def lose_first_message(_number: int, method: str, path: str) -> web.Response | None:
            if method == "PUT" and "/send/m.room.message/" in path and not cut.is_set():
                cut.set()
                return web.Response(status=502)
            return None

        proxy.replaces = lose_first_message
        upstream.scripts.append(waits_for(gate, "half of ", "the whole"))
        there = {"address": proxy.url, "domain": "test.local"}
        async with harness.talk(database_url, upstream, homeserver=there) as talk:
            await talk.say("go on")
            await asyncio.wait_for(cut.wait(), DEADLINE)
            if forgets:
                # The homeserver dies between the event and its answer, and knows no transaction ids afterwards.
                await harness.synapse.kill()
                await harness.synapse.start()
            gate.set()
            await talk.person.wait_for(lambda: [answer.body for answer in talk.answers] == ["half of the whole"])
            await talk.wait_for_answers(1)


async def test_forged_marks_do_not_pass_for_an_answer(harness: BridgeHarness, database_url: str) -> None:
    """A person can write any content in a room, including marks of the bridge."""
    async with ScriptedUpstream("genuine") as upstream:
        async with harness.talk(database_url, upstream) as talk:
            event = await talk.say("hello")
            await talk.wait_for_answers(1)
            forged = {
                "msgtype": "m.text",
                "body": "forged",
                "agent_bridge.turn": mark(turn_key(event, talk.ghost[1:].partition(":")[0]), 0),
            }
            await talk.person.send(talk.room_id, "m.room.message", forged)
            await talk.person.send(talk.room_id, "m.room.message", forged | {"agent_bridge.turn": ["x"]})
            await talk.wait_for_answers(3)
            genuine = talk.answers[0].event_id
        async with Database(database_url) as database:
            await database.execute("UPDATE turn SET state = 'committed' WHERE event_id = %s", (event,))
            await database.execute("UPDATE outbox SET event_id = NULL")
        async with harness.talk(database_url, upstream) as talk:
            await talk.wait_for_answers(3)
            row = await talk.running.database.row(
                "SELECT s.event_id FROM outbox s JOIN turn t ON t.id = s.turn WHERE t.event_id = %s", (event,)
            )
            assert row is not None
            assert row["event_id"] == genuine


@pytest.mark.long
async def test_a_delayed_retry_begins_at_the_next_start(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("patient") as upstream:
        async with harness.talk(database_url, upstream) as talk:
            upstream.status = 503
            upstream.scripts.append(says(503))
            await talk.say("try")
            rows = talk.running.database.rows

            async def waits() -> bool:
                return bool(await rows("SELECT 1 FROM turn WHERE not_before IS NOT NULL"))

            await eventually(waits, "the turn waits for its next attempt")
            # Like a wait for the homeserver. The bridge keeps a wait that the upstream asked for.
            await talk.running.database.execute(
                "UPDATE turn SET failures = 0, upstream_waits = 0, waits_since = now(),"
                " not_before = now() + interval '1 hour'"
            )
            await talk.running.database.execute(
                "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 hour'"
            )
        upstream.status = 200
        async with harness.talk(database_url, upstream) as talk:
            assert (await talk.wait_for_answers(1))[0].body == "Echo: try"
