"""The homeserver is away, hangs, or refuses requests: the messages in the rooms during and after the fault."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent_bridge.app import Timeouts
from agent_bridge.store.turns import Turns
from support.conditions import eventually
from support.people import conversations, echo_through, expect_answers, expect_texts, say, with_bridge
from support.proxy import Proxy
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Conversation

ROOMS = ("ada", "bob", "cleo")
Company = tuple[ScriptedUpstream, Proxy, list["Conversation"]]


class GatewayWithoutBridge(TestServer):
    """A load balancer without a bridge behind it."""

    def __init__(self, port: int) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._refuse)
        super().__init__(app, port=port)
        #: Number of requests.
        self.requests = 0

    async def _refuse(self, _request: web.Request) -> web.Response:
        self.requests += 1
        return web.Response(status=HTTPStatus.BAD_GATEWAY)


def configured(
    harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, address: str | None = None
) -> Config:
    there: dict[str, Any] = {"homeserver": {"address": address, "domain": "test.local"}} if address else {}
    return harness.config(database_url, [{"name": "scripted", "url": upstream.url}], **there)


@pytest.fixture
async def behind_proxy(harness: BridgeHarness, database_url: str) -> AsyncIterator[Company]:
    """A bridge that reaches the homeserver through a proxy, with a person in the room of each agent."""
    async with (
        ScriptedUpstream(*ROOMS) as upstream,
        Proxy(harness.synapse.url) as proxy,
        harness.bridge(configured(harness, database_url, upstream, proxy.url)) as running,
        conversations(harness, running, upstream.names) as talks,
    ):
        yield upstream, proxy, talks


def speaks(talk: Conversation, method: str, path: str) -> bool:
    """Tell whether a request is a message in the room of *talk*."""
    return method == "PUT" and f"/rooms/{talk.room_id}/send/m.room.message/" in path


@pytest.mark.long
async def test_a_backlog_of_many_rooms_is_delivered_at_once_and_in_order(
    harness: BridgeHarness, database_url: str
) -> None:
    """After three tries the homeserver waits eight seconds; the bridge's start makes it deliver at once."""
    questions = [f"question {number}" for number in range(6)]
    async with ScriptedUpstream(*ROOMS) as upstream, AsyncExitStack() as people:
        config = configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            talks = await people.enter_async_context(conversations(harness, running, upstream.names))
            await say(talks, "hello")
            await expect_answers(talks, "Echo: hello")
        gateway = GatewayWithoutBridge(config.appservice.port)
        async with gateway:
            await say(talks, *questions)

            async def tired() -> bool:
                return gateway.requests >= 3

            await eventually(tired, "the homeserver waits longer and longer")
        async with harness.bridge(config) as running:
            began = time.monotonic()
            await expect_answers(
                with_bridge(talks, running), "Echo: hello", *(f"Echo: {question}" for question in questions)
            )
            assert time.monotonic() - began < 7


async def test_answers_go_on_when_the_homeserver_is_back(harness: BridgeHarness, database_url: str) -> None:
    """One answer ends while the homeserver is away, one when it is back, and a question waits behind each."""
    gates = {"short": asyncio.Event(), "long": asyncio.Event()}
    async with ScriptedUpstream("ada", "bob") as upstream:
        upstream.script = echo_through(gates)
        config = configured(harness, database_url, upstream)
        async with harness.bridge(config) as running, conversations(harness, running, upstream.names) as (ada, bob):
            turns = Turns(running.database)
            await ada.say("short")
            await bob.say("long")
            await expect_texts([ada, bob], "Echo:")
            await say([ada, bob], "next")

            async def all_taken() -> bool:
                return sum((await turns.count_open()).values()) == 4

            await eventually(all_taken, "every question is taken")
            await harness.synapse.stop()
            try:
                gates["short"].set()

                async def tried() -> bool:
                    return bool(
                        await running.database.rows(
                            "SELECT 1 FROM turn WHERE state = 'committed' AND not_before IS NOT NULL"
                        )
                    )

                await eventually(tried, "the answer waits for the homeserver")
            finally:
                await harness.synapse.start()
            await expect_answers([ada], "Echo: short", "Echo: next")
            gates["long"].set()
            await expect_answers([bob], "Echo: long", "Echo: next")
            await say([ada, bob], "still there?")
            await expect_answers([ada], "Echo: short", "Echo: next", "Echo: still there?")
            await expect_answers([bob], "Echo: long", "Echo: next", "Echo: still there?")
            assert sorted(upstream.questions) == ["long", "next", "next", "short", "still there?", "still there?"]


