"""A device of another user, on vodozemac alone: it sends keys of rooms to a device of the bridge, also strange ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import vodozemac
from unpaddedbase64 import encode_base64

if TYPE_CHECKING:
    from agent_bridge.encryption.machine import Machine

ALGORITHM = "m.megolm.v1.aes-sha2"
_OLM = "m.olm.v1.curve25519-aes-sha2"


class Recipient:
    """The device of *machine*: each of its one-time keys is for one channel."""

    def __init__(self, machine: Machine) -> None:
        self.user_id, self.device_id = str(machine.client.mxid), str(machine.client.device_id)
        self.identity_key, self.signing_key = str(machine.account.identity_key), str(machine.account.signing_key)
        self.one_time_keys = iter(machine.account.one_time_keys["curve25519"].values())


class OlmDevice:
    """The device *device_id* of *user_id*, with one Megolm session."""

    def __init__(self, user_id: str, device_id: str = "DEVICE") -> None:
        self.user_id, self.device_id = user_id, device_id
        #: A ``vodozemac.Account``, whose stubs are not complete.
        self._account: Any = vodozemac.Account()
        self._room = vodozemac.GroupSession()
        #: The key of the Megolm session, for all its messages.
        self.room_key = self.present_key
        self._channel: Any = None

    @property
    def identity_key(self) -> str:
        """The Curve25519 key."""
        return str(self._account.curve25519_key.to_base64())

    @property
    def signing_key(self) -> str:
        """The Ed25519 key."""
        return str(self._account.ed25519_key.to_base64())

    @property
    def session_id(self) -> str:
        """The id of the Megolm session."""
        return str(self._room.session_id)

    @property
    def present_key(self) -> str:
        """The key of the Megolm session for its messages from now on."""
        return str(self._room.session_key.to_base64())

    def signed(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return *content* with the signature of the device."""
        canonical = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        signature = self._account.sign(canonical.encode()).to_base64()
        return content | {"signatures": {self.user_id: {f"ed25519:{self.device_id}": signature}}}

    def keys(self) -> dict[str, Any]:
        """Return the spec's ``DeviceKeys``, signed."""
        keys = {"curve25519": self.identity_key, "ed25519": self.signing_key}
        return self.signed(
            {
                "user_id": self.user_id,
                "device_id": self.device_id,
                "algorithms": [_OLM, ALGORITHM],
                "keys": {f"{name}:{self.device_id}": key for name, key in keys.items()},
            }
        )

    def one_time_key(self) -> dict[str, Any]:
        """Return a new one-time key, signed."""
        self._account.generate_one_time_keys(1)
        (key,) = self._account.one_time_keys.values()
        self._account.mark_keys_as_published()
        return self.signed({"key": key.to_base64()})

    def says(
        self, room_id: str, event_id: str, text: str, *, kind: str = "m.room.message", inner_room: str | None = None
    ) -> dict[str, Any]:
        """Return an event with *text*, encrypted by the Megolm session; its plaintext may name another room."""
        plain = {"room_id": inner_room or room_id, "type": kind, "content": {"body": text}}
        ciphertext = self._room.encrypt(json.dumps(plain).encode()).to_base64()
        content = {"algorithm": ALGORITHM, "session_id": self.session_id, "ciphertext": ciphertext}
        return {"event_id": event_id, "room_id": room_id, "sender": self.user_id, "content": content}

    def gives_key(self, to: Recipient, room_id: str, **more: str) -> dict[str, Any]:
        """Return the message that gives the key of the session to a device; *more* replaces fields of its content."""
        content = {"algorithm": ALGORITHM, "room_id": room_id, "session_id": self.session_id}
        return self._sealed(to, "m.room_key", content | {"session_key": self.room_key} | more)

    def forwards(self, to: Recipient, room_id: str, other: OlmDevice) -> dict[str, Any]:
        """Return the message that forwards the key of *other* to a device."""
        session = vodozemac.InboundGroupSession(vodozemac.SessionKey(other.room_key))
        exported: Any = session.export_at(session.first_known_index)
        return self._sealed(
            to,
            "m.forwarded_room_key",
            {
                "algorithm": ALGORITHM,
                "room_id": room_id,
                "session_id": other.session_id,
                "session_key": exported.to_base64(),
                "sender_key": other.identity_key,
                "sender_claimed_ed25519_key": other.signing_key,
                "forwarding_curve25519_key_chain": [],
            },
        )

    def _sealed(self, to: Recipient, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """Return a message to a device, encrypted by one Olm session."""
        if self._channel is None:
            self._channel = self._account.create_outbound_session(
                vodozemac.Curve25519PublicKey.from_base64(to.identity_key),
                vodozemac.Curve25519PublicKey.from_base64(next(to.one_time_keys)),
            )
        plain = {
            "type": kind,
            "content": content,
            "sender": self.user_id,
            "sender_device": self.device_id,
            "keys": {"ed25519": self.signing_key},
            "recipient": to.user_id,
            "recipient_keys": {"ed25519": to.signing_key},
        }
        number, ciphertext = self._channel.encrypt(json.dumps(plain).encode()).to_parts()
        sealed = {to.identity_key: {"type": number, "body": encode_base64(ciphertext)}}
        return {
            "type": "m.room.encrypted",
            "sender": self.user_id,
            "content": {"algorithm": _OLM, "sender_key": self.identity_key, "ciphertext": sealed},
            "to_user_id": to.user_id,
            "to_device_id": to.device_id,
        }
