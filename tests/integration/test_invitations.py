"""People of ``rooms.invite`` get one invitation to each room that they cannot enter otherwise, and no second one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.store.kv import KeyValues
from support.administrators import server_administrator
from support.bot_rooms import bot_chat, named_upstream
from support.conditions import eventually
from support.harness import DOMAIN
from support.process import run_command, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.scripted_upstream import ScriptedUpstream

BOT = f"@agentbridge:{DOMAIN}"
AGENTS = ("Ada", "Bea", "Cleo")


async def memberships(running: Running, room_id: str, user: str) -> list[str]:
    """Return the memberships that *user* had in a room, the first one first."""
    events, _ = await running.homeserver.messages(room_id, limit=100, only={"types": ["m.room.member"]})
    return [each["content"]["membership"] for each in reversed(events) if each["state_key"] == user]


async def compared(running: Running) -> None:
    """Wait until each agent was compared with the homeserver once more, and the Space too."""
    agents = running.agents
    before = {each.agent.id: each.home.checked for each in await agents.all()}
    await running.database.execute("UPDATE room SET check_requests = check_requests + 1 WHERE kind = 'home'")
    await running.bridge.provisioner.doubt_all()

    async def all_compared() -> bool:
        found = await agents.all()
        return all(
            each.home.checked > before.get(each.agent.id, -1) and each.home.checked == each.home.check_requests
            for each in found
        )

    await eventually(all_compared, "each room is compared")


async def rooms_of(running: Running) -> dict[str, str]:
    return {name: (await running.contact(name)).home.room_id or "" for name in AGENTS}


async def space_of(running: Running) -> str:
    async def found() -> str | None:
        space: str | None = await KeyValues(running.database).get(KeyValues.SPACE)
        return space

    return await eventually(found, "there is a Space")


def configured(
    harness: BridgeHarness, url: str, upstream: ScriptedUpstream, *invited: Person, rule: str, **sections: Any
) -> Config:
    rooms = {"join_rule": rule, "invite": [each.user_id for each in invited]}
    return harness.config(url, [{"name": "u", "url": upstream.url}], rooms=rooms, **{"space": {}} | sections)


@pytest.mark.parametrize(
    ("rule", "enabled"),
    [
        pytest.param("restricted", True, id="space-restricted"),
        pytest.param("restricted", False, id="no-space-restricted", marks=pytest.mark.long),
        pytest.param("invite", True, id="space-invite", marks=pytest.mark.long),
        pytest.param("invite", False, id="no-space-invite", marks=pytest.mark.long),
    ],
)
async def test_a_new_user_gets_the_necessary_invitations_once(
    harness: BridgeHarness, database_url: str, rule: str, *, enabled: bool
) -> None:
    is_one = rule == "restricted" and enabled
    async with named_upstream(*AGENTS) as upstream, harness.person() as bob:
        sections = {"space": {"enabled": enabled}}
        # The user is added while the bridge is away.
        async with harness.bridge(configured(harness, database_url, upstream, rule=rule, **sections)) as running:
            rooms = await rooms_of(running)
            space = await space_of(running) if enabled else None
            await compared(running)
        expected = {space} if is_one else {*rooms.values(), *([space] if space else [])}
        config = configured(harness, database_url, upstream, bob, rule=rule, **sections)
        async with harness.bridge(config) as running:
            await bob.wait_for(lambda: set(bob.invites) == expected)
            await compared(running)
        # Bob answers each in another way, and the bridge forgets that it has invited him.
        declined, *others = sorted(each for each in expected if each)
        await bob.leave(declined)
        for room_id in others:
            await bob.join(room_id)
        async with harness.bridge(config) as running:
            await running.database.execute("UPDATE room SET invited = '{}'")
            await running.database.execute("DELETE FROM kv WHERE key = 'space_invited'")
            upstream.models.append({"id": "dora", "object": "model", "name": "Dora"})
            dora = (await running.contact("Dora")).home.room_id or ""
            await compared(running)
            found = {each: await memberships(running, each, bob.user_id) for each in expected if each}
            assert found == {declined: ["invite", "leave"], **{each: ["invite", "join"] for each in others}}
            assert await memberships(running, dora, bob.user_id) == ([] if is_one else ["invite"])


@pytest.mark.long
async def test_who_left_on_request_is_not_invited_again(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream(*AGENTS) as upstream, harness.person() as bob:
        async with harness.bridge(configured(harness, database_url, upstream, rule="invite")) as running:
            talk = await running.join(bob, "Ada")
            await talk.say("!ab leave")
            await bob.wait_for(lambda: talk.room_id not in bob.rooms)
        async with harness.bridge(configured(harness, database_url, upstream, bob, rule="invite")) as running:
            rooms = await rooms_of(running)
            await bob.wait_for(lambda: set(bob.invites) >= {rooms["Bea"], rooms["Cleo"]})
            await compared(running)
            assert await memberships(running, rooms["Ada"], bob.user_id) == ["invite", "join", "leave"]


async def test_local_users_join_through_the_admin_api(harness: BridgeHarness, database_url: str) -> None:
    async with (
        named_upstream(*AGENTS) as upstream,
        harness.person() as bob,
        harness.person() as eve,
        harness.person("admin") as admin,
    ):
        async with harness.bridge(configured(harness, database_url, upstream, rule="invite")) as running:
            await rooms_of(running)
        homeserver = {"address": harness.synapse.url, "domain": DOMAIN, "admin": True}
        config = configured(harness, database_url, upstream, bob, rule="invite", homeserver=homeserver)
        async with server_administrator(harness, BOT), harness.bridge(config) as running:
            rooms, space = await rooms_of(running), await space_of(running)
            await bob.wait_for(lambda: bob.rooms.keys() >= {*rooms.values(), space})
            desk = await bot_chat(running, admin)
            assert (await desk.ask(f"invite ada {eve.user_id}")).body == f"{eve.user_id} is in Ada now."
            answer = await desk.ask(f"invite * {eve.user_id}")

            def shown() -> str:
                return next(each.body for each in desk.said() if each.event_id == answer.event_id)

            await admin.wait_for(lambda: ";" in shown())
            assert shown() == f"{eve.user_id}: in the Space now; in 2 rooms now; already in 1 room, or invited."
            await eve.wait_for(lambda: eve.rooms.keys() >= {*rooms.values(), space})
            # A person who leaves is not put into the room again.
            await bob.leave(rooms["Ada"])
            await running.database.execute("UPDATE room SET invited = '{}'")
            await compared(running)
            assert (await memberships(running, rooms["Ada"], bob.user_id))[-1] == "leave"


@pytest.mark.long
async def test_a_bot_without_the_rights_invites_and_says_so_once(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with named_upstream(*AGENTS) as upstream, harness.person() as bob, harness.person("admin") as admin:
        homeserver = {"address": harness.synapse.url, "domain": DOMAIN, "admin": True}
        # A server that cannot be reached keeps nothing from the other administrators.
        permissions = {DOMAIN: "member", admin.user_id: "admin", "@far:elsewhere.example": "owner"}
        sections = {"homeserver": homeserver, "permissions": permissions}
        config = configured(harness, database_url, upstream, bob, rule="invite", **sections)
        async with harness.bridge(config) as running:
            rooms, space = await rooms_of(running), await space_of(running)
            await bob.wait_for(lambda: set(bob.invites) >= {*rooms.values(), space})
            (row,) = await running.database.rows("SELECT value FROM kv WHERE key = 'admin_room'")
            await admin.wait_for(lambda: row["value"] in admin.invites)
            await admin.join(row["value"])
            await admin.wait_for(lambda: row["value"] in admin.rooms and admin.room(row["value"]).said_by(BOT))
            (told,) = admin.room(row["value"]).said_by(BOT)
            assert "is no server administrator" in told.body
        file = str(write_config(tmp_path, config))
        _, said = await run_command("doctor", "-c", file)
        assert re.search(
            r"FAIL  invitations: homeserver.admin is true, and @agentbridge\S+ is no .* → make it one", said
        )
        async with server_administrator(harness, BOT):
            _, said = await run_command("doctor", "-c", file)
        assert "ok    invitations: local people join rooms at once" in said
        file = str(write_config(tmp_path, configured(harness, database_url, upstream, rule="invite")))
        _, said = await run_command("doctor", "-c", file)
        assert "ok    invitations: people accept them by hand; auto_accept_invites" in said
