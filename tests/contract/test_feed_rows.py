"""Changes of tasks, votes, notifications and channels on a real PostgreSQL: one entry each, none without a reader."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.collaboration.tasks import TaskService
from agent_bridge.bridge.collaboration.votes import Votes
from agent_bridge.core.actors import Actor
from agent_bridge.core.feed import FeedType
from agent_bridge.core.ids import turn_key
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.programs import ALL_CAPABILITIES, Capability
from agent_bridge.core.results.tasks import TaskRefused
from agent_bridge.core.results.votes import VoteOpened
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import KindName
from agent_bridge.core.servers import Channel, ChannelType, NewPlace
from agent_bridge.core.tasks import Task, TaskAction, TaskState
from agent_bridge.core.votes import Tally, VoteDraft, VoteEnd
from agent_bridge.render.tasks import structured
from agent_bridge.render.votes import result_facts
from agent_bridge.store.feed import Feed
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.personal_data import PersonalData
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.queue import Queue
from agent_bridge.store.redactions import Redactions
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.servers import Servers
from agent_bridge.store.tasks import Tasks
from agent_bridge.store.tokens import Tokens
from agent_bridge.store.votes import VoteStore
from support.api_client import new_secret
from support.records import NAMES
from support.turn_rows import BOB, ROOM

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.core.feed import FeedEntry
    from agent_bridge.store.postgres.database import Connection

EVE = "@eve:example.org"
ROLES = Roles.fixed({"*": Role.MEMBER}, NAMES)
COMMAND = "$command"


class Desk:
    """Makes and changes rows by the functions of the product."""

    def __init__(self, database: Database) -> None:
        no_events: Any = None
        self.database = database
        self.store, self.votes = Tasks(database), VoteStore(database)
        self.tasks = TaskService(self.store, Notifications(database), no_events, ROLES, NAMES, claim_timeout=900)

    async def do(self, act: Callable[[Connection], Awaitable[Any]]) -> Any:
        async with self.database.transaction() as connection:
            return await act(connection)

    async def make(self, title: str, key: str = "") -> int:
        made = await self.do(
            lambda connection: self.tasks.create(connection, Actor(BOB), key or f"key {title}", ROOM, title)
        )
        return int(made.number)

    async def claim(self, number: int, user: str) -> Any:
        return await self.do(lambda connection: self.tasks.claim(connection, Actor(user), number))

    async def notify(self, user: str, title: str, key: str | None = None) -> None:
        values: dict[str, str | int] = {"task": 1, "title": title, "by": BOB}
        news = Notification(user, NotificationKind.TASK_ASSIGNED, ROOM, values, key)
        await self.do(lambda connection: Notifications(self.database).add(connection, news))

    async def vote(self, key: str = "key") -> int:
        draft = VoteDraft("Lunch?", ("pizza", "pasta"), quorum=2)
        service = Votes(self.votes, ROLES)
        opened = await self.do(lambda connection: service.open(connection, Actor(BOB), ROOM, draft, UTC, key=key))
        assert isinstance(opened, VoteOpened)
        found = await self.votes.find(opened.number)
        assert found is not None
        await self.votes.shown(found, ROOM, f"${key}")
        return opened.number

    async def channel(self, name: str, server: int | None = None) -> Channel:
        places = Servers(self.database)

        async def act(connection: Connection) -> int:
            await places.lock(connection)
            return await places.add_channel(connection, NewPlace(f"key of {name}", name), server, ChannelType.TEXT)

        found = await places.find(await self.do(act))
        assert isinstance(found, Channel)
        return found

    async def entries(self, *types: FeedType) -> list[FeedEntry]:
        return [each for each in await Feed(self.database).after(0, most=1_000) if each.type in types]

    async def told(self, *types: FeedType) -> list[dict[str, Any]]:
        return [json.loads(each.content) for each in await self.entries(*types)]


@pytest.fixture
async def desk(database: Database) -> Desk:
    await Rooms(database).enter(ROOM, KindName.GROUP, "$seen")
    await new_secret(Tokens(database, NAMES), database, Actor(EVE))
    return Desk(database)


async def test_each_change_of_a_task_is_one_entry(desk: Desk) -> None:
    number = await desk.make("Write")
    await desk.claim(number, EVE)
    # A repeat changes nothing.
    await desk.make("Write")
    await desk.claim(number, EVE)
    report = desk.tasks.report
    await desk.do(
        lambda connection: report(connection, Actor(EVE), number, TaskAction.PROGRESS, percent=40, note="half\x07")
    )
    (part,) = (await desk.do(lambda connection: desk.tasks.split(connection, Actor(EVE), "k", number, ["tables"])))[1]
    await desk.do(lambda connection: desk.tasks.cancel(connection, Actor(BOB), number))
    told = await desk.told(FeedType.TASK)
    # The progress of the whole is that of its parts; a part that is cancelled does not count.
    assert [(each["id"], each["state"], each.get("assignee"), each["progress"]) for each in told] == [
        (number, "submitted", None, 0),
        (number, "working", EVE, 0),
        (number, "working", EVE, 40),
        (part, "submitted", None, 0),
        (number, "working", EVE, 0),
        (part, "canceled", None, 0),
        (number, "canceled", EVE, 0),
    ]
    # The facts of the card, without its subtasks.
    task = await desk.store.find(number)
    assert task is not None
    assert told[-1] == structured(task, ())
    (first, *_) = await desk.entries(FeedType.TASK)
    assert (first.room_id, first.sender, first.event_id, first.user_id) == (ROOM, "", None, None)
    # A card that is shown is no change of the task, and the entries behind it name it.
    await desk.store.trying(task, "$seen")
    await desk.store.shown(task, "$card")
    assert len(await desk.told(FeedType.TASK)) == len(told)


async def test_a_transaction_that_fails_leaves_no_entry(desk: Desk) -> None:
    with pytest.raises(ZeroDivisionError):
        await desk.do(_fail(desk))
    assert await desk.entries(*FeedType) == []


def _fail(desk: Desk) -> Callable[[Connection], Awaitable[Any]]:
    async def act(connection: Connection) -> None:
        await desk.tasks.create(connection, Actor(BOB), "key", ROOM, "Write")
        raise ZeroDivisionError

    return act


@pytest.mark.parametrize("by_command", [True, False], ids=["command", "card"])
async def test_a_redaction_cancels_a_task_and_takes_its_words_away(desk: Desk, *, by_command: bool) -> None:
    number = await desk.make("My secret", f"command.{turn_key(COMMAND, NAMES.bot_username)}")
    task = await desk.store.find(number)
    assert task is not None
    await desk.store.trying(task, "$seen")
    await desk.store.shown(task, "$card")
    split = await desk.do(lambda connection: desk.tasks.split(connection, Actor(BOB), "k", number, ["part"]))
    target = COMMAND if by_command else "$card"
    for _ in range(2):
        await desk.do(lambda connection: desk.tasks.withdraw(connection, ROOM, target))
    await desk.do(lambda connection: desk.tasks.withdraw(connection, ROOM, "$other"))
    found, part = await desk.store.find(number), await desk.store.find(split[1][0])
    assert found is not None
    assert part is not None
    assert (found.state, found.title, part.state, part.title) == (TaskState.CANCELED, "—", TaskState.CANCELED, "part")
    told = await desk.told(FeedType.TASK)
    assert "My secret" not in str(told)
    assert [each["state"] for each in told if each.get("title") == "—"] == ["canceled"]
    # The card of a redacted command is to be redacted, a redacted card is gone; that of the subtask shows its end.
    unshown = {each.task.number: each for each in await desk.store.unshown(9, [])}
    assert sorted(unshown) == ([number, part.number] if by_command else [part.number])
    if by_command:
        assert (unshown[number].card, unshown[number].is_withdrawn) == ("$card", True)


async def test_a_vote_is_told_when_it_opens_and_ends(desk: Desk) -> None:
    number = await desk.vote()
    await desk.do(lambda connection: desk.votes.close(connection, number, VoteEnd.PERSON, EVE))
    vote = await desk.votes.find(number)
    assert vote is not None
    assert len(await desk.told(FeedType.VOTE)) == 1
    ended, result = vote, Tally(((BOB,), (EVE, "@joe:x")), (1, 2))
    for _ in range(2):
        await desk.do(lambda connection: desk.votes.decide(connection, ended, result))
    opened, closed = await desk.told(FeedType.VOTE)
    answers = [{"id": "1", "text": "pizza"}, {"id": "2", "text": "pasta"}]
    assert opened == {
        "id": number, "state": "open", "creator": BOB, "question": "Lunch?", "answers": answers, "quorum": 2
    }  # fmt: skip
    vote = await desk.votes.find(number)
    assert vote is not None
    facts = result_facts(vote)
    # Who voted how stays in the room.
    expected = {**facts, "answers": [{k: v for k, v in each.items() if k != "voters"} for each in facts["answers"]]}
    assert closed == {name: value for name, value in expected.items() if name != "key"}
    assert [(each.room_id, each.target) for each in await desk.entries(FeedType.VOTE)] == [(ROOM, None), (ROOM, "$key")]
    await desk.votes.settle(vote)
    await Feed(desk.database).erase(["$other"])
    assert await desk.told(FeedType.VOTE) == [opened, closed]
    # A moderator redacts the poll later.
    await Feed(desk.database).erase(["$key"])
    assert await desk.told(FeedType.VOTE) == [{}, {}]


async def test_a_cancelled_vote_is_told_without_its_words(desk: Desk) -> None:
    number, other = await desk.vote(), await desk.vote("other")
    await desk.do(lambda connection: desk.votes.withdraw(connection, ROOM, "$key", BOB))
    vote = await desk.votes.find(number)
    assert vote is not None
    await desk.votes.cancel(vote)
    first, second, cancelled = await desk.told(FeedType.VOTE)
    assert (first, second["id"], second["question"]) == ({}, other, "Lunch?")
    assert cancelled == {"id": number, "state": "cancelled", "creator": BOB, "ended_by": "redaction", "poll": "$key"}


async def test_programs_get_the_notifications_that_the_bot_does_not_tell(desk: Desk) -> None:
    await desk.notify(EVE, "a", "once")
    await desk.notify(EVE, "a", "once")
    store = Notifications(desk.database)
    await desk.do(lambda connection: store.mute(connection, EVE, is_muted=True))
    await desk.notify(EVE, "b")
    assert await store.due(9, 0, []) == []
    await desk.do(lambda connection: store.mute(connection, EVE, is_muted=False))
    assert await store.gather(EVE) is None
    entries = await desk.entries(FeedType.NOTIFICATION)
    assert [(each.user_id, each.room_id) for each in entries] == [(EVE, ROOM)] * 2
    assert [json.loads(each.content) for each in entries] == [
        {"kind": "task_assigned", "room_id": ROOM, "values": {"task": 1, "title": title, "by": BOB}}
        for title in ("a", "b")
    ]


async def test_channels_are_told_when_they_exist_change_and_go(desk: Desk) -> None:
    places = Servers(desk.database)
    lab = await desk.do(lambda connection: places.add_server(connection, NewPlace("key of Lab", "Lab"), BOB))
    news, never = await desk.channel("news", lab), await desk.channel("never")
    assert await desk.entries(*FeedType) == []
    for _ in range(2):
        await places.made(news, "!news:x", roles=1, seen=None)
    other = await desk.channel("other", lab)
    await places.made(other, "!other:x", roles=1, seen=None)
    for place in (news, other):
        await places.applied(place)
        # The same names from the homeserver change nothing.
        await places.named(place, place.name, place.topic)
    await desk.do(lambda connection: places.change(connection, news.id, topic="What is new"))
    await desk.do(lambda connection: places.move(connection, other.id, 1))
    # A room that is lost is made again.
    lost = await places.find(other.id)
    assert isinstance(lost, Channel)
    await places.lost(lost)
    await places.made(lost, "!other2:x", roles=1, seen=None)
    await desk.do(lambda connection: places.delete(connection, news.id, "k"))
    await desk.do(lambda connection: places.delete(connection, never.id, "k"))
    entries = await desk.entries(*FeedType)
    server = {"number": lab, "name": "Lab"}
    told = [(each.type.value, each.room_id, json.loads(each.content)) for each in entries]
    assert all(content.pop("server") == server and content.pop("type") == "text" for _, _, content in told)
    created, changed, deleted = "channel_created", "channel_changed", "channel_deleted"
    assert told[:3] == [
        (created, "!news:x", {"name": "news", "position": 1}),
        (created, "!other:x", {"name": "other", "position": 2}),
        (changed, "!news:x", {"name": "news", "topic": "What is new", "position": 1}),
    ]
    # Two of them have another place now.
    assert sorted((room, content["position"]) for _, room, content in told[3:5]) == [("!news:x", 2), ("!other:x", 1)]
    assert told[5:] == [
        (changed, "!other2:x", {"name": "other", "position": 1}),
        (deleted, "!news:x", {"name": "news", "topic": "What is new"}),
    ]


async def test_without_a_subscriber_nothing_is_written(database: Database) -> None:
    await Rooms(database).enter(ROOM, KindName.GROUP, "$seen")
    tokens = Tokens(database, NAMES)
    await new_secret(tokens, database, Actor(EVE), capabilities=ALL_CAPABILITIES - {Capability.SUBSCRIBE})
    desk = Desk(database)
    number = await desk.make("Write")
    await desk.claim(number, EVE)
    await desk.vote()
    await desk.do(lambda connection: Notifications(database).mute(connection, EVE, is_muted=True))
    await desk.notify(EVE, "a")
    await Servers(database).made(await desk.channel("news"), "!news:x", roles=1, seen=None)
    assert await desk.entries(*FeedType) == []
    assert await database.rows("SELECT 1 FROM notification") == []


async def test_the_order_is_that_of_the_commits_on_two_processes(desk: Desk) -> None:
    """Claims of two processes, and events between them: a reader that has seen an entry has seen all before it."""
    numbers = [await desk.make(f"task {number}") for number in range(20)]
    seen: list[FeedEntry] = []
    async with AsyncExitStack() as stack:
        other = Desk(await stack.enter_async_context(Database(desk.database.uri)))

        async def read() -> None:
            while len({each.position for each in seen}) < 40:
                seen.extend(await Feed(desk.database).after(seen[-1].position if seen else 0, most=3))

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(read())
            for number in numbers:
                for each in (desk, other):
                    group.create_task(each.claim(number, EVE))
    assert [each.position for each in seen] == [each.position for each in await desk.entries(*FeedType)]
    states = [(each["id"], each["state"]) for each in map(json.loads, (each.content for each in seen))]
    assert sorted(states) == sorted((number, state) for number in numbers for state in ("submitted", "working"))


async def test_a_refused_report_makes_nobody_the_author_of_a_note(desk: Desk) -> None:
    number = await desk.make("Write")
    await desk.claim(number, EVE)

    def done(user: str) -> Callable[[Connection], Awaitable[Any]]:
        return lambda connection: desk.tasks.report(connection, Actor(user), number, TaskAction.DONE, note="it is")

    results = [await desk.do(done(each)) for each in (EVE, BOB)]
    assert [isinstance(each, TaskRefused) for each in results] == [False, True]
    assert await desk.database.rows("SELECT note_by FROM task WHERE id = %s", (number,)) == [{"note_by": EVE}]


async def test_the_erasure_of_a_person_reaches_the_feed(desk: Desk) -> None:
    number, other = await desk.make("Write"), await desk.make("Keep")
    await desk.claim(number, EVE)
    await desk.notify(EVE, "for Eve")
    await desk.notify(BOB, "for Bob")
    # Eve has told something about a task that another one works on by now.
    handed = await desk.make("Hand over")
    await desk.claim(handed, EVE)
    eve, joe = Actor(EVE), "@joe:example.org"
    await desk.do(lambda connection: desk.tasks.report(connection, eve, handed, TaskAction.PROGRESS, note="my word"))
    await desk.do(lambda connection: desk.tasks.assign(connection, eve, handed, joe))
    store = PersonalData(desk.database, Redactions("bot", redact_answers=True), Queue(desk.database))
    counted = await store.count(EVE)
    assert (counted["tasks"], counted["notifications"], counted["feed"]) == (2, 1, 5)
    forgotten = await store.forget_rest(EVE, 0)
    assert {kind: forgotten[kind] for kind in ("tasks", "notifications", "feed")} == {
        kind: counted[kind] for kind in ("tasks", "notifications", "feed")
    }
    # Eve's token is gone, and with it the only reader: what is left has nothing of her.
    assert EVE not in str(await desk.told(*FeedType))
    assert "my word" not in str(await desk.told(*FeedType))
    written = await desk.store.find(handed)
    assert isinstance(written, Task)
    assert (written.note, written.assignee) == ("", joe)
    assert [each["id"] for each in await desk.told(FeedType.TASK) if each] == [number, other]
    await new_secret(Tokens(desk.database, NAMES), desk.database, Actor("@joe:example.org"))
    await store.forget_rest(BOB, 0)
    assert BOB not in str(await desk.told(*FeedType))
    found = await desk.store.find(other)
    assert isinstance(found, Task)
    assert found.creator == ""
    assert (await store.count(BOB))["feed"] == 0
