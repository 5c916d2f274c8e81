"""The rooms are isolated: while some rooms are stuck, the others get their answers as usual."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from support.conditions import DEADLINE
from support.people import conversations, expect_answers, say
from support.proxy import Proxy
from support.scripted_upstream import ScriptedUpstream, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pytest_aiohttp import AiohttpServer

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Conversation
    from support.scripted_upstream import Script

STUCK = 4
#: Messages of a quiet room, each sent after the answer to the one before.
SAID = 5


async def is_answered_soon(talk: Conversation) -> None:
    """Send a few messages into the room of *talk*, and wait for each answer. The fault elsewhere lasts for ever."""
    for number in range(SAID):
        await talk.say(f"quick {number}")
        await expect_answers([talk], *(f"Echo: quick {each}" for each in range(number + 1)))


def configured(harness: BridgeHarness, database_url: str, *upstreams: str, homeserver: str | None = None) -> Config:
    there: dict[str, Any] = {"homeserver": {"address": homeserver, "domain": "test.local"}} if homeserver else {}
    servers = [{"name": f"server{number}", "url": url} for number, url in enumerate(upstreams)]
    return harness.config(database_url, servers, **there)


async def hang(_question: str) -> AsyncIterator[str | int | Exception | None]:
    """Begin to answer and never end."""
    yield "Well, "
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("script", "shows"),
    [
        pytest.param(hang, lambda talk: [answer.body for answer in talk.answers] == ["Well,"], id="hangs"),
        # A slow machine sees the notice that the message waits.
        pytest.param(
            says(503),
            lambda talk: all(text.body.startswith("⏳") for text in talk.answers),
            id="is busy",
            marks=pytest.mark.long,
        ),
    ],
)
async def test_agents_that_do_not_answer(
    harness: BridgeHarness, database_url: str, script: Script, shows: Callable[[Conversation], bool]
) -> None:
    names = [f"stuck{number}" for number in range(STUCK)]
    async with ScriptedUpstream(*names) as bad, ScriptedUpstream("quick") as good:
        bad.script = script
        async with (
            harness.bridge(configured(harness, database_url, bad.url, good.url)) as running,
            conversations(harness, running, [*bad.names, *good.names]) as (*stuck, quick),
        ):
            await say(stuck, "one", "two")
            await stuck[-1].person.wait_for(lambda: len(bad.asked) >= STUCK)
            await is_answered_soon(quick)
            # A text without a sentence is shown a second after its first token.
            for talk in stuck:
                await talk.person.wait_for(partial(shows, talk))
            assert "two" not in bad.questions


@pytest.mark.long
async def test_a_room_whose_messages_the_homeserver_does_not_take(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("stuck", "quick") as upstream, Proxy(harness.synapse.url) as proxy:
        config = configured(harness, database_url, upstream.url, homeserver=proxy.url)
        async with harness.bridge(config) as running, conversations(harness, running, upstream.names) as (stuck, quick):
            gate, held = asyncio.Event(), asyncio.Event()

            def hold(_number: int, _method: str, path: str) -> asyncio.Event | None:
                if stuck.room_id not in path:
                    return None
                held.set()
                return gate

            proxy.holds = hold
            await say([stuck], "one", "two")
            await asyncio.wait_for(held.wait(), DEADLINE)
            await is_answered_soon(quick)
            assert stuck.answers == []
            gate.set()
            await expect_answers([stuck], "Echo: one", "Echo: two")


async def test_an_upstream_whose_list_hangs(
    harness: BridgeHarness, database_url: str, aiohttp_server: AiohttpServer
) -> None:
    """The agents of another upstream are found, get their rooms and answer."""
    app, forever = web.Application(), asyncio.Event()

    async def wait(_request: web.Request) -> web.Response:
        await forever.wait()
        return web.Response()

    app.router.add_get("/v1/models", wait)
    silent = await aiohttp_server(app, shutdown_timeout=0.2)
    async with (
        ScriptedUpstream("quick") as upstream,
        harness.bridge(configured(harness, database_url, str(silent.make_url("/v1")), upstream.url)) as running,
        conversations(harness, running, upstream.names) as (quick,),
    ):
        await is_answered_soon(quick)


@pytest.mark.long
async def test_a_room_that_cannot_be_made(harness: BridgeHarness, database_url: str) -> None:
    """The homeserver does not respond to the creation of one room; the next room is created and has answers."""
    async with ScriptedUpstream("stuck", "quick") as upstream, Proxy(harness.synapse.url) as proxy:
        gate = asyncio.Event()
        stuck, quick = upstream.names
        proxy.holds = lambda _number, _method, path: gate if stuck in path else None
        config = configured(harness, database_url, upstream.url, homeserver=proxy.url)
        async with harness.bridge(config) as running, harness.person() as person:
            talk = await running.join(person, quick)
            await is_answered_soon(talk)
            gate.set()
            await expect_answers([await running.join(person, stuck)])
