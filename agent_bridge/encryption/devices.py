"""The devices of the bridge's users: each has one, with keys that its user has signed."""

from __future__ import annotations

import asyncio
import json
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from mautrix.types import UserID

from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable
from agent_bridge.core.keys import KeyNewsKind
from agent_bridge.encryption.device_client import DeviceClient
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.events import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mautrix.crypto.cross_signing_key import CrossSigningPrivateKeys

    from agent_bridge.encryption.machine import Machine
    from agent_bridge.encryption.olm import PkSigning
    from agent_bridge.encryption.operations import Operations

_log = structlog.stdlib.get_logger(__name__)

#: One-time keys of a device, below which others are uploaded.
_FEW = 25
_ATTEMPTS = 5
#: Cross-signing keys of a user that may follow each other.
_IDENTITIES = 8
#: Pages of messages, 100 each, that are fetched at once, and devices.
_PAGES, _AT_ONCE = 20, 20
#: Devices that get keys at the same time.
_TOGETHER = 8
#: The tables with rows that a lost device leaves. Sessions that it received still open earlier messages.
_OF_DEVICE = (
    ("device", "user_id"),
    ("device_message", "user_id"),
    ("room_session", "user_id"),
    ("seen_message", "user_id"),
    ("crypto_account", "account_id"),
    ("crypto_olm_session", "account_id"),
    ("crypto_megolm_outbound_session", "account_id"),
)


