"""Requests of people and workers at the same time, on a real PostgreSQL: every turn ends, in order."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import TurnLost
from agent_bridge.core.payloads import EditPayload, MessagePayload
from agent_bridge.core.turns import StopReason, TurnState
from agent_bridge.store.edits import Edits
from agent_bridge.store.turns import Turns
from support.change_requests import CHANGES, again, answer, asked, edit, note, redaction
from support.turn_rows import accept, add_agent, collect, content, finish, order

if TYPE_CHECKING:
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database

THREADS = ["", "$r", "$s"]
#: People, and requests of each of them.
PEOPLE, REQUESTS = 4, 40
#: The newest messages: those that people change.
NEWEST = 12


class Storm:
    """People who send, edit and redact messages; and two workers for each lane, one of which comes too late."""

    def __init__(self, database: Database, agent: int) -> None:
        self._database = database
        self._agent = agent
        self._numbers = itertools.count(1)
        self._chance = random.Random(7)  # noqa: S311 -- the same storm each time
        self.said: list[str] = []
        self.taken_back: set[str] = set()
        self.lanes: set[int] = set()

    async def say(self, thread: str) -> None:
        event_id = f"${next(self._numbers)}"
        self.lanes |= {*await accept(self._database, asked(event_id, self._agent, thread=thread))}
        self.said.append(event_id)

    async def request(self) -> None:
        """Make the requests of one person."""
        for _ in range(REQUESTS):
            await self._one_wish()

    async def _one_wish(self) -> None:
        event_id, target = f"${next(self._numbers)}", self._chance.choice(self.said[-NEWEST:])
        match self._chance.randrange(5):
            case 0:
                await note(self._database, edit(f"edited {target}", event_id, target))
            case 1:
                await note(self._database, again(target, event_id))
            case 2:
                self.taken_back.add(target)
                await note(self._database, redaction(target, event_id))
            case _:
                await self.say(self._chance.choice(THREADS))

    async def work(self, lane: int, done: asyncio.Event) -> None:
        """Work on *lane* until *done* is set."""
        while not done.is_set():
            turn = await Turns(self._database).take(lane)
            if turn is not None:
                try:
                    await self._handle(turn)
                except TurnLost:
                    continue

    async def work_off(self, lane: int) -> None:
        while (turn := await Turns(self._database).take(lane)) is not None:
            await self._handle(turn)

    async def _handle(self, turn: Turn) -> None:
        if turn.kind in CHANGES:
            await Edits(self._database).ask_again(turn)
        elif turn.attempts == 1 and self._chance.random() < 0.3:
            await collect(self._database, turn)
        if turn.attempts == 1 and self._chance.random() < 0.2:
            await Turns(self._database).put_back(turn, delay=0, failed=True, why="busy")
        elif turn.kind in CHANGES:
            await finish(self._database, turn)
        elif turn.state is TurnState.COMMITTED:
            # Of several questions one may be redacted: the others are asked again.
            if not (turn.stop is StopReason.REDACTED and await Turns(self._database).ask_the_rest(turn)):
                await finish(self._database, turn)
        else:
            await answer(self._database, turn)


@pytest.fixture
async def after_the_storm(database: Database) -> Storm:
    storm = Storm(database, await add_agent(database))
    for thread in THREADS:
        await storm.say(thread)
    done = asyncio.Event()
    async with asyncio.timeout(120):
        workers = asyncio.gather(*(storm.work(lane, done) for lane in storm.lanes for _ in range(2)))
        await asyncio.gather(*(storm.request() for _ in range(PEOPLE)))
        done.set()
        await workers
        for lane in storm.lanes:
            await storm.work_off(lane)
    return storm


async def test_nothing_is_stuck_and_nothing_that_was_taken_back_is_left(
    database: Database, after_the_storm: Storm
) -> None:
    taken_back = after_the_storm.taken_back
    assert await order(database) == []
    rows = await database.rows(
        "SELECT id, event_id, kind, payload, redacted, answer, collected_into FROM turn WHERE kind = 'message'"
    )
    assert {row["event_id"] for row in rows} == set(after_the_storm.said)
    # The first of several questions has the answer to those that are left.
    answers_others = {row["collected_into"] for row in rows if row["collected_into"] and not row["redacted"]}
    for row in rows:
        assert row["redacted"] == (content(row) == MessagePayload()) == (row["event_id"] in taken_back)
        assert row["answer"] is None or row["event_id"] not in taken_back or row["id"] in answers_others
    edits = [content(row) for row in await database.rows("SELECT kind, payload FROM turn WHERE kind = 'edit'")]
    texts = {edit.message.body for edit in edits if isinstance(edit, EditPayload)}
    assert len(texts) > 1
    assert not {f"edited {event}" for event in taken_back} & texts
    # A message that was asked together with another question may be asked again without it.
    left = await database.rows(
        """
        SELECT t.event_id FROM message m JOIN turn t ON t.id = m.turn
        WHERE NOT EXISTS (SELECT 1 FROM turn part WHERE part.collected_into = t.id)
        """
    )
    assert not taken_back & {row["event_id"] for row in left}
