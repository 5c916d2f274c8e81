"""An answer during streaming against a server in a homeserver's place, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.answering.answer_buffer import AnswerBuffer
from agent_bridge.bridge.answering.streaming import AnswerStreamer
from agent_bridge.bridge.delivery.edit_budget import EditBudget
from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.core.errors import LockLost
from agent_bridge.core.rooms import Show
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.render.activity import Activity
from agent_bridge.render.content import LIVE
from agent_bridge.render.rendition import Pace, Rendition
from agent_bridge.store.turns import Turns
from agent_bridge.upstream.answer import TextDelta
from support.conditions import eventually
from support.fault_server import FaultServer, Reply, sent
from support.records import NAMES
from support.turn_rows import accept, new, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.store.postgres.database import Database


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        yield server


@pytest.fixture
async def outbox(database: Database, server: FaultServer) -> AsyncIterator[Outbox]:
    (lane,) = await accept(database, new("$1"))
    turn = await take(database, lane)
    async with homeserver_session() as session:
        homeserver = Homeserver(server.url.removesuffix("/v1"), "token", NAMES, session)
        yield Outbox(homeserver, Turns(database), turn, NAMES.user_id("agent_frida"))


async def holds_its_lane() -> None:
    """Verify nothing: the worker is well."""


def buffer(pace: Pace) -> AnswerBuffer:
    return AnswerBuffer(Rendition(pace, max_parts=4), Activity(ENGLISH, reasoning=Show.HIDDEN, tools=Show.HIDDEN))


def feed(answer: AnswerBuffer, streamer: AnswerStreamer, text: str) -> None:
    answer.feed(TextDelta(text), time.monotonic())
    streamer.changed()


@pytest.mark.parametrize(("first", "enabled"), [(60.0, True), (0.0, False)], ids=["whole at once", "not streamed"])
async def test_an_answer_that_is_not_shown_while_it_grows_costs_no_task(
    server: FaultServer, outbox: Outbox, first: float, *, enabled: bool
) -> None:
    answer = buffer(Pace(first=first, enough=1))
    before = asyncio.all_tasks()
    async with AnswerStreamer(outbox, answer, EditBudget(1000), holds_its_lane, enabled=enabled) as streamer:
        for text in ("Once ", "upon ", "a time"):
            feed(answer, streamer, text)
            await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == before
    assert server.requests == []


async def test_a_growing_answer_is_one_event_and_its_edits(server: FaultServer, outbox: Outbox) -> None:
    server.script(sent("$answer"), sent("$edit"))
    answer = buffer(Pace(first=0.01, floor=0.01, enough=1))
    async with AnswerStreamer(outbox, answer, EditBudget(1000), holds_its_lane, enabled=True) as streamer:
        for number, text in enumerate(("Once ", "upon "), 1):
            feed(answer, streamer, text)

            async def shown(count: int = number) -> bool:
                return len(server.requests) == count

            await eventually(shown, "the homeserver gets a request")
    contents = [request.json for request in server.requests]
    assert [content["body"].strip() for content in contents] == ["Once", "* Once upon"]
    assert all(LIVE in content for content in contents)
    assert contents[1]["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$answer"}
    assert outbox.event_ids == {0: "$answer"}


async def test_a_worker_that_may_have_lost_its_lane_shows_nothing(server: FaultServer, outbox: Outbox) -> None:
    """It was paused, and another worker may have finished the answer: the messages wait until the database answers."""
    server.script(sent("$answer"))
    answer, asked, lost = buffer(Pace(first=0.01, floor=0.01, enough=1)), asyncio.Event(), True

    async def verify() -> None:
        asked.set()
        if lost:
            raise LockLost("the connection was lost")

    async with AnswerStreamer(outbox, answer, EditBudget(1000), verify, enabled=True) as streamer, asyncio.timeout(15):
        feed(answer, streamer, "Once ")
        await asked.wait()
        assert server.requests == []
        lost = False
        feed(answer, streamer, "upon ")
        request = await server.request()
    assert request.json["body"].strip() == "Once upon"


async def test_an_edit_without_a_response_delays_the_next_one_for_a_while_only(
    server: FaultServer, outbox: Outbox
) -> None:
    server.script(sent("$answer"), Reply(200, then="hang"), sent("$edit"))
    answer = buffer(Pace(first=0.01, floor=0.01, enough=1))
    async with (
        asyncio.timeout(15),
        AnswerStreamer(outbox, answer, EditBudget(1000), holds_its_lane, enabled=True, patience=0.3) as streamer,
    ):
        for number, text in enumerate(("Once ", "upon ", "a time"), 1):
            feed(answer, streamer, text)

            async def arrived(count: int = number) -> bool:
                return len(server.requests) == count

            await eventually(arrived, "the homeserver gets a request")
    assert server.requests[-1].json["m.new_content"]["body"] == "Once upon a time"


async def test_the_end_waits_for_a_request_that_was_sent(server: FaultServer, outbox: Outbox) -> None:
    server.script(sent("$answer", pause=0.3))
    answer = buffer(Pace(first=0.01, enough=1))
    async with AnswerStreamer(outbox, answer, EditBudget(1000), holds_its_lane, enabled=True) as streamer:
        feed(answer, streamer, "Once")
        await server.request()
        assert outbox.event_ids == {}
    assert outbox.event_ids == {0: "$answer"}


async def test_cancellation_waits_for_nothing(server: FaultServer, outbox: Outbox) -> None:
    server.script(Reply(200, then="hang"))
    answer = buffer(Pace(first=0.01, enough=1))

    async def stream() -> None:
        async with AnswerStreamer(outbox, answer, EditBudget(1000), holds_its_lane, enabled=True) as streamer:
            feed(answer, streamer, "Once")
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    task = asyncio.create_task(stream())
    async with asyncio.timeout(15):
        request = await server.request()
        task.cancel()
        await asyncio.wait([task])
        await request.over.wait()
    assert task.cancelled()
    assert not [left for left in asyncio.all_tasks() - before if "AnswerStreamer" in repr(left)]


async def test_edits_wait_for_the_budget_and_first_words_do_not(server: FaultServer, outbox: Outbox) -> None:
    budget = EditBudget(0.01)
    await budget.wait()
    server.script(sent("$answer"))
    answer = buffer(Pace(first=0.01, floor=0.01, enough=1))
    async with AnswerStreamer(outbox, answer, budget, holds_its_lane, enabled=True) as streamer, asyncio.timeout(15):
        feed(answer, streamer, "Once ")
        await server.request()
        feed(answer, streamer, "upon")
        await asyncio.sleep(0.2)
    # The end does not wait for the budget either.
    assert len(server.requests) == 1


async def test_nothing_grows_any_more_when_a_room_disables_live_messages_in_the_middle(
    server: FaultServer, outbox: Outbox
) -> None:
    server.script(sent("$answer"))
    answer, asked, is_allowed = buffer(Pace(first=0.01, floor=0.01, enough=1)), asyncio.Event(), True

    async def permits() -> bool:
        if not is_allowed:
            asked.set()
        return is_allowed

    budget = EditBudget(1000)
    async with AnswerStreamer(outbox, answer, budget, holds_its_lane, enabled=True, permits=permits) as streamer:
        feed(answer, streamer, "Once ")
        await server.request()
        is_allowed = False
        feed(answer, streamer, "upon ")
        async with asyncio.timeout(5):
            await asked.wait()
        is_allowed = True
        feed(answer, streamer, "a time")
        await asyncio.sleep(0.1)
    assert len(server.requests) == 1