class Devices:
    """Makes the devices, and keeps enough keys of them on the homeserver."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        #: The users whose devices are known to be ready.
        self._ready: dict[str, str] = {}
        #: The users for whose devices the homeserver failed.
        self._behind: set[str] = set()

    async def ensure(self, user_id: str) -> str:
        """Give a user of the bridge a device, unless it has one; return its id. A repeat goes on.

        The devices of a lost database are deleted: the new one is signed with the same keys, so that people are not
        warned.
        """
        if user_id in self._ready:
            return self._ready[user_id]
        database, homeserver = self._operations.database, self._operations.homeserver
        query = """
            INSERT INTO device (user_id, device_id) VALUES ($1, $2)
            ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id RETURNING device_id, is_signed
        """
        (row,) = await database.fetch(query, user_id, f"AB{secrets.token_hex(5).upper()}")
        device_id, is_signed = str(row["device_id"]), row["is_signed"]
        if not is_signed:
            await homeserver.make_device(user_id, device_id)
            identity_key = await self._publish(user_id, device_id)
            for other in await homeserver.devices(user_id):
                if other != device_id:
                    await homeserver.delete_device(user_id, other)
            query = "UPDATE device SET is_signed = true, identity_key = $3 WHERE user_id = $1 AND device_id = $2"
            await database.execute(query, user_id, device_id, identity_key)
            _log.info("a user of the bridge has a device for encrypted rooms", user=user_id)
        self._ready[user_id] = device_id
        return device_id

    async def refill(self, user_id: str, *, renews_fallback: bool = False) -> None:
        """Upload keys of a user's device if the homeserver has few; make it anew if the homeserver has lost it."""
        device_id = await self.ensure(user_id)
        try:
            answer = await DeviceClient(self._operations.homeserver, user_id, device_id).upload({})
        except HomeserverRefused:
            if device_id in await self._operations.homeserver.devices(user_id):
                raise
            _log.warning("the homeserver has lost the device of a user of the bridge", user=user_id)
            await self._forget(user_id)
            await self.ensure(user_id)
            return
        counts = answer.get("one_time_key_counts")
        count = counts.get("signed_curve25519", 0) if isinstance(counts, dict) else 0
        if renews_fallback or not isinstance(count, int) or count < _FEW:
            await self._upload(user_id, device_id, count, renews_fallback=renews_fallback)

    async def fetch(self, user_id: str) -> None:
        """Take the messages to a user's device that no transaction had: the homeserver drops those it cannot deliver.

        They are on the homeserver still, with the others, until a device asks for those behind them.
        """
        device_id = await self.ensure(user_id)
        database = self._operations.database
        if user_id == self._operations.homeserver.namespace.bot:
            # Synapse refuses /sync to the user of an application service itself.
            query = "UPDATE device SET fetched_at = now() WHERE user_id = $1"
            await database.execute(query, user_id)
            await self._forget_seen(user_id)
            return
        since = await database.fetchval("SELECT sync_token FROM device WHERE user_id = $1", user_id)
        machine = await self._operations.machine(user_id, device_id)
        for _ in range(_PAGES):
            messages, token = await machine.client.fetch(since)
            async with database.in_transaction() as connection:
                query = "INSERT INTO inbox (user_id, kind, content, sender) VALUES ($1, $2, $3, $4)"
                for message in messages:
                    content = json.dumps(message | {"to_user_id": user_id, "to_device_id": device_id})
                    sender = clean(str(message.get("sender", "")))
                    await connection.execute(query, user_id, str(KeyNewsKind.TO_DEVICE), content, sender)
                query = """
                    UPDATE device SET sync_token = $3, fetched_at = now()
                    WHERE user_id = $1 AND device_id = $2 AND sync_token IS NOT DISTINCT FROM $4
                """
                await connection.execute(query, user_id, device_id, token, since)
            if not messages:
                break
            since = token
        await self._forget_seen(user_id)

    async def _forget_seen(self, user_id: str) -> None:
        """Forget the messages that the homeserver does not have any more."""
        query = "DELETE FROM seen_message WHERE user_id = $1 AND seen_at < now() - interval '1 day'"
        await self._operations.database.execute(query, user_id)

    async def fetch_old(self) -> None:
        """Take the messages of some of the devices for which that is long ago."""
        query = """
            SELECT user_id FROM device WHERE is_signed AND coalesce(fetched_at < now() - interval '1 day', true)
            ORDER BY fetched_at NULLS FIRST LIMIT $1
        """
        for row in await self._operations.database.fetch(query, _AT_ONCE):
            await self.fetch(str(row["user_id"]))

    async def refill_all(self) -> None:
        """Upload keys for the devices that have few: the homeserver tells nobody of it who is away.

        A device for which the homeserver fails is left to :meth:`refill_behind`, and holds none of the others.
        """
        query = "SELECT user_id, device_id FROM device WHERE is_signed ORDER BY user_id"
        devices = {row["user_id"]: row["device_id"] for row in await self._operations.database.fetch(query)}
        self._ready |= devices
        await self._refill_some(devices)

    async def refill_behind(self) -> None:
        """Upload keys for the devices for which the homeserver failed."""
        await self._refill_some(sorted(self._behind))

    async def _refill_some(self, users: Iterable[str]) -> None:
        """Upload keys for the devices of *users*, for some of them at the same time."""
        waiting = iter(users)

        async def worker() -> None:
            for user_id in waiting:
                try:
                    await self.refill(user_id)
                except HomeserverUnavailable as error:
                    self._behind.add(user_id)
                    if error.errcode is None:
                        # It is away.
                        raise
                    _log.warning("a device gets new keys later", user=user_id, error=str(error))
                    continue
                except HomeserverRefused as error:
                    _log.warning("a device gets no new keys", user=user_id, error=str(error))
                self._behind.discard(user_id)

        for result in await asyncio.gather(*(worker() for _ in range(_TOGETHER)), return_exceptions=True):
            if result is not None:
                raise result

    async def _publish(self, user_id: str, device_id: str) -> str:
        """Publish the cross-signing keys of a user, and those of the device; return the identity key of the device.

        The keys of the device have the signature when people see them first: clients send a device without it no keys,
        and do not send them afterwards.
        """
        async with self._operations.keys_of(user_id):
            machine = await self._operations.machine(user_id, device_id)
            await machine.prepare_keys(0)
        signing = (await self._identity(user_id, machine)).self_signing_key
        await self._upload(user_id, device_id, 0, signing=signing)
        return str(machine.account.identity_key)

    async def _upload(
        self,
        user_id: str,
        device_id: str,
        count: int,
        *,
        renews_fallback: bool = False,
        signing: PkSigning | None = None,
    ) -> None:
        """Make the keys that the homeserver lacks, which has *count* one-time keys, and upload those not published.

        The first upload of a device needs the *signing* key of its user.
        """
        async with self._operations.keys_of(user_id):
            machine = await self._operations.machine(user_id, device_id)
            await machine.prepare_keys(count, renews_fallback=renews_fallback)
            content = machine.unpublished(signing)
        for _ in range(_ATTEMPTS):
            if not content:
                return
            try:
                await machine.client.upload(content)
            except HomeserverRefused:
                if "one_time_keys" not in content or "device_keys" in content:
                    raise
                # The homeserver has others of their names, as after the loss of the last changes of the database.
                async with self._operations.keys_of(user_id):
                    machine = await self._operations.machine(user_id, device_id)
                    await machine.published()
                    await machine.prepare_keys(count, renews_fallback="fallback_keys" in content)
                    content = machine.unpublished()
                continue
            async with self._operations.keys_of(user_id):
                machine = await self._operations.machine(user_id, device_id)
                now = machine.unpublished(signing)
                if now == content:
                    await machine.published()
                    return
                # Another process has made further ones.
                content = now
        raise HomeserverUnavailable(Text("homeserver_invalid"))

    async def _identity(self, user_id: str, machine: Machine) -> CrossSigningPrivateKeys:
        """Return the cross-signing keys of a user, after their publication: the same ones after each loss.

        Synapse (1.163) fails with 500 on keys that others have replaced, as after a change of the secret and back.
        """
        published = (await machine.client.query_keys([UserID(user_id)])).master_keys.get(UserID(user_id))
        every = [self._operations.secrets.seeds(user_id, number).to_keys() for number in range(_IDENTITIES)]
        for keys in every:
            if published is not None and published.first_ed25519_key == keys.public_keys.master_key:
                return keys
        for keys in every:
            try:
                await machine._publish_cross_signing_keys(keys)  # noqa: SLF001  # mautrix's public name makes others
            except HomeserverUnavailable as error:
                if error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
            else:
                return keys
        raise HomeserverUnavailable(Text("homeserver_invalid"))

    async def _forget(self, user_id: str) -> None:
        self._ready.pop(user_id, None)
        async with self._operations.keys_of(user_id) as connection:
            for table, column in _OF_DEVICE:
                await connection.execute(f"DELETE FROM {table} WHERE {column} = $1", user_id)  # noqa: S608  # of ours
