"""A process dies at each point of a command that makes a chat, and the next process completes it: there is one chat."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crash.cases import around, short_form
from crash.doomed_process import kill_at
from support.bot_rooms import bot_chat, named_upstream
from support.chat_rooms import enter_chat, linked_room, new_chat

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness

_STEPS = ("effect", "create_room", "made", "word", "finish")
#: Points that the quick form has: the room exists, and the database does not know it; it knows it, and tells nobody.
_QUICK = {"after:create_room:1"}
_POINTS = around(*_STEPS)


@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_new_makes_one_chat(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person() as person:
        there = [{"name": "scripted", "url": upstream.url}]
        config = harness.config(database_url, there, logging={"format": "json"})
        async with harness.bridge(config) as running:
            ghost = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)
            desk = await bot_chat(running, person)
            await desk.ask("agent Ada")
            before = len(desk.said())
            rooms_before = set(await running.homeserver.joined_rooms(ghost))
        await kill_at(tmp_path, config, point, "new Trip to Oslo", desk.say)
        async with harness.bridge(config) as running:
            desk = replace(desk, running=running)
            answer = await desk.answer(before)
            assert answer.body.startswith("The chat Trip to Oslo with Ada is ready")
            chat = await enter_chat(running, person, linked_room(answer.html))
            row = await chat.synced()
            assert set(await running.homeserver.joined_rooms(ghost)) - rooms_before == {chat.room_id}
            rows = await running.database.rows("SELECT 1 FROM room WHERE person = %s", (person.user_id,))
            assert len(rows) == 1
            assert person.invites == {}
            await chat.say("hello")
            assert await chat.answers_of("Ada", 1) == ["Echo: hello"]
            await desk.settled()
            assert len(desk.said()) == before + 1
            # A number is not used again, also one that a transaction drew before it was lost.
            following = await new_chat(desk)
            assert following.number > row["number"]
