"""Programs subscribe to events of a real Synapse, also with many lost connections and a change of the process."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import pytest

from agent_bridge.core.agent_events import EVENT
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.tasks import TASK
from agent_bridge.demo.synapse import free_port
from agent_bridge.store.notifications import Notifications
from support.api_client import Program, program_of
from support.bot_rooms import BotRoom, bot_chat
from support.conditions import DEADLINE
from support.harness import DOMAIN, PREFIX, SHARED
from support.places import delete_places
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

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


class Listener:
    """A subscription that goes on in the background."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self._news = asyncio.Event()

    async def listen(self, program: Program, ready: asyncio.Event, **query: str) -> None:
        async with subscribed(program, **query) as events:
            async for each in events:
                self.heard.append(each)
                self._news.set()
                ready.set()

    def of(self, *types: str) -> list[dict[str, Any]]:
        """Return the data of the events of *types*."""
        return [data for _, kind, data in self.heard if kind in types]

    async def until(self, is_there: Callable[[], object]) -> None:
        """Wait until *is_there* returns something."""
        async with asyncio.timeout(DEADLINE):
            while not is_there():
                self._news.clear()
                await self._news.wait()

    async def hears(self, text: str, times: int = 1) -> None:
        """Wait until *times* events have *text* in their content."""
        await self.until(lambda: sum(text in str(data.get("content")) for _, _, data in self.heard) >= times)


@asynccontextmanager
async def listening(*programs: Program, **query: str) -> AsyncIterator[list[Listener]]:
    """Give a listener for each of *programs*."""
    listeners = [Listener() for _ in programs]
    readies = [asyncio.Event() for _ in programs]
    tasks = [
        asyncio.create_task(listener.listen(program, ready, **query))
        for listener, program, ready in zip(listeners, programs, readies, strict=True)
    ]
    try:
        for ready in readies:
            await asyncio.wait_for(ready.wait(), DEADLINE)
        yield listeners
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_program_sees_the_room_that_its_person_makes_meanwhile(
    harness: BridgeHarness, running: Running
) -> None:
    """The person was in the room before the bridge was."""
    program = await program_of(running, BOSS, name="maker")
    async with harness.person("boss") as boss, listening(program) as (listener,):
        desk = await bot_chat(running, boss)
        await desk.say(f"{PREFIX} agents")
        await desk.settled()
        await listener.until(lambda: [each for each in listener.of("message") if "ready" in each["text"]])

        # Rooms of earlier tests, in which this person was, may still have news.
        def here() -> list[dict[str, Any]]:
            return [each for each in listener.of("message") if each["room_id"] == desk.room_id]

        told = [(each["text"], each["is_agent"]) for each in here()]
        await boss.wait_for(lambda: len(desk.said()) > 1)
        greeting, listed = [each.body for each in desk.said()]
        assert told == [(greeting, True), (f"{PREFIX} agents", False), (listed, True)]
        # The numbers of an agent event come as numbers, and no person forges one.
        said = {"kind": "result", "data": {"done": "0.5"}, "numbers": ["/done"]}
        await boss.send(desk.room_id, "m.room.message", {"msgtype": "m.notice", "body": "forged", EVENT: said})
        await program.post(f"/v1/rooms/{quote(desk.room_id, safe='')}/events", kind="result", data={"done": 0.5})
        await listener.hears("done: 0.5")
        found = [(each["content"]["body"], each.get("data")) for each in here()[-2:]]
        assert found == [("forged", None), ("✅ boss is done: done: 0.5", {"done": 0.5})]


#: The types of entries that come from rows.
OF_ROWS = ("task", "vote", "notification", "channel_created", "channel_changed", "channel_deleted")


