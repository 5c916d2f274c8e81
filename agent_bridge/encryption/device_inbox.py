"""The messages to the devices of the bridge's users. Anybody may send any number of them, in any form."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from agent_bridge.core.errors import HomeserverError, StoreError
from agent_bridge.core.keys import KeyNewsKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.encryption.machine import Machine
    from agent_bridge.encryption.operations import Operations
    from agent_bridge.encryption.room_keys import RoomKeys

#: Seconds between two new sessions with a device whose messages cannot be decrypted, and devices that are remembered.
_REPAIR, _REMEMBERED = 3600.0, 1000
#: Seconds for which the messages to one user are processed before others have their turn, and messages of one sender
#: before those of another.
_SLICE, _IN_TURN = 2.0, 10
_log = structlog.stdlib.get_logger(__name__)


class DeviceInbox:
    """Processes the messages in the table ``inbox``, those of each sender in their order.

    A sender of many messages delays those of others by a few.
    """

    def __init__(self, operations: Operations, rooms: RoomKeys) -> None:
        self._operations = operations
        self._rooms = rooms
        #: When a session with a device was begun anew, by user and identity key.
        self._repaired: dict[tuple[str, str], float] = {}

    async def receive(self, user_id: str) -> bool:
        """Process messages to the device of a user for a short time; tell whether there are more."""
        until = time.monotonic() + _SLICE
        unusable = _Unusable()
        query = """
            SELECT id FROM (
                SELECT id, row_number() OVER (PARTITION BY sender ORDER BY id) AS place FROM inbox
                WHERE user_id = $1 AND kind = $2
            ) AS each WHERE place <= $3 ORDER BY place, id
        """
        while rows := await self._operations.database.fetch(query, user_id, str(KeyNewsKind.TO_DEVICE), _IN_TURN):
            for row in rows:
                await self._process(user_id, row["id"], unusable)
                if time.monotonic() > until:
                    unusable.log(user_id)
                    return True
        unusable.log(user_id)
        return False

    async def receive_from(self, user_id: str, sender: str) -> set[str]:
        """Process the messages of *sender* to the device of a user; return the sessions whose keys came."""
        query = "SELECT id FROM inbox WHERE user_id = $1 AND kind = $2 AND sender = $3 ORDER BY id"
        came: set[str] = set()
        unusable = _Unusable()
        for row in await self._operations.database.fetch(query, user_id, str(KeyNewsKind.TO_DEVICE), sender):
            came |= await self._process(user_id, row["id"], unusable)
        unusable.log(user_id)
        return came

    async def _process(self, user_id: str, row_id: int, unusable: _Unusable) -> set[str]:
        """Process a message in one transaction, unless another process did; return the sessions whose keys came."""
        async with self._operations.keys_of(user_id) as connection:
            content = await connection.fetchval("DELETE FROM inbox WHERE id = $1 RETURNING content", row_id)
            if content is None:
                return set()
            device_id = await connection.fetchval("SELECT device_id FROM device WHERE user_id = $1", user_id)
            machine = await self._operations.machine(user_id, device_id)
            message = json.loads(content)
            query = "INSERT INTO seen_message (user_id, digest) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true"
            is_new = await connection.fetchval(query, user_id, _digest(message))
            try:
                async with connection.wrapped.transaction():
                    if is_new:
                        await machine.take(message)
            except Exception as error:
                if _is_ours(error):
                    raise
                # A stranger may have sent it: it can have any form.
                unusable.add(error)
                machine.received.clear()
        await self._repair(user_id, machine)
        return machine.received

    async def _repair(self, user_id: str, machine: Machine) -> None:
        """Begin new sessions with the devices whose messages cannot be decrypted."""
        for other, identity_key in machine.wedged:
            now = time.monotonic()
            if now - self._repaired.get((user_id, identity_key), -_REPAIR) < _REPAIR:
                continue
            if len(self._repaired) >= _REMEMBERED:
                # A stranger can name any number of devices.
                del self._repaired[next(iter(self._repaired))]
            self._repaired[user_id, identity_key] = now
            try:
                await self._rooms.repair(user_id, other, identity_key)
            except HomeserverError as error:
                _log.info("a session with a device is not repaired", user=user_id, other=other, error=str(error))


class _Unusable:
    """The messages of one look that cannot be used: the log has one line about them."""

    def __init__(self) -> None:
        self._number = 0
        self._error = ""

    def add(self, error: Exception) -> None:
        self._number += 1
        self._error = f"{type(error).__name__}: {error}"

    def log(self, user_id: str) -> None:
        if self._number:
            _log.info("messages to a device cannot be used", user=user_id, number=self._number, last=self._error)


def _is_ours(error: Exception) -> bool:
    """Tell whether *error* is one of the database, and not of the values that another wrote."""
    if isinstance(error, asyncpg.DataError | asyncpg.IntegrityConstraintViolationError | ValueError):
        return False
    return isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError | StoreError)


def _digest(message: Mapping[str, Any]) -> bytes:
    """Return the hash of a message to a device."""
    parts = [message.get(key) for key in ("type", "sender", "to_device_id", "content")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()
