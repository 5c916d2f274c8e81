"""Programs subscribe to events of a real Synapse, also with many lost connections and a change of the process."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from agent_bridge.demo.synapse import free_port
from support.api_client import Program, program_of
from support.conditions import DEADLINE
from support.harness import DOMAIN, SHARED
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

BOSS = f"@boss:{DOMAIN}"
Event = tuple[str | None, str, dict[str, Any]]


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream("Ada", "Bea", "Cleo") as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def config(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Config]:
    with postgres.migrated() as url:
        permissions = {DOMAIN: "member", BOSS: "owner"}
        there = [{"name": "u", "url": upstream.url}]
        yield harness.config(url, there, service=SHARED, permissions=permissions)


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, config: Config) -> AsyncIterator[Running]:
    async with harness.bridge(config) as running:
        yield running


@asynccontextmanager
async def subscribed(program: Program, last_id: str | None = None, **query: str) -> AsyncIterator[AsyncIterator[Event]]:
    """Give the events of a subscription as (id, type, data)."""
    headers = {"Authorization": f"Bearer {program.token}"}
    headers |= {} if last_id is None else {"Last-Event-ID": last_id}
    timeout = aiohttp.ClientTimeout(total=DEADLINE)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{program.url}/v1/events", headers=headers, params=query) as response,
    ):
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        yield _events(response)


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    last_id, kind, data = None, "message", ""
    async for line in response.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "id":
            last_id = value
        elif name == "event":
            kind = value
        elif name == "data":
            data = value
        elif not name and data:
            yield last_id, kind, json.loads(data)
            kind, data = "message", ""


async def until(events: AsyncIterator[Event], number: int, *types: str) -> list[Event]:
    """Return the first *number* events of *types*."""
    found: list[Event] = []
    async for each in events:
        if each[1] in types:
            found.append(each)
        if len(found) == number:
            return found
    raise AssertionError("the stream ended")


async def test_a_program_sees_what_its_person_sees(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    program = await program_of(running, BOSS)
    async with harness.person("boss") as boss, harness.person("bob") as bob, subscribed(program) as events:
        ((cursor, _, _),) = await until(events, 1, "ready")
        assert cursor is not None
        talk = await running.join(boss, upstream.names[0])
        hidden = await running.join(bob, upstream.names[1])
        await hidden.say("Not for the boss")
        await hidden.wait_for_answers(1)
        said = await talk.say("Hello, Ada!")
        (answer,) = await talk.wait_for_answers(1)
        await boss.react(talk.room_id, answer.event_id, "👍")
        found = await until(events, 4, "join", "message", "reaction")
        kinds = [(kind, data.get("text"), data.get("sender"), data.get("user_id")) for _, kind, data in found]
        assert ("join", None, BOSS, BOSS) in kinds
        assert ("message", "Hello, Ada!", BOSS, None) in kinds
        assert ("reaction", "👍", BOSS, None) in kinds
        assert "Not for the boss" not in str(found)
        message = next(data for _, _, data in found if data.get("event_id") == said)
        assert message["room_id"] == talk.room_id
        # The same events once more, from the cursor.
    async with subscribed(program, cursor, types="join, message, reaction") as events:
        again = await until(events, 4, "join", "message", "reaction")
        assert [data["event_id"] for _, _, data in again] == [data["event_id"] for _, _, data in found]
    async with subscribed(program, cursor, types="reaction", rooms=upstream.names[0]) as events:
        assert (await until(events, 1, "reaction", "message"))[0][2]["event_id"] == found[-1][2]["event_id"]


async def test_wrong_subscriptions_are_refused(running: Running) -> None:
    program = await program_of(running, BOSS, name="wrong")
    for query, code in (
        ({"since": "x"}, "cursor_unknown"),
        ({"since": "00000000-1"}, "cursor_unknown"),
        ({"types": "messages"}, "invalid_request"),
        ({"rooms": "!no:where"}, "room_not_found"),
        ({"room": "Ada"}, "invalid_request"),
    ):
        answer = await program.request("GET", "/v1/events", query=query)
        assert answer.code == code, query
    assert (await Program(program.url, "ab_no").get("/v1/events")).code == "token_invalid"


async def test_a_stream_goes_on_in_another_process(
    harness: BridgeHarness, running: Running, config: Config, upstream: ScriptedUpstream
) -> None:
    """Connections that break off at any event, to either process: each event comes once, in the order of the room."""
    other = config.model_copy(update={"appservice": config.appservice.model_copy(update={"port": free_port()})})
    program = await program_of(running, BOSS, name="replicas")
    async with harness.person("boss") as boss, harness.bridge(other):
        talk = await running.join(boss, upstream.names[2])
        urls = [config.appservice.url, other.appservice.url]
        async with subscribed(program, rooms=talk.room_id) as events:
            ((cursor, _, _),) = await until(events, 1, "ready")
        sending = asyncio.create_task(_say(talk, 12))
        seen: list[str] = []
        turn = 0
        while sum(1 for each in seen if each.startswith("word")) < 12:
            turn += 1
            replica = program.at(urls[turn % 2])
            async with subscribed(replica, cursor, rooms=talk.room_id, types="message") as events:
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        for _ in range(turn % 3 + 1):
                            ((cursor, _, data),) = await until(events, 1, "message")
                            seen.append(data["text"])
        await sending
        assert [each for each in seen if each.startswith("word")] == [f"word {number}" for number in range(12)]
        assert turn >= 6


async def _say(talk: Any, number: int) -> None:
    for each in range(number):
        await talk.say(f"word {each}")
