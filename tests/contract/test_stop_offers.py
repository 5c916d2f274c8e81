"""Offers to stop an answer, on a real PostgreSQL and in a room of a server in a homeserver's place."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.delivery.stop_offers import STOP, StopOffers
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.store.turns import Turns
from support.conditions import eventually
from support.records import NAMES
from support.turn_rows import finish, take

if TYPE_CHECKING:
    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Database
    from support.fake_room import FakeRoom

GHOST = NAMES.user_id("agent_frida")


@pytest.fixture
def offers(turns: Turns, homeserver: Homeserver) -> StopOffers:
    return StopOffers(homeserver, turns, after=0)


@pytest.fixture
async def turn(database: Database, lane: int) -> Turn:
    return await take(database, lane)


async def recorded(database: Database, turn: Turn, *states: str | None) -> bool:
    return await Turns(database).stop_offer(turn.id) in states


async def shown(room: FakeRoom) -> bool:
    return room.reactions() == [STOP]


async def test_an_offer_goes_with_the_answer_of_any_attempt(
    database: Database, room: FakeRoom, offers: StopOffers, turn: Turn
) -> None:
    async with offers.offered(turn, GHOST):
        await eventually(partial(shown, room), "the offer is shown")
    again = await take(database, turn.conversation)
    async with offers.offered(again, GHOST) as offer:
        await offer.withdraw()
    assert room.reactions() == []
    assert await recorded(database, turn, None)


async def test_an_offer_that_the_homeserver_shows_late_goes(
    database: Database, room: FakeRoom, offers: StopOffers, turn: Turn
) -> None:
    """The process ended while the request was under way."""
    late = room.held[f"ab.{turn.key}.stop.0"]
    late.clear()
    killed = asyncio.create_task(offers.show(turn, GHOST))
    await eventually(partial(recorded, database, turn, ""), "the offer is intended")
    killed.cancel()
    withdrawal = asyncio.create_task(offers.withdraw(await take(database, turn.conversation), GHOST))
    late.set()
    await withdrawal
    assert room.reactions() == []
    assert len(room.events) == 1
    assert await recorded(database, turn, None)


async def test_an_offer_whose_response_was_lost_goes(
    database: Database, room: FakeRoom, offers: StopOffers, turn: Turn
) -> None:
    room.lost.add(f"ab.{turn.key}.stop.0")
    await offers.show(turn, GHOST)
    assert room.reactions() == [STOP]
    await offers.withdraw(turn, GHOST)
    assert room.reactions() == []
    assert await recorded(database, turn, None)


async def test_an_offer_stays_noted_until_the_homeserver_has_removed_it(
    database: Database, room: FakeRoom, offers: StopOffers, turn: Turn
) -> None:
    txn_id = f"ab.{turn.key}.stop.0"
    room.lost.add(txn_id)
    await offers.show(turn, GHOST)
    room.refused.add(txn_id)
    with pytest.raises(HomeserverUnavailable):
        await offers.withdraw(turn, GHOST)
    assert await recorded(database, turn, "")


async def test_a_quick_answer_has_no_offer(database: Database, room: FakeRoom, offers: StopOffers, turn: Turn) -> None:
    async with offers.offered(turn, GHOST) as offer:
        await offer.withdraw()
    assert room.events == []
    assert await recorded(database, turn, None)


async def test_a_paused_worker_offers_nothing_for_an_answer_of_another(
    database: Database, room: FakeRoom, offers: StopOffers, turn: Turn
) -> None:
    again = await take(database, turn.conversation)
    await offers.show(turn, GHOST)
    assert await recorded(database, turn, None)
    await finish(database, again)
    await offers.show(again, GHOST)
    assert room.events == []
    assert await recorded(database, turn, None)
