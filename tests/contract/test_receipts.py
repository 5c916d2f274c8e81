"""Read receipts and typing notices, against a server in a homeserver's place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.delivery.receipts import Receipts
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from support.conditions import eventually
from support.fault_server import FaultServer, Reply
from support.records import NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GHOST = NAMES.user_id("agent_frida")
DONE = Reply(200, {"Content-Type": "application/json"}, (b"{}",))
#: Seconds that are longer than a quick answer takes.
LONG = 0.6


@pytest.fixture
async def homeserver(wire: FaultServer) -> AsyncIterator[Homeserver]:
    wire.script(*[DONE] * 9)
    async with homeserver_session() as session:
        yield Homeserver(wire.url.removesuffix("/v1"), "token", NAMES, session)


def shown(wire: FaultServer) -> list[object]:
    """Return the requests in their order: a read receipt, or whether the ghost types."""
    return ["read" if "/receipt/" in each.path else each.json["typing"] for each in wire.requests]


async def has_shown(wire: FaultServer, count: int) -> bool:
    return len(wire.requests) >= count


async def test_work_that_is_not_quick_is_shown_until_it_ends(wire: FaultServer, homeserver: Homeserver) -> None:
    async with Receipts(homeserver).working("!room", "$1", GHOST):
        await eventually(lambda: has_shown(wire, 2), "the ghost has read and types")
    requests = shown(wire)
    assert sorted(map(str, requests[:2])) == ["True", "read"]
    assert requests[2:] == [False]


async def test_quick_work_is_not_shown(wire: FaultServer, homeserver: Homeserver) -> None:
    async with Receipts(homeserver).working("!room", "$1", GHOST) as working:
        working.stop_typing()
        await asyncio.sleep(LONG)
    assert shown(wire) == []


async def test_the_end_of_typing_is_not_waited_for(wire: FaultServer, homeserver: Homeserver) -> None:
    async with Receipts(homeserver).working("!room", "$1", GHOST) as working:
        await eventually(lambda: has_shown(wire, 2), "the ghost has read and types")
        working.stop_typing()
        assert False not in shown(wire)
        await eventually(lambda: has_shown(wire, 3), "the ghost does not type any more")
        working.stop_typing()
    assert shown(wire).count(False) == 1


async def test_a_busy_homeserver_is_spared(wire: FaultServer, homeserver: Homeserver) -> None:
    homeserver.in_flight = 17
    async with Receipts(homeserver).working("!room", "$1", GHOST):
        await asyncio.sleep(LONG)
        assert shown(wire) == []
        homeserver.in_flight = 0
        await eventually(lambda: has_shown(wire, 2), "the ghost has read and types")


async def test_requests_in_flight_are_counted(homeserver: Homeserver) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(homeserver.read("!room", "$1", GHOST))
        await asyncio.sleep(0)
        assert homeserver.in_flight == 3
    assert homeserver.in_flight == 0
    hanging = asyncio.create_task(homeserver.read("!room", "$1", GHOST))
    await asyncio.sleep(0)
    hanging.cancel()
    await asyncio.wait({hanging})
    assert homeserver.in_flight == 0
