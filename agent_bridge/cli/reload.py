"""``agent-bridge reload``: has all processes of the bridge read their configuration again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.reloader import answers_to
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.markdown.unmarked import to_unmarked
from agent_bridge.render.reloads import render_reload
from agent_bridge.store.postgres import migrate
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.embedded import database_uri
from agent_bridge.store.reloads import ReloadStore

if TYPE_CHECKING:
    from agent_bridge.config.model import Config


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """The result of the command."""

    text: str
    #: Whether all processes have applied their files.
    is_applied: bool


async def reload(config: Config) -> ReloadResult:
    """Ask the processes on the database of *config*, and return their answers.

    Raises:
        StoreError: the database cannot be used, or its schema is of another version.
    """
    async with database_uri(config.database) as uri:
        await asyncio.to_thread(migrate.check, uri)
        async with Database(uri) as database:
            store = ReloadStore(database)
            report = await answers_to(store, await store.request())
    return ReloadResult(to_unmarked(render_reload(report, ENGLISH)), report.is_applied)
