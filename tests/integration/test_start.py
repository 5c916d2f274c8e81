"""A start with intact rooms: nothing is written besides the event that wakes the homeserver up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.test_repair import Counting, configured, settled
from support.conditions import eventually
from support.proxy import Proxy
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from support.harness import BridgeHarness


async def test_a_start_writes_nothing(harness: BridgeHarness, database_url: str) -> None:
    names = [f"agent{number}" for number in range(15)]
    async with (
        ScriptedUpstream(*names) as upstream,
        Proxy(harness.synapse.url) as proxy,
        harness.person() as admin,
    ):
        config = configured(harness, database_url, proxy.url, upstream.url, admin.user_id, "12")
        async with harness.bridge(config) as running:
            for name in upstream.names:
                await settled(running, name)
        counting = Counting(proxy)
        async with harness.bridge(config) as running:

            async def has_listed() -> bool:
                return all(each.ok for each in running.bridge.discovery.health())

            await eventually(has_listed, "the list is compared")

            async def first_rooms() -> bool:
                # The first round begins at once, with ten rooms.
                return counting.requests >= 30

            await eventually(first_rooms, "the first rooms are compared")
        assert [each for each in counting.writes if "agent_bridge.started" not in each and "/ping" not in each] == []
