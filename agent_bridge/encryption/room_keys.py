"""Encrypts the events of the bridge's users, and gives the keys of their sessions to the members of the rooms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mautrix.types import DeviceID, DeviceIdentity, IdentityKey, RoomID, SigningKey, TrustState, UserID

from agent_bridge.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asyncpg import Record
    from mautrix.crypto import OutboundGroupSession
    from mautrix.util.async_db.connection import LoggingConnection

    from agent_bridge.encryption.device_lists import DeviceLists
    from agent_bridge.encryption.devices import Devices
    from agent_bridge.encryption.machine import ClaimedKeys
    from agent_bridge.encryption.operations import Operations

ALGORITHM = "m.megolm.v1.aes-sha2"
_PRESENT = frozenset({"join", "invite"})
#: Messages, and milliseconds, after which a session is replaced, unless the room says otherwise (spec,
#: "m.room.encryption"), and the most of them.
_MESSAGES, _AGE = 100, 7 * 86_400_000
#: Bytes of a text that surely fits an event when it is encrypted, and the fields of an edit for clients without edits.
_LONGEST = 44_000
_RICH = frozenset({"format", "formatted_body"})
#: Seconds after which a key is shared anew that some device could not get: its homeserver was away, for example.
_RETRY = 300.0
_STATE = """
    SELECT d.device_id, d.identity_key, c.content, r.version, s.version AS shared, s.members,
           coalesce(s.retry_at <= now(), false) AS retries,
           EXISTS (SELECT FROM device_message m WHERE m.user_id = d.user_id) AS has_messages
    FROM device d
    LEFT JOIN encrypted_room r ON r.room_id = $2
    LEFT JOIN room_session s ON s.room_id = $2 AND s.user_id = d.user_id
    LEFT JOIN ciphertext c ON c.user_id = d.user_id AND c.txn_id = $3
    WHERE d.user_id = $1
