"""The tables as SQLAlchemy metadata: the sum of the migrations, by subject. Statements do not use it.

The migrations also create things that SQLAlchemy does not describe. The view ``advisory_lock`` (pid, kind, key)
has the locks of :mod:`agent_bridge.store.postgres.locks` that sessions hold. The function ``append_step(steps, step)``
returns ``turn.steps`` with one more step, at the present time, unless it has a hundred steps. Two triggers send the
topic *answers* when a turn ends, or is deleted, whose end a program waits for (``turn.awaited``).
"""

from __future__ import annotations

from agent_bridge.store.postgres.schema import (
    admin,
    agent_events,
    agents,
    chains,
    clients,
    contexts,
    encryption,
    feed,
    kv,
    models,
    notifications,
    operations,
    reloads,
    roles,
    rooms,
    schedules,
    servers,
    tasks,
    threads,
    tokens,
    triggers,
    turns,
    usage,
    votes,
)
from agent_bridge.store.postgres.schema.base import metadata

__all__ = [
    "admin",
    "agent_events",
    "agents",
    "chains",
    "clients",
    "contexts",
    "encryption",
    "feed",
    "kv",
    "metadata",
    "models",
    "notifications",
    "operations",
    "reloads",
    "roles",
    "rooms",
    "schedules",
    "servers",
    "tasks",
    "threads",
    "tokens",
    "triggers",
    "turns",
    "usage",
    "votes",
]
