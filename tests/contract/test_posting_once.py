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
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import KindName
from agent_bridge.core.tasks import Task, TaskAction
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.agent_events import AgentEventStore
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.tasks import Tasks
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

    async def tell(self, title: str) -> None:
        told = Notification(BOB, NotificationKind.TASK_ASSIGNED, ROOM, {"task": 1, "title": title, "by": ""})
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
