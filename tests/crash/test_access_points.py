"""A process dies at each step of an invitation, or of ``leave``: the next process completes it, once.

The person answers the invitations that arrived before the kill; none of them arrives again.
"""

from __future__ import annotations

import signal
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from agent_bridge.store.kv import KeyValues
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess, kill_at
from support.bot_rooms import bot_chat, named_upstream
from support.conditions import eventually
from support.damages import homeserver_of

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Running
    from support.person import Person

_STEPS = {
    "everywhere": ("effect:1", "bring:1", "bring:2", "brought:1", "cursor:1", "operation_end:1", "commit:1"),
    "one": ("effect:1", "bring:1", "brought:1", "commit:1"),
    "leave": ("effect:1", "remove:1", "commit:1"),
    "configured": ("bring:1", "bring:2", "space_invited:1", "brought:1"),
}
#: Points that the quick form has: the homeserver has an invitation, or a removal, that the database does not know.
_QUICK = {
    "everywhere": "after:bring:2",
    "one": "after:bring:1",
    "leave": "after:remove:1",
    "configured": "after:bring:2",
}


def points(case: str) -> list[ParameterSet]:
    return short_form(around(*_STEPS[case]), {_QUICK[case]})


async def memberships(running: Running, room_id: str, user: str) -> list[str]:
    """Return the memberships that *user* had in a room, the first one first."""
    events, _ = await running.homeserver.messages(room_id, limit=100, only={"types": ["m.room.member"]})
    return [each["content"]["membership"] for each in reversed(events) if each["state_key"] == user]


async def rooms_of(running: Running) -> list[str]:
    """Return the Space and the rooms of the agents."""

    async def space() -> str | None:
        found: str | None = await KeyValues(running.database).get(KeyValues.SPACE)
        return found

    homes = [(await running.contact(name)).home.room_id or "" for name in ("Ada", "Bea")]
    return [await eventually(space, "there is a Space"), *homes]


async def decline(person: Person, config: Config, rooms: list[str]) -> list[str]:
    """Have *person* decline the invitations that the homeserver has; return their rooms."""
    async with homeserver_of(config) as homeserver:
        invited = [each for each in rooms if await homeserver.membership(each, person.user_id) == "invite"]
    for room_id in invited:
        await person.leave(room_id)
    return invited


@pytest.mark.long
@pytest.mark.parametrize("point", points("everywhere"))
async def test_a_killed_invitation_into_all_rooms_goes_on(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person("admin") as admin, harness.person() as bob:
        config = harness.config(
            database_url, [{"name": "u", "url": upstream.url}], logging={"format": "json"}, space={}
        )
        async with harness.bridge(config) as running:
            rooms, desk = await rooms_of(running), await bot_chat(running, admin)
            before = len(desk.said())
        line = f"invite * {bob.user_id}"
        await kill_at(tmp_path, config, point, line, desk.say)
        declined = await decline(bob, config, rooms)
        async with harness.bridge(config) as running:
            desk = replace(desk, running=running)
            await admin.wait_for(lambda: "; " in (desk.said()[before].body if desk.said()[before:] else ""))
            await desk.settled()
            (answer,) = desk.said()[before:]
            assert answer.body == f"{bob.user_id}: invited to the Space; invited to 2 rooms."
            for room_id in rooms:
                expected = ["invite", "leave"] if room_id in declined else ["invite"]
                assert await memberships(running, room_id, bob.user_id) == expected

            async def ended() -> bool:
                rows = await running.database.rows("SELECT state FROM operation")
                return [row["state"] for row in rows] == ["done"]

            await eventually(ended, "the operation is done")


@pytest.mark.parametrize("point", points("one"))
async def test_a_killed_invitation_is_sent_once(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person("admin") as admin, harness.person() as bob:
        config = harness.config(
            database_url, [{"name": "u", "url": upstream.url}], logging={"format": "json"}, space={}
        )
        async with harness.bridge(config) as running:
            room_id = (await rooms_of(running))[1]
            desk = await bot_chat(running, admin)
            before = len(desk.said())
        line = f"invite Ada {bob.user_id}"
        await kill_at(tmp_path, config, point, line, desk.say)
        declined = await decline(bob, config, [room_id])
        async with harness.bridge(config) as running:
            desk = replace(desk, running=running)
            assert (await desk.answer(before)).body == f"Invited {bob.user_id} to Ada."
            await desk.settled()
            assert len(desk.said()) == before + 1
            expected = ["invite", "leave"] if declined else ["invite"]
            assert await memberships(running, room_id, bob.user_id) == expected


@pytest.mark.long
@pytest.mark.parametrize("point", points("leave"))
async def test_a_person_who_came_back_is_not_removed_again(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person() as bob:
        config = harness.config(
            database_url, [{"name": "u", "url": upstream.url}], logging={"format": "json"}, space={}
        )
        async with harness.bridge(config) as running:
            talk = await running.join(bob, "Ada")
            room_id, desk = talk.room_id, await bot_chat(running, bob)
            before = len(desk.said())
        await kill_at(tmp_path, config, point, "leave Ada", desk.say)
        async with homeserver_of(config) as homeserver:
            was_removed = await homeserver.membership(room_id, bob.user_id) == "leave"
            if was_removed:
                await homeserver.invite(room_id, bob.user_id)
                await bob.join(room_id)
        async with harness.bridge(config) as running:
            desk = replace(desk, running=running)
            assert (await desk.answer(before)).body.startswith(f"{bob.user_id} has left Ada.")
            await desk.settled()
            back = ["invite", "join"] if was_removed else []
            assert await memberships(running, room_id, bob.user_id) == ["invite", "join", "leave", *back]


@pytest.mark.long
@pytest.mark.parametrize("point", points("configured"))
async def test_a_user_of_the_configuration_is_invited_once(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person() as bob:
        there = [{"name": "u", "url": upstream.url}]
        async with harness.bridge(harness.config(database_url, there, space={})) as running:
            rooms = await rooms_of(running)
        invite = {"invite": [bob.user_id]}
        config = harness.config(database_url, there, rooms=invite, logging={"format": "json"}, space={})
        async with DoomedProcess(tmp_path, config, point, "") as process:
            assert await process.death() == -signal.SIGKILL
        declined = await decline(bob, config, rooms)
        async with harness.bridge(config) as running:
            await eventually(partial(_are_noted, running, bob.user_id), "each invitation is recorded")
            for room_id in rooms:
                expected = ["invite", "leave"] if room_id in declined else ["invite"]
                assert await memberships(running, room_id, bob.user_id) == expected


async def _are_noted(running: Running, user: str) -> bool:
    homes = [each.home for each in await running.agents.all()]
    invited = await KeyValues(running.database).get(KeyValues.SPACE_INVITED) or []
    return user in invited and all(user in home.invited for home in homes)
