"""The errors of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.errors.base import BridgeError

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts


class StoreError(BridgeError):
    """The database cannot be used."""

    def says(self, texts: Texts, /) -> str:
        """Return the same cause for all database errors: only the log has the message of the database."""
        return texts.database_failed


class StoreRefused(StoreError):
    """The database refused the statement; a repeat has the same result."""


class RowUnreadable(StoreError):
    """A row has a value that this program cannot read; the log names it."""


class TurnLost(StoreError):
    """Another worker has claimed the turn; this worker's writes are rejected."""


class LockLost(StoreError):
    """The connection that held the lock was lost: another process may hold the lock now."""


class DatabaseUnsuitable(StoreError):
    """The server is too old for the bridge, or an encoding is not UTF8. The remedy follows the first colon."""


class SchemaTooNew(StoreError):
    """The database was migrated by a newer program than this one."""


class SchemaTooOld(StoreError):
    """The database lacks migrations that this program needs."""
