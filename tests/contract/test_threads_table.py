"""Threads with names on a real PostgreSQL: the archive, and the messages that take a thread out of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.inbound.thread_intake import ThreadIntake
from agent_bridge.bridge.roles.refresher import RoleRefresher
from agent_bridge.core.live import Live
from agent_bridge.core.roles import Roles
from agent_bridge.core.threads import ArchivedRooms, NewThread, Thread, ThreadMessage
from agent_bridge.core.turns import TurnKind
from agent_bridge.matrix.events import RoomEvent
from agent_bridge.render.content import LIVE, edit, in_thread
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.threads import ThreadStore
from support.records import NAMES
from support.turn_rows import BOB, ROOM, accept, add_agent, new

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

#: Now, in milliseconds, and the keys of the commands that name and archive the thread.
NOW = int(time.time() * 1000)
BOT, GHOST = NAMES.bot, NAMES.user_id(f"{NAMES.username_prefix}a")


async def command(database: Database, name: str, said_at: int) -> str:
    """Write the turn of a command that was given at *said_at*; return its key."""
    await accept(database, new(f"${name}", kind=TurnKind.COMMAND, said_at=said_at))
    row = await database.row("SELECT key FROM turn WHERE event_id = %(event)s", {"event": f"${name}"})
    assert row is not None
    return str(row["key"])


async def add_thread(database: Database, root: str | None = "$root") -> Thread:
    store = ThreadStore(database)
    await add_agent(database)
    key = await command(database, "new", NOW - 10_000)
    async with database.transaction() as connection:
        assert await store.lock(connection, ROOM)
        thread = await store.add(connection, NewThread(key, ROOM, "Trip", BOB, root))
    found = await store.find(thread)
    assert found is not None
    return found


async def archive(database: Database, thread: Thread, said_at: int) -> bool:
    key = await command(database, f"archive{said_at}", said_at)
    async with database.transaction() as connection:
        return await ThreadStore(database).archive(connection, thread, key)


def agent_event(
    at: int, sender: str = GHOST, msgtype: str = "m.text", root: str = "$root", edits: str = "", *, grows: bool = False
) -> RoomEvent:
    """Return a message of an agent in a thread, or an edit of its answer."""
    content: dict[str, Any] = {"msgtype": msgtype, "body": "words"} | in_thread(root, root)
    if edits:
        content = edit(content | ({LIVE: {}} if grows else {}), edits)
    return RoomEvent("$said", ROOM, "m.room.message", sender, None, content, NOW + at)


async def hear(database: Database, said_at: int, root: str = "$root") -> None:
    async with database.transaction() as connection:
        await ThreadStore(database).heard(connection, [ThreadMessage(ROOM, root, said_at)])


async def is_archived(database: Database) -> bool:
    found = await ThreadStore(database).of_root(ROOM, "$root")
    assert found is not None
    return found.archived_at is not None


@pytest.mark.parametrize(
    ("said_at", "stays"),
    [
        pytest.param(NOW - 6_000, True, id="known: the homeserver delivers it again"),
        pytest.param(NOW - 5_500, True, id="said before the command, and found later"),
        pytest.param(NOW - 4_999, False, id="the next message"),
        pytest.param(NOW + 10**9, False, id="by a clock that is ahead"),
    ],
)
async def test_the_next_message_takes_a_thread_out_of_the_archive(
    database: Database, said_at: int, *, stays: bool
) -> None:
    thread = await add_thread(database)
    await hear(database, NOW - 6_000)
    assert await archive(database, thread, NOW - 5_000)
    await hear(database, NOW, "$another")
    assert await is_archived(database)
    await hear(database, said_at)
    assert await is_archived(database) is stays
    # The clock that was ahead keeps nothing: the thread is archived again, and a message brings it back.
    if not stays:
        assert await archive(database, thread, int(time.time() * 1000) + 1)


async def test_a_message_after_the_request_keeps_a_thread(database: Database) -> None:
    thread = await add_thread(database)
    await hear(database, NOW - 4_000)
    assert not await archive(database, thread, NOW - 5_000)
    assert not await is_archived(database)


@pytest.mark.parametrize(
    ("event", "returns"),
    [
        pytest.param({"at": -4_000}, True, id="the next message of the agent"),
        pytest.param({"at": -6_000}, False, id="said before the command"),
        pytest.param({"at": -4_000, "sender": BOT}, False, id="by the bot"),
        pytest.param({"at": -4_000, "msgtype": "m.notice"}, False, id="a notice"),
        pytest.param({"at": -4_000, "root": "$another"}, False, id="another thread"),
        pytest.param({"at": -4_000, "edits": "$shown"}, True, id="the end of an answer"),
        pytest.param({"at": -4_000, "edits": "$shown", "grows": True}, False, id="an answer that grows"),
        pytest.param({"at": -4_000, "edits": "$else"}, False, id="an edit of something else"),
    ],
)
async def test_a_message_of_an_agent_takes_a_thread_out_of_the_archive(
    database: Database, event: dict[str, Any], *, returns: bool
) -> None:
    thread, archived = await add_thread(database), ArchivedRooms()
    (row,) = await database.rows("SELECT id FROM agent")
    await accept(database, new("$question", ROOM, row["id"], thread="$root"))
    await database.execute(
        "INSERT INTO outbox (turn, part, event_id) SELECT id, 0, '$shown' FROM turn WHERE event_id = '$question'"
    )
    intake = ThreadIntake(ThreadStore(database), database, archived, NAMES)
    refresher = RoleRefresher(RoleStore(database), Roles.fixed({}, NAMES), Live({}), Signals(), archived=archived)
    await refresher.refresh()
    await intake.take([agent_event(**event)])
    assert archived.rooms == frozenset()
    assert await archive(database, thread, NOW - 5_000)
    # This process does not know it yet.
    await intake.take([agent_event(**event)])
    assert await is_archived(database)
    await refresher.refresh()
    assert archived.rooms == {ROOM}
    for _ in range(2):
        await intake.take([agent_event(**event)])
        assert await is_archived(database) is not returns
    await refresher.refresh()
    assert archived.rooms == (frozenset() if returns else {ROOM})


async def test_intake_knows_the_threads_with_names(database: Database) -> None:
    await add_thread(database)
    known = await Rooms(database).contexts([ROOM], threads=["$root", "$another"])
    assert known[ROOM].named_threads == {"$root"}


async def test_a_thread_is_due_until_it_is_shown_and_after_each_change(database: Database) -> None:
    store, thread = ThreadStore(database), await add_thread(database, None)
    # The command that made it sends the first event.
    assert await store.due(9, []) == []
    await database.execute("UPDATE turn SET state = 'done'")
    assert await store.due(9, []) == [thread.id]
    await store.shown(thread, "$root")
    assert await store.due(9, []) == []
    assert await archive(database, thread, NOW - 5_000)
    assert await store.due(9, []) == [thread.id]
