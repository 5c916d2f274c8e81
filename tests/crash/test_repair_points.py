"""A process dies at each point of a repair, and the next process completes it: the room is right, told once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crash.cases import around, short_form
from crash.doomed_process import kill_at
from support.bot_rooms import bot_chat, named_upstream
from support.conditions import eventually
from support.damages import homeserver_of

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness

_STEPS = ("effect", "word", "compare", "cursor", "operation_end")
#: Points that the quick form has: something is repaired and not stored; everything is shown and not ended.
_QUICK = {"after:compare:1"}
_POINTS = around(*_STEPS)


@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_repair_is_completed(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person("admin") as person:
        there = [{"name": "scripted", "url": upstream.url}]
        config = harness.config(database_url, there, logging={"format": "json"})
        async with harness.bridge(config) as running:
            ada = await running.contact("Ada")
            ghost, room_id = running.homeserver.namespace.user_id(ada.agent.ghost), ada.home.room_id or ""
            topic = await running.homeserver.state(room_id, "m.room.topic", as_user=ghost)
            assert topic is not None
            desk = await bot_chat(running, person)
            before = len(desk.said())
        async with homeserver_of(config) as homeserver:
            # State of a person: no other comparison than the repair replaces it.
            await homeserver.invite(room_id, person.user_id, ghost)
            await person.join(room_id)
            await person.set_state(room_id, "m.room.topic", {"topic": "ours"})
            await kill_at(tmp_path, config, point, "repair force", desk.say)
        async with harness.bridge(config) as running:
            desk = replace(desk, running=running)
            await person.wait_for(lambda: "compared." in (desk.said()[before].body if desk.said()[before:] else ""))
            await desk.settled()
            assert len(desk.said()) == before + 1
            now = await running.homeserver.state(room_id, "m.room.topic", as_user=ghost)
            assert now is not None
            assert now["content"]["topic"] == topic["content"]["topic"]

            async def ended() -> bool:
                rows = await running.database.rows("SELECT state FROM operation")
                return [row["state"] for row in rows] == ["done"]

            await eventually(ended, "the operation is done")
