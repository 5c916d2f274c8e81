"""The keys of the bridge's users."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from typing import TYPE_CHECKING, Any, Self

import structlog

from agent_bridge.core.errors import KeyMissing, Unreadable
from agent_bridge.core.keys import KeyNewsKind
from agent_bridge.encryption import olm
from agent_bridge.encryption.device_inbox import DeviceInbox
from agent_bridge.encryption.device_lists import DeviceLists
from agent_bridge.encryption.devices import Devices
from agent_bridge.encryption.operations import Operations
from agent_bridge.encryption.room_keys import ALGORITHM, RoomKeys
from agent_bridge.encryption.secret import Secrets
from agent_bridge.encryption.tables import make_tables, store_errors, storing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.matrix.client import Homeserver

#: Seconds for which a ciphertext is kept for repeats of its request.
_KEPT = 2 * 86400.0
#: Seconds for the end of all connections.
_CLOSING = 5.0
#: Sessions of one id that are tried: each user of the bridge may have one.
_READERS = 20
#: Types of events that are not in a ciphertext: the homeserver decides about them, and one has to be opened once.
_NEVER_ENCRYPTED = frozenset({"m.room.redaction", "m.room.encrypted", "m.room.encryption", "m.room.member"})
#: The id of a session.
_SESSION = re.compile(r"[A-Za-z0-9+/]{43}")
_log = structlog.stdlib.get_logger(__name__)


class Vault:
    """The keys of the users of the bridge. Use as async context manager.

    *secret* encrypts the keys in the database, and gives the cross-signing keys: with another one, people are warned of
    new keys. Every method raises :class:`StoreError`, and the homeserver's errors.
    """

    def __init__(self, uri: str, homeserver: Homeserver, secret: str) -> None:
        self._homeserver = homeserver
        self._operations = operations = Operations(uri, homeserver, Secrets.of(secret))
        self._database = operations.database
        self._devices = Devices(operations)
        self._lists = DeviceLists(operations)
        self._rooms = RoomKeys(operations, self._devices, self._lists)
        self._inbox = DeviceInbox(operations, self._rooms)
        #: Encrypted rooms: they stay so.
        self._encrypted: set[str] = set()

    async def __aenter__(self) -> Self:
        with store_errors():
            await self._database.start()
            try:
                await make_tables(self._database, self._operations.secrets.fingerprint)
                # They may be encrypted by now: nobody has listened.
                await self._database.execute("DELETE FROM encrypted_room WHERE NOT is_encrypted")
            except BaseException:
                await self._database.stop()
                raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(_CLOSING):
                await self._database.stop()
        except TimeoutError:
            # A silent server does not say goodbye.
            self._database.pool.terminate()

    @storing
    async def is_encrypted(self, room_id: str, user_id: str) -> bool:
        """Tell whether the messages of a room are encrypted; *user_id* is in it. Encryption cannot be turned off again.

        The homeserver is asked once about a room. Later the state events of rooms tell.
        """
        if room_id in self._encrypted:
            return True
        query = "SELECT is_encrypted FROM encrypted_room WHERE room_id = $1"
        known = await self._database.fetchval(query, room_id)
        if known is None:
            known = await self._homeserver.state(room_id, "m.room.encryption", as_user=user_id) is not None
            query = """
                INSERT INTO encrypted_room (room_id, is_encrypted) VALUES ($1, $2) ON CONFLICT (room_id)
                DO UPDATE SET is_encrypted = encrypted_room.is_encrypted OR excluded.is_encrypted RETURNING is_encrypted
            """
            known = await self._database.fetchval(query, room_id, known)
        if known:
            self._encrypted.add(room_id)
        return bool(known)

    @storing
    async def ensure_device(self, user_id: str) -> str:
        """See :meth:`agent_bridge.core.keys.Keys.ensure_device`."""
        return await self._devices.ensure(user_id)

    @storing
    async def recover(self) -> None:
        """See :meth:`agent_bridge.core.keys.Keys.recover`."""
        await self._operations.send_all_messages()
        # First those who may read: a device that gets no keys does not hold that.
        await self._lists.update_all(self._homeserver.namespace.bot)
        await self._devices.refill_all()

    @storing
    async def prune(self) -> None:
        """See :meth:`agent_bridge.core.keys.Keys.prune`."""
        await self._devices.refill_behind()
        await self._devices.fetch_old()
        query = "DELETE FROM ciphertext WHERE created_at < now() - make_interval(secs => $1)"
        await self._database.execute(query, _KEPT)

    @storing
    async def request_key(self, event: Mapping[str, Any], user_id: str) -> None:
        """See :meth:`agent_bridge.core.keys.Keys.request_key`."""
        device_id = await self._devices.ensure(user_id)
        content = event.get("content", {})
        request = {
            "action": "request",
            "body": {
                "algorithm": content.get("algorithm"),
                "room_id": event["room_id"],
                "sender_key": content.get("sender_key", ""),
                "session_id": content.get("session_id"),
            },
            "request_id": secrets.token_hex(8),
            "requesting_device_id": device_id,
        }
        messages = {str(event["sender"]): {"*": request}}
        await self._homeserver.send_to_devices(user_id, "m.room_key_request", f"ab.{request['request_id']}", messages)

    @storing
    async def encrypt(
        self, user_id: str, room_id: str, kind: str, content: Mapping[str, Any], txn_id: str
    ) -> dict[str, Any]:
        """Return *content* as *user_id* encrypts it for the members of a room: the same for the same *txn_id*.

        The members' devices have the key when this returns.
        """
        return await self._rooms.encrypt(user_id, room_id, kind, content, txn_id)

    @storing
    async def decrypt(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """See :meth:`agent_bridge.core.keys.Keys.decrypt`."""
        content = event.get("content")
        fields = [content.get(key) for key in ("algorithm", "session_id", "ciphertext")] if content else []
        if not content or not all(isinstance(each, str) for each in fields) or fields[0] != ALGORITHM:
            raise Unreadable("it is encrypted in an unknown way")
        _, session_id, ciphertext = fields
        if not _SESSION.fullmatch(session_id):
            raise Unreadable("its session has no valid id")
        query = """
            SELECT session, sender_key,
                   EXISTS (SELECT FROM session_owner o WHERE o.session_id = $2 AND o.user_id = $3) AS is_owned
            FROM crypto_megolm_inbound_session
            WHERE session_id = $2 AND room_id = $1 AND session IS NOT NULL ORDER BY received_at LIMIT $4
        """
        rows = await self._database.fetch(query, event["room_id"], session_id, event["sender"], _READERS)
        if not any(row["is_owned"] for row in rows):
            # Others have the key too: they must not speak with the sender's voice, nor the sender with theirs.
            raise KeyMissing(f"no key of the session of {event['event_id']} from its sender")
        plaintext, index = self._opened([bytes(row["session"]) for row in rows], ciphertext)
        store = self._operations.store("")
        key, event_id = rows[0]["sender_key"], event["event_id"]
        # A homeserver tells the time of an event as it likes: the id alone makes a repetition.
        if not await store.validate_message_index(key, session_id, event_id, index, 0):
            raise Unreadable("it repeats the ciphertext of another event")
        return _with_plaintext(event, plaintext)

    def _opened(self, pickles: list[bytes], ciphertext: str) -> tuple[str, int]:
        """Return the plaintext of a message, by the session that reaches back furthest, and its index."""
        sessions = [olm.InboundGroupSession.from_pickle(each, self._operations.secrets.pickle) for each in pickles]
        session = min(sessions, key=lambda each: each.first_known_index)
        try:
            return session.decrypt(ciphertext)
        except olm.OlmGroupSessionError as error:
            if session.first_known_index:
                # It may be older than the key.
                raise KeyMissing(str(error)) from error
            raise Unreadable(str(error)) from error

    @storing
    async def receive(self, user_id: str) -> bool:
        """See :meth:`agent_bridge.core.keys.Keys.receive`."""
        await self._devices.ensure(user_id)
        has_more = await self._inbox.receive(user_id)
        query = "SELECT id, kind, content FROM inbox WHERE user_id = $1 AND kind <> $2 ORDER BY id"
        rows = await self._database.fetch(query, user_id, str(KeyNewsKind.TO_DEVICE))
        contents = [(row["kind"], json.loads(row["content"])) for row in rows]
        changed = {user for kind, each in contents if kind == KeyNewsKind.CHANGED for user in each["changed"]}
        if changed:
            await self._lists.update(changed, user_id)
        if any(kind == KeyNewsKind.LOST for kind, _ in contents):
            await self.recover()
        used = [each for kind, each in contents if kind == KeyNewsKind.KEYS]
        if used:
            await self._devices.refill(user_id, renews_fallback=not all(each["fallback"] for each in used))
        if rows:
            await self._database.execute("DELETE FROM inbox WHERE id = ANY($1)", [row["id"] for row in rows])
        return has_more

    @storing
    async def fetch(self, user_id: str, sender: str) -> set[str]:
        """See :meth:`agent_bridge.core.keys.Keys.fetch`."""
        await self._devices.fetch(user_id)
        return await self._inbox.receive_from(user_id, sender)


def _with_plaintext(event: Mapping[str, Any], plaintext: str) -> dict[str, Any]:
    """Return *event* in the clear."""
    try:
        opened = json.loads(plaintext)
        kind, content, room_id = opened["type"], opened["content"], opened["room_id"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise Unreadable("it has an unknown form") from error
    if room_id != event["room_id"]:
        raise Unreadable("it is an event of another room")
    if not isinstance(kind, str) or not isinstance(content, dict) or kind in _NEVER_ENCRYPTED:
        raise Unreadable("it has an unknown form")
    relation = event["content"].get("m.relates_to")
    if relation is not None:
        content.setdefault("m.relates_to", relation)
    return {**event, "type": kind, "content": content}
