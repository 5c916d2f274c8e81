"""The keys of one device, by mautrix, in steps of one transaction each: what is not committed has not been used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from mautrix.crypto import InboundGroupSession, OlmMachine, OutboundGroupSession
from mautrix.crypto.signature import sign_olm, verify_signature_json
from mautrix.crypto.store import StateStore
from mautrix.errors import DecryptionError
from mautrix.types import (
    ASToDeviceEvent,
    EncryptionAlgorithm,
    EncryptionKeyAlgorithm,
    EventType,
    ForwardedRoomKeyEventContent,
    KeyID,
    Obj,
    RoomKeyEventContent,
    SessionID,
    SigningKey,
)

from agent_bridge.encryption import olm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from mautrix.crypto import OlmAccount, Session
    from mautrix.crypto.signature import SignedObject
    from mautrix.crypto.store.asyncpg import PgCryptoStore
    from mautrix.types import JSON, DecryptedOlmEvent, DeviceIdentity, IdentityKey, RoomID, UserID

    from agent_bridge.encryption.device_client import DeviceClient
    from agent_bridge.encryption.olm import PkSigning

#: The part of the one-time keys that an account can hold which the homeserver should have.
_SHARE = 2

#: One-time keys of other devices, by user and device: the signed keys of the spec's ``/keys/claim``.
ClaimedKeys = dict[tuple[str, str], dict[str, Any]]


class _NoRooms(StateStore):
    """mautrix's knowledge of rooms, which the bridge does not use."""

    async def is_encrypted(self, room_id: RoomID) -> bool:
        del room_id
        return True

    async def get_encryption_info(self, room_id: RoomID) -> None:
        del room_id

    async def find_shared_rooms(self, user_id: UserID) -> list[RoomID]:
        del user_id
        return []


