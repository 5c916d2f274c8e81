"""Requests of devices that look at a growing answer (MSC4471, event streams)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """A device asks for the updates of a message, or wants no more of them.

    It is sealed if the message is encrypted: then it has :attr:`stream_id`, :attr:`iv` and :attr:`ciphertext`, and
    neither room nor event nor device.
    """

    #: The user of the bridge that sent the message.
    publisher: str
    #: The user whose device asks. The homeserver has checked it.
    sender: str
    room_id: str = ""
    event_id: str = ""
    #: The device of the sender that is to get the updates.
    device_id: str = ""
    #: Whether the device wants the whole text once more.
    resync: bool = False
    #: Whether it wants no more updates.
    ends: bool = False
    stream_id: str = ""
    iv: str = ""
    ciphertext: str = ""


class StreamCipher(Protocol):
    """AES-256 in Galois/Counter Mode, with a nonce of 12 bytes."""

    def seal(self, key: bytes, iv: bytes, plaintext: bytes) -> bytes:
        """Return the ciphertext with the authentication tag at its end."""

    def open(self, key: bytes, iv: bytes, ciphertext: bytes) -> bytes | None:
        """Return the plaintext; None if the tag does not fit."""
