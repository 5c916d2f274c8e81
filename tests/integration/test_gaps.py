"""The bridge finds and answers the events that the homeserver lost, in order."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from support.conditions import DEADLINE, eventually
from support.outages import outage_noticed
from support.scripted_upstream import ScriptedUpstream, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Conversation

NUMBERS = ["one", "two", "three", "four", "five", "six"]


@asynccontextmanager
async def silent_endpoint(url: str) -> AsyncIterator[asyncio.Event]:
    """Listen in the bridge's place and never respond; the event is set by the first transaction."""
    came = asyncio.Event()

    async def take(_request: web.Request) -> web.Response:
        came.set()
        await asyncio.Event().wait()
        raise AssertionError

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    server = TestServer(app, port=URL(url).port)
    await server.start_server(shutdown_timeout=0.1)
    try:
        yield came
    finally:
        await server.close()


@pytest.mark.long
async def test_transactions_lost_by_a_killed_homeserver_are_answered_after_the_start(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("found") as upstream:
        async with harness.talk(database_url, upstream) as talk:
            config = talk.running.bridge.config
        async with harness.watching(talk) as talk:
            async with silent_endpoint(config.appservice.url) as came:
                await talk.say(NUMBERS[0])
                await asyncio.wait_for(came.wait(), DEADLINE)
                # These wait in the homeserver's memory behind the first.
                for number in NUMBERS[1:]:
                    await talk.say(number)
                await harness.synapse.kill()
            await harness.synapse.start()
            async with harness.bridge(config) as running:
                await talk.person.wait_for(lambda: len(talk.answers) == len(NUMBERS))
                await eventually(running.idle, "every turn is closed")
        assert [answer.body for answer in talk.answers] == [f"Echo: {number}" for number in NUMBERS]
        assert upstream.questions == NUMBERS


async def test_a_bridge_that_goes_on_running_notices_that_the_homeserver_was_killed(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("noticed") as upstream, harness.talk(database_url, upstream) as talk:
        await talk.say("zero")
        await talk.wait_for_answers(1)
        with psycopg.connect(database_url) as jam:
            # The bridge cannot accept a transaction now: the first waits for the lock, the others wait behind it.
            jam.execute("LOCK TABLE turn IN SHARE MODE")
            for number in NUMBERS[:-1]:
                await talk.say(number)
            await eventually(lambda: _hangs(database_url), "a transaction waits for the lock")
            await harness.synapse.kill()
            jam.rollback()
        # Before the first sign of the loss, a later message would be answered before the lost ones.
        await outage_noticed(talk.running)
        await harness.synapse.start()
        await talk.say(NUMBERS[-1])
        answers = await talk.wait_for_answers(1 + len(NUMBERS))
        assert [answer.body for answer in answers] == [f"Echo: {number}" for number in ["zero", *NUMBERS]]
        assert upstream.questions == ["zero", *NUMBERS]


async def _hangs(database_url: str) -> bool:
    with psycopg.connect(database_url) as looking:
        rows = looking.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'turn'::regclass").fetchall()
    return bool(rows)


async def test_a_backfill_answers_no_message_twice(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("calm") as upstream, harness.talk(database_url, upstream) as talk:
        gate = asyncio.Event()
        for number in NUMBERS[:3]:
            await talk.say(number)
        await talk.wait_for_answers(3)
        upstream.scripts.append(waits_for(gate, "thinking"))
        await talk.say("running")
        await talk.say("waiting")
        await talk.person.wait_for(lambda: len(talk.answers) == 4)
        await _compare_again(talk)
        gate.set()
        answers = await talk.wait_for_answers(5)
        await _compare_again(talk)
        assert len(answers) == 5
        assert upstream.questions == [*NUMBERS[:3], "running", "waiting"]


async def _compare_again(talk: Conversation) -> None:
    """Request a backfill of every room from its beginning."""
    database = talk.running.database
    await database.execute("UPDATE room SET needs_backfill = true, last_seen = NULL")
    await database.execute("SELECT pg_notify('agent_bridge', 'backfill')")

    async def compared() -> bool:
        return not await database.rows("SELECT 1 FROM room WHERE needs_backfill")

    await eventually(compared, "every room is compared")


@pytest.mark.long
async def test_a_room_that_cannot_be_compared_does_not_wait_for_ever(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("locked out") as upstream, harness.talk(database_url, upstream) as talk:
        await talk.running.database.execute("INSERT INTO room (kind, room_id) VALUES ('bot', '!nowhere:test.local')")
        await _compare_again(talk)
        await talk.say("still there?")
        assert (await talk.wait_for_answers(1))[0].body == "Echo: still there?"
