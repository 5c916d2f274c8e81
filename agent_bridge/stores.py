"""The stores of a process: one database, its tables, and the connections to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.lanes import JOB_CONNECTIONS, Lanes
from agent_bridge.core.observer import UNOBSERVED
from agent_bridge.store.agents import Agents
from agent_bridge.store.approvals import Approvals
from agent_bridge.store.chats import Chats
from agent_bridge.store.direct_chats import DirectChatStore
from agent_bridge.store.edits import Edits
from agent_bridge.store.history import Histories
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.leadership import Leadership
from agent_bridge.store.postgres import migrate
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.embedded import database_uri
from agent_bridge.store.postgres.locks import Locks
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.queue import Queue
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from agent_bridge.config.model import DatabaseConfig
    from agent_bridge.core.observer import Observer


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The database and its tables."""

    database: Database
    #: The connections of the queue.
    jobs: Database
    signals: Signals
    locks: Locks
    agents: Agents
    chats: Chats
    direct_chats: DirectChatStore
    rooms: Rooms
    turns: Turns
    edits: Edits
    histories: Histories
    turn_admin: TurnAdmin
    approvals: Approvals
    kv: KeyValues
    leadership: Leadership
    queue: Queue
    lanes: Lanes


async def open_stores(
    config: DatabaseConfig, pool_timeout: float, stack: AsyncExitStack, observer: Observer = UNOBSERVED
) -> Stores:
    """Start the embedded database or use the configured one, bring its schema up to date, and open all stores.

    A statement waits *pool_timeout* seconds for a connection. *stack* closes everything. *observer* hears of turns.

    Raises:
        StoreError: the database does not start or cannot be reached, or its schema does not fit.
    """
    uri = await stack.enter_async_context(database_uri(config))
    signals = Signals()
    # The session connects while another thread checks the schema.
    session = await stack.enter_async_context(Session(uri, signals))
    await asyncio.to_thread(migrate.migrate if config.migrate else migrate.check, uri)
    database = await stack.enter_async_context(Database(uri, pool_size=config.pool_size, pool_timeout=pool_timeout))
    jobs = await stack.enter_async_context(
        Database(uri, pool_size=JOB_CONNECTIONS, pool_timeout=pool_timeout, synchronous_commit=False)
    )
    session.on_lost += [database.distrust, jobs.distrust]
    queue = Queue(database)
    return Stores(
        database=database,
        jobs=jobs,
        signals=signals,
        locks=await stack.enter_async_context(Locks(session)),
        agents=Agents(database),
        chats=Chats(database),
        direct_chats=DirectChatStore(database),
        rooms=Rooms(database),
        turns=Turns(database, observer),
        edits=Edits(database),
        histories=Histories(database),
        turn_admin=TurnAdmin(database),
        approvals=Approvals(database),
        kv=KeyValues(database),
        leadership=Leadership(database),
        queue=queue,
        lanes=await stack.enter_async_context(Lanes(jobs, queue, signals)),
    )