class Machine(OlmMachine):
    """The machine of one device, for one transaction."""

    client: DeviceClient
    crypto_store: PgCryptoStore
    account: OlmAccount

    def __init__(self, client: DeviceClient, store: PgCryptoStore) -> None:
        super().__init__(client, store, _NoRooms())
        #: Devices, by user and identity key, with whom a new session is needed.
        self.wedged: set[tuple[str, str]] = set()
        #: Sessions whose keys came.
        self.received: set[str] = set()

    async def take(self, event: Mapping[str, Any]) -> None:
        """Take a message to the device.

        Raises:
            Exception: it cannot be used. What this changed has to be rolled back.
        """
        if event.get("type") != "m.room.encrypted" or event.get("to_device_id") != self.client.device_id:
            # Requests for keys are not answered: each device gets those that it needs.
            return
        message = ASToDeviceEvent.deserialize(cast("JSON", event))
        opened = await self._decrypt_olm_event(message)
        content = opened.content
        if opened.type == EventType.ROOM_KEY and isinstance(content, RoomKeyEventContent):
            if content.algorithm == EncryptionAlgorithm.MEGOLM_V1:
                session = InboundGroupSession(
                    content.session_key, opened.keys.ed25519, opened.sender_key, content.room_id
                )
                await self._keep(session, opened)
        elif opened.type == EventType.FORWARDED_ROOM_KEY and isinstance(content, ForwardedRoomKeyEventContent):
            await self._take_forwarded(opened, content)

    async def _take_forwarded(self, opened: DecryptedOlmEvent, content: ForwardedRoomKeyEventContent) -> None:
        """Take a key that another device of its owner forwards, if it was asked for: it may be anything."""
        query = "SELECT true FROM sealed_event WHERE room_id = $1 AND session_id = $2 AND sender = $3 LIMIT 1"
        asked = await self.crypto_store.db.fetchval(query, content.room_id, content.session_id, opened.sender)
        if not asked or content.algorithm != EncryptionAlgorithm.MEGOLM_V1:
            raise DecryptionError("nobody asked for the forwarded key")
        chain = [*content.forwarding_key_chain, opened.sender_key]
        session = InboundGroupSession.import_session(
            content.session_key, content.signing_key, content.sender_key, content.room_id, chain
        )
        if session.id != content.session_id:
            raise DecryptionError("the forwarded key is that of another session")
        await self._keep(session, opened)

    async def _keep(self, session: InboundGroupSession, opened: DecryptedOlmEvent) -> None:
        """Store a session of the sender of *opened*, unless the one that is there reaches further back."""
        database, session_id = self.crypto_store.db, SessionID(session.id)
        query = "SELECT room_id FROM crypto_megolm_inbound_session WHERE account_id = $1 AND session_id = $2"
        room_id = await database.fetchval(query, self.crypto_store.account_id, session_id)
        if room_id not in {None, session.room_id}:
            raise DecryptionError("the session is that of another room")
        known = None if room_id is None else await self.crypto_store.get_group_session(session.room_id, session_id)
        if known is None or session.first_known_index < known.first_known_index:
            await self.crypto_store.put_group_session(session.room_id, session.sender_key, session_id, session)
        await self._own(session_id, opened.sender)
        self.received.add(session_id)
        # With the key: a process that dies now leaves no event behind that waits for it.
        await database.execute("UPDATE sealed_event SET next_at = now() WHERE session_id = $1", session_id)

    async def _own(self, session_id: str, user_id: str) -> None:
        query = "INSERT INTO session_owner (session_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        await self.crypto_store.db.execute(query, session_id, user_id)

    async def _unwedge_session(self, sender: UserID, sender_key: IdentityKey) -> None:
        self.wedged.add((str(sender), str(sender_key)))

    async def prepare_keys(self, count: int, *, renews_fallback: bool = False) -> None:
        """Make the keys that the homeserver lacks, which has *count* one-time keys."""
        lacking = self.account.max_one_time_keys // _SHARE - count - len(self.account.one_time_keys["curve25519"])
        if lacking > 0:
            self.account.generate_one_time_keys(lacking)
        if (renews_fallback or not self.account.shared) and not self.account.fallback_keys:
            self.account.generate_fallback_key()
        await self.crypto_store.put_account(self.account)

    def unpublished(self, signing: PkSigning | None = None) -> dict[str, Any]:
        """Return the keys that are not published, as the spec's ``/keys/upload`` takes them; empty without any.

        Those of the device itself have a signature of *signing*, the user's key for this purpose.
        """
        user, device = self.client.mxid, self.client.device_id
        content: dict[str, Any] = {}
        if one_time := self._signed(self.account.one_time_keys["curve25519"], {}):
            content["one_time_keys"] = one_time
        if fallback := self._signed(self.account.fallback_keys, {"fallback": True}):
            content["fallback_keys"] = fallback
        if not self.account.shared:
            keys = self.account.get_device_keys(user, device).serialize()
            if signing is not None:
                key_id = str(KeyID.ed25519(SigningKey(signing.public_key)))
                keys["signatures"][user][key_id] = sign_olm({**keys}, signing)
            content["device_keys"] = keys
        return content

    async def published(self) -> None:
        """Note that the homeserver has the keys."""
        self.account.shared = True
        self.account.mark_keys_as_published()
        await self.crypto_store.put_account(self.account)

    def _signed(self, keys: Mapping[str, str], more: dict[str, Any]) -> dict[str, Any]:
        user, device = self.client.mxid, self.client.device_id
        signed = {}
        for key_id, key in keys.items():
            content = {"key": key, **more}
            signature = sign_olm(dict(content), self.account)
            content["signatures"] = {user: {str(KeyID.ed25519(device)): signature}}
            signed[f"{EncryptionKeyAlgorithm.SIGNED_CURVE25519}:{key_id}"] = content
        return signed

    async def share(
        self,
        room_id: RoomID,
        devices: Sequence[DeviceIdentity],
        claimed: ClaimedKeys,
        limits: tuple[int, timedelta],
    ) -> tuple[OutboundGroupSession, int]:
        """Make a session for a room, and collect the messages that give its key to *devices*.

        *limits*: messages and age after which it is replaced. Return it, and the number of devices without a session
        and without a key in *claimed*, which do not get it.
        """
        session = OutboundGroupSession(room_id)
        session.max_messages, session.max_age = limits
        own = InboundGroupSession(session.session_key, self.account.signing_key, self.account.identity_key, room_id)
        await self.crypto_store.put_group_session(room_id, own.sender_key, SessionID(own.id), own)
        await self._own(own.id, self.client.mxid)
        messages: dict[UserID, dict[Any, Any]] = {}
        left_out = 0
        for device in devices:
            channel = await self._channel(device, claimed)
            if channel is None:
                left_out += 1
                continue
            messages.setdefault(device.user_id, {})[device.device_id] = await self._encrypt_olm_event(
                channel, device, EventType.ROOM_KEY, session.share_content
            )
        if messages:
            await self.client.send_to_device(EventType.TO_DEVICE_ENCRYPTED, messages)
        session.shared = True
        await self.crypto_store.add_outbound_group_session(session)
        return session, left_out

    async def repair(self, device: DeviceIdentity, claimed: ClaimedKeys) -> None:
        """Begin a new session with a device by an empty message, which makes the device use it (spec, "m.dummy")."""
        channel = await self._begin(device, claimed)
        if channel is not None:
            empty = Obj()  # type: ignore[no-untyped-call]
            content = await self._encrypt_olm_event(channel, device, EventType.TO_DEVICE_DUMMY, empty)
            await self.client.send_to_one_device(
                EventType.TO_DEVICE_ENCRYPTED, device.user_id, device.device_id, content
            )

    async def _channel(self, device: DeviceIdentity, claimed: ClaimedKeys) -> Session | None:
        """Return a session with a device; None if there is none and none can be made."""
        found = await self.crypto_store.get_latest_session(device.identity_key)
        return found if found is not None else await self._begin(device, claimed)

    async def _begin(self, device: DeviceIdentity, claimed: ClaimedKeys) -> Session | None:
        key = claimed.get((str(device.user_id), str(device.device_id)))
        if key is None or not _is_signed(key, device):
            return None
        try:
            session = self.account.new_outbound_session(device.identity_key, key["key"])
        except olm.OlmSessionError:
            return None
        await self.crypto_store.add_session(device.identity_key, session)
        return session


def _is_signed(key: dict[str, Any], device: DeviceIdentity) -> bool:
    """Tell whether *device* has signed one of its one-time keys."""
    try:
        return isinstance(key["key"], str) and verify_signature_json(
            cast("SignedObject", key), device.user_id, device.device_id, device.signing_key
        )
    except (KeyError, TypeError, AttributeError):
        return False
