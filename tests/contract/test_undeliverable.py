"""Messages in rooms in which the ghost cannot answer, on a real PostgreSQL and a server in a homeserver's place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.answering.undeliverable import Undeliverable
from agent_bridge.bridge.delivery.status_reactions import StatusReactions
from agent_bridge.bridge.delivery.stop_offers import StopOffers
from agent_bridge.core.rooms import RoomProblem
from agent_bridge.core.turns import TurnState
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.turns import Turns
from support.change_requests import asked, note, redaction
from support.fault_server import FaultServer, Reply, sent
from support.records import NAMES
from support.turn_rows import accept, add_agent, collect, row_of, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.store.postgres.database import Database


@pytest.fixture
async def undeliverable(database: Database, wire: FaultServer) -> AsyncIterator[Undeliverable]:
    async with homeserver_session() as session:
        homeserver = Homeserver(wire.url.removesuffix("/v1"), "token", NAMES, session)
        turns = Turns(database)
        offers = StopOffers(homeserver, turns)
        yield Undeliverable(homeserver, turns, StatusReactions(homeserver), offers, ENGLISH)


async def test_the_bot_marks_the_message_and_tells_the_reason(
    database: Database, wire: FaultServer, undeliverable: Undeliverable
) -> None:
    (lane,) = await accept(database, asked("$q", await add_agent(database)))
    wire.script(*[Reply(200, {"Content-Type": "application/json"}, (json.dumps({"event_id": "$e"}).encode(),))] * 9)
    assert await undeliverable.close(await take(database, lane), RoomProblem.GHOST_MUTED)
    row = await row_of(database, "$q")
    cause = "the agent has no power to send messages here"
    assert (row["state"], row["error"]) == (TurnState.FAILED, cause)
    assert [request.json["body"] for request in wire.requests if "body" in request.json] == [f"⚠️ No answer: {cause}."]


async def test_an_offer_to_stop_goes(database: Database, wire: FaultServer, undeliverable: Undeliverable) -> None:
    (lane,) = await accept(database, asked("$q", await add_agent(database)))
    turn = await take(database, lane)
    await Turns(database).offer_stop(turn.id, "$offer")
    wire.script(*[sent("$e")] * 9)
    assert await undeliverable.close(await take(database, lane), RoomProblem.GHOST_MUTED)
    redacted = [request for request in wire.requests if "/redact/" in request.path]
    assert [request.query["user_id"] for request in redacted] == [NAMES.user_id("agent_frida")]
    assert "$offer" in redacted[0].path
    assert await Turns(database).stop_offer(turn.id) is None


async def test_a_redacted_message_gets_no_word(
    database: Database, wire: FaultServer, undeliverable: Undeliverable
) -> None:
    (lane,) = await accept(database, asked("$q", await add_agent(database)))
    turn = await take(database, lane)
    await note(database, redaction("$q"))
    assert await undeliverable.close(turn, RoomProblem.GHOST_MUTED)
    row = await row_of(database, "$q")
    assert (row["state"], row["answer"], row["error"]) == (TurnState.STOPPED, None, None)
    assert wire.requests == []


async def test_the_messages_that_are_left_get_the_word(
    database: Database, wire: FaultServer, undeliverable: Undeliverable
) -> None:
    agent = await add_agent(database)
    (lane,) = await accept(database, asked("$q", agent))
    await accept(database, asked("$more", agent))
    turn = await take(database, lane)
    assert await collect(database, turn) == ["$more"]
    await note(database, redaction("$q"))
    assert not await undeliverable.close(turn, RoomProblem.GHOST_MUTED)
    assert await Turns(database).count_open() == {lane: 1}
    assert wire.requests == []
