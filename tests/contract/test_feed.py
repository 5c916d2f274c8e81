"""The feed on a real PostgreSQL: events become entries once, in the order of the commits, for those who were there."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.feed.reader import FeedReader
from agent_bridge.bridge.feed.subscription import CursorProblem, Filter, Subscription, cursor_at
from agent_bridge.core.feed import Cursor, FeedType, NewEntry, parse_cursor
from agent_bridge.store.feed import Bounds, Feed
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.prune import prune
from support.appservice_client import TOKEN, AppServiceClient, make_homes, real_intake, serve_endpoint
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.feed import FeedEntry
    from agent_bridge.store.postgres.database import Database

ROOM, OTHER = "!one:example.org", "!two:example.org"
BOB, EVE, GHOST = "@bob:example.org", "@eve:example.org", "@agent_a0:example.org"


@pytest.fixture
async def client(database: Database) -> AsyncIterator[AppServiceClient]:
    await make_homes(database, [ROOM, OTHER])
    async with serve_endpoint(TOKEN, real_intake(database, is_fed=True)) as client:
        yield client


def event(event_id: str, kind: str, content: dict[str, Any], /, **changes: Any) -> dict[str, Any]:
    values = {"event_id": event_id, "room_id": ROOM, "type": kind, "sender": BOB, "origin_server_ts": 5}
    return values | {"content": content} | changes


def text(event_id: str, body: str, **changes: Any) -> dict[str, Any]:
    return event(event_id, "m.room.message", {"msgtype": "m.text", "body": body}, **changes)


def member(event_id: str, user: str, membership: str, **changes: Any) -> dict[str, Any]:
    values = {"sender": user, "state_key": user} | changes
    return event(event_id, "m.room.member", {"membership": membership}, **values)


def new(number: int, room_id: str | None = ROOM, **changes: Any) -> NewEntry:
    values: dict[str, Any] = {"type": FeedType.MESSAGE, "room_id": room_id, "event_id": f"${number}", "sent_at": number}
    return NewEntry(**(values | changes))


async def everything(database: Database) -> list[FeedEntry]:
    return await Feed(database).after(0, most=10_000)


async def test_events_become_entries_once(client: AppServiceClient, database: Database) -> None:
    related = {"rel_type": "m.replace", "event_id": "$1"}
    events = [
        text("$1", "hello", content={"msgtype": "m.text", "body": "a\x00b", "n": "\ud800"}),
        text("$2", "an answer", sender=GHOST),
        text("$3", "* hello", content={"body": "* x", "m.new_content": {"body": "x"}, "m.relates_to": related}),
        event("$4", "m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$2", "key": "👍"}}),
        member("$5", EVE, "join"),
        member("$6", EVE, "join", unsigned={"prev_content": {"membership": "join"}}),
        member("$7", EVE, "ban", sender=BOB),
        event("$8", "m.room.encrypted", {"ciphertext": "x"}),
        event("$9", "m.room.topic", {"topic": "x"}, state_key=""),
        text("$10", "in a thread", content={"body": "x", "m.relates_to": {"rel_type": "m.thread", "event_id": "$1"}}),
        event("$11", "m.room.redaction", {"redacts": "$10"}),
    ]
    for path in ("/transactions/1", "/transactions/2"):
        assert (await client.put({"events": events}, path))[0] == 200
    entries = await everything(database)
    assert [(each.event_id, each.type, each.target, each.user_id, each.thread) for each in entries] == [
        ("$1", "message", None, None, ""),
        ("$2", "message", None, None, ""),
        ("$3", "edit", "$1", None, ""),
        ("$4", "reaction", "$2", None, ""),
        ("$5", "join", None, EVE, ""),
        ("$7", "leave", None, EVE, ""),
        ("$10", "message", None, None, "$1"),
        ("$11", "redaction", "$10", None, ""),
    ]
    assert json.loads(entries[0].content)["body"] == "a\x00b"
    assert (entries[0].sender, entries[0].sent_at, entries[6].content) == (BOB, 5, "{}")
    # A redaction forgets the message and its edits, also one that came earlier.
    await client.put({"events": [event("$12", "m.room.redaction", {"redacts": "$1"})]}, "/transactions/3")
    assert [each.content for each in (await everything(database))[:3]] == ["{}", entries[1].content, "{}"]


async def test_without_a_subscriber_nothing_is_written(database: Database) -> None:
    await make_homes(database, [ROOM])
    async with serve_endpoint(TOKEN, real_intake(database)) as client:
        await client.put({"events": [text("$1", "hello")]})
    assert await everything(database) == []


async def test_a_reader_never_misses_an_entry_before_one_that_it_has_seen(database: Database) -> None:
    """Transactions that overlap commit in the order of their positions."""
    feed, seen = Feed(database), list[int]()

    async def write(number: int) -> None:
        async with database.transaction() as connection:
            await feed.add([new(2 * number), new(2 * number + 1)], connection)
            await asyncio.sleep(random.uniform(0, 0.01))  # noqa: S311 - no secret

    async def read() -> None:
        while len(seen) < 80:
            seen.extend(each.position for each in await feed.after(seen[-1] if seen else 0, most=7))

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(read())
        for number in range(40):
            group.create_task(write(number))
    assert seen == [each.position for each in await everything(database)]
    assert all(earlier < later for earlier, later in pairwise(seen))


async def test_the_feed_ends_and_begins(database: Database) -> None:
    feed = Feed(database)
    first = await feed.bounds()
    assert first == Bounds(first.epoch, 0, 0)
    assert parse_cursor(str(cursor_at(first))) == Cursor(first.epoch, 0)
    assert all(parse_cursor(each) is None for each in ("", "1", f"{first.epoch}-", f"{first.epoch}-x", "0-0", "-1"))
    await feed.add([new(1), new(2)])
    newest = (await everything(database))[-1].position
    assert await feed.bounds() == Bounds(first.epoch, 0, newest)
    # Nobody may subscribe any more.
    await prune(database, turns_days=30, transcript_days=30)
    assert await feed.bounds() == Bounds(first.epoch, newest, newest)
    assert await everything(database) == []
    subscription = subscribe(database, Signals())
    bounds = await feed.bounds()
    assert subscription.problem(Cursor(first.epoch, newest), bounds) is None
    assert subscription.problem(Cursor(first.epoch, newest - 1), bounds) is CursorProblem.EXPIRED
    assert subscription.problem(Cursor(first.epoch, newest + 1), bounds) is CursorProblem.OTHER_FEED
    assert subscription.problem(Cursor("0" * 8, newest), bounds) is CursorProblem.OTHER_FEED


@dataclass
class Rooms:
    """The rooms in which the user is now, and those that the token permits."""

    inside: set[str] = field(default_factory=lambda: {ROOM})
    permitted: set[str] = field(default_factory=lambda: {ROOM, OTHER})
    #: Row ids of the servers whose channels the user is shown; None: the main Space.
    servers: set[int | None] = field(default_factory=lambda: {None})

    def permits(self, room_id: str) -> bool:
        return room_id in self.permitted

    async def is_member(self, room_id: str) -> bool:
        return room_id in self.inside

    def reaches(self, room_id: str) -> bool:
        return room_id in self.permitted

    async def lists(self, server: int | None) -> bool:
        return server in self.servers


def subscribe(
    database: Database,
    signals: Signals,
    *,
    rooms: Rooms | None = None,
    reader: FeedReader | None = None,
    wanted: Filter | None = None,
) -> Subscription:
    feed = Feed(database)
    return Subscription(reader or FeedReader(feed, signals), feed, EVE, wanted or Filter(), rooms or Rooms())


async def first(subscription: Subscription, number: int, position: int = 0) -> list[str | None]:
    """Return the events of the first *number* entries behind *position*."""
    found: list[str | None] = []
    async with (
        asyncio.timeout(60),
        subscription.reader.subscribed(),
        aclosing(subscription.entries(position, patience=5)) as pages,
    ):
        async for _, entries in pages:
            found += [each.event_id for each in entries]
            if len(found) >= number:
                break
    return found


async def test_a_subscriber_sees_the_time_in_which_it_was_in_a_room(database: Database) -> None:
    def moves(number: int, type_: FeedType, room_id: str = ROOM, user: str = EVE) -> NewEntry:
        return new(number, room_id, type=type_, user_id=user)

    feed = Feed(database)
    await feed.add(
        [
            new(1),
            moves(2, FeedType.LEAVE),
            new(3),
            moves(4, FeedType.LEAVE, user=BOB),
            moves(5, FeedType.JOIN),
            new(6),
            new(7, OTHER),
            moves(8, FeedType.INVITE, OTHER),
            new(9, OTHER, type=FeedType.CHANNEL_CREATED),
            new(10, None, type=FeedType.NOTIFICATION, user_id=BOB),
            new(11, None, type=FeedType.NOTIFICATION, user_id=EVE),
            new(12, type=FeedType.REACTION),
        ]
    )
    entries = await everything(database)
    signals = Signals()
    expected = ["$1", "$2", "$5", "$6", "$8", "$9", "$11", "$12"]
    assert await first(subscribe(database, signals), 8) == expected
    # It goes on anywhere, with the memberships of that place.
    assert await first(subscribe(database, signals), 4, entries[1].position) == ["$5", "$6", "$8", "$9", "$11", "$12"]
    assert await first(subscribe(database, signals), 1, entries[5].position) == ["$8", "$9", "$11", "$12"]
    # Who is outside now was inside then.
    assert await first(subscribe(database, signals, rooms=Rooms(inside=set())), 8) == expected
    # The token, and filters.
    assert await first(subscribe(database, signals, rooms=Rooms(permitted=set())), 1) == ["$11"]
    types = frozenset({FeedType.REACTION, FeedType.JOIN})
    assert await first(subscribe(database, signals, wanted=Filter(types=types)), 2) == ["$5", "$12"]
    only_other = frozenset({OTHER})
    nowhere = [each for each in expected if each not in {"$9", "$11"}]
    assert await first(subscribe(database, signals, rooms=Rooms(servers=set())), 6) == nowhere
    both = Rooms(inside={ROOM, OTHER})
    assert await first(subscribe(database, signals, rooms=both, wanted=Filter(rooms=only_other)), 3) == [
        "$7",
        "$8",
        "$9",
    ]


async def test_tasks_votes_and_notifications_are_for_those_who_see_them(database: Database) -> None:
    """An assignee outside of the room sees nothing; a notification about a room outside of the token's is not told."""
    lab = json.dumps({"server": {"number": 7, "name": "Lab"}})
    await Feed(database).add(
        [
            new(1, OTHER, type=FeedType.TASK, user_id=EVE),
            new(2, type=FeedType.TASK),
            new(3, OTHER, type=FeedType.VOTE),
            new(4, type=FeedType.VOTE),
            new(5, OTHER, type=FeedType.NOTIFICATION, user_id=EVE),
            new(6, OTHER, type=FeedType.CHANNEL_CHANGED, content=lab),
            new(7, None, type=FeedType.TASK),
            new(8),
        ]
    )
    signals = Signals()
    assert await first(subscribe(database, signals), 4) == ["$2", "$4", "$5", "$8"]
    assert await first(subscribe(database, signals, rooms=Rooms(servers={None, 7})), 5) == [
        "$2",
        "$4",
        "$5",
        "$6",
        "$8",
    ]
    here = Rooms(permitted={ROOM}, servers={None, 7})
    assert await first(subscribe(database, signals, rooms=here), 3) == ["$2", "$4", "$8"]


