"""Direct chats, the user that speaks for the bridge, and people without a role, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.chats.direct import direct_rooms
from agent_bridge.core.chats import ChatStatus
from agent_bridge.core.errors import TurnLost
from agent_bridge.core.payloads import InvitationPayload
from agent_bridge.core.rooms import KindName
from agent_bridge.core.turns import TurnKind
from agent_bridge.store.chats import Chats
from agent_bridge.store.direct_chats import DirectChatStore
from agent_bridge.store.history import Histories
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.strangers import Strangers
from support.turn_rows import BOB, accept, add_agent, new, take, take_part, watch

if TYPE_CHECKING:
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database

FIRST, SECOND = "!first:example.org", "!second:example.org"
GHOST = "@agent_frida:example.org"


@pytest.fixture
def store(database: Database) -> DirectChatStore:
    return DirectChatStore(database)


async def test_a_person_and_an_agent_have_one_direct_chat(database: Database, store: DirectChatStore) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", "!home:example.org")
    chats = await asyncio.gather(*(store.admit(room, frida, BOB, "$invitation") for room in (FIRST, SECOND)))
    assert len(set(chats)) == 1
    chat = await Chats(database).find(chats[0] or 0)
    assert chat is not None
    assert (chat.kind, chat.person, chat.request_key, chat.status) == (KindName.DM, BOB, None, ChatStatus.ACTIVE)
    assert chat.room_id in {FIRST, SECOND}
    # A repeat, another agent, and another person.
    assert await store.admit(chat.room_id, frida, BOB, "$invitation") == chat.id
    assert await store.open(frida, BOB, "dm.1") == chat.id
    assert await store.admit(FIRST if chat.room_id == SECOND else SECOND, gala, BOB, "$invitation") != chat.id
    assert await store.admit(f"{FIRST}.org", frida, "@eve:example.org", "$invitation") != chat.id
    assert await store.rooms_of(BOB) == {frida: chat.room_id, gala: FIRST if chat.room_id == SECOND else SECOND}


async def test_a_room_that_is_known_becomes_no_direct_chat(database: Database, store: DirectChatStore) -> None:
    frida = await add_agent(database)
    await watch(database, FIRST)
    assert await store.admit(FIRST, frida, BOB, "$invitation") is None


async def test_an_ended_direct_chat_makes_way_for_another(database: Database, store: DirectChatStore) -> None:
    frida = await add_agent(database)
    first = await store.open(frida, BOB, "dm.1")
    assert first is not None
    await Chats(database).made(first, FIRST, None)
    for _ in range(2):
        await store.end(first)
    ended = await Chats(database).find(first)
    assert ended is not None
    assert ended.status is ChatStatus.ENDED
    assert ended.changes == ended.changes_applied + 2
    # The ghost has yet to leave the room that has the alias.
    assert await store.open(frida, BOB, "dm.1") is None
    second = await store.admit(SECOND, frida, BOB, "$invitation")
    assert second not in {None, first}
    room = (await Rooms(database).contexts([FIRST]))[FIRST]
    assert [each.state for each in room.participants] == ["left"]


async def test_the_messages_behind_the_invitation_come_first(database: Database, store: DirectChatStore) -> None:
    frida = await add_agent(database)
    await store.admit(FIRST, frida, BOB, "$invitation")
    (due,) = [each for each in await Histories(database).due(600, 10) if each.room_id == FIRST]
    assert (due.reader, due.last_seen, due.ghosts) == ("agent_frida", "$invitation", ("agent_frida",))
    row = await database.row("SELECT needs_backfill, number, titled_by FROM room WHERE room_id = %s", (FIRST,))
    assert row == {"needs_backfill": True, "number": None, "titled_by": None}
    # A direct chat counts as no chat, and gets no title.
    async with database.transaction() as connection:
        assert await Chats(database).count(connection, BOB) == 0
    await Chats(database).used(FIRST, 1)
    assert await Chats(database).untitled(10) == []


async def test_a_ghost_reads_a_group_without_the_bot(database: Database) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", "!home:example.org")
    await watch(database, FIRST)
    await take_part(database, FIRST, gala, frida)
    histories = Histories(database)

    async def reader() -> str | None:
        await histories.schedule_backfill()
        (due,) = [each for each in await histories.due(600, 10) if each.room_id == FIRST]
        return due.reader

    assert await reader() is None
    await database.execute("UPDATE room SET bot_joined = false WHERE room_id = %s", (FIRST,))
    assert await reader() == "agent_gala"
    await database.execute("UPDATE participant SET state = 'left' WHERE agent = %s", (gala,))
    assert await reader() == "agent_frida"


async def claimed(database: Database, event_id: str, room_id: str, *agents: int, kind: TurnKind) -> Turn:
    (lane,) = await accept(database, new(event_id, room_id, *agents, kind=kind))
    return await take(database, lane)


async def test_the_first_claim_decides_who_speaks_for_the_bridge(database: Database, store: DirectChatStore) -> None:
    frida = await add_agent(database)
    await store.admit(FIRST, frida, BOB, "$invitation")
    await database.execute("UPDATE room SET needs_backfill = false")
    first = await claimed(database, "$command", FIRST, kind=TurnKind.COMMAND)
    assert first.voice == "agent_frida"
    assert (await claimed(database, "$context", FIRST, frida, kind=TurnKind.COMMAND)).voice == "agent_frida"
    await database.execute("UPDATE turn SET state = 'done' WHERE event_id = '$context'")
    # An answer is the agent's own.
    assert (await claimed(database, "$message", FIRST, frida, kind=TurnKind.MESSAGE)).voice is None
    # The bot enters the room, after the ghost has perhaps spoken.
    await database.execute("UPDATE room SET bot_joined = true WHERE room_id = %s", (FIRST,))
    assert (await take(database, first.conversation)).voice == "agent_frida"
    await database.execute("UPDATE turn SET state = 'done' WHERE event_id = '$command'")
    assert (await claimed(database, "$later", FIRST, kind=TurnKind.COMMAND)).voice is None


async def test_the_bot_speaks_in_rooms_of_its_own_and_of_agents(database: Database) -> None:
    frida = await add_agent(database, room_id=FIRST)
    assert (await claimed(database, "$home", FIRST, kind=TurnKind.COMMAND)).voice is None
    await watch(database, SECOND)
    await take_part(database, SECOND, frida)
    assert (await claimed(database, "$group", SECOND, kind=TurnKind.COMMAND)).voice is None


async def invited(database: Database, number: int, sender: str, ghost: str = GHOST) -> Turn:
    """Return the claimed turn of an invitation."""
    room_id = f"!{number}:example.org"
    asked = replace(new(f"${number}", room_id, kind=TurnKind.INVITATION), sender=sender)
    (lane,) = await accept(database, replace(asked, payload=InvitationPayload(ghost)))
    return await take(database, lane)


async def test_a_person_without_a_role_is_told_once_a_day(database: Database) -> None:
    strangers = Strangers(database)
    first = await invited(database, 1, "@eve:example.org")
    assert await strangers.may_tell(first, GHOST, is_local=True)
    # A repeat after a kill says the same.
    assert await strangers.may_tell(first, GHOST, is_local=True)
    assert not await strangers.may_tell(await invited(database, 2, "@eve:example.org"), GHOST, is_local=True)
    other = "@agent_gala:example.org"
    assert await strangers.may_tell(await invited(database, 3, "@eve:example.org", other), other, is_local=True)
    assert await strangers.may_tell(await invited(database, 4, "@mallory:example.org"), GHOST, is_local=True)
    await database.execute("UPDATE turn SET created_at = created_at - interval '25 hours'")
    assert await strangers.may_tell(await invited(database, 5, "@eve:example.org"), GHOST, is_local=True)
    with pytest.raises(TurnLost):
        await strangers.may_tell(replace(first, attempts=9), GHOST, is_local=True)


async def test_few_remote_people_are_told_in_an_hour(database: Database) -> None:
    strangers = Strangers(database)
    turns = [await invited(database, number, f"@eve{number}:elsewhere.example") for number in range(25)]
    told = await asyncio.gather(*(strangers.may_tell(turn, GHOST, is_local=False) for turn in turns))
    assert sum(told) == 20
    assert await strangers.may_tell(await invited(database, 30, "@eve:example.org"), GHOST, is_local=True)
    await database.execute("UPDATE turn SET created_at = created_at - interval '61 minutes'")
    later = await invited(database, 31, "@mallory:elsewhere.example")
    assert await strangers.may_tell(later, GHOST, is_local=False)


@pytest.mark.parametrize(
    ("present", "added", "removed"),
    [
        ({}, {"@b:x": ["!1"]}, {}),
        ({"@b:x": ["!1"]}, {"@b:x": ["!1"]}, {}),
        ({"@b:x": ["!2"], "@c:x": ["!3"]}, {"@b:x": ["!2", "!1"], "@c:x": ["!3"]}, {"@b:x": ["!2"], "@c:x": ["!3"]}),
        ({"@b:x": {"!1": True}, "@c:x": 5}, {"@b:x": ["!1"], "@c:x": 5}, {"@c:x": 5}),
        ({"@b:x": None}, {"@b:x": ["!1"]}, {}),
        ({"@b:x": [5, None, "!1"]}, {"@b:x": [5, None, "!1"]}, {"@b:x": [5, None]}),
    ],
)
def test_the_direct_chats_of_others_stay_in_the_account_data(
    present: dict[str, object], added: dict[str, object], removed: dict[str, object]
) -> None:
    assert direct_rooms(present, "@b:x", "!1", is_direct=True) == added
    assert direct_rooms(present, "@b:x", "!1", is_direct=False) == removed
