"""Servers and channels on a real PostgreSQL: places without gaps, names, rooms that are lost, and deletions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.roles import Role
from agent_bridge.core.servers import Channel, ChannelType, NewPlace, PlaceStatus, Server
from agent_bridge.core.turns import TurnState
from agent_bridge.store.agents import Agents
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.servers import Servers
from support.turn_rows import BOB, accept, add_agent, new, row_of

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

EVE = "@eve:example.org"


async def add_server(database: Database, name: str = "Lab") -> Server:
    store = Servers(database)
    async with database.transaction() as connection:
        number = await store.add_server(connection, NewPlace(f"key of {name}", name), BOB)
    found = await store.server(number)
    assert found is not None
    return found


async def add_channel(database: Database, name: str, server: int | None = None) -> Channel:
    store = Servers(database)
    async with database.transaction() as connection:
        await store.lock(connection)
        new_place = NewPlace(f"key of {server}/{name}", name)
        place = await store.add_channel(connection, new_place, server, ChannelType.TEXT)
    return await channel(database, place)


async def channel(database: Database, place: int) -> Channel:
    found = await Servers(database).find(place)
    assert isinstance(found, Channel)
    return found


async def names(database: Database, server: int | None = None) -> list[tuple[int, str]]:
    return [(each.position, each.name) for each in await Servers(database).channels(server)]


@pytest.mark.parametrize(
    ("moved", "position", "expected"),
    [
        ("a", 1, "abcd"),
        ("a", 2, "bacd"),
        ("a", 4, "bcda"),
        ("d", 1, "dabc"),
        ("c", 2, "acbd"),
        ("b", 3, "acbd"),
    ],
)
async def test_channels_have_places_without_gaps(database: Database, moved: str, position: int, expected: str) -> None:
    store, lab = Servers(database), await add_server(database)
    found = {name: await add_channel(database, name, lab.number) for name in "abcd"}
    other = await add_channel(database, "a")
    assert (other.position, [each.position for each in found.values()]) == (1, [1, 2, 3, 4])
    assert await store.pending() == ["Lab", "a", "b", "c", "d", "a"]
    async with database.transaction() as connection:
        await store.lock(connection)
        await store.move(connection, found[moved].id, position)
    assert await names(database, lab.number) == [*enumerate(expected, 1)]
    assert await names(database) == [(1, "a")]
    changed = [each.name for each in await store.channels(lab.number) if each.changes > 1]
    assert set(changed) == {new for old, new in zip("abcd", expected, strict=True) if old != new}


async def test_a_deleted_channel_leaves_no_gap_for_those_that_move(database: Database) -> None:
    store, lab = Servers(database), await add_server(database)
    found = {name: await add_channel(database, name, lab.number) for name in "abcdef"}
    async with database.transaction() as connection:
        for name in "bd":
            await store.delete(connection, found[name].id, "another turn")
        await store.lock(connection)
        await store.move(connection, found["a"].id, 3)
    assert await names(database, lab.number) == [*enumerate("ceaf", 1)]


async def test_channels_are_compared_when_their_server_gets_another_room(database: Database) -> None:
    store, lab = Servers(database), await add_server(database)
    inside, outside = await add_channel(database, "a", lab.number), await add_channel(database, "b")

    async def fresh() -> Server:
        found = await store.server(lab.number)
        assert found is not None
        return found

    await store.made(lab, "!old:example.org", roles=1, seen=None)
    for each in (inside, outside):
        await store.applied(await channel(database, each.id))
    assert inside.id not in await store.due(10, [])
    # The homeserver lost the room.
    await store.lost(await fresh())
    await store.made(await fresh(), "!new:example.org", roles=1, seen=None)
    assert set(await store.due(10, [])) == {lab.id, inside.id}
    await store.applied(await channel(database, inside.id))
    # A person upgraded it.
    await Agents(database).room_moved(lab.id, "!new:example.org", "!newer:example.org")
    assert inside.id in await store.due(10, [])


async def test_the_owner_of_a_server_has_the_role_there_alone(database: Database) -> None:
    roles, lab = RoleStore(database), await add_server(database)
    await roles.publish({"example.org": Role.MEMBER})
    found = (await roles.current()).book
    assert found is not None
    assert (found.role_of(BOB), found.in_server(lab.number).role_of(BOB)) == (Role.MEMBER, Role.OWNER)
    async with database.transaction() as connection:
        book = await roles.lock(connection)
        assert book is not None
        await Servers(database).give_role(connection, lab.number, EVE, Role.ADMIN, BOB)
        given = await roles.renew(connection, book)
    assert given.version > found.version
    assert given.in_server(lab.number).role_of(EVE) is Role.ADMIN
    async with database.transaction() as connection:
        await roles.lock(connection)
        await Servers(database).give_role(connection, lab.number, EVE, None, BOB)
        given = await roles.renew(connection, given)
    assert given.in_server(lab.number).role_of(EVE) is Role.MEMBER


async def test_rooms_of_a_server_have_its_roles_once_they_exist(database: Database) -> None:
    store, lab = Servers(database), await add_server(database)
    inside, outside = await add_channel(database, "a", lab.number), await add_channel(database, "b")
    for number, place in enumerate((lab, inside, outside)):
        await store.made(place, f"!{number}:example.org", roles=1, seen=None)
    known = (await RoleStore(database).current()).servers
    assert known == {"!0:example.org": lab.number, "!1:example.org": lab.number}


async def test_a_name_of_people_counts_unless_a_command_came_later(database: Database) -> None:
    store = Servers(database)
    before = await add_channel(database, "talk")
    await store.named(before, "chatter", "all of it")
    found = await channel(database, before.id)
    assert (found.name, found.name_applied, found.topic) == ("chatter", "chatter", "all of it")
    async with database.transaction() as connection:
        await store.change(connection, before.id, name="news")
    # The comparison had read the channel before the command.
    await store.named(found, "gossip", "all of it")
    assert ((await channel(database, before.id)).name, (await channel(database, before.id)).name_applied) == (
        "news",
        "gossip",
    )


async def test_a_deleted_server_takes_its_channels_along_and_ends_their_turns(database: Database) -> None:
    store, lab, agent = Servers(database), await add_server(database), await add_agent(database)
    inside, outside = await add_channel(database, "a", lab.number), await add_channel(database, "b")
    await store.made(inside, "!inside:example.org", roles=1, seen=None)
    await store.take_part(inside.id, agent)
    (lane,) = await accept(database, new("$1", "!inside:example.org", agent))
    async with database.transaction() as connection:
        _, lanes = await store.delete(connection, lab.id, "another turn")
        assert lanes == {lane}
    assert await store.servers() == []
    assert await names(database) == [(1, "b")]
    assert await store.has_channels(lab)
    for place in (inside.id, lab.id):
        found = await store.find(place)
        assert found is not None
        assert found.status is PlaceStatus.DELETING
        await store.forget(found, "the room is gone")
        assert await store.find(place) is None
    assert (await row_of(database, "$1"))["state"] == TurnState.FAILED
    assert await store.due(10, []) == [outside.id]
