"""Claims of tasks by many at once."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.collaboration.tasks import TaskService
from agent_bridge.core.actors import Actor
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import KindName
from agent_bridge.core.tasks import NewTask, Task
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.migrate import migrate
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.tasks import Tasks
from benchmarks.figure import Figure, median, percentile

if TYPE_CHECKING:
    from benchmarks.ground import Ground

_TASKS, _CLAIMERS, _POOLS = 500, 20, 2
_ROOM = "!claims:bench.local"


async def claims(ground: Ground) -> list[Figure]:
    """Measure ``claims_per_second``."""
    namespace, url = ground.config("rename").namespace, ground.database("claims")
    await asyncio.to_thread(migrate, url)
    roles = Roles.fixed({"*": Role.MEMBER}, namespace)
    no_events: Any = None
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Database(url, pool_size=_CLAIMERS)) for _ in range(_POOLS)]
        services = [
            TaskService(Tasks(each), Notifications(each), no_events, roles, namespace, claim_timeout=900)
            for each in databases
        ]
        await Rooms(databases[0]).enter(_ROOM, KindName.GROUP, "$seen")
        async with databases[0].transaction() as connection:
            numbers = [
                await Tasks(databases[0]).add(connection, NewTask(f"key {place}", _ROOM, "A task", "@a:bench.local"))
                for place in range(_TASKS)
            ]
        took: list[float] = []
        won = dict.fromkeys(numbers, 0)

        async def claim(claimer: int) -> None:
            database, service = databases[claimer % _POOLS], services[claimer % _POOLS]
            actor = Actor(f"@claimer{claimer}:bench.local")
            for number in numbers:
                started = time.monotonic()
                async with database.transaction() as connection:
                    result = await service.claim(connection, actor, number)
                took.append(time.monotonic() - started)
                won[number] += isinstance(result, Task)

        begun = time.monotonic()
        await asyncio.gather(*(claim(claimer) for claimer in range(_CLAIMERS)))
        seconds = time.monotonic() - begun
    return [
        Figure(
            "claims_per_second",
            len(took) / seconds,
            f"{_CLAIMERS} claimers try to claim each of {_TASKS} tasks at the same time, through {_POOLS} pools of "
            "connections, as two processes have them. Each claim is a transaction that locks the task. Every task has "
            "to have exactly one winner.",
            parts={
                "claims": len(took),
                "tasks without exactly one winner": sum(each != 1 for each in won.values()),
                "p50 ms": median(took) * 1000,
                "p95 ms": percentile(took, 95) * 1000,
            },
        )
    ]
