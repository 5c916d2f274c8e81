"""Each transaction that changes rows signals the change, on a real PostgreSQL."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from agent_bridge.core.agents import AgentState
from agent_bridge.core.changes import StopRequest
from agent_bridge.core.turns import StopReason, TurnKind, TurnState
from agent_bridge.store.agents import Agents
from agent_bridge.store.history import Histories
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.personal_data import PersonalData
from agent_bridge.store.postgres.signals import CHANNEL, Topic
from agent_bridge.store.queue import Queue
from agent_bridge.store.redactions import Redactions
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns
from agent_bridge.store.waiting_reactions import WaitingMessages
from support.change_requests import edit, note, redaction
from support.records import wanted
from support.turn_rows import BOB, OTHER, ROOM, accept, add_agent, collect, finish, new, row_of, stop, take, watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.rooms import HistoryCursor
    from agent_bridge.store.postgres.database import Database


class Signalled:
    """The topics that were signalled since the last call."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def topics(self) -> list[str]:
        # The connection's own signal arrives after all earlier ones.
        await self._connection.execute("SELECT pg_notify(%s, 'end')", (CHANNEL,))
        topics: list[str] = []
        async for notice in self._connection.notifies(timeout=10):
            if notice.payload == "end":
                return sorted(topics)
            topics.append(notice.payload)
        raise AssertionError("the connection does not hear itself")


@asynccontextmanager
async def listening(uri: str) -> AsyncIterator[Signalled]:
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as connection:
        await connection.execute(f'LISTEN "{CHANNEL}"'.encode())
        yield Signalled(connection)


@pytest.fixture
async def signalled(store_url: str) -> AsyncIterator[Signalled]:
    async with listening(store_url) as signalled:
        yield signalled


@pytest.fixture
async def lane(database: Database, signalled: Signalled) -> int:
    """An agent's room in which one message is answered and two wait."""
    agent = await add_agent(database)
    (lane,) = await accept(database, new("$1", ROOM, agent))
    await take(database, lane)
    await signalled.topics()
    await accept(database, new("$2", ROOM, agent), new("$3", ROOM, agent))
    return lane


async def test_the_first_messages_of_a_lane_that_come_together_wait(database: Database, signalled: Signalled) -> None:
    """One statement writes them, and it does not see its own rows."""
    agent = await add_agent(database)
    await signalled.topics()
    await accept(database, new("$1", ROOM, agent), new("$2", OTHER, agent))
    assert Topic.WAITING not in await signalled.topics()
    await accept(database, new("$3", "!third:x", agent), new("$4", "!third:x", agent))
    assert Topic.WAITING in await signalled.topics()


async def test_a_message_that_waits_behind_another(database: Database, signalled: Signalled, lane: int) -> None:
    assert await signalled.topics() == [Topic.WAITING]
    await accept(database, new("$other", OTHER))
    assert await signalled.topics() == []
    await finish(database, await take(database, lane))
    assert await signalled.topics() == []


async def test_a_message_that_shows_that_it_waits_and_does_not_wait_any_more(
    database: Database, signalled: Signalled, lane: int
) -> None:
    for event in ("$2", "$3"):
        await WaitingMessages(database).record((await row_of(database, event))["id"], "$reaction")
    await finish(database, await take(database, lane))
    await signalled.topics()
    turn = await take(database, lane)
    assert await signalled.topics() == [Topic.WAITING]
    assert await collect(database, turn) == ["$3"]
    assert await signalled.topics() == [Topic.WAITING]


@pytest.mark.usefixtures("lane")
async def test_a_waiting_message_that_is_taken_back(database: Database, signalled: Signalled) -> None:
    await signalled.topics()
    await note(database, redaction("$2"))
    assert Topic.WAITING in await signalled.topics()


@pytest.mark.usefixtures("lane")
async def test_an_answer_that_has_to_end(database: Database, signalled: Signalled) -> None:
    await signalled.topics()
    assert await stop(database, StopRequest(ROOM, "$stop", None))
    assert await signalled.topics() == [Topic.STOPS]


