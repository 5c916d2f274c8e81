"""Several processes on one PostgreSQL: one leads and informs the others, which can request a sync."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from agent_bridge.bridge.agents.upstream_status import SyncRequests, UpstreamStatus
from agent_bridge.bridge.queue.leader import Leader
from agent_bridge.core.errors import LockLost, StoreError, WorkEnded
from agent_bridge.core.upstreams import Health
from agent_bridge.store.history import Histories
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.leadership import Leadership, LeaderState
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.locks import LANE, LEADER, Locks
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals
from support.conditions import eventually
from support.sessions import open_locks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Seconds without a sign of life after which a leader counts as frozen, in these tests.
FROZEN = 1.0


class Process:
    """A process that leads or waits to lead."""

    def __init__(self, locks: Locks, database: Database, frozen_after: float = 15.0) -> None:
        self._locks = locks
        self.elected = 0
        self.leads = False
        self.fail = False
        self.leader = Leader(
            locks,
            Leadership(database),
            self._elect,
            {"lead": self._lead, "idle": self._idle},
            frozen_after=frozen_after,
        )

    async def _elect(self) -> None:
        self.elected += 1
        if self.fail:
            raise StoreError("it cannot be asked")

    async def _lead(self) -> None:
        self.leads = True
        try:
            await asyncio.Event().wait()
        finally:
            self.leads = False

    async def _idle(self) -> None:
        await asyncio.Event().wait()

    async def until_it_leads(self) -> None:
        async def look() -> bool:
            return self.leads

        await eventually(look, "it leads")


@asynccontextmanager
async def process(uri: str, *, fail: bool = False, frozen_after: float = 15.0) -> AsyncIterator[Process]:
    async with open_locks(uri) as locks, Database(uri) as database:
        process = Process(locks, database, frozen_after)
        process.fail = fail
        running = asyncio.create_task(process.leader.run())
        try:
            yield process
        finally:
            running.cancel()
            await asyncio.wait({running})


async def cut_the_leader(uri: str) -> None:
    """End the connection of the leader."""
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as admin:
        cursor = await admin.execute(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE d.datname = current_database() AND locktype = 'advisory' AND granted AND classid = %s::bigint",
            (LEADER,),
        )
        assert await cursor.fetchall() == [(True,)]


async def test_one_leads_and_the_other_knows(store_url: str) -> None:
    async with process(store_url) as first:
        await first.until_it_leads()
        async with process(store_url) as second:
            async with asyncio.timeout(5):
                await asyncio.gather(first.leader.settled.wait(), second.leader.settled.wait())
            assert (first.leads, second.leads) == (True, False)
            assert (first.elected, second.elected) == (1, 0)


async def test_the_other_takes_over_when_the_leader_ends(store_url: str) -> None:
    async with process(store_url) as second:
        async with process(store_url) as first:
            leader, standing_by = (first, second)
            await eventually(lambda: one_leads(first, second), "one leads")
            if second.leads:
                leader, standing_by = second, first
            assert (leader.elected, standing_by.elected) == (1, 0)
        await second.until_it_leads()
        assert not first.leads


async def one_leads(first: Process, second: Process) -> bool:
    return first.leads or second.leads


async def test_a_leader_without_its_lock_stops_and_another_leads(store_url: str) -> None:
    async with process(store_url) as first:
        await first.until_it_leads()
        async with process(store_url) as second:
            for _ in range(3):
                elected = first.elected + second.elected
                await cut_the_leader(store_url)

                async def elected_anew(before: int = elected) -> bool:
                    return first.elected + second.elected > before and first.leads is not second.leads

                await eventually(elected_anew, "one leads again")


async def test_a_leader_that_cannot_begin_lets_another_try(store_url: str) -> None:
    async with process(store_url, fail=True) as first:

        async def tried() -> bool:
            return first.elected > 0

        await eventually(tried, "the first tried")
        assert not first.leader.settled.is_set()
        async with process(store_url) as second:
            await second.until_it_leads()
            assert not first.leads
        first.fail = False
        await first.until_it_leads()
        assert first.leader.settled.is_set()


@pytest.mark.parametrize("whole", [True, False])
async def test_a_frozen_leader_is_replaced(store_url: str, *, whole: bool) -> None:
    """Its process is frozen, so PostgreSQL does not free its lock. One that leads for a single duty takes over too."""

    async def freeze(locks: Locks) -> None:
        async with locks.hold(LEADER, 0) as held:
            assert held
            leading.set()
            await asyncio.Event().wait()

    async def duty() -> None:
        done.set()

    leading, done = asyncio.Event(), asyncio.Event()
    async with open_locks(store_url, heartbeat=600) as locks, Database(store_url) as database:
        await Leadership(database).beat(0, 15.0)
        frozen = asyncio.create_task(freeze(locks))
        await leading.wait()
        if whole:
            async with process(store_url, frozen_after=FROZEN) as other:
                await other.until_it_leads()
        else:
            async with open_locks(store_url) as others:
                leader = Process(others, database, FROZEN).leader
                await eventually(lambda: leader.lead_for(duty), "it leads for the duty")
            assert done.is_set()
        with pytest.raises(LockLost):
            await frozen


@pytest.mark.long
async def test_a_leader_with_signs_of_life_is_not_replaced(store_url: str) -> None:
    async with open_locks(store_url) as locks, Database(store_url) as database:
        leadership, begun = Leadership(database), asyncio.Event()

        async def lead() -> None:
            async with locks.hold(LEADER, 0):
                while True:
                    await leadership.beat(0, 15.0)
                    begun.set()
                    await asyncio.sleep(FROZEN / 4)

        leading = asyncio.create_task(lead())
        await begun.wait()
        # A busy machine delays signs of life.
        async with process(store_url, frozen_after=4 * FROZEN) as other:
            await other.leader.settled.wait()
            done, _ = await asyncio.wait({leading}, timeout=6 * FROZEN)
            assert (done, other.leads) == (set(), False)
        leading.cancel()
        await asyncio.wait({leading})


async def test_a_process_without_a_sign_of_life_loses_its_lanes(store_url: str) -> None:
    """It is frozen and does not lead; the leader ends its session. A process that lives keeps its lanes."""

    async def work(locks: Locks, lane: int) -> None:
        async with locks.hold(LANE, lane) as held:
            assert held
            holding.set()
            await asyncio.Event().wait()

    async with (
        open_locks(store_url, heartbeat=600) as frozen,
        open_locks(store_url, heartbeat=FROZEN / 10) as alive,
    ):
        tasks = []
        for lane, locks in enumerate((frozen, alive)):
            holding = asyncio.Event()
            tasks.append(asyncio.create_task(work(locks, lane)))
            await holding.wait()
        async with process(store_url, frozen_after=2 * FROZEN) as leader:
            await leader.until_it_leads()
            async with asyncio.timeout(20):
                with pytest.raises(LockLost):
                    await tasks[0]
            assert leader.leads
            done, _ = await asyncio.wait({tasks[1]}, timeout=2 * FROZEN)
            assert not done
        tasks[1].cancel()
        await asyncio.wait({tasks[1]})


async def test_the_state_of_the_leader(store_url: str) -> None:
    async with Database(store_url) as database:
        leadership = Leadership(database)
        assert await leadership.state() == LeaderState(None, None, None, None)
        await leadership.beat(0, 15.0)
        await database.execute("INSERT INTO room (room_id, kind) VALUES ('!a', 'bot'), ('!b', 'bot')")
        await Histories(database).require_backfill()
        async with open_locks(store_url) as locks, locks.hold(LEADER, 0):
            await database.execute(
                "UPDATE room SET backfill_requested_at = now() - interval '1 minute' WHERE room_id = '!b'"
            )
            await Histories(database).require_backfill()
            state = await leadership.state()
    assert state.pid is not None
    assert state.silent is not None
    assert 0 <= state.silent < 60
    assert state.backfill_age is not None
    assert 60 <= state.backfill_age < 120


async def test_a_duty_that_ends_ends_the_leader(store_url: str) -> None:
    """And with it the process: a bridge without one of its duties would look well."""

    async def short() -> None:
        """End at once."""

    async with open_locks(store_url) as locks, Database(store_url) as database:
        leader = Leader(locks, Leadership(database), short, {"discovery": short})
        async with asyncio.timeout(10):
            with pytest.raises(WorkEnded, match=r"^discovery ended"):
                await leader.run()


async def test_without_a_database_no_process_leads_and_none_ends() -> None:
    nowhere = "postgresql://127.0.0.1:9/nowhere"
    async with open_locks(nowhere) as locks:
        alone = Process(locks, Database(nowhere))
        running = asyncio.create_task(alone.leader.run())
        done, _ = await asyncio.wait({running}, timeout=2.5)
        running.cancel()
        await asyncio.wait({running})
    assert not done
    assert (alone.elected, alone.leader.settled.is_set()) == (0, False)


@pytest.fixture
async def bulletins(store_url: str) -> AsyncIterator[tuple[UpstreamStatus, UpstreamStatus]]:
    """The upstream status of the leader, and of another process."""
    ours, theirs = Signals(), Signals()
    async with (
        Database(store_url) as first,
        Session(store_url, ours),
        Database(store_url) as second,
        Session(store_url, theirs),
    ):
        yield UpstreamStatus(KeyValues(first), ours), UpstreamStatus(KeyValues(second), theirs)


async def test_how_upstreams_are_is_told(bulletins: tuple[UpstreamStatus, UpstreamStatus]) -> None:
    leader, other = bulletins
    assert await other.read() == []
    healths = [Health("good", None, 3), Health("bad", "refused: {}"), Health("new"), Health("odd", None, 0, 7)]
    await leader.publish(healths)
    assert await other.read() == healths
    assert [health.ok for health in healths] == [True, False, False, True]
    await leader.publish([])
    assert await other.read() == []


async def test_no_sync_was_requested_yet(bulletins: tuple[UpstreamStatus, UpstreamStatus]) -> None:
    assert await bulletins[0].requested_syncs() == (SyncRequests(), SyncRequests())


@pytest.mark.parametrize("confirmed", [True, False])
async def test_a_request_waits_until_its_sync_is_done(
    bulletins: tuple[UpstreamStatus, UpstreamStatus], *, confirmed: bool
) -> None:
    leader, other = bulletins
    asking = [asyncio.create_task(each.ask(confirmed=confirmed, within=20)) for each in (other, other, leader)]

    async def all_asked() -> SyncRequests | None:
        asked, done = await leader.requested_syncs()
        assert done == SyncRequests()
        return asked if max(asked.requested, asked.confirmed) == 3 else None

    asked = await eventually(all_asked, "all three asked")
    assert asked == (SyncRequests(0, 3) if confirmed else SyncRequests(3, 0))
    late = asyncio.create_task(other.ask(confirmed=confirmed, within=20))
    await eventually(lambda: another_asked(leader, asked), "another asked")
    await leader.done(asked)
    assert await asyncio.gather(*asking) == [True, True, True]
    assert not late.done()
    again, done = await leader.requested_syncs()
    assert done == asked
    await leader.done(again)
    assert await late


async def another_asked(leader: UpstreamStatus, before: SyncRequests) -> bool:
    asked, _ = await leader.requested_syncs()
    return asked != before


async def test_a_plain_sync_does_not_answer_a_confirmed_request(
    bulletins: tuple[UpstreamStatus, UpstreamStatus],
) -> None:
    leader, other = bulletins
    await leader.done(SyncRequests(requested=5))
    assert await other.ask(confirmed=False, within=5)
    assert not await other.ask(confirmed=True, within=0.3)


async def test_a_request_for_one_upstream_waits_for_the_look_at_it(
    bulletins: tuple[UpstreamStatus, UpstreamStatus],
) -> None:
    leader, other = bulletins
    asking = [asyncio.create_task(each.ask_one("letta", within=20)) for each in (other, leader)]

    async def both_asked() -> bool:
        return (await leader.requested_looks())[0] == {"letta": 2}

    await eventually(both_asked, "both asked")
    # A sync of all upstreams and the look at another one are no look at this one.
    await leader.done(SyncRequests(requested=5))
    await leader.looked({"other": 9})
    assert not await other.ask_one("letta", within=0.3)
    assert not any(each.done() for each in asking)
    await leader.looked({"letta": 3, "other": 9})
    assert await asyncio.gather(*asking) == [True, True]
    assert await leader.requested_looks() == ({"letta": 3}, {"letta": 3, "other": 9})


async def test_a_request_without_a_leader_times_out(bulletins: tuple[UpstreamStatus, UpstreamStatus]) -> None:
    assert not await bulletins[1].ask(confirmed=False, within=0.3)
    assert not await bulletins[1].ask(confirmed=False, within=0)


async def test_readiness_tells_that_no_process_leads_and_that_rooms_wait(store_url: str) -> None:
    async with open_locks(store_url) as locks, Database(store_url) as database:
        leader = Process(locks, database, frozen_after=30).leader
        with pytest.raises(StoreError, match="no process leads"):
            await leader.check()
        await Leadership(database).beat(0, 15.0)
        await leader.check()
        await database.execute("INSERT INTO room (room_id, kind) VALUES ('!a', 'group')")
        await Histories(database).require_backfill()
        await leader.check()
        # A group that nobody of the bridge is in cannot be read.
        await database.execute("UPDATE room SET backfill_requested_at = now() - interval '10 minutes'")
        await leader.check()
        await database.execute("UPDATE room SET bot_joined = true")
        await database.execute("UPDATE room SET backfill_requested_at = now() - interval '10 minutes'")
        with pytest.raises(StoreError, match=r"rooms have waited for their backfill for 60\d s"):
            await leader.check()
        (room,) = await Histories(database).due(1, 1)
        await Histories(database).pass_over(room)
        await leader.check()
        await database.execute("UPDATE kv SET value = to_jsonb(value::float - 31) WHERE key = 'leader_beat'")
        with pytest.raises(StoreError, match="no process leads"):
            await leader.check()
