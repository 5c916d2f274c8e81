"""The faults of a run: the seed draws them from a deck, and each one hits the running system and ends."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, LiteralString

from crash.database import Embedded, External, connect, execute
from support.full_disk import FILL_PAGES, FREE_DISK

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Coroutine
    from typing import Any

    from agent_bridge.demo.synapse import Synapse
    from crash.replica import Replica
    from support.severable_proxy import Line, Piece

    Happen = Callable[["Ground"], Coroutine[Any, Any, None]]
    Choice = Callable[["Ground"], Line]

#: Seconds of each fault, at least and at most.
_UNTIL_SECOND_KILL = (0.05, 1.5)
_FROZEN, _LEADER_FROZEN, _OTHER_FROZEN, _SYNAPSE_FROZEN = (2.0, 8.0), (16.0, 20.0), (26.0, 30.0), (3.0, 14.0)
#: A slow process: for how long, and the lengths of its pauses and of the time between two of them.
_SLOW, _PAUSED, _GOING = (4.0, 10.0), (0.1, 0.8), (0.02, 0.1)
_AWAY, _SILENT, _FULL, _SPOILT, _UNWINDING = (0.1, 3.0), (3.0, 9.0), (0.5, 3.0), (0.5, 1.5), (0.05, 1.0)
#: Seconds within which the bridge, or its next process, has started its database again.
_BACK_WITHIN = 40.0

_END_ALL: LiteralString = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_CHILDREN: LiteralString = """
    SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'
    OR datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_LOSE_LOCKS: LiteralString = """
    SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class Ground:
    """The system that the faults hit, and the chance that chooses the victim and the length."""

    random: random.Random
    replicas: list[Replica]
    synapse: Synapse
    database: External | Embedded
    #: From the bridges to the homeserver, and from the homeserver to the bridges.
    to_synapse: Line
    to_bridge: Line
    #: What the system did not do by itself, and the run did instead.
    by_hand: list[str] = field(default_factory=list)

    def one(self) -> Replica:
        """Return any replica."""
        return self.random.choice(self.replicas)

    def leader(self) -> Replica:
        """Return the replica that leads, as its log tells."""
        return max(self.replicas, key=lambda replica: replica.led_at)

    async def wait(self, seconds: tuple[float, float]) -> None:
        """Let some time pass."""
        await asyncio.sleep(self.random.uniform(*seconds))


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault. *happen* returns when it is over; then every process runs that is to run."""

    name: str
    happen: Happen
    #: Whether it takes a few seconds at most.
    quick: bool = True
    #: The database that it needs; None: any.
    database: type[External | Embedded] | None = None
    #: Number of processes that it needs.
    processes: int = 1
    #: Whether it is one of the homeserver itself.
    synapse: bool = False


async def _kill(ground: Ground) -> None:
    replica = ground.one()
    await replica.kill()
    await replica.start()


async def _kill_twice(ground: Ground) -> None:
    replica = ground.one()
    await replica.kill()
    await replica.launch()
    await ground.wait(_UNTIL_SECOND_KILL)
    await replica.kill()
    await replica.start()


async def _stop(ground: Ground) -> None:
    replica = ground.one()
    await replica.stop()
    await replica.start()


async def _freeze(ground: Ground) -> None:
    await _freeze_one(ground, ground.one(), _FROZEN)


async def _freeze_leader(ground: Ground) -> None:
    await _freeze_one(ground, ground.leader(), _LEADER_FROZEN)


async def _freeze_other(ground: Ground) -> None:
    """Stop a process that does not lead for longer than the leader leaves it its lanes."""
    leader = ground.leader()
    other = ground.random.choice([replica for replica in ground.replicas if replica is not leader])
    await _freeze_one(ground, other, _OTHER_FROZEN)


async def _slow_down(ground: Ground) -> None:
    """Stop a process again and again for a moment, as on a machine with too much to do."""
    replica = ground.one()
    end = asyncio.get_running_loop().time() + ground.random.uniform(*_SLOW)
    while asyncio.get_running_loop().time() < end:
        await _freeze_one(ground, replica, _PAUSED)
        await ground.wait(_GOING)