async def test_an_answer_that_has_to_end_because_its_question_was_changed(
    database: Database, signalled: Signalled
) -> None:
    agent = await add_agent(database)
    for event in ("$q", "$r"):
        (lane,) = await accept(database, new(event, ROOM, agent))
        await take(database, lane)
        await signalled.topics()
        await note(database, edit("another text", f"$edit of {event}") if event == "$q" else redaction("$r"))
        assert Topic.STOPS in await signalled.topics()
        assert (await row_of(database, event))["stop"] in {StopReason.EDITED, StopReason.REDACTED}
        await finish(database, await take(database, lane), TurnState.STOPPED)


async def test_a_collected_question_that_is_taken_back_ends_the_answer_to_all(
    database: Database, signalled: Signalled
) -> None:
    agent = await add_agent(database)
    (lane,) = await accept(database, new("$1", ROOM, agent), new("$2", ROOM, agent))
    await collect(database, await take(database, lane))
    await signalled.topics()
    await note(database, redaction("$2"))
    assert (await row_of(database, "$1"))["stop"] == StopReason.REDACTED
    assert Topic.STOPS in await signalled.topics()


async def test_a_turn_that_is_dropped(database: Database, signalled: Signalled, lane: int) -> None:
    await signalled.topics()
    turn = (await row_of(database, "$1"))["id"]
    async with database.transaction() as connection:
        assert await TurnAdmin(database).drop(connection, turn, "$drop") == lane
        assert await signalled.topics() == []
    assert await signalled.topics() == [Topic.STOPS]


async def test_a_head_that_has_another_time(database: Database, signalled: Signalled, lane: int) -> None:
    await signalled.topics()
    turns = Turns(database)
    await turns.put_back(await take(database, lane), delay=60, failed=False, why="the homeserver is away")
    assert await signalled.topics() == [Topic.LANES]
    await Queue(database).retry_now()
    assert await signalled.topics() == [Topic.LANES]
    await Queue(database).retry_now()
    assert await signalled.topics() == []


async def test_rooms_that_need_a_backfill_and_lanes_that_go_on_after_it(
    database: Database, signalled: Signalled
) -> None:
    histories = Histories(database)
    await add_agent(database)
    await signalled.topics()
    await histories.schedule_backfill()
    assert await signalled.topics() == [Topic.BACKFILL]
    await histories.require_backfill()
    assert await signalled.topics() == [Topic.BACKFILL]
    (room,) = await histories.due(3600, 9)

    async def backfilled(cursor: HistoryCursor) -> list[str]:
        async with database.transaction() as connection:
            await histories.backfilled(connection, cursor, "$seen")
        return await signalled.topics()

    await histories.require_backfill()
    await signalled.topics()
    # Requested again in between: the lanes still wait.
    assert await backfilled(room) == []
    (room,) = await histories.due(3600, 9)
    assert await backfilled(room) == [Topic.LANES]
    # The periodic backfill of a room whose lanes never waited.
    assert await backfilled(room) == []
    await histories.require_backfill()
    await signalled.topics()
    (room,) = await histories.due(3600, 9)
    await histories.pass_over(room)
    # The room whose history cannot be read is compared with the homeserver.
    assert await signalled.topics() == [Topic.AGENTS, Topic.LANES]
    await histories.pass_over(room)
    assert await signalled.topics() == [Topic.AGENTS]


