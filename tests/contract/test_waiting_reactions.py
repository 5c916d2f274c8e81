"""Messages that wait behind another one, and show it by a reaction, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from agent_bridge.bridge.delivery.waiting_reactions import WaitingReactions
from agent_bridge.core.rooms import WhenBusy
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.agents import Agents
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.turns import Turns
from agent_bridge.store.waiting_reactions import LAST_PLACE, WaitingMessage, WaitingMessages
from support.conditions import eventually
from support.fault_server import FaultServer, Reply, sent
from support.records import NAMES
from support.turn_rows import OTHER, ROOM, accept, add_agent, collect, finish, new, row_of, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database


@pytest.fixture
def waiting(database: Database) -> WaitingMessages:
    return WaitingMessages(database)


@pytest.fixture
async def lane(database: Database) -> int:
    """An agent's room in which one message is being answered and two wait."""
    agent = await add_agent(database)
    (lane,) = await accept(database, *(new(f"${number}", ROOM, agent) for number in (1, 2, 3)))
    await take(database, lane)
    return lane


@asynccontextmanager
async def showing(waiting: WaitingMessages, wire: FaultServer) -> AsyncIterator[None]:
    """Add and remove reactions at the homeserver *wire* for the length of the block."""
    async with homeserver_session() as session:
        homeserver = Homeserver(wire.url.removesuffix("/v1"), "token", NAMES, session)
        running = asyncio.create_task(WaitingReactions(homeserver, waiting, Signals()).run())
        yield
        running.cancel()
        await asyncio.wait({running})


async def unshown(waiting: WaitingMessages, limit: int = 10, seconds: float = 0) -> list[str]:
    return [waiter.event_id for waiter in (await waiting.unshown(seconds, limit))[0]]


async def over(waiting: WaitingMessages, limit: int = 10) -> list[tuple[str, str | None]]:
    return [(waiter.event_id, waiter.waiting_event_id) for waiter in await waiting.over(limit)]


async def record(database: Database, event_id: str, waiting_event_id: str | None) -> None:
    await WaitingMessages(database).record((await row_of(database, event_id))["id"], waiting_event_id)


@pytest.mark.usefixtures("lane")
async def test_messages_behind_another_wait(database: Database, waiting: WaitingMessages) -> None:
    assert await unshown(waiting) == ["$2", "$3"]
    assert await unshown(waiting, 1) == ["$2"]
    assert await unshown(waiting, seconds=60) == []
    await database.execute("UPDATE turn SET created_at = now() - interval '61 seconds' WHERE event_id = '$3'")
    (waiter,), due_in = await waiting.unshown(60, 10)
    assert 50 < (due_in or 0) <= 60
    row = await row_of(database, "$3")
    assert waiter == WaitingMessage(row["id"], "$3", row["key"], ROOM, "agent_frida", None, 2)


@pytest.mark.usefixtures("lane")
async def test_a_message_has_the_number_of_messages_ahead_as_its_place(
    database: Database, waiting: WaitingMessages
) -> None:
    agent = (await Agents(database).all())[0].agent.id
    await accept(database, *(new(f"${number}", ROOM, agent) for number in range(4, 15)))
    waiters, _ = await waiting.unshown(0, 20)
    assert [each.place for each in waiters] == [1, 2, 3, 4, 5, 6, 7, 8, *[LAST_PLACE] * 5]
    # Messages that are answered together have one place.
    for mode in (WhenBusy.COLLECT, WhenBusy.INTERRUPT):
        assert {each.place for each in (await WaitingMessages(database, mode).unshown(0, 20))[0]} == {1}
        await Rooms(database).set_when_busy(ROOM, mode)
        assert {each.place for each in (await waiting.unshown(0, 20))[0]} == {1}
        await Rooms(database).set_when_busy(ROOM, None)


