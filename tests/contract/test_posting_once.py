"""Messages of the leader are sent once, although a server forgets transaction ids and processes die in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.collaboration.event_poster import EventPoster
from agent_bridge.bridge.collaboration.events import AgentEvents
from agent_bridge.bridge.collaboration.notifier import Notifier
from agent_bridge.bridge.collaboration.task_cards import TaskCards
from agent_bridge.bridge.collaboration.tasks import TaskService
from agent_bridge.bridge.rooms.bot_chats import BotChats
from agent_bridge.core.actors import Actor
from agent_bridge.core.agent_events import NewEvent
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import KindName
from agent_bridge.core.tasks import Task, TaskAction, TaskState
from agent_bridge.i18n.catalogue import Text
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.agent_events import AgentEventStore
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.tasks import Tasks
from support.conditions import eventually
from support.records import NAMES
from support.turn_rows import BOB, ROOM

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Database
    from support.fake_room import FakeRoom

ROLES = Roles.fixed({"*": Role.MEMBER}, NAMES)
ACTOR = Actor(BOB)


class Process:
    """The duties of one process that leads."""

    def __init__(self, database: Database, homeserver: Homeserver) -> None:
        self.database, signals = database, Signals()
        store, rooms = AgentEventStore(database), Rooms(database)
        self.events = AgentEvents(homeserver, store, ROLES, ENGLISH)
        self.tasks = TaskService(Tasks(database), Notifications(database), self.events, ROLES, NAMES, claim_timeout=900)
        chats = BotChats(homeserver, rooms, RoleStore(database), ROLES, None)
        self.poster = EventPoster(homeserver, store, signals)
        self.notifier = Notifier(homeserver, Notifications(database), chats, ROLES, signals, ENGLISH, gather=0)
        self.cards = TaskCards(homeserver, database, Tasks(database), self.tasks, signals, ENGLISH)

    async def post(self, key: str) -> None:
        async with self.database.transaction() as connection:
            new = NewEvent(key=key, room_id=ROOM, actor=ACTOR, kind=key)
            assert await self.events.post(connection, new, "Bob") is None

    async def tell(self, title: str, user: str = BOB) -> None:
        told = Notification(user, NotificationKind.TASK_ASSIGNED, ROOM, {"task": 1, "title": title, "by": ""})
        async with self.database.transaction() as connection:
            await Notifications(self.database).add(connection, told)

    async def make(self, title: str) -> int:
        async with self.database.transaction() as connection:
            made = await self.tasks.create(connection, ACTOR, title, ROOM, title)
        assert isinstance(made, Task)
        return made.number


@pytest.fixture
async def start(database: Database, homeserver: Homeserver, room: FakeRoom) -> Callable[[], Process]:
    """Return a function that starts a process: another one has died."""
    await Rooms(database).enter(ROOM, KindName.BOT, "$seen")
    await database.execute("INSERT INTO notified_person (user_id, room_id) VALUES (%s, %s)", (BOB, ROOM))
    room.events.append({"event_id": "$old", "type": "m.room.message", "content": {"body": "old"}, "sender": BOB})
    room.state += [
        {"type": "m.room.member", "state_key": user, "content": {"membership": "join"}, "sender": user}
        for user in (BOB, NAMES.bot)
    ]
    return lambda: Process(database, homeserver)


async def _events(process: Process) -> Callable[[Process], Awaitable[Any]]:
    await process.post("one")
    await process.post("two")
    return lambda leader: leader.poster.post_due()


async def _news(process: Process) -> Callable[[Process], Awaitable[Any]]:
    await process.tell("one")
    return lambda leader: leader.notifier.send_due()


async def _tasks(process: Process) -> Callable[[Process], Awaitable[Any]]:
    await process.make("one")
    await process.make("two")
    return lambda leader: leader.cards.keep()


@pytest.mark.parametrize("prepare", [_events, _news, _tasks], ids=["events", "notifications", "tasks"])
async def test_a_message_that_was_sent_is_found_again(
    start: Callable[[], Process], room: FakeRoom, prepare: Callable[[Process], Awaitable[Any]]
) -> None:
    run = await prepare(start())
    room.loses_next = True
    await run(start())
    said = room.texts()
    assert len(said) >= 2
    # The server has restarted, and so has the bridge.
    room.forget_transactions()
    await run(start())
    await run(start())
    assert len(room.texts()) == (2 if prepare is _news else 3)
    assert room.texts()[: len(said)] == said
    assert len({each for each in room.texts() if "old" not in each}) == len(room.texts()) - 1


async def test_a_card_is_edited_and_not_sent_again(start: Callable[[], Process], room: FakeRoom) -> None:
    process = start()
    number = await process.make("Write")
    await process.cards.keep()
    async with process.database.transaction() as connection:
        await process.tasks.claim(connection, ACTOR, number)
        await process.tasks.report(connection, ACTOR, number, TaskAction.PROGRESS, percent=50)
    room.loses_next = True
    await process.cards.keep()
    room.forget_transactions()
    await start().cards.keep()
    (_, shown) = room.texts()
    assert "50 %" in shown
    assert BOB in shown


async def test_a_refused_event_does_not_hold_up_the_next(start: Callable[[], Process], room: FakeRoom) -> None:
    process = start()
    await process.post("one")
    await process.post("two")
    room.refuses_next = True
    await process.poster.post_due()
    assert [each for each in room.texts() if "old" not in each] == ["🔹 Bob: two"]
    state = await AgentEventStore(process.database).find("one")
    assert state is not None
    assert state.error


async def test_tasks_of_those_who_left_are_free(start: Callable[[], Process], room: FakeRoom) -> None:
    process, left = start(), {"membership": "leave"}
    room.state.append({"type": "m.room.member", "state_key": "@eve:example.org", "content": left, "sender": BOB})
    gone, kept, closed, moved = [await process.make(title) for title in ("gone", "kept", "closed", "moved")]
    people = [(gone, "@eve:example.org"), (kept, BOB), (closed, "@eve:example.org"), (moved, "@new:example.org")]
    async with process.database.transaction() as connection:
        for number, user in people:
            assert isinstance(await process.tasks.assign(connection, ACTOR, number, user), Task)
        done = await process.tasks.report(connection, Actor("@eve:example.org"), closed, TaskAction.DONE)
        assert isinstance(done, Task)
    await process.cards.keep()
    store = Tasks(process.database)
    found = [await store.find(number) for number in (gone, kept, closed, moved)]
    assert [each and (each.state, each.assignee) for each in found] == [
        (TaskState.SUBMITTED, None),
        (TaskState.SUBMITTED, BOB),
        (TaskState.COMPLETED, "@eve:example.org"),
        # Perhaps the room replaces another one, and this one has not entered it yet.
        (TaskState.SUBMITTED, "@new:example.org"),
    ]
    # The card tells that anybody can claim it.
    assert [text for text in room.texts() if "gone" in text and "Claim it" in text and "@eve" not in text]


class _SlowChats(BotChats):
    """Nobody but Bob is invited before Bob is told: the homeserver of another person does not answer."""

    room: FakeRoom

    async def find(self, user: str, known: str | None) -> str:
        async def told() -> bool:
            return any("near" in text for text in self.room.texts())

        if user != BOB:
            await eventually(told, "Bob is told", 5)
            raise HomeserverUnavailable(Text("homeserver_away", said="x"))
        return await super().find(user, known)


async def test_the_homeserver_of_one_person_delays_nobody_else(
    start: Callable[[], Process], homeserver: Homeserver, room: FakeRoom
) -> None:
    process = start()
    database = process.database
    chats = _SlowChats(homeserver, Rooms(database), RoleStore(database), ROLES, None)
    chats.room = room
    notifier = Notifier(homeserver, Notifications(database), chats, ROLES, Signals(), ENGLISH, gather=0)
    # The person whose news came first waits.
    await process.tell("far", "@ann:example.org")
    await process.tell("near")
    await notifier.send_due()
    assert len([text for text in room.texts() if "near" in text]) == 1
    assert await Notifications(database).due(9, 0, []) == [("@ann:example.org", 0)]
