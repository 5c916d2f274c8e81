"""A process dies while a program posts an event, or begins or ends a vote: each is done once, in one room."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from agent_bridge.store.servers import Servers
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess
from support.api_client import program_of
from support.conditions import eventually
from support.harness import DOMAIN
from support.places import delete_places
from support.scripted_upstream import ScriptedUpstream
from support.vote_rooms import VoteRoom

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.api_client import Answer
    from support.harness import BridgeHarness

#: The room exists, and nothing has the event yet.
_QUICK = {"after:log_made:1"}
_POSTING = around("log_made", "event_add", "api_finish", "event_trying", "event_send", "event_closed")
#: The change is committed, and the program does not know it.
_QUICK_VOTES = {"before:api_finish:1"}


def _configured(harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream) -> Config:
    permissions = {DOMAIN: "admin"}
    there = [{"name": "u", "url": upstream.url}]
    return harness.config(database_url, there, permissions=permissions, logging={"format": "json"})


@pytest.mark.parametrize("point", short_form(_POSTING, _QUICK))
async def test_an_event_is_posted_once_into_one_channel(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.person() as person:
        config = _configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            program = await program_of(running, person.user_id)

        async def post(wait: float = 20) -> Answer:
            return await program.post("/v1/rooms/-/events", "one", kind="result", data={"x": 0.5}, wait=wait)

        async with DoomedProcess(tmp_path, config, point, "") as process:
            await process.wait_for("listening")
            with contextlib.suppress(aiohttp.ClientError):
                await post()
            assert await process.death() == -signal.SIGKILL
        async with harness.bridge(config) as running:
            results = await asyncio.gather(post(), post())
            assert {each.status for each in results} == {200}
            assert len({(each["room_id"], each["event_id"]) for each in results}) == 1
            (channel,) = await Servers(running.database).channels(None)
            assert (channel.name, channel.room_id) == ("agent-logs", results[0]["room_id"])
            found = (await program.get("/v1/rooms/-/events"))["events"]
            assert [(each["event_id"], each["data"]) for each in found] == [(results[0]["event_id"], {"x": 0.5})]
            await delete_places(running)


@pytest.mark.parametrize("point", short_form(around("api_finish"), _QUICK_VOTES))
@pytest.mark.parametrize("name", ["close", pytest.param("new", marks=pytest.mark.long)])
async def test_a_vote_begins_and_ends_once(
    harness: BridgeHarness, database_url: str, tmp_path: Path, name: str, point: str
) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.person() as person:
        config = _configured(harness, database_url, upstream)
        path = f"/v1/rooms/{upstream.names[0]}/votes"
        draft: dict[str, Any] = {"question": "Lunch?", "answers": ["pizza", "pasta"]}
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            program = await program_of(running, person.user_id)
            number = 0 if name == "new" else (await program.post(path, **draft))["number"]

        async def act() -> Answer:
            if name == "new":
                return await program.post(path, "one", **draft)
            return await program.post(f"/v1/votes/{number}/close", "one")

        async with DoomedProcess(tmp_path, config, point, "") as process:
            await process.wait_for("listening")
            with contextlib.suppress(aiohttp.ClientError):
                await act()
            assert await process.death() == -signal.SIGKILL
        async with harness.bridge(config) as running:
            results = [await act(), await act()]
            assert {each.status for each in results} == {201 if name == "new" else 200}
            assert results[0].content == results[1].content
            room = VoteRoom(running.homeserver, talk.room_id)
            poll = await room.poll("Lunch?")
            if name == "close":
                assert await room.votes(poll) == [0, 0]

            async def is_settled() -> bool:
                states = [row["state"] for row in await running.database.rows("SELECT state FROM vote")]
                return states == ["open" if name == "new" else "closed"]

            await eventually(is_settled, "there is one vote")
            assert len(await room.polls()) == 1
