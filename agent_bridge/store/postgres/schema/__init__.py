"""The tables as SQLAlchemy metadata: the sum of the migrations, by subject. Statements do not use it.

The migrations also create two things that SQLAlchemy does not describe. The view ``advisory_lock`` (pid, kind, key)
has the locks of :mod:`agent_bridge.store.postgres.locks` that sessions hold. The function ``append_step(steps, step)``
returns ``turn.steps`` with one more step, at the present time, unless it has a hundred steps.
"""

from __future__ import annotations

from agent_bridge.store.postgres.schema import (
    agents,
    chains,
    contexts,
    kv,
    operations,
    reloads,
    roles,
    rooms,
    servers,
    threads,
    triggers,
    turns,
    usage,
)
from agent_bridge.store.postgres.schema.base import metadata

__all__ = [
    "agents",
    "chains",
    "contexts",
    "kv",
    "metadata",
    "operations",
    "reloads",
    "roles",
    "rooms",
    "servers",
    "threads",
    "triggers",
    "turns",
    "usage",
]
