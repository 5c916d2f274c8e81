"""An idle bridge runs few statements on the database."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import psycopg

from support.conditions import eventually
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness
    from support.postgres import Cluster

AGENTS = 20
#: Statements per second that an idle leader may run, and the seconds over which they are counted.
RATE, SECONDS = 2, 5
#: A logged statement; its further lines begin with a tab.
STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)")


def statements(log: Path, before: int) -> list[str]:
    return STATEMENT.findall(log.read_text("utf-8")[before:])


async def test_an_idle_leader_asks_the_database_twice_a_second_at_most(
    harness: BridgeHarness, cluster: Cluster
) -> None:
    """PostgreSQL logs the statements."""
    with psycopg.connect(cluster.uri, autocommit=True) as admin:
        admin.execute("ALTER DATABASE postgres SET log_statement = 'all'")
    async with ScriptedUpstream(*(f"idler {number} " for number in range(AGENTS))) as upstream:
        config = harness.config(
            cluster.uri, [{"name": "scripted", "url": upstream.url, "max_new_agents": AGENTS}], presence=True
        )
        async with harness.bridge(config) as running:

            async def has_rooms() -> bool:
                return sum(each.home.bot_joined for each in await running.agents.all()) == AGENTS

            await eventually(has_rooms, "every agent has a room", within=120)
            counted: list[list[str]] = []

            async def is_calm() -> bool:
                before = len(cluster.log.read_text("utf-8"))
                await asyncio.sleep(SECONDS)
                counted.append(statements(cluster.log, before))
                return len(counted[-1]) <= RATE * SECONDS

            # The first seconds may still belong to the rooms that were made.
            try:
                await eventually(is_calm, "the bridge is calm", within=6 * SECONDS)
            except AssertionError as error:
                error.add_note("\n".join(counted[-1]))
                raise
            # PostgreSQL did log them.
            assert counted[-1]