async def _freeze_one(ground: Ground, replica: Replica, seconds: tuple[float, float]) -> None:
    replica.freeze()
    try:
        await ground.wait(seconds)
    finally:
        replica.thaw()


async def _freeze_without_sessions(ground: Ground) -> None:
    """Stop a process while its database sessions end, as those of a paused machine do."""
    number = ground.random.randrange(len(ground.replicas))
    replica = ground.replicas[number]
    replica.freeze()
    try:
        if isinstance(ground.database, External):
            ground.database.lines[number].reset()
        await ground.wait(_FROZEN)
    finally:
        replica.thaw()


async def _kill_synapse(ground: Ground) -> None:
    await ground.synapse.kill()
    await ground.synapse.start()


async def _restart_synapse(ground: Ground) -> None:
    await ground.synapse.restart()


async def _freeze_synapse(ground: Ground) -> None:
    pid = ground.synapse.pid
    if pid is None:
        raise LookupError("Synapse does not run")
    os.kill(pid, signal.SIGSTOP)
    try:
        await ground.wait(_SYNAPSE_FROZEN)
    finally:
        os.kill(pid, signal.SIGCONT)


async def _kill_both(ground: Ground) -> None:
    replica = ground.one()
    await asyncio.gather(replica.kill(), ground.synapse.kill())
    await ground.synapse.start()
    await replica.start()


async def _end_sessions(ground: Ground) -> None:
    await execute(ground.database.uri, _END_ALL)


async def _lose_locks_twice(ground: Ground) -> None:
    await execute(ground.database.uri, _LOSE_LOCKS)
    await ground.wait(_UNWINDING)
    await execute(ground.database.uri, _LOSE_LOCKS)


async def _fill_disk(ground: Ground) -> None:
    await execute(ground.database.uri, FILL_PAGES)
    try:
        await ground.wait(_FULL)
    finally:
        await execute(ground.database.uri, FREE_DISK)


async def _crash_database(ground: Ground) -> None:
    if isinstance(ground.database, External):
        await ground.database.crash()
        await ground.wait(_AWAY)
        await ground.database.start()


def _to_postmaster(number: signal.Signals) -> Happen:
    async def happen(ground: Ground) -> None:
        """Send a signal to the embedded server, and return when the bridge has started it again."""
        database = ground.database
        if not isinstance(database, Embedded):
            return
        ended = database.signal_postmaster(number)
        if not await database.is_up(_BACK_WITHIN, after=ended):
            ground.by_hand.append(
                f"the embedded database was not started again within {_BACK_WITHIN:g} s after {number.name}"
            )
            replica = ground.one()
            await replica.stop()
            # A server that hangs in its start or its end is in the way of the next one.
            database.signal_postmaster(signal.SIGKILL)
            await replica.start()

    return happen


async def _kill_child_of_postmaster(ground: Ground) -> None:
    """Kill a process of the server, which recovers then, and the bridge, also during the start that follows."""
    async with await connect(ground.database.uri) as admin:
        pids = [pid for (pid,) in await (await admin.execute(_CHILDREN)).fetchall()]
    os.kill(ground.random.choice(pids), signal.SIGKILL)
    await _kill_twice(ground)


async def _silence_database(ground: Ground) -> None:
    if isinstance(ground.database, External):
        for line in ground.database.lines:
            line.silence()
        await ground.wait(_SILENT)


async def _lose_commit(ground: Ground) -> None:
    """Let the database carry out commits whose answers do not arrive."""
    if not isinstance(ground.database, External):
        return
    committing: set[tuple[int, int]] = set()
    lines = ground.database.lines

    def lose(number: int, piece: Piece) -> bytes | None:
        if piece.to_target and b"COMMIT" in piece.data:
            committing.add((number, piece.connection))
        return None if piece.to_target or (number, piece.connection) not in committing else b""

    for number, line in enumerate(lines):
        line.spoils = lambda piece, number=number: lose(number, piece)  # type: ignore[misc]
    try:
        await ground.wait(_SPOILT)
    finally:
        for line in lines:
            line.spoils = _nothing


def _nothing(_piece: Piece) -> bytes | None:
    return None


