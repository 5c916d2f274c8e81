"""A process dies at each step of a change of roles, or of a mute: the next process completes it, once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.matrix.rooms import POWER_LEVELS
from crash.cases import short_form
from crash.doomed_process import kill_at
from support.bot_rooms import bot_chat, named_upstream
from support.conditions import eventually
from support.harness import DOMAIN

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness, Running

OWNER = f"@owner:{DOMAIN}"
_ROLE = ("book", "effect", "levels", "remove", "role_compared", "commit")
_MUTE = ("mute", "effect", "mute_level", "levels", "mute_applied", "commit")
#: Points that the quick form has: a room is changed, and the database does not know it.
_QUICK = {"role:after:levels:1"}
_POINTS = [
    f"{command}:{when}:{step}:1"
    for command, steps in (("role", _ROLE), ("mute", _MUTE))
    for step in steps
    for when in ("before", "after")
]


async def levels(running: Running, room_id: str) -> dict[str, Any]:
    event = await running.homeserver.state(room_id, POWER_LEVELS)
    return {} if event is None else dict(event["content"]["users"])


async def events_of(running: Running, room_id: str, kind: str) -> list[dict[str, Any]]:
    """Return the state events of *kind* in the history of a room, newest first."""
    events, _ = await running.homeserver.messages(room_id, limit=100, only={"types": [kind]})
    return events


@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_command_is_completed(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    command, point = point.split(":", 1)
    async with named_upstream("Ada") as upstream, harness.person("owner") as owner, harness.person() as bob:
        permissions = {DOMAIN: "member", OWNER: "owner"}
        there = [{"name": "u", "url": upstream.url}]
        config = harness.config(database_url, there, permissions=permissions, logging={"format": "json"})
        async with harness.bridge(config) as running:
            talk = await running.join(bob, "Ada")
            room_id, user = talk.room_id, bob.user_id
            if command == "role":
                desk = await bot_chat(running, owner)
                await desk.ask(f"role {user} moderator")

                async def moderates() -> bool:
                    return (await levels(running, room_id)).get(user) == 50

                await eventually(moderates, "bob is a moderator")
                line = f"role {user} none"
            else:
                seen = await running.join(owner, "Ada")
                desk = replace(await bot_chat(running, owner), room_id=seen.room_id)
                line = f"!ab mute {user} 1 hour"
            before = len(desk.said())
        await kill_at(tmp_path, config, point, line, desk.say)
        async with harness.bridge(config) as running:
            desk = replace(desk, running=running)
            answer = (await desk.answer(before)).body
            await desk.settled()
            if command == "role":
                assert answer == f"{user} has no role now. All rooms follow within seconds."
                await bob.wait_for(lambda: room_id not in bob.rooms)
                await eventually(partial(_follows, running, room_id, user), "the room follows")
                # He was removed once, and his level was taken once.
                members = await events_of(running, room_id, "m.room.member")
                own = [each["content"]["membership"] for each in members if each["state_key"] == user]
                assert own == ["leave", "join", "invite"]
                assert len(await events_of(running, room_id, POWER_LEVELS)) == 3
            else:
                assert answer.startswith(f"{user} is muted here for 1 hour")

                async def muted() -> bool:
                    rows = await running.database.rows("SELECT applied, level_before FROM mute")
                    is_applied = [(row["applied"], row["level_before"]) for row in rows] == [(True, None)]
                    return is_applied and (await levels(running, room_id)).get(user) == -1

                await eventually(muted, "bob is muted once")
                assert len(await events_of(running, room_id, POWER_LEVELS)) == 2
            assert len(desk.said()) == before + 1


async def _follows(running: Running, room_id: str, user: str) -> bool:
    rows = await running.database.rows(
        "SELECT roles_applied = (SELECT max(version) FROM role_book) AS follows FROM room WHERE room_id = %s",
        (room_id,),
    )
    return bool(rows[0]["follows"]) and user not in await levels(running, room_id)
