"""Rooms on a real PostgreSQL: known rooms, their participants, and their waiting messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import KindName, Participant, ParticipantState, Room, Streaming, WhenBusy
from agent_bridge.core.turns import TurnKind
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.turns import Turns
from support.turn_rows import OTHER, ROOM, accept, add_agent, finish, new, take, take_part, watch

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

GROUP = "!group:example.org"


@pytest.fixture
def rooms(database: Database) -> Rooms:
    return Rooms(database)


async def test_a_room_is_known_with_its_agents(database: Database, rooms: Rooms) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", OTHER)
    await watch(database, GROUP)
    await take_part(database, GROUP, gala, frida)
    await database.execute("UPDATE participant SET state = 'left' WHERE agent = %s", (frida,))
    former = Participant(frida, "agent_frida", ParticipantState.LEFT, ("Frida", "Agent Frida"))
    assert await rooms.contexts([ROOM, GROUP, "!unknown"]) == {
        ROOM: Room(ROOM, KindName.HOME, frida, (former,)),
        GROUP: Room(
            GROUP,
            KindName.GROUP,
            participants=(Participant(gala, "agent_gala", names=("Gala", "Agent Gala")), former),
        ),
    }
    assert await rooms.contexts([]) == {}


async def test_what_waits_for_agents_is_counted(database: Database, rooms: Rooms) -> None:
    frida = await add_agent(database)
    await watch(database, OTHER)
    (lane,) = await accept(database, *(new(f"${number}", ROOM, frida) for number in range(4)))
    await accept(database, new("$t", ROOM, frida, thread="$root"))
    await accept(database, new("$command", kind=TurnKind.COMMAND), new("$other", OTHER, frida))
    await finish(database, await take(database, lane))
    await Turns(database).commit(await take(database, lane), "x", error=None, parts=range(1))

    async def waiting(*events: str) -> dict[str, int]:
        return {key: room.waiting for key, room in (await rooms.contexts([ROOM, OTHER], events=events)).items()}

    assert await waiting() == {ROOM: 4, OTHER: 1}
    assert await waiting("$3", "$other", "$0") == {ROOM: 3, OTHER: 0}


async def test_the_agent_that_sent_an_event_is_known(database: Database, rooms: Rooms) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", OTHER)
    await watch(database, GROUP)
    lanes = await accept(database, new("$q", GROUP, frida, gala), new("$c", GROUP, kind=TurnKind.COMMAND))
    turns = Turns(database)
    for lane, answer in zip(lanes, ("$frida", "$gala", "$bot"), strict=True):
        turn = await take(database, lane)
        await turns.commit(turn, "x", error=None, parts=[0])
        await turns.sent(turn, 0, answer)
    found = await rooms.contexts([GROUP, ROOM], replied_to=["$gala", "$bot", "$q", "$unknown"])
    assert found[GROUP].answered_by == {"$gala": gala}
    # The answer belongs to the other room.
    assert found[ROOM].answered_by == {}


async def test_the_agents_of_a_thread_are_known(database: Database, rooms: Rooms) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", OTHER)
    await watch(database, GROUP)
    asked = [new("$1", GROUP, frida, gala, thread="$t"), new("$2", GROUP, gala, thread="$u"), new("$3", GROUP, frida)]
    lanes = await accept(database, *asked, new("$4", ROOM, frida, thread="$t"))
    turn = await take(database, lanes[3])
    await Turns(database).commit(turn, "x", error=None, parts=[0])
    await Turns(database).sent(turn, 0, "$answer")
    found = (await rooms.contexts([GROUP], threads=["$t", "$u", "$answer", "$other"]))[GROUP]
    assert found.thread_agents == {"$t": [frida, gala], "$u": [gala]}
    assert found.answered_by == {"$answer": frida}
    assert (await rooms.contexts([GROUP]))[GROUP].thread_agents == {}


async def test_a_group_may_become_a_conversation_with_the_bot(rooms: Rooms) -> None:
    async def kind() -> KindName:
        return (await rooms.contexts([GROUP]))[GROUP].kind

    await rooms.enter(GROUP, KindName.GROUP, "$1")
    assert await kind() is KindName.GROUP
    await rooms.enter(GROUP, KindName.BOT, "$2")
    assert await kind() is KindName.BOT
    await rooms.enter(GROUP, KindName.GROUP, "$3")
    assert await kind() is KindName.BOT


async def test_a_home_stays_a_home(database: Database, rooms: Rooms) -> None:
    """A person removed the bot from the room and invited it again."""
    agent = await add_agent(database)
    await rooms.enter(ROOM, KindName.BOT, "$1")
    room = (await rooms.contexts([ROOM]))[ROOM]
    assert (room.kind, room.owner) == (KindName.HOME, agent)
    (row,) = await database.rows("SELECT bot_joined, last_seen FROM room")
    assert tuple(row.values()) == (True, "$1")


async def test_a_room_with_agents_can_be_set(database: Database, rooms: Rooms) -> None:
    (lane,) = await accept(database, new("$1", ROOM, await add_agent(database)))
    await rooms.enter(GROUP, KindName.GROUP, "$1")
    assert await rooms.set_when_busy(ROOM, WhenBusy.COLLECT)
    assert await rooms.set_streaming(ROOM, Streaming.OFF)
    turn = await take(database, lane)
    assert (turn.when_busy, turn.streaming) == (WhenBusy.COLLECT, Streaming.OFF)
    assert await rooms.set_when_busy(ROOM, None)
    assert await rooms.set_streaming(ROOM, None)
    turn = await take(database, lane)
    assert (turn.when_busy, turn.streaming) == (None, None)
    for room_id in (GROUP, "!unknown"):
        assert not await rooms.set_when_busy(room_id, WhenBusy.COLLECT)
        assert not await rooms.set_streaming(room_id, Streaming.OFF)


async def test_rooms_get_descriptions_of_commands_once(database: Database, rooms: Rooms) -> None:
    wanted = {(has_agents, role): f"{has_agents} {role}" for has_agents in (False, True) for role in Role}

    async def due() -> dict[str, str]:
        """Describe all rooms that need it; return the descriptions of each."""
        found: dict[str, str] = {}
        while (room := await rooms.without_descriptions(wanted)) is not None:
            found[room.room_id] = room.digest
            await rooms.described(room.id, room.digest)
        return found

    await add_agent(database)
    await rooms.enter(GROUP, KindName.GROUP, "$1")
    # Nobody has given a command, and the bot is not in the home.
    assert await due() == {}
    await rooms.enter("!bot:example.org", KindName.BOT, "$1")
    assert await due() == {"!bot:example.org": "False 2"}
    for _ in range(2):
        await rooms.command_given(GROUP, Role.MEMBER)
        await rooms.command_given(ROOM, Role.ADMIN)
        await rooms.command_given("!unknown:example.org", Role.ADMIN)
    assert await due() == {GROUP: "False 2"}
    await rooms.command_given(GROUP, Role.ADMIN)
    await rooms.command_given(GROUP, Role.MODERATOR)
    assert await due() == {GROUP: "False 4"}
    await database.execute("UPDATE room SET bot_joined = true")
    await rooms.command_given(ROOM, Role.MODERATOR)
    assert await due() == {ROOM: "True 3"}
    wanted = {key: f"{digest} in Russian" for key, digest in wanted.items()}
    assert await due() == {
        GROUP: "False 4 in Russian",
        ROOM: "True 3 in Russian",
        "!bot:example.org": "False 2 in Russian",
    }
