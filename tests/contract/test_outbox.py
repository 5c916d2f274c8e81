"""The outbox against a server in a homeserver's place, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.core.answers import Op
from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable
from agent_bridge.core.turns import TurnState
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.event_streams import DESCRIPTOR
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.render.content import LIVE
from agent_bridge.store.turns import Turns
from support.fault_server import FaultServer, Reply, sent
from support.records import NAMES
from support.turn_rows import accept, new, row_of, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.store.postgres.database import Database

ANSWER = Op(0, "the whole answer")


@pytest.fixture
async def outbox(database: Database, wire: FaultServer) -> AsyncIterator[Outbox]:
    (lane,) = await accept(database, new("$1"))
    turns, turn = Turns(database), await take(database, lane)
    async with homeserver_session() as session:
        homeserver = Homeserver(wire.url.removesuffix("/v1"), "token", NAMES, session)
        outbox = Outbox(homeserver, turns, turn, NAMES.user_id("agent_frida"))
        wire.script(sent("$answer"))
        await outbox.show(Op(0, "the", live=True))
        await turns.commit(turn, ANSWER.text, error=None, parts=[0])
        yield outbox


def bodies(wire: FaultServer) -> list[str]:
    return [request.json["m.new_content"]["body"] for request in wire.requests[1:]]


async def grow(outbox: Outbox) -> None:
    async with asyncio.timeout(0.3):
        await outbox.show(Op(0, "the whole", live=True))


@pytest.mark.parametrize("reply", [Reply(200, then="hang"), Reply(504)], ids=["silence", "a proxy gives up"])
async def test_an_edit_that_may_come_late_is_overtaken(wire: FaultServer, outbox: Outbox, reply: Reply) -> None:
    wire.script(reply, *[sent("$edit")] * 3)
    with pytest.raises((TimeoutError, HomeserverUnavailable)):
        await grow(outbox)
    assert await outbox.publish([ANSWER], TurnState.DONE)
    assert [text for text in bodies(wire) if text != "the whole"] == ["the whole answer"] * 2
    paths = [request.path for request in wire.requests]
    assert len({*paths}) == len(paths), "each edit is a request of its own"


async def test_an_edit_that_was_refused_does_not_come_late(wire: FaultServer, outbox: Outbox) -> None:
    refusal = Reply(403, {"Content-Type": "application/json"}, (b'{"errcode": "M_FORBIDDEN", "error": "no"}',))
    wire.script(refusal, sent("$edit"))
    with pytest.raises(HomeserverRefused):
        await grow(outbox)
    assert await outbox.publish([ANSWER], TurnState.DONE)
    assert bodies(wire) == ["the whole", "the whole answer"]


async def test_a_turn_that_ends_once_more_without_an_answer_grows_no_longer(
    wire: FaultServer, outbox: Outbox, database: Database
) -> None:
    """A paused worker has edited the message after the end."""
    live = {"body": "the wh", "msgtype": "m.text", LIVE: {}, DESCRIPTOR: {"device_id": "D"}}
    event = {"event_id": "$answer", "type": "m.room.message", "content": live}
    wire.script(Reply(200, {"Content-Type": "application/json"}, (json.dumps(event).encode(),)), sent("$edit"))
    assert await outbox.settle(TurnState.FAILED)
    assert wire.requests[-1].json["m.new_content"] == {"body": "the wh", "msgtype": "m.text"}
    assert (await row_of(database, "$1"))["state"] == TurnState.FAILED