async def test_no_gap_and_no_repetition_after_many_disconnects(database: Database, store_url: str) -> None:
    """Subscribers of two processes, which go on from their last entry, see each entry once while others are written."""
    await disconnects(database, store_url, 60)


@pytest.mark.long
async def test_no_gap_and_no_repetition_after_a_thousand_disconnects(database: Database, store_url: str) -> None:
    await disconnects(database, store_url, 1_000)


async def disconnects(database: Database, store_url: str, times: int) -> None:
    feed = Feed(database)
    replicas = [Signals(), Signals()]
    total = 5 * times
    dice = random.Random(7)  # noqa: S311 - no secret
    async with Session(store_url, replicas[0]), Session(store_url, replicas[1]):
        readers = [FeedReader(feed, each) for each in replicas]

        async def write() -> None:
            for number in range(total):
                await feed.add([new(number)])

        seen: list[str | None] = []
        position, left = 0, times
        writing = asyncio.create_task(write())
        async with asyncio.timeout(300):
            while len(seen) < total:
                reader = dice.choice(readers)
                subscription = subscribe(database, Signals(), reader=reader)
                wanted = dice.randint(1, 9) if left > 0 else total
                left -= 1
                async with reader.subscribed(), aclosing(subscription.entries(position, patience=5)) as pages:
                    async for reached, entries in pages:
                        # The connection may break off after any entry.
                        cut = entries[:wanted]
                        seen += [each.event_id for each in cut]
                        position = cut[-1].position if len(cut) < len(entries) else reached
                        wanted -= len(cut)
                        if wanted <= 0 or len(seen) >= total:
                            break
        await writing
        assert left < 0
        assert seen == [f"${number}" for number in range(total)]


