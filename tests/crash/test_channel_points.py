"""A process dies at each point of a command about channels, and the next process completes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.feed import FeedType
from agent_bridge.store.servers import Servers
from crash.cases import around, short_form
from crash.doomed_process import kill_at
from support.api_client import program_of
from support.bot_rooms import bot_chat, named_upstream
from support.conditions import eventually
from support.feed_entries import facts
from support.harness import DOMAIN
from support.places import delete_places

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.scripted_upstream import ScriptedUpstream

#: Points that the quick form has: the room exists, and the database does not know it.
_QUICK = {"after:create_room:1"}
_MAKING = around("effect", "create_room", "place_made", "word", "finish")
_DELETING = around("effect", "place_listed", "place_forgotten", "word", "finish")
#: The first word is the beginning of the thread, the second one the answer.
_THREADING = around("effect", "word:1", "thread_shown", "word:2", "finish")


def _configured(harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, admin: Person) -> Config:
    there = [{"name": "scripted", "url": upstream.url}]
    permissions = {DOMAIN: "member", admin.user_id: "admin"}
    return harness.config(database_url, there, logging={"format": "json"}, permissions=permissions, space={})


async def _is_listed(running: Running, channel: int) -> bool:
    found = await Servers(running.database).find(channel)
    return found is not None and found.space is not None


@pytest.mark.parametrize("point", short_form(_MAKING, _QUICK))
async def test_a_killed_command_makes_one_channel(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada") as upstream, harness.person("admin") as admin:
        config = _configured(harness, database_url, upstream, admin)
        async with harness.bridge(config) as running:
            await running.contact("Ada")
            desk = await bot_chat(running, admin)
            before = len(desk.said())
            rooms_before = set(await running.homeserver.joined_rooms())
            await program_of(running, admin.user_id)
        await kill_at(tmp_path, config, point, "channel new news", desk.say)
        async with harness.bridge(config) as running:
            desk = replace(desk, running=running)
            answer = await desk.answer(before)
            assert answer.body == "The channel news is ready."
            (channel,) = await Servers(running.database).channels(None)
            assert set(await running.homeserver.joined_rooms()) - rooms_before == {channel.room_id}
            await desk.settled()
            assert len(desk.said()) == before + 1
            assert len(await facts(running.database, FeedType.CHANNEL_CREATED)) == 1
            await delete_places(running)


@pytest.mark.long
@pytest.mark.parametrize("point", _DELETING)
async def test_a_killed_deletion_of_a_channel_is_completed(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada") as upstream, harness.person("admin") as admin:
        config = _configured(harness, database_url, upstream, admin)
        async with harness.bridge(config) as running:
            await running.contact("Ada")
            desk = await bot_chat(running, admin)
            await desk.ask("channel new news")
            (channel,) = await Servers(running.database).channels(None)
            await eventually(lambda: _is_listed(running, channel.id), "the Space lists it")
            await program_of(running, admin.user_id)
            before = len(desk.said())
        await kill_at(tmp_path, config, point, "channel delete news yes", desk.say)
        async with harness.bridge(config) as running:
            desk, store = replace(desk, running=running), Servers(running.database)

            async def gone() -> bool:
                return await store.find(channel.id) is None

            await eventually(gone, "the channel is deleted")
            await desk.settled()
            assert [each.body for each in desk.said()[before:]] == ["The channel news is being deleted."]
            assert await running.homeserver.room_state(channel.room_id or "") is None
            assert len(await facts(running.database, FeedType.CHANNEL_DELETED)) == 1


@pytest.mark.long
@pytest.mark.parametrize("point", _THREADING)
async def test_a_killed_command_begins_one_thread(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada") as upstream, harness.person("admin") as admin:
        config = _configured(harness, database_url, upstream, admin)
        async with harness.bridge(config) as running:
            await running.contact("Ada")
            desk = await bot_chat(running, admin)
            before = len(desk.said())
        await kill_at(tmp_path, config, point, "thread new Trip", desk.say)
        async with harness.bridge(config) as running:
            desk = replace(desk, running=running)
            await admin.wait_for(lambda: len(desk.said()) >= before + 2)
            await desk.settled()
            assert [each.body for each in desk.said()[before:]] == ["🧵 Trip", "The thread Trip is ready."]
            (found,) = await running.database.rows("SELECT * FROM thread")
            assert found["root"] == found["title_event"] == desk.said()[before].event_id
