"""Operations on the keys of the bridge's users: each is one transaction of the database, without a request inside.

A transaction-level advisory lock lets one process at a time use the keys of a user. The ratchets, the sessions and the
messages to devices are committed together, before anything is sent that was encrypted with them: a killed process
repeats the sending, and never uses a key twice.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from mautrix.crypto.store.asyncpg import PgCryptoStore

from agent_bridge.core.errors import HomeserverError
from agent_bridge.encryption.device_client import DeviceClient
from agent_bridge.encryption.machine import Machine
from agent_bridge.encryption.tables import LOCK, KeyDatabase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mautrix.util.async_db.connection import LoggingConnection

    from agent_bridge.encryption.secret import Secrets
    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)


class Operations:
    """Begins operations, and sends the messages to devices that they have committed."""

    def __init__(self, uri: str, homeserver: Homeserver, secrets: Secrets) -> None:
        self.database = KeyDatabase(uri)
        self.homeserver = homeserver
        self.secrets = secrets
        #: One operation of a user at a time takes a connection: the others would only wait with theirs.
        self._locks: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def keys_of(self, user_id: str) -> AsyncIterator[LoggingConnection]:
        """Give the connection of one transaction in which only this task, of all processes, uses the user's keys."""
        async with self._locks.setdefault(user_id, asyncio.Lock()), self.database.in_transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", LOCK, user_id)
            yield connection

    def store(self, user_id: str) -> PgCryptoStore:
        """Return the store of a user's keys."""
        return PgCryptoStore(user_id, self.secrets.pickle, self.database)

    async def machine(self, user_id: str, device_id: str) -> Machine:
        """Return the machine of a device, as it is stored; the account is made if there is none."""
        machine = Machine(DeviceClient(self.homeserver, user_id, device_id), self.store(user_id))
        await machine.load()
        return machine

    @staticmethod
    async def add_messages(machine: Machine, connection: LoggingConnection) -> None:
        """Store the messages to devices that *machine* has collected, with its state."""
        query = "INSERT INTO device_message (user_id, type, content) VALUES ($1, $2, $3)"
        for kind, content in machine.client.messages:
            await connection.execute(query, machine.client.mxid, kind, json.dumps(content))

    async def send_messages(self, user_id: str) -> None:
        """Send the messages of a user to devices that are committed; a repeat has the same transaction ids."""
        query = "SELECT id, txn_id, type, content FROM device_message WHERE user_id = $1 ORDER BY id"
        for row in await self.database.fetch(query, user_id):
            content = json.loads(row["content"])
            await self.homeserver.send_to_devices(user_id, row["type"], f"ab.{row['txn_id']}", content)
            await self.database.execute("DELETE FROM device_message WHERE id = $1", row["id"])

    async def send_all_messages(self) -> None:
        """Send the messages that killed processes have left, except those of users for whom the homeserver fails.

        They are sent before the next message of the user.
        """
        for row in await self.database.fetch("SELECT DISTINCT user_id FROM device_message"):
            try:
                await self.send_messages(row["user_id"])
            except HomeserverError as error:
                if error.errcode is None:
                    # It is away.
                    raise
                _log.warning("messages to devices are not sent", user=row["user_id"], error=str(error))