async def test_agents_that_should_be_different_and_rooms_that_are_made(
    database: Database, signalled: Signalled
) -> None:
    agents = Agents(database)
    await agents.add([wanted("Frida"), wanted("Gala")])
    assert await signalled.topics() == [Topic.AGENTS]
    await agents.add([wanted("Frida")])
    assert await signalled.topics() == []
    frida = (await agents.all())[0]
    await agents.update({frida.agent.id: wanted("Frida", state=AgentState.GONE)})
    assert await signalled.topics() == [Topic.AGENTS]
    await agents.room_made(frida.home.id, ROOM, None, None)
    assert await signalled.topics() == [Topic.ROOMS]
    # The provisioner's own records cause no signal.
    await agents.bot_joined(frida.home.id)
    await agents.displayname_applied(frida.agent.id, "Agent Frida")
    await agents.announced(frida.home.id, AgentState.GONE)
    assert await signalled.topics() == []


async def test_a_room_that_continues_in_another_one(database: Database, signalled: Signalled) -> None:
    agents = Agents(database)
    await agents.add([wanted("Frida")])
    (frida,) = await agents.all()
    await agents.room_made(frida.home.id, ROOM, None, None)
    await signalled.topics()
    await agents.room_moved(frida.home.id, ROOM, OTHER)
    # The bot has to enter it.
    assert Topic.AGENTS in await signalled.topics()


async def test_a_command_that_may_have_left_its_work_to_the_leader(database: Database, signalled: Signalled) -> None:
    for state, topics in ((TurnState.DONE, []), (TurnState.FAILED, [Topic.CHATS, Topic.PLACES, Topic.THREADS])):
        (lane,) = await accept(database, new(f"${state}", kind=TurnKind.COMMAND))
        turn = await take(database, lane)
        await signalled.topics()
        await finish(database, turn, state)
        assert await signalled.topics() == topics


async def test_a_message_that_waits_for_an_agent_that_left(database: Database, signalled: Signalled) -> None:
    (home, guest), guests = [await add_agent(database), await add_agent(database, "Gala", OTHER)], Rooms(database)
    await database.execute(
        "INSERT INTO participant (room, agent, state) SELECT id, %s, 'joined' FROM room WHERE owner = %s", (guest, home)
    )
    await accept(database, new("$1", ROOM, guest), new("$2", ROOM, guest))
    await WaitingMessages(database).record((await row_of(database, "$2"))["id"], "$reaction")
    await signalled.topics()
    (ghost,) = await database.rows("SELECT ghost FROM agent WHERE id = %s", (guest,))
    await guests.guests_left([(ROOM, ghost["ghost"])])
    assert await signalled.topics() == [Topic.WAITING]


async def test_a_command_whose_room_is_gone(database: Database, signalled: Signalled) -> None:
    agent = await add_agent(database)
    await accept(database, new("$1", ROOM, kind=TurnKind.COMMAND))
    await signalled.topics()
    (room,) = await database.rows("SELECT id FROM room WHERE owner = %s", (agent,))
    await Agents(database).room_lost(room["id"], ROOM, why="the room is gone")
    assert await signalled.topics() == [Topic.AGENTS, Topic.CHATS, Topic.PLACES, Topic.THREADS]


async def test_a_task_that_forgets_its_person(database: Database, signalled: Signalled) -> None:
    await watch(database)
    await database.execute(
        "INSERT INTO task (key, room, title, creator) SELECT 'key', id, 'Title', %s FROM room WHERE room_id = %s",
        (BOB, ROOM),
    )
    await signalled.topics()
    data = PersonalData(database, Redactions("bot", redact_answers=False), Queue(database))
    await data.forget_rest(BOB, await data.newest_turn())
    assert Topic.TASKS in await signalled.topics()


async def test_values_are_signalled_as_whoever_writes_them_wants(database: Database, signalled: Signalled) -> None:
    kv = KeyValues(database)
    await kv.set(KeyValues.SPACE, "!space")
    assert await signalled.topics() == []
    await kv.set(KeyValues.UPSTREAMS, [], topic=Topic.UPSTREAMS)
    assert await signalled.topics() == [Topic.UPSTREAMS]
    await kv.count_up(KeyValues.LOOKS, topic=Topic.SYNCS)
    assert await signalled.topics() == [Topic.SYNCS]
