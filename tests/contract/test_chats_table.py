"""Chats on a real PostgreSQL: their numbers, and the chats that the leader has to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.chats import NewChat
from agent_bridge.core.errors import StoreError
from agent_bridge.core.rooms import RoomProblem
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.store.agents import Agents
from agent_bridge.store.chats import Chats
from agent_bridge.store.history import Histories
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.turns import Turns
from support.turn_rows import BOB, accept, add_agent, new, row_of, take

if TYPE_CHECKING:
    from agent_bridge.core.chats import ChatRoom
    from agent_bridge.store.postgres.database import Database

ROOM, UNBOUND, SPACE = "!chat:example.org", "!unbound:example.org", "!space:example.org"


async def add(database: Database, agent: int, key: str = "0" * 16, **changes: Any) -> tuple[int, int]:
    values: dict[str, Any] = {"person": BOB, "agent": agent, "request_key": key, "name": "Oslo", "is_titled": True}
    async with database.transaction() as connection:
        return await Chats(database).add(connection, NewChat(**(values | changes)))


async def found(database: Database, chat: int) -> ChatRoom:
    result = await Chats(database).find(chat)
    assert result is not None
    return result


async def made(database: Database, agent: int) -> int:
    """Add a chat with the room :data:`ROOM`, in its desired state; return its row id."""
    chats = Chats(database)
    chat, _ = await add(database, agent)
    await chats.made(chat, ROOM, "Oslo")
    await chats.applied(await found(database, chat), ())
    await database.execute("UPDATE room SET needs_backfill = false")
    return chat


async def test_a_new_chat_has_the_next_number(database: Database) -> None:
    agent = await add_agent(database)
    first, second = await add(database, agent), await add(database, agent, "1" * 16, is_titled=False)
    assert second[1] == first[1] + 1
    chat = await found(database, first[0])
    assert (chat.person, chat.number, chat.name, chat.title, chat.room_id) == (BOB, first[1], "Oslo", "Oslo", None)
    assert (await found(database, second[0])).title is None


async def test_a_number_of_a_transaction_that_was_rolled_back_is_not_used_again(database: Database) -> None:
    agent = await add_agent(database)
    drawn: list[int] = []
    with pytest.raises(LookupError):
        await lose(database, NewChat(BOB, agent, "0" * 16, "Oslo", is_titled=True), drawn)
    assert (await add(database, agent))[1] > drawn[0]


async def lose(database: Database, wanted: NewChat, drawn: list[int]) -> None:
    """Add a chat in a transaction that fails; note its number."""
    async with database.transaction() as connection:
        drawn.append((await Chats(database).add(connection, wanted))[1])
        raise LookupError


async def test_a_command_has_one_chat(database: Database) -> None:
    agent = await add_agent(database)
    await add(database, agent)
    with pytest.raises(StoreError, match="duplicate key"):
        await add(database, agent)


async def test_chats_of_a_person_are_counted(database: Database) -> None:
    agent, chats = await add_agent(database), Chats(database)
    await add(database, agent)
    async with database.transaction() as connection:
        assert await chats.count(connection, BOB) == 1
        assert await chats.count(connection, "@eve:example.org") == 0


async def test_a_chat_is_due_until_its_changes_are_applied(database: Database) -> None:
    chats, chat = Chats(database), await made(database, await add_agent(database))
    assert await chats.due(10, ()) == []
    await chats.relist(SPACE, per_user=False)
    await chats.relist(SPACE, per_user=False)
    assert await chats.due(10, ()) == [chat]
    assert await chats.due(10, [chat]) == []
    before = await found(database, chat)
    await chats.listed(chat, SPACE)
    await chats.applied(before, [RoomProblem.BOT_AWAY])
    assert await chats.due(10, ()) == []
    assert (await found(database, chat)).problems == (RoomProblem.BOT_AWAY,)


async def test_a_change_during_a_comparison_needs_another_one(database: Database) -> None:
    chats, chat = Chats(database), await made(database, await add_agent(database))
    await Rooms(database).request_checks([ROOM])
    before = await found(database, chat)
    await Rooms(database).request_checks([ROOM])
    await chats.applied(before, ())
    assert await chats.due(10, ()) == [chat]


async def test_the_room_of_a_chat_is_left_to_its_command_while_that_runs(database: Database) -> None:
    agent, chats = await add_agent(database), Chats(database)
    (lane,) = await accept(database, new("$new", kind=TurnKind.COMMAND))
    turn = await take(database, lane)
    chat, _ = await add(database, agent, turn.key)
    assert await chats.due(10, ()) == []
    await Turns(database).finish(turn, TurnState.FAILED, {}, error="dropped")
    assert await chats.due(10, ()) == [chat]


async def test_a_made_room_is_read_from_its_beginning_first(database: Database) -> None:
    agent, chats = await add_agent(database), Chats(database)
    chat, _ = await add(database, agent)
    await chats.made(chat, ROOM, "Oslo")
    await chats.made(chat, "!another:example.org", "Oslo")
    assert (await found(database, chat)).room_id == ROOM
    (cursor,) = [each for each in await Histories(database).due(3600, 10) if each.room_id == ROOM]
    assert (cursor.last_seen, cursor.reader) == (None, "agent_frida")
    (lane,) = await accept(database, new("$question", ROOM, agent))
    assert await Turns(database).take(lane) is None


async def test_a_quiet_chat_is_compared_less_often_and_after_each_gap(database: Database) -> None:
    await made(database, await add_agent(database))
    histories = Histories(database)

    async def is_due(compared: str, used: str) -> bool:
        """Tell whether the chat is due that was *compared* and *used* so long ago."""
        await database.execute(
            "UPDATE room SET backfilled_at = now() - %s::interval, created_at = now() - %s::interval", (compared, used)
        )
        return ROOM in {each.room_id for each in await histories.due(600, 10)}

    assert not await is_due("9 minutes", "9 minutes")
    assert await is_due("11 minutes", "11 minutes")
    assert not await is_due("29 minutes", "2 hours")
    assert await is_due("31 minutes", "2 hours")
    assert not await is_due("23 hours", "10 days")
    assert await is_due("25 hours", "10 days")
    await database.execute("UPDATE room SET used_at = now()")
    assert await is_due("11 minutes", "10 days")
    await database.execute("UPDATE room SET used_at = NULL")
    assert not await is_due("0 s", "10 days")
    await histories.require_backfill()
    assert ROOM in {each.room_id for each in await histories.due(600, 10)}


@pytest.mark.parametrize("kind", ["chat", "dm"])
@pytest.mark.parametrize("way", ["all", "some", "put_back", "pass_over"])
async def test_requests_to_compare_a_chat_hold_its_lanes_until_they_are_answered(
    database: Database, way: str, kind: str
) -> None:
    """Four statements request comparisons. The leader answers them for agents' own rooms, and for no other room."""
    agent = await add_agent(database)
    chat = await made(database, agent)
    await database.execute("UPDATE room SET kind = %s WHERE id = %s", (kind, chat))
    await database.execute("INSERT INTO room (room_id, kind) VALUES (%s, 'chat')", (UNBOUND,))
    (lane,) = await accept(database, new("$question", ROOM, agent))
    (bots,) = await accept(database, new("$waiting", UNBOUND))
    for room_id, waiting in ((ROOM, lane), (UNBOUND, bots)):
        await request_comparison(database, way, room_id, waiting)
    rows = await database.rows("SELECT room_id, check_requests FROM room WHERE check_requests > 0")
    assert [row["room_id"] for row in rows] == [ROOM]
    assert await Chats(database).due(10, ()) == [chat]
    await database.execute("UPDATE turn SET not_before = NULL")
    assert await Turns(database).take(lane) is None
    assert await Turns(database).take(bots) is not None
    await Chats(database).applied(await found(database, chat), ())
    assert await Turns(database).take(lane) is not None


async def request_comparison(database: Database, way: str, room_id: str, lane: int) -> None:
    """Request a comparison of a room by the statement *way*."""
    if way == "all":
        await Agents(database).request_checks()
    elif way == "some":
        await Rooms(database).request_checks([room_id])
    elif way == "put_back":
        turn = await take(database, lane)
        await Turns(database).put_back(turn, delay=0, failed=False, why="no", doubted=True)
    else:
        await Histories(database).schedule_backfill()
        cursors = [each for each in await Histories(database).due(0, 10) if each.room_id == room_id]
        await Histories(database).pass_over(cursors[0])


async def test_a_forgotten_chat_leaves_no_open_turn(database: Database) -> None:
    agent = await add_agent(database)
    chat = await made(database, agent)
    await accept(database, new("$question", ROOM, agent))
    await Chats(database).forget(chat, why="it is gone")
    assert await Chats(database).find(chat) is None
    row = await row_of(database, "$question")
    assert (row["state"], row["error"]) == ("failed", "it is gone")
