"""A person stops a running answer, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.answering.cancellation import Cancellations
from agent_bridge.core.changes import StopRequest
from agent_bridge.core.errors import UpstreamError
from agent_bridge.core.turns import StopReason
from agent_bridge.i18n.catalogue import Text
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.turns import Turns
from support.turn_rows import OTHER, ROOM, accept, new, stop, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database


@asynccontextmanager
async def watching(database: Database) -> AsyncIterator[Cancellations]:
    signals = Signals()
    cancellations = Cancellations(Turns(database), signals)
    async with Session(database.uri, signals):
        task = asyncio.create_task(cancellations.run())
        try:
            yield cancellations
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
async def running(database: Database) -> Turn:
    (lane,) = await accept(database, new("$1"))
    return await take(database, lane)


class Work:
    """Work that lasts until the test lets it end."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.cancelled = False

    async def run(self) -> str:
        self.started.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return "done"


async def test_work_without_a_stop_gives_its_result(database: Database, running: Turn) -> None:
    async with watching(database) as cancellations:
        work = Work()
        work.may_end.set()
        assert await cancellations.unless_stopped(running, work.run()) == "done"


async def test_a_stop_cancels_the_work_of_its_turn_alone(database: Database, running: Turn) -> None:
    (lane,) = await accept(database, new("$2", OTHER))
    other = await take(database, lane)
    async with watching(database) as cancellations, asyncio.timeout(10):
        works = Work(), Work()
        tasks = [
            asyncio.create_task(cancellations.unless_stopped(turn, work.run()))
            for turn, work in zip((running, other), works, strict=True)
        ]
        for work in works:
            await work.started.wait()
        await stop(database, StopRequest(ROOM, "$stop", "$1"))
        assert await tasks[0] is StopReason.STOPPED
        works[1].may_end.set()
        assert await tasks[1] == "done"
        assert [work.cancelled for work in works] == [True, False]
        assert [task.cancelling() for task in tasks] == [0, 0]


async def test_a_reason_that_is_there_already_counts(database: Database, running: Turn) -> None:
    await stop(database, StopRequest(ROOM, "$stop", "$1"))
    async with watching(database) as cancellations, asyncio.timeout(10):
        assert await cancellations.unless_stopped(running, Work().run()) is StopReason.STOPPED


@pytest.mark.parametrize("error", [TimeoutError("of the work"), UpstreamError(Text("upstream_away", upstream="up"))])
async def test_errors_of_the_work_come_through(database: Database, running: Turn, error: Exception) -> None:
    async def work() -> None:
        raise error

    async with watching(database) as cancellations:
        with pytest.raises(type(error), match=str(error)):
            await cancellations.unless_stopped(running, work())


async def test_a_cancelled_caller_is_cancelled(database: Database, running: Turn) -> None:
    async with watching(database) as cancellations, asyncio.timeout(10):
        work = Work()
        task = asyncio.create_task(cancellations.unless_stopped(running, work.run()))
        await work.started.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert work.cancelled
