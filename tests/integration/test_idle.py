"""An idle bridge runs few statements on the database."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING

import psycopg

from support.conditions import eventually
from support.fast_clock import fast_clock
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness
    from support.postgres import Cluster

AGENTS = 5
#: Statements per second that an idle leader may run, and the seconds over which they are counted: more than its longest
#: regular pause (FALLBACK), so that each of its loops has its turn.
RATE, SECONDS = 2, 122
#: How much faster the clock of the bridge runs meanwhile.
FASTER = 10
#: A logged statement; its further lines begin with a tab.
STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)")


def statements(log: Path, before: int) -> Counter[str]:
    """Return the beginnings of the statements behind the character *before* of the log, and how often each was run."""
    return Counter(" ".join(text.split())[:100] for text in STATEMENT.findall(log.read_text("utf-8")[before:]))


async def test_an_idle_leader_asks_the_database_twice_a_second_at_most(
    harness: BridgeHarness, cluster: Cluster
) -> None:
    """PostgreSQL logs the statements of two minutes of the bridge, with its default features."""
    with psycopg.connect(cluster.uri, autocommit=True) as admin:
        admin.execute("ALTER DATABASE postgres SET log_statement = 'all'")
    async with ScriptedUpstream(*(f"idler {number} " for number in range(AGENTS))) as upstream:
        config = harness.config(
            cluster.uri,
            [{"name": "scripted", "url": upstream.url, "poll_interval": 5}],
            presence=None,
            profiles=True,
            space={},
            bot={},
        )
        async with harness.bridge(config) as running:

            async def has_rooms() -> bool:
                return sum(each.home.bot_joined for each in await running.agents.all()) == AGENTS

            await eventually(has_rooms, "every agent has a room", within=120)
            counted: list[Counter[str]] = []

            async def is_calm() -> bool:
                before = len(cluster.log.read_text("utf-8"))
                await asyncio.sleep(SECONDS)
                counted.append(statements(cluster.log, before))
                return counted[-1].total() <= RATE * SECONDS

            with fast_clock(FASTER):
                # The first seconds may still belong to the rooms that were made, and a busy machine may disturb others.
                await asyncio.sleep(FASTER)
                try:
                    await eventually(is_calm, "the bridge is calm", within=3 * SECONDS)
                except AssertionError as error:
                    error.add_note("\n".join(f"{times} times: {text}" for text, times in counted[-1].most_common()))
                    raise
            # PostgreSQL did log them, and the pause without signals was over once.
            assert any(text.startswith("UPDATE vote SET state = 'closing'") for text in counted[-1])