async def test_a_reaction_moves_to_an_earlier_place_after_a_while(
    database: Database, waiting: WaitingMessages, lane: int
) -> None:
    for event, place in (("$2", 1), ("$3", 2)):
        turn = (await row_of(database, event))["id"]
        await waiting.intend(turn, place)
        await waiting.record(turn, f"{event}.hourglass")
    assert await waiting.moved(0, 10) == ([], None)
    await finish(database, await take(database, lane))
    await take(database, lane)
    (waiter,), _ = await waiting.moved(0, 10)
    assert (waiter.event_id, waiter.place, waiter.shown_place) == ("$3", 1, 2)
    nothing, due_in = await waiting.moved(60, 10)
    assert (nothing, 50 < (due_in or 0) <= 60) == ([], True)
    # A process may die between the removal of the reaction and the next one.
    await waiting.record(waiter.turn, None)
    assert await waiting.moved(0, 10) == ([], None)
    assert [(each.event_id, each.place) for each in (await waiting.unshown(0, 10))[0]] == [("$3", 1)]
    # A message that a backfill puts ahead changes no reaction.
    await waiting.intend(waiter.turn, 1)
    await waiting.record(waiter.turn, "$3.first")
    await database.execute("UPDATE turn SET position = position + 1000 WHERE event_id = '$3'")
    agent = (await Agents(database).all())[0].agent.id
    await accept(database, new("$4", ROOM, agent), new("$5", ROOM, agent))
    assert await waiting.moved(0, 10) == ([], None)


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_reaction_that_moves_is_replaced(
    database: Database, waiting: WaitingMessages, lane: int, wire: FaultServer, *, is_known: bool
) -> None:
    turn = await row_of(database, "$3")
    await waiting.intend(turn["id"], 2)
    if is_known:
        await waiting.record(turn["id"], "$second")
    await database.execute("UPDATE turn SET waiting_shown_at = now() - interval '1 minute'")
    await finish(database, await take(database, lane))
    await take(database, lane)
    wire.script(*([] if is_known else [sent("$second")]), sent("$redaction"), sent("$first"))
    async with showing(waiting, wire):

        async def moved() -> bool:
            return bool((await row_of(database, "$3"))["waiting_event_id"] == "$first")

        await eventually(moved, "the reaction is replaced")
    bodies = [json.loads(request.body) for request in wire.requests if b"m.annotation" in request.body]
    keys = [body["m.relates_to"]["key"] for body in bodies]
    assert keys == (["⏳"] if is_known else ["⏳ 2", "⏳"])
    names = [unquote(request.path).rpartition("/")[2] for request in wire.requests]
    key = turn["key"]
    again = [] if is_known else [f"ab.{key}.hourglass.2"]
    assert names == [*again, f"ab.{key}.hourglass.$second.redact", f"ab.{key}.hourglass"]


@pytest.mark.usefixtures("lane")
async def test_a_reaction_whose_request_failed_is_sent_again(
    database: Database, waiting: WaitingMessages, wire: FaultServer
) -> None:
    """Until the message has it, or the homeserver refuses it."""
    for event, place in (("$2", 1), ("$3", 2)):
        await waiting.intend((await row_of(database, event))["id"], place)
    assert (await waiting.moved(60, 10))[0] == []
    await database.execute("UPDATE turn SET waiting_shown_at = now() - interval '1 minute'")
    assert [each.place for each in (await waiting.moved(5, 10))[0]] == [1, 2]
    wire.script(
        sent("$hourglass"),
        Reply(403, {"Content-Type": "application/json"}, (b'{"errcode": "M_FORBIDDEN", "error": "no"}',)),
    )
    async with showing(waiting, wire):

        async def settled() -> bool:
            return (await waiting.moved(0, 10)) == ([], None)

        await eventually(settled, "one reaction is sent and one refused")
    assert sorted([(await row_of(database, event))["waiting_event_id"] for event in ("$2", "$3")]) == ["", "$hourglass"]
    assert len(wire.requests) == 2


