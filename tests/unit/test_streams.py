"""A stream ends with its token: nothing that comes after the revocation is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from agent_bridge.api.streams import Streams
from support.virtual_time import virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import pytest
    from aiohttp import web


class _Response:
    """The response of aiohttp, without a socket."""

    def __init__(self, **_: object) -> None:
        self.written: list[str] = []

    async def prepare(self, _request: object) -> None:
        """Begin the response."""

    async def write(self, data: bytes) -> None:
        self.written.append(data.decode())


class _Transport:
    def is_closing(self) -> bool:
        return False


class _Request:
    transport = _Transport()


def test_a_revoked_token_gets_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    response, counts = _Response(), True
    monkeypatch.setattr("aiohttp.web.StreamResponse", lambda **_: response)

    async def texts() -> AsyncGenerator[str, None]:
        nonlocal counts
        yield "first"
        await asyncio.sleep(1)
        yield "before"
        counts = False
        await asyncio.sleep(1)
        yield "after"

    async def is_permitted() -> bool:
        return counts

    @virtual_time
    async def run() -> None:
        await Streams(1).serve_texts(cast("web.Request", _Request()), texts(), is_permitted)

    run()
    assert response.written == ["first", "before"]