def half_sent(piece: Piece) -> bytes | None:
    """Lose the second half of what is sent to the target."""
    return piece.data[: len(piece.data) // 2] if piece.to_target else None


def unanswered(piece: Piece) -> bytes | None:
    """Lose what the target responds."""
    return None if piece.to_target else b""


def _spoil(choose: Choice, spoils: Callable[[Piece], bytes | None]) -> Happen:
    async def happen(ground: Ground) -> None:
        line = choose(ground)
        line.spoils = spoils
        try:
            await ground.wait(_SPOILT)
        finally:
            line.spoils = _nothing

    return happen


def _refuse(choose: Choice) -> Happen:
    async def happen(ground: Ground) -> None:
        line = choose(ground)
        await line.cut()
        try:
            await ground.wait(_SPOILT)
        finally:
            await line.mend()

    return happen


def _reset(choose: Choice) -> Happen:
    async def happen(ground: Ground) -> None:
        choose(ground).reset()

    return happen


def _silence(choose: Choice, *, reset: bool) -> Happen:
    """Let connections swallow everything; *reset*: they end at last, as a restarted firewall has them end."""

    async def happen(ground: Ground) -> None:
        line = choose(ground)
        line.silence()
        await ground.wait(_SILENT)
        if reset:
            line.reset()

    return happen


def _on_the_way(direction: str, choose: Choice) -> tuple[Fault, ...]:
    return (
        Fault(f"{direction}: half-sent", _spoil(choose, half_sent)),
        Fault(f"{direction}: carried out, not answered", _spoil(choose, unanswered)),
        Fault(f"{direction}: refused", _refuse(choose)),
        Fault(f"{direction}: reset", _reset(choose)),
    )


KILL = Fault("SIGKILL", _kill)
KILL_BOTH = Fault("SIGKILL, with the homeserver", _kill_both, synapse=True)
FAULTS = (
    KILL,
    KILL_BOTH,
    Fault("SIGKILL twice", _kill_twice),
    Fault("SIGTERM", _stop),
    Fault("SIGSTOP", _freeze, quick=False),
    Fault("SIGSTOP of the leader", _freeze_leader, quick=False, processes=2),
    Fault("SIGSTOP of another process", _freeze_other, quick=False, processes=2),
    Fault("SIGSTOP by turns", _slow_down, quick=False),
    Fault("SIGSTOP, sessions ended", _freeze_without_sessions, quick=False, database=External),
    Fault("homeserver: SIGKILL", _kill_synapse, synapse=True),
    Fault("homeserver: SIGTERM", _restart_synapse, synapse=True),
    Fault("homeserver: SIGSTOP", _freeze_synapse, quick=False, synapse=True),
    Fault("database: sessions ended", _end_sessions),
    Fault("database: locks lost twice", _lose_locks_twice),
    Fault("database: disk full", _fill_disk),
    Fault("database: immediate stop", _crash_database, database=External),
    Fault("database: silent", _silence_database, quick=False, database=External),
    Fault("database: commit not answered", _lose_commit, database=External),
    Fault("database: a process of the server killed", _kill_child_of_postmaster, quick=False),
    *(
        Fault(f"database: {number.name} of the postmaster", _to_postmaster(number), quick=False, database=Embedded)
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP)
    ),
    *_on_the_way("to the homeserver", lambda ground: ground.to_synapse),
    *_on_the_way("to the bridge", lambda ground: ground.to_bridge),
    Fault("to the homeserver: silent", _silence(lambda ground: ground.to_synapse, reset=False), quick=False),
    # Synapse waits for a minute on a silent connection, and the bridge cannot shorten that.
    Fault("to the bridge: silent", _silence(lambda ground: ground.to_bridge, reset=True), quick=False),
)


def deck(*, database: type, processes: int, synapse: bool, quick: bool) -> tuple[Fault, ...]:
    """Return the kinds of faults that a run can have; *quick*: only those that take little time."""
    return tuple(
        fault
        for fault in FAULTS
        if (fault.database is None or fault.database is database)
        and fault.processes <= processes
        and (synapse or not fault.synapse)
        and (fault.quick or not quick)
    )