async def test_who_sees_changes_of_tasks_votes_and_channels(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    """Members of the room, people and agents of the server, and nobody else; a notification is for one person."""
    bob, eve, (ada, bea, _) = f"@bob:{DOMAIN}", f"@eve:{DOMAIN}", upstream.names
    async with harness.person("boss") as boss:
        desk, talk = await bot_chat(running, boss), await running.join(boss, ada)
        await desk.ask(f"{PREFIX} server new Lab")
        programs = [await program_of(running, each, name="sees") for each in (BOSS, bob, eve, ada, bea)]
        programs.append(await program_of(running, BOSS, name="limited", rooms={desk.room_id}))
        async with listening(*programs, types=",".join(OF_ROWS)) as found:
            of_boss, of_bob, of_eve, of_ada, of_bea, limited = found
            await desk.ask(f"{PREFIX} channel new Lab/news")
            await of_boss.until(lambda: of_boss.of("channel_created"))
            news = of_boss.of("channel_created")[0]["room_id"]
            await boss.join(news)
            await boss.wait_for(lambda: news in boss.rooms)
            here = BotRoom(running, boss, news)
            await here.ask(f"{PREFIX} role {eve} none here")
            await here.ask(f"{PREFIX} channel add {ada}")
            await here.ask(f"{PREFIX} channel topic Hot news")
            await talk.command("task new Write")
            await of_boss.until(lambda: of_boss.of("task"))
            number = of_boss.of("task")[0]["content"]["id"]
            await talk.command(f"task assign {number} {ada}")
            await talk.command('vote new "Lunch?" pizza | pasta')
            await talk.command("vote close")
            await of_boss.until(lambda: len(of_boss.of("vote")) == 2)
            async with running.database.transaction() as connection:
                told = Notification(bob, NotificationKind.QUOTA_REACHED, talk.room_id, {"agent": ada, "text": "x"})
                await Notifications(running.database).add(connection, told)
            await desk.ask(f"{PREFIX} channel delete Lab/news yes")
            await desk.ask(f"{PREFIX} channel new plain")
            await desk.ask(f"{PREFIX} channel move plain 1")
            for each in found[:-1]:
                await each.hears("plain")
            of_room = ["task submitted", "task submitted", "vote open", "vote closed"]
            lab = ["channel_changed news", "channel_deleted news"]
            plain = ["channel_created plain"]
            assert _told(of_boss) == ["channel_created news", lab[0], *of_room, lab[1], *plain]
            assert _told(of_bob) == ["channel_created news", lab[0], "notification quota_reached", lab[1], *plain]
            assert _told(of_eve) == ["channel_created news", *plain]
            assert _told(of_ada) == [lab[0], *of_room, lab[1], *plain]
            assert _told(of_bea) == plain
            assert _told(limited) == []
            assert [each["content"].get("assignee") for each in of_ada.of("task")] == [None, talk.ghost]
            assert of_boss.of("vote")[1]["content"]["ended_by"] == "person"
    await delete_places(running)


def _told(listener: Listener) -> list[str]:
    found = [(kind, data["content"]) for _, kind, data in listener.heard if kind in OF_ROWS]
    return [f"{kind} {facts.get('state') or facts.get('kind') or facts['name']}" for kind, facts in found]


async def test_a_redacted_card_or_command_cancels_the_task(harness: BridgeHarness, running: Running) -> None:
    program = await program_of(running, BOSS, name="cards")
    async with harness.person("boss") as boss, listening(program, types="task") as (listener,):
        desk = await bot_chat(running, boss)
        for of_command in (True, False):
            said = await desk.say(f"{PREFIX} task new secret {of_command}")
            await boss.wait_for(lambda: [each for each in desk.said() if TASK in each.content])
            card = next(each for each in desk.said() if TASK in each.content)
            await boss.redact(desk.room_id, said if of_command else card.event_id)
            await listener.hears("—", 2 - of_command)
            assert [(each["content"]["state"], each["content"]["title"]) for each in listener.of("task")[-1:]] == [
                ("canceled", "—")
            ]
            # The card goes with the command, and no other one comes.
            await boss.wait_for(lambda: not [each for each in desk.said() if TASK in each.content])
            await desk.settled()
        assert "secret" not in (await desk.ask(f"{PREFIX} tasks all")).body
    async with subscribed(program, listener.heard[0][0], types="task") as events:
        # Also what the process has kept for other subscribers.
        assert "secret" not in str(await until(events, 4, "task"))
