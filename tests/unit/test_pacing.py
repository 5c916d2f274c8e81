"""Limits of the homeserver, by user and kind of request."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from agent_bridge.core.errors import RateLimited
from agent_bridge.matrix.pacing import Pacer, background, kind_of
from agent_bridge.matrix.session import homeserver_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOM = "/_matrix/client/v3/rooms/%21r%3Ax"


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/_matrix/client/v3/createRoom", "createRoom"),
        ("POST", f"{ROOM}/join", "join"),
        ("POST", f"{ROOM}/invite", "invite %21r%3Ax"),
        ("PUT", f"{ROOM}/send/m.room.message/ab.1", "message"),
        ("PUT", f"{ROOM}/redact/%24e/ab.1", "message"),
        ("PUT", f"{ROOM}/state/m.room.name", "message"),
        ("PUT", f"{ROOM}/state/m.room.member/@bob%3Ax", "member @bob%3Ax"),
        ("PUT", "/_matrix/client/v3/profile/@a%3Ax/displayname", "profile"),
        ("GET", f"{ROOM}/state", "GET message"),
        ("GET", "/_matrix/client/v3/sync", "GET sync"),
    ],
)
def test_kinds(method: str, path: str, kind: str) -> None:
    assert kind_of(method, path) == kind


def test_background_work_asks_for_one_time_after_the_other() -> None:
    pacer = Pacer()
    assert pacer.reserve("@bot:x", "join") == 0
    pacer.limited("@bot:x", "join", 10)
    waits = [pacer.reserve("@bot:x", "join") for _ in range(4)]
    assert [round(seconds) for seconds in waits] == [10, 20, 30, 40]
    assert pacer.is_limited("@bot:x", "join")
    assert not pacer.is_limited("@bot:x", "message")
    assert not pacer.is_limited("@ada:x", "join")
    assert max(pacer.reserve("@bot:x", "join") for _ in range(1000)) <= 1800


class Limited:
    """A homeserver that lets one request of a kind and user pass in each interval."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.seen: list[tuple[float, int]] = []
        self._free = 0.0

    async def handle(self, _: web.Request) -> web.Response:
        now = time.monotonic()
        passes = now >= self._free
        status = HTTPStatus.OK if passes else HTTPStatus.TOO_MANY_REQUESTS
        self.seen.append((now, status))
        if passes:
            self._free = now + self.interval
            return web.json_response({})
        wait = {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": int((self._free - now) * 1000) + 1}
        return web.json_response(wait, status=status)


@asynccontextmanager
async def limited(interval: float) -> AsyncIterator[tuple[Limited, str]]:
    server, app = Limited(interval), web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield server, f"http://127.0.0.1:{runner.addresses[0][1]}{ROOM}/join?user_id=@bot:x"
    finally:
        await runner.cleanup()


async def test_a_conversation_waits_behind_the_requests_before_it() -> None:
    async with limited(0.2) as (server, url), homeserver_session() as session:

        async def ask() -> int:
            async with session.post(url) as response:
                return response.status

        assert await ask() == HTTPStatus.OK
        assert await ask() == HTTPStatus.OK
        server.seen.clear()
        assert await asyncio.gather(*(ask() for _ in range(4))) == [200] * 4
        # The first burst is refused before the limit is known; from then on there is one try at a time.
        refused = [status for _, status in server.seen if status != HTTPStatus.OK]
        assert len(refused) <= 4 + 4


async def test_background_work_does_not_wait_and_does_not_ask() -> None:
    async with limited(60) as (server, url), homeserver_session() as session:
        with background():
            async with session.post(url):
                pass
            for number in range(5):
                with pytest.raises(RateLimited) as caught:
                    async with session.post(url):
                        pass
                assert caught.value.retry_after == pytest.approx(60 * (number + 1), abs=2)
        assert [status for _, status in server.seen] == [200, 429]
        # Another user is not limited by it.
        with background(), pytest.raises(RateLimited):
            async with session.post(url.replace("@bot", "@ada")):
                pass
        assert len(server.seen) == 3


async def test_the_patience_of_a_conversation_ends() -> None:
    async with limited(60) as (_, url), homeserver_session(patience=0.3) as session:
        async with session.post(url):
            pass
        started = time.monotonic()

        async def ask() -> int:
            async with session.post(url) as response:
                return response.status

        assert await asyncio.gather(*(ask() for _ in range(3))) == [429] * 3
        assert await ask() == HTTPStatus.TOO_MANY_REQUESTS
        assert time.monotonic() - started < 5


async def test_a_limit_is_no_failure_of_the_client() -> None:
    with pytest.raises(aiohttp.ClientError):
        async with homeserver_session() as session, session.get("http://127.0.0.1:9"):
            pass
