"""Several people, each in the room of a separate agent, and transactions in the homeserver's form."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp

from support.conditions import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Event
    from support.harness import BridgeHarness, Conversation, Running
    from support.scripted_upstream import Script


@asynccontextmanager
async def conversations(
    harness: BridgeHarness, running: Running, agents: Iterable[str]
) -> AsyncIterator[list[Conversation]]:
    """Put one person into the room of each of *agents*."""
    async with AsyncExitStack() as stack:
        yield [await running.join(await stack.enter_async_context(harness.person()), agent) for agent in agents]


def with_bridge(talks: Iterable[Conversation], running: Running) -> list[Conversation]:
    """Return *talks* with the bridge that runs now."""
    return [replace(talk, running=running) for talk in talks]


def echo_through(gates: Mapping[str, asyncio.Event]) -> Script:
    """Return a script that echoes; the answer to a question with a gate waits for the gate."""

    async def script(question: str) -> AsyncIterator[str | int | Exception | None]:
        yield "Echo: "
        if question in gates:
            await gates[question].wait()
        yield question

    return script


async def say(talks: Iterable[Conversation], *texts: str) -> None:
    """Send each of *texts* to every room before the next."""
    talks = list(talks)
    for text in texts:
        for talk in talks:
            await talk.say(text)


async def expect_answers(talks: Iterable[Conversation], *answers: str, within: float = DEADLINE) -> None:
    """Wait until each room shows exactly *answers*, in this order, and has no open turn.

    One more message is a failure.
    """
    for talk in talks:
        await talk.person.wait_for(partial(_shows, talk, list(answers)), within)
        await talk.wait_until_idle(within)
        assert _shows(talk, list(answers))


async def expect_texts(talks: Iterable[Conversation], *answers: str) -> None:
    """Wait until each room shows exactly *answers* at this moment."""
    for talk in talks:
        await talk.person.wait_for(partial(_shows, talk, list(answers)))


def _shows(talk: Conversation, answers: list[str]) -> bool:
    seen = [answer.body for answer in talk.answers]
    assert len(seen) <= len(answers), f"{talk.person.user_id} sees {seen}"
    return seen == answers


async def events_of(talk: Conversation) -> list[Event]:
    """Return the messages of the person of *talk* in the room, oldest first, from the homeserver's history."""
    events = await talk.person.history(talk.room_id)
    return [event for event in events if event["type"] == "m.room.message" and event["sender"] == talk.person.user_id]


class TransactionSender:
    """Sends transactions to the bridge as the homeserver does."""

    def __init__(self, config: Config) -> None:
        self._url = config.appservice.url
        self._token = config.appservice.hs_token.get_secret_value()

    async def send(self, txn_id: str, *events: Event) -> int:
        """Send a transaction and return the HTTP status."""
        url = f"{self._url}/_matrix/app/v1/transactions/{quote(txn_id, safe='')}"
        headers = {"Authorization": f"Bearer {self._token}"}
        async with aiohttp.request("PUT", url, json={"events": events}, headers=headers) as response:
            await response.read()
            return response.status

    async def send_concurrently(self, txn_ids: Iterable[str], *events: Event) -> list[int]:
        """Send the same events in several transactions at the same time, and return their HTTP statuses."""
        return await asyncio.gather(*(self.send(txn_id, *events) for txn_id in txn_ids))