async def test_each_agent_shows_that_a_message_waits_for_it(database: Database, waiting: WaitingMessages) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", OTHER)
    lanes = await accept(database, new("$1", "!group", frida, gala), new("$2", "!group", frida, gala))
    for lane in lanes:
        await take(database, lane)
    waiters, _ = await waiting.unshown(0, 10)
    assert [(waiter.event_id, waiter.ghost) for waiter in waiters] == [("$2", "agent_frida"), ("$2", "agent_gala")]
    assert len({waiter.key for waiter in waiters}) == 2


async def test_only_messages_to_agents_wait(database: Database, waiting: WaitingMessages, lane: int) -> None:
    agent = await add_agent(database, "Gala", OTHER)
    await accept(database, *(new(f"$dm{number}", "!dm:example.org") for number in range(2)))
    await accept(database, *(new(f"$command{number}", OTHER, kind=TurnKind.COMMAND) for number in range(2)))
    assert await unshown(waiting) == ["$2", "$3"]
    # A message at the head of its lane does not wait, even before a worker claims it.
    await accept(database, new("$head", OTHER, agent))
    assert await unshown(waiting) == ["$2", "$3"]
    await finish(database, await take(database, lane))
    assert await unshown(waiting) == ["$3"]


async def test_a_turn_that_waits_for_its_retry_shows_no_reaction(
    database: Database, waiting: WaitingMessages, lane: int
) -> None:
    await Turns(database).put_back(await take(database, lane), delay=60, failed=True, why="the upstream is away")
    assert await unshown(waiting) == ["$2", "$3"]


@pytest.mark.usefixtures("lane")
async def test_a_shown_reaction_is_not_sent_again(database: Database, waiting: WaitingMessages) -> None:
    await record(database, "$2", "")
    await record(database, "$3", "$hourglass")
    assert await unshown(waiting) == []
    assert await over(waiting) == []
    await record(database, "$2", None)
    assert await unshown(waiting) == ["$2"]


@pytest.mark.parametrize("waiting_event_id", ["$hourglass", ""])
async def test_turns_that_wait_no_more_lose_their_reaction(
    database: Database, waiting: WaitingMessages, lane: int, waiting_event_id: str
) -> None:
    for event in ("$2", "$3"):
        await record(database, event, waiting_event_id)
    await finish(database, await take(database, lane))
    turns, turn = Turns(database), await take(database, lane)
    assert await over(waiting) == [("$2", waiting_event_id)]
    await collect(database, turn)
    assert await over(waiting) == [("$2", waiting_event_id), ("$3", waiting_event_id)]
    assert await over(waiting, 1) == [("$2", waiting_event_id)]
    await turns.put_back(turn, delay=60, failed=True, why="the upstream is away")
    await record(database, "$3", None)
    assert await over(waiting) == [("$2", waiting_event_id)]
    await finish(database, await take_again(database, lane), TurnState.FAILED)
    assert await over(waiting) == [("$2", waiting_event_id)]
    await record(database, "$2", None)
    assert await over(waiting) == []


async def take_again(database: Database, lane: int) -> Turn:
    await database.execute("UPDATE turn SET not_before = NULL")
    return await take(database, lane)


async def test_a_reaction_whose_request_may_still_be_carried_out_is_removed(
    database: Database, waiting: WaitingMessages, lane: int, wire: FaultServer
) -> None:
    """The homeserver took longer than the bridge waited. The same request again brings the event, however late."""
    await record(database, "$2", "")
    await finish(database, await take(database, lane))
    await take(database, lane)
    wire.script(sent("$hourglass"), sent("$redaction"), sent("$of the third"))
    async with showing(waiting, wire):

        async def removed() -> bool:
            return (await row_of(database, "$2"))["waiting_event_id"] is None

        await eventually(removed, "the reaction is removed")
    paths = [unquote(request.path).rpartition("/rooms/")[2] for request in wire.requests]
    key = (await row_of(database, "$2"))["key"]
    assert f"{ROOM}/send/m.reaction/ab.{key}.hourglass" in paths
    assert f"{ROOM}/redact/$hourglass/ab.{key}.hourglass.$hourglass.redact" in paths
