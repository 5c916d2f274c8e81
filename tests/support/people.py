"""Several people, each in the room of an agent of their own, and a homeserver's voice at the bridge's door."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp

from agent_bridge.core.errors import StoreError
from support.conditions import eventually
from support.harness import Conversation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from agent_bridge.config.model import Config
    from agent_bridge.demo.client import Person
    from agent_bridge.demo.timeline import Event
    from support.harness import BridgeHarness, Running
    from support.scripted_upstream import Script


async def enter(running: Running, person: Person, agent: str) -> Conversation:
    """Put *person* into the room of *agent*."""
    contact = await running.contact(agent)
    room_id = contact.home.room_id or ""
    await running.homeserver.invite(room_id, person.user_id)
    await person.join(room_id)
    await person.wait_for(lambda: room_id in person.rooms)
    return Conversation(running, person, room_id, running.bridge.config.namespace.user_id(contact.agent.ghost))


@asynccontextmanager
async def company(harness: BridgeHarness, running: Running, agents: Iterable[str]) -> AsyncIterator[list[Conversation]]:
    """Put one person into the room of each of *agents*."""
    async with AsyncExitStack() as stack:
        yield [await enter(running, await stack.enter_async_context(harness.person()), agent) for agent in agents]


def with_bridge(talks: Iterable[Conversation], running: Running) -> list[Conversation]:
    """Return *talks* with the bridge that runs now."""
    return [replace(talk, running=running) for talk in talks]


def echo_through(gates: Mapping[str, asyncio.Event]) -> Script:
    """Return a script that echoes; where a question has a gate, its text comes only when that is open."""

    async def script(question: str) -> AsyncIterator[str | int | Exception | None]:
        yield "Echo: "
        if question in gates:
            await gates[question].wait()
        yield question

    return script


async def say(talks: Iterable[Conversation], *texts: str) -> None:
    """Have everybody say *texts*, one after the other and all rooms by turns."""
    talks = list(talks)
    for text in texts:
        for talk in talks:
            await talk.say(text)


async def see(talks: Iterable[Conversation], *answers: str, within: float = 30) -> None:
    """Wait until each room shows *answers*, whole, in this order and nothing else, and every turn is closed.

    One message more than that fails at once.
    """
    for talk in talks:
        await talk.person.wait_for(partial(_shows, talk, list(answers)), within)
        await eventually(partial(is_quiet, talk), "every turn of the room is closed", within)
        assert _shows(talk, list(answers))


async def see_begun(talks: Iterable[Conversation], *answers: str) -> None:
    """Wait until each room shows just *answers*, whether or not more is to come."""
    for talk in talks:
        await talk.person.wait_for(partial(_shows, talk, list(answers)))


async def is_quiet(talk: Conversation) -> bool:
    """Tell whether the room has no open turn; not while the database is away."""
    query = """
        SELECT 1 FROM turn t JOIN conversation c ON c.id = t.conversation
        WHERE c.room_id = %s AND t.open
    """
    try:
        return not await talk.running.database.rows(query, (talk.room_id,))
    except StoreError:
        return False


def _shows(talk: Conversation, answers: list[str]) -> bool:
    seen = [answer.body for answer in talk.answers]
    assert len(seen) <= len(answers), f"{talk.person.user_id} sees {seen}"
    return seen == answers


async def events_of(talk: Conversation) -> list[Event]:
    """Return what the person of *talk* said in the room, oldest first, as the homeserver tells of it."""
    events = await talk.person.history(talk.room_id)
    return [event for event in events if event["type"] == "m.room.message" and event["sender"] == talk.person.user_id]


class Knocker:
    """Speaks to the bridge's door as the homeserver does."""

    def __init__(self, config: Config) -> None:
        self._url = config.appservice.url
        self._token = config.appservice.hs_token.get_secret_value()

    async def hand_over(self, txn_id: str, *events: Event) -> int:
        """Hand over a transaction and return the HTTP status."""
        url = f"{self._url}/_matrix/app/v1/transactions/{quote(txn_id, safe='')}"
        headers = {"Authorization": f"Bearer {self._token}"}
        async with aiohttp.request("PUT", url, json={"events": events}, headers=headers) as response:
            await response.read()
            return response.status

    async def hand_over_at_once(self, txn_ids: Iterable[str], *events: Event) -> list[int]:
        """Hand the same events over in several transactions at the same time, and return their HTTP statuses."""
        return await asyncio.gather(*(self.hand_over(txn_id, *events) for txn_id in txn_ids))