@pytest.mark.long
async def test_a_limit_is_waited_out_by_its_room_alone(behind_proxy: Company) -> None:
    _, proxy, (limited, *others) = behind_proxy
    tries: list[float] = []

    def limit(_number: int, method: str, path: str) -> web.Response | None:
        if not speaks(limited, method, path):
            return None
        tries.append(time.monotonic())
        body = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": 1500}
        return web.json_response(body, status=HTTPStatus.TOO_MANY_REQUESTS) if len(tries) <= 2 else None

    proxy.refuses = limit
    await say([limited, *others], "one", "two")
    await expect_answers(others, "Echo: one", "Echo: two")
    assert len(tries) <= 2, "the others were done while the limit held"
    await expect_answers([limited], "Echo: one", "Echo: two")
    assert all(later - earlier > 1.4 for earlier, later in pairwise(tries[:3]))


@pytest.mark.long
async def test_a_gateway_that_fails_doubles_nothing(behind_proxy: Company) -> None:
    """A gateway answers 502 if the homeserver is away, and if it took too long; here by turns."""
    _, proxy, talks = behind_proxy
    failed = [0, 0]

    def fails(carried_out: int, number: int, method: str, path: str) -> web.Response | None:
        if number % 2 != carried_out or failed[carried_out] >= 3:
            return None
        if not any(speaks(talk, method, path) for talk in talks):
            return None
        failed[carried_out] += 1
        return web.Response(status=HTTPStatus.BAD_GATEWAY, text="<html>bad gateway</html>", content_type="text/html")

    proxy.refuses = partial(fails, 0)
    proxy.replaces = partial(fails, 1)
    await say(talks, "one", "two", "three")
    await expect_answers(talks, "Echo: one", "Echo: two", "Echo: three")
    assert sum(failed) >= 3


@pytest.mark.long
async def test_a_request_that_hangs_is_made_again_and_others_go_on(harness: BridgeHarness, database_url: str) -> None:
    """The homeserver does not get the first request. It carries the second one out, but the response is lost."""
    async with (
        ScriptedUpstream(*ROOMS) as upstream,
        Proxy(harness.synapse.url) as proxy,
        harness.bridge(configured(harness, database_url, upstream, proxy.url), Timeouts(homeserver=1)) as running,
        conversations(harness, running, upstream.names) as (stuck, *others),
    ):
        never = asyncio.Event()
        unheard: set[int] = set()
        untold: set[int] = set()

        def hold(number: int, method: str, path: str) -> asyncio.Event | None:
            if unheard or not speaks(stuck, method, path):
                return None
            unheard.add(number)
            return never

        def lose(number: int, method: str, path: str) -> bool:
            if untold or not speaks(stuck, method, path):
                return False
            untold.add(number)
            return True

        proxy.holds, proxy.loses = hold, lose
        await say([stuck, *others], "one", "two")
        await expect_answers(others, "Echo: one", "Echo: two")
        await expect_answers([stuck], "Echo: one", "Echo: two")
        assert unheard
        assert untold
        await say([stuck], "three")
        await expect_answers([stuck], "Echo: one", "Echo: two", "Echo: three")
        assert upstream.questions.count("one") == len(ROOMS)
