"""Books of roles, mutes and budgets of bots on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.inbound.bot_budget import BotBudget
from agent_bridge.bridge.queue.tracked_work import TrackedWork
from agent_bridge.bridge.roles.keeper import RoleKeeper
from agent_bridge.bridge.roles.refresher import RoleRefresher
from agent_bridge.bridge.roles.room_roles import RoomRoles
from agent_bridge.bridge.rooms.admin_room import AdminRoom
from agent_bridge.config.example import example
from agent_bridge.core.chains import ChainBudget
from agent_bridge.core.chats import NewChat
from agent_bridge.core.live import Live
from agent_bridge.core.operations import ROLES
from agent_bridge.core.roles import EVERYWHERE, Role, RoleBook, Roles
from agent_bridge.core.turns import IgnoreReason, StopReason
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.agents import Agents
from agent_bridge.store.chats import Chats
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.mutes import MuteStore
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.signals import Signals, Topic
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.turns import Turns
from support.conditions import eventually
from support.jobs import idle_lanes
from support.records import NAMES
from support.turn_rows import BOB, OTHER, ROOM, accept, add_agent, new, row_of

if TYPE_CHECKING:
    from agent_bridge.core.turns import NewTurn

ANN, EVE = "@ann:example.org", "@eve:example.org"
#: The first matching pattern counts, so the order of the keys is a part of the book.
PERMISSIONS = {
    "@zz*:example.org": Role.ADMIN,
    "@z*:example.org": Role.MEMBER,
    "example.org": Role.NONE,
    BOB: Role.OWNER,
}


async def give(database: Database, user: str, role: Role | None, by: str = ANN) -> RoleBook:
    store = RoleStore(database)
    async with database.transaction() as connection:
        book = await store.lock(connection)
        assert book is not None
        return await store.give(connection, book, user, role, by)


async def test_a_book_keeps_the_order_of_its_entries(database: Database) -> None:
    store = RoleStore(database)
    assert (await store.current()).book is None
    await store.publish(PERMISSIONS)
    found = await store.current()
    book, mutes = found.book, found.mutes
    assert book is not None
    assert list(book.permissions.items()) == list(PERMISSIONS.items())
    assert book.role_of("@zzz:example.org") is Role.ADMIN
    assert (dict(book.assigned), dict(mutes.until)) == ({}, {})
    # The same permissions make no other book; another order does.
    await store.publish(PERMISSIONS)
    assert (await store.current()).book == book
    await store.publish(dict(reversed(PERMISSIONS.items())))
    newest = (await store.current()).book
    assert newest is not None
    assert newest.version > book.version
    assert await store.book(book.version) == book


async def test_a_role_that_a_person_gives_is_a_book(database: Database) -> None:
    store = RoleStore(database)
    await store.publish(PERMISSIONS)
    given = await give(database, EVE, Role.MODERATOR)
    source = given.source_of(EVE)
    assert (source.role, source.by) == (Role.MODERATOR, ANN)
    assert source.at is not None
    assert abs(datetime.now(UTC) - source.at) < timedelta(minutes=1)
    assert (await store.current()).book == given
    # A book with other permissions keeps it.
    await store.publish({"*": Role.NONE})
    newest = (await store.current()).book
    assert newest is not None
    assert newest.role_of(EVE) is Role.MODERATOR
    assert (await give(database, EVE, None)).role_of(EVE) is Role.NONE


async def test_versions_have_the_order_of_their_commits(database: Database) -> None:
    store = RoleStore(database)
    await store.publish({})
    books = await asyncio.gather(*(give(database, f"@user{number}:x", Role.MEMBER) for number in range(8)))
    ordered = sorted(books, key=lambda book: book.version)
    assert [len(book.assigned) for book in ordered] == list(range(1, 9))
    assert (await store.current()).book == ordered[-1]


async def test_an_older_book_does_not_come_after_a_newer_one(database: Database) -> None:
    """Two parts refresh the roles at the same time, and the answer to the first one is late."""
    gate, begun = asyncio.Event(), asyncio.Event()

    class LateStore(RoleStore):
        async def current(self) -> Any:
            found = await super().current()
            if not begun.is_set():
                begun.set()
                await gate.wait()
            return found

    store, roles = LateStore(database), Roles.fixed({}, NAMES)
    await store.publish({EVE: Role.ADMIN})
    refresher = RoleRefresher(store, roles, Live({}), Signals())
    first = asyncio.create_task(refresher.refresh())
    await begun.wait()
    await store.publish({EVE: Role.MEMBER})
    second = asyncio.create_task(refresher.refresh())
    # Without an order the second one ends in these turns of the loop or soon, otherwise it waits for the first one.
    await asyncio.wait({second}, timeout=0.2)
    gate.set()
    await asyncio.gather(first, second)
    assert roles.of(EVE) is Role.MEMBER


async def test_a_process_uses_its_own_permissions_until_there_is_a_book(database: Database) -> None:
    roles = Roles(Live(RoleBook({EVE: Role.MEMBER})), NAMES)
    refresher = RoleRefresher(RoleStore(database), roles, Live({EVE: Role.MEMBER}), Signals())
    await refresher.refresh()
    assert (roles.book.version, roles.of(EVE)) == (0, Role.MEMBER)
    await RoleStore(database).publish({EVE: Role.ADMIN})
    await refresher.refresh()
    assert roles.of(EVE) is Role.ADMIN
    await refresher.publish()
    assert roles.of(EVE) is Role.MEMBER
    assert roles.book.version > 1


async def test_rooms_are_due_until_they_have_the_newest_book(database: Database) -> None:
    store = RoleStore(database)
    await add_agent(database)
    await store.publish({})
    version = (await give(database, EVE, Role.ADMIN)).version
    (due,) = await store.due(version, [], 10, lobby=True)
    assert (due.room_id, due.applied, due.ghost) == (ROOM, None, "agent_frida")
    assert await store.due(version, [due.id], 10, lobby=True) == []
    await store.compared(due.id, version, is_refused=False)
    assert await store.due(version, [], 10, lobby=True) == []
    # A user entered whose role comes from a pattern.
    await store.note_levels_due([ROOM, "!other:example.org"])
    assert [each.applied for each in await store.due(version, [], 10, lobby=True)] == [version]
    # A refused change: the room keeps its book, and is due again after its next comparison.
    newer = (await give(database, EVE, None)).version
    await store.compared(due.id, newer, is_refused=True)
    assert await store.due(newer, [], 10, lobby=True) == []
    home = (await Agents(database).all())[0].home
    assert [str(problem) for problem in home.problems] == ["level_stuck"]
    await Agents(database).checked(home.id, home.check_requests, home.problems)
    assert [each.applied for each in await store.due(newer, [], 10, lobby=True)] == [version]
    await store.compared(due.id, newer, is_refused=False)
    assert (await Agents(database).all())[0].home.problems == ()


async def test_a_room_has_the_book_by_which_it_was_made(database: Database) -> None:
    store = RoleStore(database)
    agent = await add_agent(database)
    await store.publish({})
    home = (await Agents(database).all())[0].home
    await Agents(database).room_made(home.id, "!new:example.org", "F", "", roles=1)
    assert await store.due(1, [], 10, lobby=True) == []
    async with database.transaction() as connection:
        await Chats(database).add(connection, NewChat(BOB, agent, "0" * 16, "Oslo", is_titled=True))
    assert await store.persons(1) == []
    version = (await give(database, BOB, Role.NONE)).version
    assert await store.persons(version) == [(BOB, 1)]
    await store.persons_compared(version)
    assert await store.persons(version) == []


async def test_books_that_no_room_has_are_deleted(database: Database) -> None:
    store = RoleStore(database)
    await add_agent(database)
    await store.publish({})
    versions = [(await give(database, EVE, role)).version for role in (Role.ADMIN, Role.NONE, Role.MEMBER)]
    (due,) = await store.due(versions[-1], [], 10, lobby=True)
    await store.compared(due.id, versions[0], is_refused=False)
    await store.prune([1])
    assert [await store.book(version) is not None for version in (1, *versions)] == [True, True, False, True]


@pytest.mark.parametrize("where", [ROOM, None])
async def test_open_turns_of_a_user_end(database: Database, where: str | None) -> None:
    agent = await add_agent(database)
    for event, sender in (("$one", EVE), ("$two", EVE), ("$three", ANN)):
        await accept(database, new(event, ROOM, agent, sender=sender))
    async with database.transaction() as connection:
        lanes = await RoleStore(database).drop(connection, EVE, where, "$mute")
    assert len(lanes) == 2
    rows = [await row_of(database, event) for event in ("$one", "$two", "$three")]
    assert [row["stop"] for row in rows] == ["stopped", "stopped", None]
    stops = await Turns(database).stops([row["id"] for row in rows])
    assert set(stops.values()) == {StopReason.STOPPED}
    async with database.transaction() as connection:
        assert await RoleStore(database).drop(connection, EVE, where, "$mute") == []
        assert await RoleStore(database).drop(connection, ANN, "!other:example.org") == []


async def mute(database: Database, room: str, seconds: float | None) -> Any:
    async with database.transaction() as connection:
        return await MuteStore(database).put(connection, room, EVE, seconds=seconds)


async def end(database: Database, room: str) -> bool:
    async with database.transaction() as connection:
        return await MuteStore(database).end(connection, room, EVE)


async def test_a_mute_is_applied_and_lifted(database: Database) -> None:
    store, roles = MuteStore(database), RoleStore(database)
    await mute(database, ROOM, None)
    (due,) = await store.due()
    assert (due.room_id, due.user_id, due.level_before, due.has_ended) == (ROOM, EVE, None, False)
    await store.note_level(due, 7)
    await store.applied(due)
    assert await store.due() == []
    assert dict((await roles.current()).mutes.until) == {(ROOM, EVE): None}
    assert await end(database, ROOM)
    assert not await end(database, ROOM)
    assert dict((await roles.current()).mutes.until) == {}
    (over,) = await store.due()
    assert (over.level_before, over.has_ended) == (7, True)
    await store.lifted(over)
    assert await store.due() == []


async def test_a_mute_that_begins_again_while_it_is_lifted_is_applied_again(database: Database) -> None:
    store = MuteStore(database)
    await mute(database, ROOM, None)
    await store.applied((await store.due())[0])
    await end(database, ROOM)
    (over,) = await store.due()
    await mute(database, ROOM, 60)
    await store.lifted(over)
    assert [each.has_ended for each in await store.due()] == [False]


async def test_a_mute_in_all_rooms_changes_no_room(database: Database) -> None:
    store = MuteStore(database)
    until = await mute(database, EVERYWHERE, 60)
    assert until is not None
    assert await store.due() == []
    assert dict((await RoleStore(database).current()).mutes.until) == {(EVERYWHERE, EVE): until}
    await end(database, EVERYWHERE)
    assert await store.due() == []
    assert await database.rows("SELECT 1 FROM mute") == []


async def test_a_bot_asks_an_agent_so_often_in_a_minute(database: Database) -> None:
    store, agent = IntakeStore(database), await add_agent(database)

    async def take(bot: str = EVE) -> bool:
        async with database.transaction() as connection:
            return await store.take_budget(connection, bot, agent, 3)

    assert sorted(await asyncio.gather(*(take() for _ in range(8)))) == [False] * 5 + [True] * 3
    assert await take(BOB)
    await database.execute("UPDATE bot_budget SET asked = ARRAY(SELECT at - interval '61 s' FROM unnest(asked) AS at)")
    assert [await take() for _ in range(4)] == [True, True, True, False]


def to_agents(event_id: str, *agents: int, sender: str = EVE) -> NewTurn:
    return replace(new(event_id, ROOM, *agents), sender=sender)


async def test_what_a_bot_asks_beyond_its_budget_is_left_out(database: Database) -> None:
    first = await add_agent(database)
    second = await add_agent(database, "Gala", OTHER)
    roles = Roles.fixed({EVE: Role.AGENT, BOB: Role.MEMBER}, NAMES)
    budget = BotBudget(IntakeStore(database), roles, Live(ChainBudget(1, 2, 1, None)))

    async def asked(*events: NewTurn) -> tuple[list[tuple[str, list[int | None]]], list[str]]:
        async with database.transaction() as connection:
            kept, over = await budget.applied(connection, events, {})
        within = [(each.event_id, [to.agent for to in each.addressees or ()]) for each in kept]
        assert {each.reason for each in over} <= {IgnoreReason.BUDGET}
        return within, [each.event_id for each in over]

    assert await asked(to_agents("$1", first), to_agents("$2", first)) == ([("$1", [first]), ("$2", [first])], [])
    # Each agent has a budget of its own, and people have none.
    both = [to_agents("$3", first, second), to_agents("$4", first), *(to_agents("$5", first, sender=BOB),)]
    assert await asked(*both) == ([("$3", [second]), ("$5", [first])], ["$4"])
    # A message that the homeserver sends again costs nothing.
    await accept(database, to_agents("$6", second))
    assert await asked(to_agents("$6", second), to_agents("$7", second)) == (
        [("$6", [second]), ("$7", [second])],
        [],
    )
    assert await asked(to_agents("$8", second)) == ([], ["$8"])


async def test_without_a_newer_book_the_keeper_runs_no_statement(database_url: str) -> None:
    signals = Signals()
    async with homeserver_session() as session, Database(database_url) as database:
        homeserver = Homeserver("http://127.0.0.1:9", "token", NAMES, session)
        roles = Roles.fixed({}, NAMES)
        store = RoleStore(database)
        refresher = RoleRefresher(store, roles, Live({EVE: Role.ADMIN}), signals)
        kv, rooms = KeyValues(database), Rooms(database)
        keeper = RoleKeeper(
            homeserver,
            database,
            store,
            MuteStore(database),
            kv,
            idle_lanes(database),
            RoomRoles(homeserver, roles, ENGLISH),
            AdminRoom(homeserver, kv, rooms, example(), roles, ENGLISH),
            refresher,
            roles,
            TrackedWork(OperationStore(database), ROLES),
            signals,
            ENGLISH,
            makes_space=True,
            makes_lobby=True,
        )
        await refresher.publish()
        assert await keeper.keep() is None
        version = roles.book.version
        keeping = asyncio.create_task(keeper.run())
        await give(database, BOB, Role.MEMBER)
        signals.send(Topic.ROLES)

        async def is_compared() -> bool:
            return bool((await kv.get(KeyValues.SPACE_ROLES))["compared"] > version)

        await eventually(is_compared, "the newest book is compared")
        keeping.cancel()
        await asyncio.wait({keeping})
        # The end may have come before the comparison was whole.
        assert await keeper.keep() is None
    # The database is closed: a statement would fail.
    assert await keeper.keep() is None
