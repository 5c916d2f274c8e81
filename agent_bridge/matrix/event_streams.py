"""The names and forms of MSC4471, event streams, as its draft of 2026-05-22 has them, and the state of MSC4357.

A message that grows has a descriptor. A device that shows it subscribes by a message to the device that the descriptor
names, and gets the growing text by messages to itself: they are neither stored nor counted. An edit without the
descriptor ends the stream. All that a later draft may change is in this module.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard

from agent_bridge.core.event_streams import StreamRequest
from agent_bridge.core.json_pieces import load_pieces

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.event_streams import StreamCipher

#: The field of a message with its descriptor.
DESCRIPTOR = "org.matrix.msc4471.stream"
#: The state of a room with ``enabled: false``: nothing may grow there (MSC4357).
LIVE_MESSAGING = "org.matrix.msc4357.live_messaging"
#: The types of messages to devices.
_SUBSCRIBE, _CANCEL, _UPDATE = (f"org.matrix.msc4471.stream.{name}" for name in ("subscribe", "cancel", "update"))
_ENCRYPTED, _ALGORITHM = "m.room.encrypted", "org.matrix.msc4471.stream.v1.aes-gcm"
#: Bytes of a key and of a nonce.
_KEY, _IV = 32, 12
#: Messages to devices in transactions (MSC2409), after and before the name was stable.
_TO_DEVICE = ("to_device", "de.sorunome.msc2409.to_device")
#: The alphabet of base64 that is safe in URLs. Some programs write the other one.
_URL_SAFE = str.maketrans("+/", "-_")
#: Requests of a transaction, and characters of an id and of a sealed request.
_MOST, _ID, _SEALED = 200, 255, 2_000


def new_key() -> bytes:
    """Return a key for the stream of one message."""
    return secrets.token_bytes(_KEY)


def descriptor(device_id: str, life: float, key: bytes | None) -> dict[str, Any]:
    """Return the field of a message whose stream *device_id* publishes for *life* seconds; *key*: it is encrypted."""
    stream: dict[str, Any] = {"device_id": device_id, "expiry_ms": int(life * 1000)}
    if key is not None:
        stream["encryption"] = {"algorithm": _ALGORITHM, "key": _encoded(key)}
    return {DESCRIPTOR: stream}


def stream_id(key: bytes, room_id: str, event_id: str) -> str:
    """Return the name of an encrypted stream, which tells the homeserver nothing."""
    return _encoded(hmac.digest(key, f"{room_id}{event_id}".encode(), hashlib.sha256))


def is_of_stream(message: Mapping[str, Any]) -> bool:
    """Tell whether *message*, to a device, belongs to an event stream."""
    kind, content = message.get("type"), message.get("content")
    sealed = kind == _ENCRYPTED and isinstance(content, dict) and content.get("algorithm") == _ALGORITHM
    return sealed or kind in (_SUBSCRIBE, _CANCEL)


def stream_requests(raw: bytes) -> list[StreamRequest]:
    """Return the requests of the transaction *raw* that are valid, up to 200; none if it is no JSON."""
    if DESCRIPTOR.encode() not in raw:
        return []
    try:
        body = load_pieces(raw)
    except (ValueError, RecursionError):
        return []
    messages = next((body[name] for name in _TO_DEVICE if name in body), None) if isinstance(body, dict) else None
    of_streams = [each for each in messages if is_of_stream(each)] if _is_list_of_objects(messages) else []
    parsed = (_request(each) for each in of_streams[:_MOST])
    return [each for each in parsed if each is not None]


def opened(request: StreamRequest, key: bytes, cipher: StreamCipher) -> StreamRequest | None:
    """Return the sealed *request* in the clear; None if it is not sealed with *key*, or names another message."""
    iv, ciphertext = _decoded(request.iv), _decoded(request.ciphertext)
    plaintext = cipher.open(key, iv, ciphertext) if len(iv) == _IV else None
    try:
        inner = json.loads(plaintext or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(inner, dict):
        return None
    found = _plain_request(request.publisher, request.sender, inner.get("type"), inner.get("content"))
    is_same = found is not None and stream_id(key, found.room_id, found.event_id) == request.stream_id
    return replace(found, stream_id=request.stream_id) if found is not None and is_same else None


def update(
    room_id: str, event_id: str, seq: int, text: str, *, appends: bool, key: bytes | None, cipher: StreamCipher | None
) -> dict[str, Any]:
    """Return the content of an update: *text* is the whole text, or *appends* to the text before."""
    content: dict[str, Any] = {
        "room_id": room_id,
        "event_id": event_id,
        "seq": seq,
        "op": "append" if appends else "replace",
        "content": {"body": text},
    }
    if key is None or cipher is None:
        return content
    iv, plaintext = secrets.token_bytes(_IV), json.dumps({"type": _UPDATE, "content": content}, ensure_ascii=False)
    return {
        "algorithm": _ALGORITHM,
        "stream_id": stream_id(key, room_id, event_id),
        "iv": _encoded(iv),
        "ciphertext": _encoded(cipher.seal(key, iv, plaintext.encode("utf-8", "replace"))),
    }


def update_type(key: bytes | None) -> str:
    """Return the type of the messages with updates; *key*: they are encrypted."""
    return _UPDATE if key is None else _ENCRYPTED


def _request(message: Mapping[str, Any]) -> StreamRequest | None:
    publisher, sender, content = message.get("to_user_id"), message.get("sender"), message.get("content")
    if not (_is_id(publisher) and _is_id(sender) and isinstance(content, dict)):
        return None
    if message.get("type") != _ENCRYPTED:
        return _plain_request(publisher, sender, message.get("type"), content)
    sealed = [content.get(name) for name in ("stream_id", "iv", "ciphertext")]
    if not all(isinstance(each, str) and len(each) <= _SEALED for each in sealed):
        return None
    stream, iv, ciphertext = (str(each).rstrip("=").translate(_URL_SAFE) for each in sealed)
    return StreamRequest(publisher=publisher, sender=sender, stream_id=stream, iv=iv, ciphertext=ciphertext)


def _plain_request(publisher: str, sender: str, kind: object, content: object) -> StreamRequest | None:
    # A sealed request may have a type that is no text.
    if kind not in (_SUBSCRIBE, _CANCEL) or not isinstance(content, dict):
        return None
    room_id, event_id, device_id = (content.get(name) for name in ("room_id", "event_id", "subscriber_device_id"))
    if not (_is_id(room_id) and _is_id(event_id) and _is_id(device_id)):
        return None
    return StreamRequest(
        publisher=publisher,
        sender=sender,
        room_id=room_id,
        event_id=event_id,
        device_id=device_id,
        resync=content.get("resync") is True,
        ends=kind == _CANCEL,
    )


def _is_list_of_objects(value: object) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _is_id(value: object) -> TypeGuard[str]:
    # "*" would be all devices of the sender.
    return isinstance(value, str) and 0 < len(value) <= _ID and value.isprintable() and value != "*"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Return the bytes of *text*; empty if it is no base64."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
