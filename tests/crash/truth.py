"""The state of the bridge at the end of a run: the turns in the database, the leader, and its own health page."""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.locks import LEADER
from agent_bridge.store.turns import Turns
from crash.asked import Change
from crash.verdict import Verdict
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.store.postgres.database import Database
    from crash.spots import Said, Spot

_LEADERS = """
    SELECT count(*) AS leaders FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_CHECKED_WITHIN = 30.0
_TEXTS = """
    SELECT payload::text || coalesce(answer, '') AS text FROM turn
    UNION ALL SELECT content FROM message
"""


async def until_closed(database: Database, spots: Sequence[Spot], patience: float) -> int:
    """Wait until every question is a closed turn without ⏳; return how many turns are open when *patience* ends.

    *patience* is in seconds.

    A question that was redacted before the homeserver delivered it is no turn.
    """
    wanted = [said.event_id for spot in spots for said in spot.said if said.question.change is not Change.REDACT]
    turns = Turns(database)

    async def closed() -> bool:
        with contextlib.suppress(StoreError):
            # The reaction ⏳ goes a moment after its turn.
            query = """
                SELECT count(*) AS turns FROM turn
                WHERE kind = 'message' AND event_id = ANY(%s) AND waiting_event_id IS NULL
            """
            row = await database.row(query, (wanted,))
            return row is not None and row["turns"] == len(wanted) and not await turns.count_open()
        return False

    with contextlib.suppress(AssertionError):
        await eventually(closed, "every turn is closed", patience)
    return sum((await turns.count_open()).values())


async def until_forgotten(database: Database, spots: Sequence[Spot], patience: float) -> None:
    """Wait until the bridge knows of every redaction, for *patience* seconds at most."""
    redacted = [said.event_id for said in _redacted(spots)]

    async def forgotten() -> bool:
        with contextlib.suppress(StoreError):
            return not await database.rows("SELECT 1 FROM turn WHERE event_id = ANY(%s) AND NOT redacted", (redacted,))
        return False

    with contextlib.suppress(AssertionError):
        await eventually(forgotten, "every redaction is known", patience)


async def judge_memory(database: Database, spots: Sequence[Spot]) -> Verdict:
    """Find redacted questions whose text is in the database."""
    texts = [row["text"] or "" for row in await database.rows(_TEXTS)]
    kept = []
    for said in _redacted(spots):
        # Another key may end with this one.
        words = re.compile(rf"(?<![\w.]){re.escape(said.question.text)}")
        if any(words.search(text) for text in texts):
            kept.append(f"{said.question.key}: redacted, and in the database")
    return Verdict(kept=tuple(kept))


async def judge_health(database: Database, doors: Sequence[str]) -> Verdict:
    """Check that one process leads, and that ``/readyz`` of every door says so."""
    faults: list[str] = []

    async def healthy() -> bool:
        faults.clear()
        row = await database.row(_LEADERS, (LEADER,))
        if row is None or row["leaders"] != 1:
            faults.append(f"leaders: {row and row['leaders']}")
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as http:
            for door in doors:
                try:
                    async with http.get(f"{door}/readyz") as response:
                        if response.status != HTTPStatus.OK:
                            faults.append(f"{door}/readyz: {await response.text()}")
                except (aiohttp.ClientError, TimeoutError) as error:
                    faults.append(f"{door}/readyz: {error!r}")
        return not faults

    with contextlib.suppress(AssertionError):
        await eventually(healthy, "one process leads, and every process is ready", _CHECKED_WITHIN)
    return Verdict(stuck=tuple(faults))


async def disorder(database: Database, spots: Sequence[Spot]) -> dict[str, str]:
    """Return the questions that the homeserver delivered behind later ones of their lane, or never; and which."""
    rows = await database.rows(
        """
        SELECT t.event_id, a.ghost
        FROM turn t JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
        WHERE t.kind = 'message' ORDER BY t.id
        """
    )
    rank = {(row["event_id"], row["ghost"]): number for number, row in enumerate(rows)}
    found = {}
    for spot in spots:
        first_after: dict[str, int] = defaultdict(lambda: len(rank))
        for said in reversed(spot.said):
            question, place = said.question, rank.get((said.event_id, spot.localpart))
            if place is None:
                if question.change is not Change.REDACT:
                    found[question.key] = "never handed over"
                continue
            if place > first_after[question.thread]:
                found[question.key] = "handed over behind a later one"
            first_after[question.thread] = min(first_after[question.thread], place)
    return found


def _redacted(spots: Sequence[Spot]) -> list[Said]:
    return [said for spot in spots for said in spot.said if said.question.change is Change.REDACT]
