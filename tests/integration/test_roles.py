"""Roles on a real homeserver: levels and members of all rooms follow the book, and levels of people stay."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from agent_bridge.app import Timeouts, build
from agent_bridge.bridge.roles.room_roles import RoomRoles
from agent_bridge.core.live import Live
from agent_bridge.core.roles import Role, RoleBook, Roles
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.rooms import REMOVED
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.database import Database
from support.bot_rooms import BotRoom, bot_chat, named_upstream
from support.conditions import eventually
from support.harness import DOMAIN
from support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Running
    from support.person import Person

BOT, ADMIN, OWNER = (f"@{name}:{DOMAIN}" for name in ("agentbridge", "admin", "owner"))
LEVELS = "m.room.power_levels"
AGENTS = ("Ada", "Bea", "Cleo")
#: Seconds within which a change reaches every room.
WITHIN = 5.0


@dataclass(frozen=True)
class Rooms:
    """The rooms of a bridge."""

    running: Running
    homes: list[str]
    space: str
    lobby: str

    @property
    def all(self) -> list[str]:
        """Return every room with levels of roles."""
        return [*self.homes, self.lobby, self.space]

    async def levels(self, room_id: str) -> dict[str, Any]:
        event = await self.running.homeserver.state(room_id, LEVELS)
        return {} if event is None else dict(event["content"])

    async def have(self, user: str, level: int | None) -> bool:
        """Tell whether every room lists *user* with *level*; None: lists it not."""
        found = [(await self.levels(room_id))["users"].get(user) for room_id in self.all]
        return found == [level] * len(found)

    async def expect(self, user: str, level: int | None) -> None:
        await eventually(partial(self.have, user, level), f"{user} has {level} everywhere", WITHIN)


def configured(harness: BridgeHarness, database: str, url: str, **sections: Any) -> Config:
    permissions = {DOMAIN: "member", ADMIN: "admin", OWNER: "owner", f"@stranger:{DOMAIN}": "none"}
    rooms = {"lobby": True, "join_rule": "restricted"} | sections.pop("rooms", {})
    there, permissions = [{"name": "u", "url": url}], sections.pop("permissions", permissions)
    return harness.config(database, there, permissions=permissions, rooms=rooms, **{"space": {}} | sections)


async def rooms_of(running: Running, agents: tuple[str, ...] = AGENTS) -> Rooms:
    """Wait until every room exists."""

    async def found() -> Rooms | None:
        rows = await running.database.rows(
            "SELECT key, value #>> '{room}' AS room, value #>> '{}' AS value FROM kv WHERE key IN ('space', 'lobby')"
        )
        values = {row["key"]: row for row in rows}
        contacts = [each.home for each in await running.agents.all()]
        if {"space", "lobby"} > values.keys() or len(contacts) < len(agents):
            return None
        if not all(home.room_id and home.bot_joined and home.space for home in contacts):
            return None
        homes = [home.room_id or "" for home in contacts]
        return Rooms(running, homes, values["space"]["value"], values["lobby"]["room"])

    return await eventually(found, "every room exists")


async def enter(rooms: Rooms, person: Person, *room_ids: str) -> None:
    for room_id in room_ids:
        await rooms.running.homeserver.invite(room_id, person.user_id)
        await person.join(room_id)
    await person.wait_for(lambda: set(room_ids) <= person.rooms.keys())


async def settled(running: Running) -> bool:
    """Tell whether no room is behind the newest book."""
    rows = await running.database.rows("""
        SELECT 1 FROM room WHERE kind IN ('home', 'lobby')
          AND (coalesce(roles_compared, 0) < (SELECT max(version) FROM role_book) OR levels_due)
    """)
    return not rows


async def left_rooms(person: Person) -> dict[str, dict[str, Any]]:
    """Return the contents of the memberships by which *person* left rooms, as a client gets them."""
    only = '{"room": {"include_leave": true}}'
    answer = await person.ask("GET", f"/sync?filter={quote(only)}")
    found = {}
    for room_id, room in answer.get("rooms", {}).get("leave", {}).items():
        events = [*room["state"]["events"], *room["timeline"]["events"]]
        own = [each for each in events if each["type"] == "m.room.member" and each["state_key"] == person.user_id]
        found[room_id] = dict(own[-1]["content"])
    return found


#: Room versions; the quick form has one in which the levels list the creator, and the newest one.
VERSIONS = ["12", *(pytest.param(each, marks=pytest.mark.long) for each in ("6", "8", "10", "11"))]
#: The first version whose rooms people can enter from the Space.
_RESTRICTED = 8


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_room_follows_a_role_within_seconds(
    harness: BridgeHarness, database_url: str, version: str
) -> None:
    async with (
        named_upstream(*AGENTS) as upstream,
        harness.person("owner") as owner,
        harness.person() as bob,
        harness.person() as eve,
    ):
        # Old rooms know no entry from the Space.
        rule = "restricted" if int(version) >= _RESTRICTED else "invite"
        config = configured(harness, database_url, upstream.url, rooms={"version": version, "join_rule": rule})
        async with harness.bridge(config) as running:
            rooms = await rooms_of(running)
            desk = await bot_chat(running, owner)
            await enter(rooms, bob, rooms.space, rooms.homes[0], rooms.lobby)
            await enter(rooms, owner, rooms.homes[0])
            shown = (await desk.ask(f"role {bob.user_id}")).body
            assert shown == f"{bob.user_id} is a member. It is set for {DOMAIN}."
            # Levels and everything else that people set stay.
            levels = await rooms.levels(rooms.homes[0])
            chosen = {**levels, "users": {**levels["users"], eve.user_id: 30}, "kick": 60}
            await owner.set_state(rooms.homes[0], LEVELS, chosen)
            answer = (await desk.ask(f"role {bob.user_id} moderator")).body
            assert answer == f"{bob.user_id} is a moderator now. All rooms follow within seconds."
            await rooms.expect(bob.user_id, 50)
            for word, level in (("owner", 150), ("admin", 100), ("member", None), ("admin", 100)):
                await desk.ask(f"role {bob.user_id} {word}")
                await rooms.expect(bob.user_id, level)
            after = await rooms.levels(rooms.homes[0])
            assert (after["users"][eve.user_id], after["kick"]) == (30, 60)
            assert {**after, "users": None} == {**chosen, "users": None}
            listed = (await desk.ask("roles")).body
            assert f"{bob.user_id}: admin, given by {OWNER}" in listed
            # The role counts in the bridge at once, too.
            assert "Only an owner" in (await (await bot_chat(running, bob)).ask(f"role {ADMIN} member")).body
            await desk.ask(f"role {bob.user_id} none")
            await eventually(lambda: _gone(bob), "bob is out of every room", WITHIN)
            await rooms.expect(bob.user_id, None)
            reasons = await left_rooms(bob)
            told = {room_id: reasons[room_id] for room_id in (rooms.homes[0], rooms.lobby, rooms.space)}
            assert {each["reason"].partition(". ")[0] for each in told.values()} == {
                "You no longer have access to the agents of this bridge"
            }
            assert all(OWNER in each["reason"] and each[REMOVED] is True for each in told.values())
            # He is told so in his chat with the bot, which does not answer him any more.
            chat = next(room for room in bob.rooms.values() if room.said_by(BOT))
            await bob.wait_for(lambda: chat.said_by(BOT)[-1].body.startswith("You no longer have access"))
            await desk.ask(f"role {bob.user_id} default")
            assert (await desk.ask(f"role {bob.user_id}")).body.startswith(f"{bob.user_id} is a member.")
            await eventually(partial(settled, running), "every room has the newest book")


async def _gone(person: Person) -> bool:
    """Tell whether *person* is in no room but the chat with the bot."""
    return all(room.said_by(BOT) for room in person.rooms.values())


@pytest.mark.long
async def test_the_configuration_decides_about_its_owners_and_what_is_no_user(
    harness: BridgeHarness, database_url: str
) -> None:
    async with named_upstream("Ada") as upstream, harness.person("owner") as owner, harness.person("admin") as admin:
        config = configured(harness, database_url, upstream.url)
        async with harness.bridge(config) as running:
            await rooms_of(running, ("Ada",))
            desk, other = await bot_chat(running, owner), await bot_chat(running, admin)
            for word in ("none", "admin", "default"):
                assert "so the role stays" in (await desk.ask(f"role {OWNER} {word}")).body
                assert "so the role stays" in (await other.ask(f"role {OWNER} {word}")).body
            cases = {
                "role @whatsapp_*:x.org member": "is not a Matrix user id",
                "role bob member": "is not a Matrix user id",
                "role @bob:<b>.org member": "is not a Matrix user id",
                f"role @{'b' * 250}:{DOMAIN} member": "is not a Matrix user id",
                f"role {BOT} owner": "belongs to the bridge",
                f"role @agent_ada:{DOMAIN} member": "belongs to the bridge",
                f"role {ADMIN} emperor": "is not one of",
                f"role @nobody_{DOMAIN}:{DOMAIN} member": "has no account",
                "role @bob:elsewhere.example member": "is a member now",
                f"role @bob:{DOMAIN}.evil owner": "is an owner now",
            }
            for line, words in cases.items():
                assert words in (await desk.ask(line)).body, line
            assert (await other.ask("role")).body == f"{ADMIN} is an admin. It is set for the user."
            assert "Only an owner" in (await other.ask("role @bob:elsewhere.example admin")).body
            # Everybody may give up the own role, and nobody raises it.
            assert "cannot raise" in (await other.ask(f"role {ADMIN} owner")).body
            assert "is a member now" in (await other.ask(f"role {ADMIN} member")).body
            assert "is for admins only" in (await other.ask("roles")).body


@pytest.mark.long
async def test_two_admins_who_demote_each_other_at_once(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as one, harness.person() as two:
        config = configured(harness, database_url, upstream.url)
        async with harness.bridge(config) as running, harness.person("owner") as owner:
            await rooms_of(running, ("Ada",))
            desk = await bot_chat(running, owner)
            for person in (one, two):
                await desk.ask(f"role {person.user_id} owner")
            desks = [await bot_chat(running, person) for person in (one, two)]
            befores = [len(each.said()) for each in desks]
            await asyncio.gather(desks[0].say(f"role {two.user_id} member"), desks[1].say(f"role {one.user_id} member"))
            # The second one has perhaps no permission to give the command any more, or is refused by the book.
            await asyncio.gather(*(each.answer(before) for each, before in zip(desks, befores, strict=True)))
            listed = (await desk.ask("roles")).body
            assert sorted(f"{each.user_id}: owner" in listed for each in (one, two)) == [False, True]


async def _stuck(running: Running) -> set[str]:
    return {str(problem) for each in await running.agents.all() for problem in each.home.problems}


@pytest.mark.long
async def test_an_old_room_in_which_an_admin_cannot_be_demoted(harness: BridgeHarness, database_url: str) -> None:
    """Nobody takes the level of an equal: the administrators are told, and the room is tried again after a change."""
    async with (
        named_upstream("Ada") as upstream,
        harness.person("owner") as owner,
        harness.person("admin"),
        harness.person() as bob,
    ):
        config = configured(harness, database_url, upstream.url, rooms={"version": "10", "lobby": False})
        async with harness.bridge(config) as running:
            ghost = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)
            home = (await running.contact("Ada")).home.room_id or ""
            desk = await bot_chat(running, owner)
            await running.homeserver.invite(home, bob.user_id)
            await bob.join(home)
            await desk.ask(f"role {bob.user_id} admin")

            async def levels() -> dict[str, Any]:
                return dict((await running.homeserver.state(home, LEVELS) or {})["content"])

            async def has(level: int | None) -> bool:
                return bool((await levels())["users"].get(bob.user_id) == level)

            await eventually(partial(has, 100), "bob is an admin in the room")
            # As an earlier version of the bridge made it.
            for user in (ghost, BOT):
                found = await levels()
                lowered = {**found, "users": {**found["users"], user: 100}}
                await running.homeserver.set_state(home, LEVELS, lowered, as_user=user)
            await desk.ask(f"role {bob.user_id} member")

            async def stuck() -> bool:
                return "level_stuck" in await _stuck(running)

            await eventually(stuck, "the problem is recorded")
            assert await has(100)
            assert "against their roles" in (await desk.ask("status")).body
            await eventually(lambda: _told(running, bob.user_id), "the administrators are told")
            assert "bob" not in str(await running.database.rows("SELECT value FROM kv WHERE key = 'told_admins'"))
            # Only he can do it.
            found = await levels()
            await bob.set_state(home, LEVELS, {**found, "users": {**found["users"], bob.user_id: 10}})
            await eventually(partial(has, None), "the level follows the role")

            async def solved() -> bool:
                return "level_stuck" not in await _stuck(running)

            await eventually(solved, "the problem is gone")


async def _told(running: Running, user: str) -> bool:
    rows = await running.database.rows("SELECT value #>> '{}' AS room FROM kv WHERE key = 'admin_room'")
    if not rows:
        return False
    events, _ = await running.homeserver.messages(rows[0]["room"], limit=20)
    return any(user in str(event["content"].get("body")) for event in events)


@pytest.mark.long
async def test_a_bot_without_power_is_reported_and_goes_on_when_it_has_it(
    harness: BridgeHarness, database_url: str
) -> None:
    async with named_upstream("Ada") as upstream, harness.person("owner") as owner, harness.person() as bob:
        config = configured(harness, database_url, upstream.url, rooms={"version": "10", "lobby": False})
        async with harness.bridge(config) as running:
            ghost = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)
            home = (await running.contact("Ada")).home.room_id or ""
            await running.homeserver.invite(home, owner.user_id)
            await owner.join(home)
            desk = await bot_chat(running, owner)

            async def levels() -> dict[str, Any]:
                return dict((await running.homeserver.state(home, LEVELS) or {})["content"])

            async def level() -> Any:
                return (await levels())["users"].get(bob.user_id)

            for user in (ghost, BOT):
                found = await levels()
                await running.homeserver.set_state(
                    home, LEVELS, {**found, "users": {**found["users"], user: 0}}, as_user=user
                )
            await desk.ask(f"role {bob.user_id} moderator")

            async def stuck() -> bool:
                return "level_stuck" in await _stuck(running)

            await eventually(stuck, "the problem is recorded")
            assert await level() is None
            found = await levels()
            await owner.set_state(home, LEVELS, {**found, "users": {**found["users"], BOT: 150}})

            async def moderates() -> bool:
                return bool(await level() == 50)

            await eventually(moderates, "the room follows the role")


@pytest.mark.long
async def test_other_permissions_count_after_a_restart(harness: BridgeHarness, database_url: str) -> None:
    """A pattern gives levels to members, a domain that is gone takes their rooms; given roles stay."""
    async with (
        named_upstream("Ada") as upstream,
        harness.person("owner") as owner,
        harness.person("mod_one") as moderator,
        harness.person("admin") as admin,
        harness.person() as bob,
        harness.person() as eve,
    ):
        first = {DOMAIN: "member", ADMIN: "admin", OWNER: "owner"}
        async with harness.bridge(configured(harness, database_url, upstream.url, permissions=first)) as running:
            rooms = await rooms_of(running, ("Ada",))
            for person in (moderator, bob, eve):
                await enter(rooms, person, rooms.space, rooms.homes[0])
            desk = await bot_chat(running, owner)
            await desk.ask(f"role {eve.user_id} moderator")
            await rooms.expect(eve.user_id, 50)
        second = {f"@mod_*:{DOMAIN}": "moderator", OWNER: "owner"}
        async with harness.bridge(configured(harness, database_url, upstream.url, permissions=second)) as running:
            rooms = replace(rooms, running=running)
            await eventually(partial(settled, running), "every room has the newest book")

            async def followed() -> bool:
                users = [(await rooms.levels(room_id))["users"] for room_id in (rooms.homes[0], rooms.space)]
                wanted = {moderator.user_id: 50, eve.user_id: 50, OWNER: 150}
                return all({user: each[user] for user in each if user in wanted} == wanted for each in users)

            await eventually(followed, "the levels follow", WITHIN)
            listed = [user for room_id in rooms.all for user in (await rooms.levels(room_id))["users"]]
            assert ADMIN not in listed
            await bob.wait_for(lambda: not bob.rooms.keys() & set(rooms.all))
            assert {moderator.user_id, eve.user_id} <= set(await running.homeserver.members(rooms.homes[0]))
            assert admin.user_id not in await running.homeserver.members(rooms.homes[0])
            # A member who enters later gets the level of the pattern.
            async with harness.person("mod_two") as late:
                await enter(rooms, late, rooms.homes[0])

                async def has_level() -> bool:
                    return bool((await rooms.levels(rooms.homes[0]))["users"].get(late.user_id) == 50)

                await eventually(has_level, "the member who entered has the level", WITHIN)


@asynccontextmanager
async def worker(config: Config) -> AsyncIterator[Any]:
    """Run a second process's part: a worker with roles of its own."""
    async with build(config, Timeouts()) as bridge:
        task = asyncio.create_task(bridge.work())
        try:
            yield bridge
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest.mark.long
async def test_another_process_hears_of_a_role(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person("owner") as owner, harness.person() as bob:
        config = configured(harness, database_url, upstream.url)
        async with harness.bridge(config) as running:
            await rooms_of(running, ("Ada",))
            desk = await bot_chat(running, owner)
            # Its own file would make bob an admin: the book of the database counts.
            other = configured(harness, database_url, upstream.url, permissions={bob.user_id: "admin"})
            async with worker(other) as second:
                roles = second.worker._handlers["command"]._services.roles

                async def has(name: str) -> bool:
                    return bool(roles.of(bob.user_id).name == name)

                await eventually(partial(has, "MEMBER"), "the book counts")
                await desk.ask(f"role {bob.user_id} moderator")
                await eventually(partial(has, "MODERATOR"), "the worker has the newest book", WITHIN)


@pytest.mark.long
async def test_space_and_lobby_that_are_found_get_the_levels_of_roles(
    harness: BridgeHarness, database_url: str
) -> None:
    """The roles are compared before the bridge, whose database is empty, has found the rooms of an earlier one."""
    async with named_upstream("Ada") as upstream, Proxy(harness.synapse.url) as proxy, harness.person() as bob:
        async with harness.bridge(configured(harness, database_url, upstream.url)) as running:
            rooms = await rooms_of(running, ("Ada",))
        async with Database(database_url) as database:
            await database.execute("DELETE FROM kv WHERE key IN ('space', 'space_roles', 'lobby')")
            await database.execute("DELETE FROM room WHERE kind = 'lobby'")
        found = asyncio.Event()
        proxy.holds = lambda _number, _method, path: found if "/directory/room/" in path else None
        permissions = {OWNER: "owner", bob.user_id: "admin"}
        behind = {"address": proxy.url, "domain": DOMAIN}
        config = configured(harness, database_url, upstream.url, homeserver=behind, permissions=permissions)
        async with harness.bridge(config) as running:
            roles = KeyValues(running.database)
            await eventually(lambda: roles.get(KeyValues.SPACE_ROLES), "the roles are compared without the Space")
            assert await roles.get(KeyValues.SPACE) is None
            found.set()
            rooms = replace(rooms, running=running)
            await rooms.expect(bob.user_id, 100)
            await rooms.expect(OWNER, 150)


async def test_an_invitation_that_the_loss_of_the_role_overtakes_is_taken_back(
    harness: BridgeHarness, database_url: str
) -> None:
    """The room is compared with the roles before the homeserver has the invitation."""
    async with (
        named_upstream("Ada") as upstream,
        Proxy(harness.synapse.url) as proxy,
        harness.person("owner") as owner,
        harness.person("admin") as admin,
        harness.person() as bob,
    ):
        asked, sent = asyncio.Event(), asyncio.Event()

        def hold(_number: int, method: str, path: str) -> asyncio.Event | None:
            if method != "PUT" or "/state/m.room.member/" not in path:
                return None
            asked.set()
            return sent

        behind = {"address": proxy.url, "domain": DOMAIN}
        async with harness.bridge(configured(harness, database_url, upstream.url, homeserver=behind)) as running:
            rooms = await rooms_of(running, ("Ada",))
            desk, other = await bot_chat(running, owner), await bot_chat(running, admin)
            proxy.holds = hold
            before = len(other.said())
            await other.say(f"invite Ada {bob.user_id}")
            await asyncio.wait_for(asked.wait(), WITHIN)
            await desk.ask(f"role {bob.user_id} none")
            await eventually(partial(settled, running), "every room has the newest book")
            sent.set()
            assert "has no role" in (await other.answer(before)).body
            event = await running.homeserver.state(rooms.homes[0], "m.room.member", bob.user_id)
            assert event is not None
            assert (event["content"]["membership"], event["content"][REMOVED]) == ("leave", True)


@pytest.mark.long
async def test_chats_of_a_person_without_a_role_wait_in_the_archive(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person("owner") as owner, harness.person() as bob:
        config = configured(harness, database_url, upstream.url, space={"per_user": True})
        async with harness.bridge(config) as running:
            await rooms_of(running, ("Ada",))
            desk, own = await bot_chat(running, owner), await bot_chat(running, bob)
            await own.ask("agent Ada")
            await own.ask("new Trip to Oslo")
            await bob.wait_for(lambda: bob.invites)
            for room_id in [*bob.invites]:
                await bob.join(room_id)
            (row,) = await running.database.rows("SELECT room_id FROM room WHERE person = %s", (bob.user_id,))
            chat = BotRoom(running, bob, row["room_id"])
            await bob.wait_for(lambda: chat.room_id in bob.rooms)
            await chat.say("hello")
            assert await chat.answers_of("Ada", 1) == ["Echo: hello"]
            await desk.ask(f"role {bob.user_id} none")
            await bob.wait_for(lambda: chat.room_id not in bob.rooms)
            query = "SELECT status, left_at FROM room WHERE person = %s"

            async def archived() -> bool:
                (found,) = await running.database.rows(query, (bob.user_id,))
                return (found["status"], found["left_at"]) == ("archived", None)

            await eventually(archived, "the chat waits in the archive")
            await bob.wait_for(lambda: own.said()[-1].body.startswith("You no longer have access"))
            await desk.ask(f"role {bob.user_id} default")
            assert "is back" in (await own.ask("unarchive Trip to Oslo")).body
            await bob.wait_for(lambda: chat.room_id in bob.invites)
            await bob.join(chat.room_id)
            await bob.wait_for(lambda: chat.room_id in bob.rooms)
            await chat.say("again")
            await bob.wait_for(lambda: any(message.body == "Echo: again" for message in chat.room.messages.values()))


@pytest.mark.long
async def test_a_role_that_is_given_back_during_the_comparison_keeps_the_user_inside(
    harness: BridgeHarness, database_url: str
) -> None:
    """A slow homeserver: the comparison with the book without the role ends after the role was given back."""
    async with (
        named_upstream("Ada") as upstream,
        harness.person() as person,
        harness.bridge(configured(harness, database_url, upstream.url)) as running,
    ):
        rooms = await rooms_of(running, ("Ada",))
        await enter(rooms, person, rooms.space)
        before = RoleBook({DOMAIN: Role.MEMBER})
        without = RoleBook({DOMAIN: Role.MEMBER, person.user_id: Role.NONE})
        for now, membership in ((before, "join"), (without, "leave")):
            roles = Roles(Live(now), running.homeserver.namespace)
            result = await RoomRoles(running.homeserver, roles, ENGLISH).compare(rooms.space, [BOT], before, without)
            assert result.removed == ((person.user_id,) if membership == "leave" else ())
            assert await running.homeserver.membership(rooms.space, person.user_id) == membership