"""


@dataclass(frozen=True, slots=True)
class _Audience:
    """Those who get the key of a session, as they were at a version of the room and of the lists of devices."""

    version: int
    changes: int
    members: list[str]
    devices: list[DeviceIdentity]
    #: Whether the devices of all members are known.
    is_complete: bool
    claimed: ClaimedKeys
    limits: tuple[int, timedelta]


class RoomKeys:
    """Encrypts. Members of a room, their devices and time change the session of each user of the bridge there."""

    def __init__(self, operations: Operations, devices: Devices, lists: DeviceLists) -> None:
        self._operations = operations
        self._devices = devices
        self._lists = lists

    async def encrypt(
        self, user_id: str, room_id: str, kind: str, content: Mapping[str, Any], txn_id: str
    ) -> dict[str, Any]:
        """Return *content* as *user_id* encrypts it for the members of a room: the same for the same *txn_id*.

        The members' devices have the key when this returns.
        """
        await self._devices.ensure(user_id)
        payload = _payload(room_id, kind, content)
        relation = content.get("m.relates_to")
        sealed = await self._seal(user_id, room_id, payload, relation, txn_id, None)
        if sealed is None:
            audience = await self._audience(user_id, room_id)
            sealed = await self._seal(user_id, room_id, payload, relation, txn_id, audience)
        if sealed is None:
            raise StoreError("the members of the room have no key of the message")
        text, has_messages = sealed
        if has_messages:
            await self._operations.send_messages(user_id)
        found: dict[str, Any] = json.loads(text)
        return found

    async def _seal(
        self, user_id: str, room_id: str, payload: str, relation: object, txn_id: str, audience: _Audience | None
    ) -> tuple[str, bool] | None:
        """Return the encrypted content, and whether messages to devices are to be sent before it.

        None: the members have no key yet, and there is no *audience* to give it to.
        """
        async with self._operations.keys_of(user_id) as connection:
            state = await connection.fetchrow(_STATE, user_id, room_id, txn_id)
            if state is None:
                raise StoreError("the device has just been made anew")
            if state["content"] is not None:
                return str(state["content"]), state["has_messages"]
            store, has_messages = self._operations.store(user_id), bool(state["has_messages"])
            session = await store.get_outbound_group_session(RoomID(room_id))
            is_current = session is not None and not session.expired and not state["retries"]
            if session is None or not is_current or state["shared"] is None or state["shared"] != state["version"]:
                if audience is None:
                    return None
                if session is None or not is_current or state["members"] != audience.members:
                    session = await self._share(connection, user_id, room_id, str(state["device_id"]), audience)
                    has_messages = True
                else:
                    query = "UPDATE room_session SET version = $3 WHERE room_id = $1 AND user_id = $2"
                    await connection.execute(query, room_id, user_id, audience.version)
            content = {
                "algorithm": ALGORITHM,
                "ciphertext": session.encrypt(payload),  # type: ignore[no-untyped-call]
                "device_id": state["device_id"],
                "sender_key": state["identity_key"],
                "session_id": session.id,
            } | ({} if relation is None else {"m.relates_to": relation})
            await store.update_outbound_group_session(session)
            text = json.dumps(content)
            query = "INSERT INTO ciphertext (user_id, txn_id, content) VALUES ($1, $2, $3)"
            await connection.execute(query, user_id, txn_id, text)
            return text, has_messages

    async def _share(
        self, connection: LoggingConnection, user_id: str, room_id: str, device_id: str, audience: _Audience
    ) -> OutboundGroupSession:
        """Make a session, and store the messages that give its key to *audience*."""
        machine = await self._operations.machine(user_id, device_id)
        session, left_out = await machine.share(RoomID(room_id), audience.devices, audience.claimed, audience.limits)
        await self._operations.add_messages(machine, connection)
        # Whoever changes a list of devices waits here, or has changed it before.
        changes = await connection.fetchval("SELECT device_changes FROM vault FOR SHARE")
        if changes != audience.changes:
            # The next message has a session of its own.
            query = "DELETE FROM room_session WHERE room_id = $1 AND user_id = $2"
            await connection.execute(query, room_id, user_id)
            return session
        retry = None if audience.is_complete and not left_out else timedelta(seconds=_RETRY)
        query = """
            INSERT INTO room_session (room_id, user_id, version, members, retry_at)
            VALUES ($1, $2, $3, $4, now() + $5::interval)
            ON CONFLICT (room_id, user_id) DO UPDATE
            SET version = excluded.version, members = excluded.members, retry_at = excluded.retry_at
        """
        await connection.execute(query, room_id, user_id, audience.version, audience.members, retry)
        return session

    async def _audience(self, user_id: str, room_id: str) -> _Audience:
        """Return those who are in a room now, with keys for those with whom *user_id* has no session yet."""
        database, homeserver = self._operations.database, self._operations.homeserver
        query = """
            INSERT INTO encrypted_room AS r (room_id, is_encrypted) VALUES ($1, true)
            ON CONFLICT (room_id) DO UPDATE SET is_encrypted = true RETURNING version
        """
        version = await database.fetchval(query, room_id)
        members = await homeserver.members(room_id, user_id)
        # The bridge reads the messages of its own users without.
        ours = homeserver.namespace.is_ours
        present = sorted(user for user, each in members.items() if each in _PRESENT and not ours(user))
        encryption = await homeserver.state(room_id, "m.room.encryption", as_user=user_id) or {}
        limits = _limits(encryption.get("content"))
        await self._lists.track(present, user_id)
        changes = await database.fetchval("SELECT device_changes FROM vault")
        query = """
            SELECT t.user_id, d.device_id, d.identity_key, d.signing_key,
                   EXISTS (SELECT FROM crypto_olm_session s
                           WHERE s.account_id = $2 AND s.sender_key = d.identity_key) AS has_session
            FROM crypto_tracked_user t LEFT JOIN crypto_device d ON d.user_id = t.user_id
            WHERE t.user_id = ANY($1) ORDER BY t.user_id, d.device_id
        """
        rows = await database.fetch(query, present, user_id)
        devices = _devices(row for row in rows if row["device_id"] is not None)
        lacking = {row["device_id"] for row in rows if not row["has_session"]}
        claimed = await self._lists.claim([each for each in devices if each.device_id in lacking], user_id)
        known = {row["user_id"] for row in rows}
        return _Audience(version, changes, present, devices, known >= set(present), claimed, limits)

    async def repair(self, user_id: str, other: str, identity_key: str) -> None:
        """Begin a new session of *user_id* with the device of *other* that has *identity_key*; send it a message."""
        await self._lists.track([other], user_id)
        device_id = await self._devices.ensure(user_id)
        query = "SELECT * FROM crypto_device WHERE user_id = $1 AND identity_key = $2"
        devices = _devices(await self._operations.database.fetch(query, other, identity_key))
        claimed = await self._lists.claim(devices, user_id)
        async with self._operations.keys_of(user_id) as connection:
            machine = await self._operations.machine(user_id, device_id)
            for device in devices:
                await machine.repair(device, claimed)
            await self._operations.add_messages(machine, connection)
        await self._operations.send_messages(user_id)


def _payload(room_id: str, kind: str, content: Mapping[str, Any]) -> str:
    """Return the text that is encrypted.

    Encryption makes a text a third longer. An edit that would not fit an event then has its text once: in rooms with
    encryption, clients know edits.
    """
    text = _json({"room_id": room_id, "type": kind, "content": content})
    if "m.new_content" in content and len(text.encode()) > _LONGEST:
        brief = {key: value for key, value in content.items() if key not in _RICH} | {"body": "*"}
        text = _json({"room_id": room_id, "type": kind, "content": brief})
    return text


def _json(value: object) -> str:
    """Return *value* as JSON in which the letters of all scripts have their own length."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair has no bytes.
        return json.dumps(value)
    return text


def _devices(rows: Iterable[Record] | Sequence[Record]) -> list[DeviceIdentity]:
    return [
        DeviceIdentity(
            user_id=UserID(row["user_id"]),
            device_id=DeviceID(row["device_id"]),
            identity_key=IdentityKey(row["identity_key"]),
            signing_key=SigningKey(row["signing_key"]),
            trust=TrustState.UNVERIFIED,
            deleted=False,
            name="",
        )
        for row in rows
    ]


def _limits(settings: object) -> tuple[int, timedelta]:
    """Return the messages and the age after which *settings* of a room want a new session: never later than usual."""
    wanted = settings if isinstance(settings, dict) else {}
    messages, age = wanted.get("rotation_period_msgs"), wanted.get("rotation_period_ms")
    most = min(messages, _MESSAGES) if isinstance(messages, int) and messages > 0 else _MESSAGES
    longest = min(age, _AGE) if isinstance(age, int) and age > 0 else _AGE
    return most, timedelta(milliseconds=max(longest, 60_000))
