"""Keeps the roles, the mutes and the switches of features of this process equal to those of the database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, LOOK, every
from agent_bridge.core.feed import FeedSwitch
from agent_bridge.core.threads import ArchivedRooms
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.core.live import Live
    from agent_bridge.core.roles import Role, Roles
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.roles import RoleStore

_log = structlog.stdlib.get_logger(__name__)


class RoleRefresher:
    """A duty of every process. The leader also writes a book when its configuration has other permissions."""

    def __init__(
        self,
        store: RoleStore,
        roles: Roles,
        permissions: Live[dict[str, Role]],
        signals: Signals,
        feed: FeedSwitch | None = None,
        archived: ArchivedRooms | None = None,
    ) -> None:
        self._store = store
        self._feed = feed or FeedSwitch()
        self._archived = archived or ArchivedRooms()
        self._roles = roles
        self._permissions = permissions
        self._signals = signals
        #: Several parts refresh the roles: an older answer of the database must not come after a newer one.
        self._order = asyncio.Lock()
        #: Called when another book, or other mutes, count. They must not raise.
        self.on_change: list[Callable[[], None]] = []
        #: The permissions that were published last.
        self._published: Mapping[str, Role] | None = None

    async def run(self) -> None:
        """Refresh the roles after each change, until cancelled."""
        with self._signals.subscription(Topic.ROLES) as wake:
            await every(LOOK, self.refresh, name="roles", wake=wake)

    async def refresh(self) -> None:
        """Read the newest book and the mutes. Before there is a book, the configuration of this process counts.

        Raises:
            StoreError: the roles stay as they are.
        """
        async with self._order:
            await self._refresh()

    async def _refresh(self) -> None:
        before, muted = self._roles.book.version, self._roles.mutes
        found = await self._store.current()
        book = self._roles.book if found.book is None else found.book
        self._roles.replace(book, found.mutes, found.servers)
        self._feed.is_on = found.is_fed
        self._archived.rooms = found.archived
        if before and self._roles.book.version != before:
            _log.info("a newer book of roles counts", version=self._roles.book.version)
        if (self._roles.book.version, self._roles.mutes) != (before, muted):
            for changed in self.on_change:
                changed()

    async def publish(self) -> None:
        """Let the permissions of this process's configuration count, and read them. For the leader.

        Raises:
            StoreError: the roles stay as they are.
        """
        permissions = self._permissions.value
        await self._store.publish(permissions)
        self._published = permissions
        await self.refresh()

    async def follow(self) -> None:
        """Publish the permissions after each change of the configuration, until cancelled. For the leader."""
        with self._signals.subscription(Topic.CONFIGURATION) as wake:
            await every(FALLBACK, self._publish_changes, name="permissions", wake=wake)

    async def _publish_changes(self) -> None:
        if self._permissions.value is not self._published:
            await self.publish()