async def test_erased_entries_go_from_the_memory_of_a_reader(database: Database, store_url: str) -> None:
    """One program has read them, and keeps the reader busy; another one goes on behind an older cursor."""
    feed, signals = Feed(database), Signals()
    reader = FeedReader(feed, signals)
    async with Session(store_url, signals), reader.subscribed():
        await feed.add([new(number, content='{"body":"secret"}') for number in range(2)])
        read = await reader.after(reader._newest, patience=30)
        assert [each.content for each in read] == ['{"body":"secret"}'] * 2
        await feed.erase(["$0"])

        async def contents() -> list[str] | None:
            found = [each.content for each in await reader.after(read[0].position - 1, patience=5)]
            return found if "{}" in found else None

        assert await eventually(contents, "the entry is erased") == ["{}", '{"body":"secret"}']
        await database.execute("DELETE FROM feed WHERE event_id = '$1'")

        async def rest() -> bool:
            return len(await reader.after(read[0].position - 1, patience=5)) == 1

        await eventually(rest, "the entry is deleted")


async def test_many_subscribers_need_one_read(database: Database, store_url: str) -> None:
    feed, signals = CountingFeed(database), Signals()
    reader = FeedReader(feed, signals)
    async with Session(store_url, signals):
        subscriptions = [subscribe(database, signals, reader=reader) for _ in range(50)]
        for each in subscriptions:
            each.feed = feed
        waiting = [asyncio.create_task(first(each, 3, 0)) for each in subscriptions]
        await eventually(lambda: _all_wait(reader), "all subscribers wait")
        feed.reads = 0
        for number in range(3):
            await feed.add([new(number)])
        async with asyncio.timeout(60):
            assert await asyncio.gather(*waiting) == [["$0", "$1", "$2"]] * 50
        assert feed.reads <= 6


class CountingFeed(Feed):
    reads = 0

    async def after(self, position: int, *, most: int) -> list[FeedEntry]:
        self.reads += 1
        return await super().after(position, most=most)


async def _all_wait(reader: FeedReader) -> bool:
    return reader._subscribers == 50 and reader._reading is not None
