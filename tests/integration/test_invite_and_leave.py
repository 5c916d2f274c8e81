"""The commands ``invite`` and ``leave`` on a real homeserver, whose Space lets people into the rooms of agents."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import pytest

from agent_bridge.bridge.lifecycle.invite_everywhere import INVITE, report_of
from agent_bridge.bridge.rooms.inviter import Inviter
from agent_bridge.core.results.access import Arrival
from agent_bridge.core.roles import Role, Roles
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.rooms import JOIN_RULES, LEFT
from agent_bridge.store.operations import OperationStore
from support.bot_rooms import BotRoom, bot_chat, named_upstream
from support.conditions import eventually
from support.harness import DOMAIN, SHARED, Conversation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.results.access import InviteReport
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

#: Localparts of admins, one for each test: a client of an earlier test knows other rooms.
ADMINS = [f"admin{number}" for number in range(8)]
AGENTS = ("Ada", "Bea", "Cleo")
#: The roles by whose names people are called, in ascending order.
ROLES = [role.name.lower() for role in Role]


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Running]:
    permissions = {DOMAIN: "member", f"@stranger:{DOMAIN}": "none", "elsewhere.example": "member"}
    permissions |= {f"@is_{name}:{DOMAIN}": name for name in ROLES}
    permissions |= {f"@{name}:{DOMAIN}": "admin" for name in ADMINS} | {f"@owner:{DOMAIN}": "owner"}
    with postgres.migrated() as url:
        async with named_upstream(*AGENTS) as upstream:
            there = [{"name": "u", "url": upstream.url, "poll_interval": 60}]
            rooms = {"join_rule": "restricted", "lobby": True}
            config = harness.config(url, there, service=SHARED, permissions=permissions, rooms=rooms, space={})
            async with harness.bridge(config) as running:
                for name in AGENTS:
                    await eventually(partial(_is_linked, running, name), f"{name} is in the Space")
                yield running


async def _is_linked(running: Running, name: str) -> bool:
    return (await running.contact(name)).home.space is not None


async def member(running: Running, room_id: str, user: str) -> dict[str, Any]:
    """Return the event with the membership of *user*."""
    event = await running.homeserver.state(room_id, "m.room.member", user)
    assert event is not None
    return event


async def memberships(running: Running, room_id: str, user: str) -> list[str]:
    """Return the memberships that *user* had in a room, the first one first."""
    events, _ = await running.homeserver.messages(room_id, limit=100, only={"types": ["m.room.member"]})
    return [each["content"]["membership"] for each in reversed(events) if each["state_key"] == user]


async def test_an_admin_invites_into_the_room_of_the_command(harness: BridgeHarness, running: Running) -> None:
    async with harness.person(ADMINS[0]) as admin, harness.person() as bob, harness.person("stranger") as stranger:
        talk = await running.join(admin, "Ada")
        assert await talk.command(f"invite {bob.user_id}") == f"Invited {bob.user_id} to Ada."
        await bob.wait_for(lambda: talk.room_id in bob.invites)
        event = await member(running, talk.room_id, bob.user_id)
        assert (event["sender"], event["content"]["is_direct"]) == (talk.ghost, True)
        await bob.join(talk.room_id)
        assert await talk.command(f"invite {bob.user_id}") == f"{bob.user_id} is already in Ada."
        await talk.command(f"mute {bob.user_id}")
        assert "is muted" in await talk.command(f"invite {bob.user_id}")
        said = {
            stranger.user_id: f"!ab role {stranger.user_id} member gives one.",
            f"@nobody:{DOMAIN}": "The homeserver has no account",
            running.homeserver.namespace.bot: "belongs to the bridge",
            "@bob:elsewhere.example": "The server of @bob:elsewhere.example does not answer",
        }
        for user, text in said.items():
            assert text in await talk.command(f"invite {user}")
        await admin.ask("POST", f"/rooms/{quote(talk.room_id)}/ban", {"user_id": bob.user_id})
        assert "is banned there" in await talk.command(f"invite {bob.user_id}")
        assert (await member(running, talk.room_id, bob.user_id))["content"]["membership"] == "ban"
        desk = await bot_chat(running, admin)
        assert "name an agent" in (await desk.ask(f"invite {bob.user_id}")).body
        assert "[agent|*] is missing" in (await desk.ask("invite")).body
        assert (await desk.ask(f"invite {talk.ghost}")).body == f"{admin.user_id} is already in Ada."
        assert "is not a Matrix user id" in (await desk.ask("invite * bob")).body


@pytest.mark.long
async def test_an_admin_invites_into_the_lobby_and_not_into_rooms_of_people(
    harness: BridgeHarness, running: Running
) -> None:
    async with harness.person(ADMINS[1]) as admin, harness.person() as bob:
        rows = await running.database.rows("SELECT room_id FROM room WHERE kind = 'lobby'")
        lobby = rows[0]["room_id"]
        await running.homeserver.invite(lobby, admin.user_id)
        await admin.join(lobby)
        talk = Conversation(running, admin, lobby, "")
        await admin.wait_for(lambda: lobby in admin.rooms)
        assert await talk.command(f"invite {bob.user_id}") == f"Invited {bob.user_id} to this room."
        await bob.wait_for(lambda: lobby in bob.invites)
        # A room of people.
        own = await admin.create_room(invite=[running.homeserver.namespace.bot])
        group = Conversation(running, admin, own, "")
        await admin.wait_for(lambda: group.from_bot)
        assert "belongs to its people" in await group.command(f"invite {bob.user_id}")
        assert "belongs to its people" in await group.command(f"leave {bob.user_id}")


@pytest.mark.long
async def test_a_member_comes_back_to_an_own_chat(harness: BridgeHarness, running: Running) -> None:
    async with harness.person() as bob, harness.person() as eve:
        desk, other = await bot_chat(running, bob), await bot_chat(running, eve)
        await desk.ask("new @Ada Ada Oslo")
        rows = await running.database.rows("SELECT room_id FROM room WHERE person = %s", (bob.user_id,))
        room_id = rows[0]["room_id"]
        await bob.wait_for(lambda: room_id in bob.invites)
        await bob.join(room_id)
        await bob.leave(room_id)
        for named in ("ada oslo", room_id):
            assert (await desk.ask(f"invite {named}")).body == f"Invited {bob.user_id} to Ada Oslo."
        await bob.wait_for(lambda: room_id in bob.invites)
        # An admin whom the person invites has no power there.
        async with harness.person(ADMINS[5]) as admin:
            await bob.join(room_id)
            await bob.invite(room_id, admin.user_id)
            await admin.join(room_id)
            await admin.wait_for(lambda: room_id in admin.rooms)
            chat = Conversation(running, admin, room_id, "")
            for word in ("invite", "leave"):
                assert "belongs to its people" in await chat.command(f"{word} {eve.user_id}")
        # The title of another person: it is an agent, and a word that names nobody.
        assert "oslo is not a Matrix user id" in (await other.ask("invite ada oslo")).body
        assert "is for admins only" in (await desk.ask(f"invite ada oslo {eve.user_id}")).body


async def test_a_member_leaves_and_comes_back(harness: BridgeHarness, running: Running) -> None:
    async with harness.person() as bob, harness.person(ADMINS[2]) as admin:
        talk = await running.join(bob, "Ada")
        await talk.say("!ab leave")
        await bob.wait_for(lambda: talk.room_id not in bob.rooms)
        event = await member(running, talk.room_id, bob.user_id)
        assert (event["sender"], event["content"]["reason"], event["content"][LEFT]) == (
            running.homeserver.namespace.bot,
            "Left on request.",
            True,
        )
        desk = await bot_chat(running, bob)
        assert (await desk.ask("leave ada")).body == f"{bob.user_id} is not in that room."
        assert "name an agent" in (await desk.ask("leave")).body
        assert "is for admins only" in (await desk.ask(f"leave ada {admin.user_id}")).body
        assert (await desk.ask("invite ada")).body == f"Invited {bob.user_id} to Ada."
        await bob.wait_for(lambda: talk.room_id in bob.invites)
        await bob.join(talk.room_id)
        left = (await desk.ask("leave ada")).body
        assert left.startswith(f"{bob.user_id} has left Ada.")
        # A person whom an admin removed stays out.
        await running.join(bob, "Ada")
        seen = await running.join(admin, "Ada")
        said = await seen.command(f"leave {bob.user_id}")
        assert said == f"{bob.user_id} is out of this room. An invitation lets {bob.user_id} in again."
        event = await member(running, talk.room_id, bob.user_id)
        assert event["content"] == {"membership": "leave", "reason": f"Removed by {admin.user_id}."}
        assert "is for admins only" in (await desk.ask("invite ada")).body


async def test_nobody_removes_an_equal(harness: BridgeHarness, running: Running) -> None:
    async with harness.person(ADMINS[3]) as admin, harness.person("owner") as owner:
        talk = await running.join(admin, "Bea")
        await running.join(owner, "Bea")
        for user in (owner.user_id, f"@{ADMINS[0]}:{DOMAIN}"):
            assert await talk.command(f"leave Bea {user}") == f"{user} has your role or a higher one."
        bot = running.homeserver.namespace.bot
        assert await talk.command(f"leave Bea {bot}") == f"{bot} belongs to the bridge."
        assert await talk.command("leave Bea @bob:elsewhere.example") == "@bob:elsewhere.example is not in that room."


@pytest.mark.long
async def test_what_each_role_may_do(harness: BridgeHarness, running: Running) -> None:
    """A cross for each role whose command about another user has an effect: an invitation, and a removal."""
    bea = (await running.contact("Bea")).home.room_id or ""
    row = ""
    async with harness.person() as eve, harness.person("owner") as owner:
        seen = await running.join(owner, "Ada")
        for role in ROLES:
            async with harness.person(f"is_{role}") as person:
                talk = await running.join(person, "Ada")
                for line in (f"invite Bea {eve.user_id}", f"leave Bea {eve.user_id}"):
                    before = await memberships(running, bea, eve.user_id)
                    await talk.say(f"!ab {line}")
                    # The homeserver delivers the events of a room in their order.
                    await seen.command("role")
                    await talk.wait_until_idle()
                    row += " x"[await memberships(running, bea, eve.user_id) != before]
    assert row == "  " * 4 + "xx" * 2


async def test_a_room_without_power_for_the_bridge(harness: BridgeHarness, running: Running) -> None:
    homeserver, no_admin_room = running.homeserver, cast("Any", None)
    roles, bot = Roles.fixed({"*": Role.MEMBER}, homeserver.namespace), homeserver.namespace.bot
    inviter = Inviter(homeserver, no_admin_room, roles, ENGLISH, joins=False)
    async with harness.person() as bob, harness.person() as eve:
        room_id = await bob.create_room(invite=[bot], power_level_content_override={"invite": 50})
        await homeserver.join(room_id)
        assert await inviter.bring(room_id, eve.user_id, [bot]) is Arrival.POWERLESS
        assert await inviter.bring(room_id, "@eve:elsewhere.example", [bot]) is Arrival.POWERLESS
        assert await inviter.bring(room_id, bob.user_id, [bot]) is Arrival.INSIDE


@pytest.mark.long
async def test_an_admin_invites_everywhere(harness: BridgeHarness, running: Running) -> None:
    async with (
        harness.person(ADMINS[4]) as admin,
        harness.person() as bob,
        harness.person() as eve,
        harness.person("stranger") as stranger,
    ):
        space = (await running.contact("Ada")).home.space or ""
        desk, own = await bot_chat(running, admin), await bot_chat(running, bob)
        assert "is for admins only" in (await own.ask("invite *")).body
        assert "has no role" in (await desk.ask(f"invite * {stranger.user_id}")).body

        async def everywhere(user: str) -> str:
            answer = await desk.ask(f"invite * {user}")
            await admin.wait_for(
                lambda: "Space" in shown(desk, answer.event_id) and ";" in shown(desk, answer.event_id)
            )
            return shown(desk, answer.event_id)

        # Three rooms of agents and the lobby.
        text = await everywhere(bob.user_id)
        assert text == f"{bob.user_id}: invited to the Space; 4 rooms can be entered from the Space."
        await bob.wait_for(lambda: space in bob.invites)
        assert set(bob.invites) == {space}
        await bob.join(space)
        # One room is closed by a person, and eve was removed from another one.
        ada, bea = [(await running.contact(name)).home.room_id or "" for name in ("Ada", "Bea")]
        await running.join(admin, "Ada")
        await admin.set_state(ada, JOIN_RULES, {"join_rule": "invite"})
        try:
            await running.join(eve, "Bea")
            await running.homeserver.kick(bea, eve.user_id, "")
            assert await everywhere(bob.user_id) == (
                f"{bob.user_id}: already in the Space, or invited; invited to 1 room; "
                "3 rooms can be entered from the Space."
            )
            await bob.wait_for(lambda: ada in bob.invites)
            assert await everywhere(eve.user_id) == (
                f"{eve.user_id}: invited to the Space; invited to 1 room; 2 rooms can be entered from the Space; "
                "1 room left out, because the user was removed there."
            )
            # A repeat invites nobody twice.
            assert "already in 1 room, or invited" in await everywhere(bob.user_id)
            assert await memberships(running, ada, bob.user_id) == ["invite"]
            assert await memberships(running, space, bob.user_id) == ["invite", "join"]
        finally:
            rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}
            await admin.set_state(ada, JOIN_RULES, rule)


async def test_an_invitation_of_a_person_who_is_no_admin_any_more_ends(
    harness: BridgeHarness, running: Running
) -> None:
    store = OperationStore(running.database)
    async with harness.person() as bob:
        params = {"user": bob.user_id, "key": "test-revoked", "by": bob.user_id}
        number = await store.request_alone(INVITE, "test-revoked", params)

        async def found() -> InviteReport | None:
            operation = await store.find(number)
            return report_of(operation) if operation is not None and operation.is_finished else None

        report = await eventually(found, "the operation has ended")
        assert (report.space, report.counts) == ("revoked", {"revoked": 4})
        space = (await running.contact("Ada")).home.space or ""
        assert await running.homeserver.membership(space, bob.user_id) not in {"invite", "join"}


def shown(desk: BotRoom, event_id: str) -> str:
    """Return the present text of a message of the bot."""
    return next(each.body for each in desk.said() if each.event_id == event_id)
