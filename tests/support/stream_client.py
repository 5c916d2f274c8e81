"""A client that shows growing answers by event streams, written from the draft of MSC4471 of 2026-05-22."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

from agent_bridge.core.errors import HomeserverError
from support.conditions import DEADLINE, eventually
from support.person import Account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from agent_bridge.demo.timeline import Event
    from support.harness import BridgeHarness

STREAM = "org.matrix.msc4471.stream"
ALGORITHM = f"{STREAM}.v1.aes-gcm"
ENCRYPTED = "m.room.encrypted"


@dataclass
class Draft:
    """A message that has a stream, as the client shows it."""

    room_id: str
    event_id: str
    #: The user and the device that publish the stream.
    publisher: str
    device_id: str
    #: The text that is shown, its versions, and the updates that were applied.
    body: str
    key: bytes | None = None
    bodies: list[str] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    seq: int = 0
    #: Whether an edit without a descriptor has ended the stream.
    is_over: bool = False


class StreamClient(Account):
    """An account with a client that subscribes to every stream that it sees, unless *subscribes* is false."""

    def __init__(self, homeserver: str, user_id: str, token: str) -> None:
        super().__init__(homeserver, user_id, token)
        self.subscribes = True
        self.device_id = ""
        self.drafts: dict[str, Draft] = {}
        #: The messages to this device, as they came.
        self.received: list[dict[str, Any]] = []

    async def run(self, since: str) -> None:
        """Follow the homeserver from *since* until cancelled."""
        while True:
            page = await self.ask("GET", "/sync", query={"since": since, "timeout": "10000"})
            since = page["next_batch"]
            for room_id, room in page.get("rooms", {}).get("join", {}).items():
                for event in room.get("timeline", {}).get("events", []):
                    await self.see(room_id, event)
            for message in page.get("to_device", {}).get("events", []):
                self.received.append(message)
                await self._update(message)

    async def see(self, room_id: str, event: Event) -> None:
        """Take an event of a room; an encrypted one tells nothing of its stream."""
        if event.get("type") == ENCRYPTED:
            return
        content = event.get("content", {})
        relation = content.get("m.relates_to", {})
        if relation.get("rel_type") == "m.replace":
            draft = self.drafts.get(relation["event_id"])
            if draft is not None and STREAM not in content.get("m.new_content", {}):
                draft.is_over = True
        elif STREAM in content:
            stream = content[STREAM]
            encryption = stream.get("encryption")
            key = None if encryption is None else _decoded(encryption["key"])
            draft = Draft(room_id, event["event_id"], event["sender"], stream["device_id"], content["body"], key)
            self.drafts[draft.event_id] = draft
            if self.subscribes:
                await self.subscribe(draft)

    async def subscribe(self, draft: Draft, *, resync: bool = False, **changed: Any) -> None:
        """Ask for the updates of *draft*; *changed* are other values of the request."""
        await self.request(draft, "subscribe", {"resync": resync, **changed})

    async def cancel(self, draft: Draft) -> None:
        """Want no more updates of *draft*."""
        await self.request(draft, "cancel", {"code": "m.user_cancelled"})

    async def request(self, draft: Draft, name: str, values: Mapping[str, Any]) -> None:
        """Send a message about *draft* to the device that publishes it."""
        content = {
            "room_id": draft.room_id,
            "event_id": draft.event_id,
            "subscriber_device_id": self.device_id,
            **values,
        }
        kind = f"{STREAM}.{name}"
        if draft.key is not None:
            kind, content = ENCRYPTED, sealed(draft, kind, content)
        await self.send_to_device(kind, draft.publisher, draft.device_id, content)

    async def send_to_device(self, kind: str, user_id: str, device_id: str, content: Mapping[str, Any]) -> None:
        """Send a message to a device."""
        body = {"messages": {user_id: {device_id: content}}}
        await self.ask("PUT", f"/sendToDevice/{quote(kind)}/{uuid4()}", body)

    async def _update(self, message: Mapping[str, Any]) -> None:
        content = message["content"]
        if message["type"] == ENCRYPTED and content.get("algorithm") == ALGORITHM:
            draft = next((each for each in self.drafts.values() if stream_id(each) == content["stream_id"]), None)
            inner = {} if draft is None else unsealed(draft, content)
            kind, content = inner.get("type"), inner.get("content", {})
        else:
            kind, draft = message["type"], self.drafts.get(content.get("event_id", ""))
            assert draft is None or draft.key is None, "an update of an encrypted message is readable"
        if kind != f"{STREAM}.update" or draft is None or draft.is_over or message["sender"] != draft.publisher:
            return
        assert (content["room_id"], content["event_id"]) == (draft.room_id, draft.event_id)
        if content["seq"] <= draft.seq:
            return
        if content["op"] == "append" and content["seq"] != draft.seq + 1:
            await self.subscribe(draft, resync=True)
            return
        text = content["content"]["body"]
        draft.body, draft.seq = draft.body + text if content["op"] == "append" else text, content["seq"]
        draft.updates.append(content)
        draft.bodies.append(draft.body)

    async def until(self, seen: Callable[[], Any], what: str, within: float = DEADLINE) -> Any:
        """Wait until *seen* returns something true."""

        async def look() -> Any:
            return seen()

        return await eventually(look, what, within)

    async def draft(self, number: int = 0) -> Draft:
        """Wait for a message with a stream, the first one by default."""
        await self.until(lambda: len(self.drafts) > number, "a message has a stream")
        return [*self.drafts.values()][number]


def stream_id(draft: Draft) -> str:
    """Return the name of the encrypted stream of *draft*."""
    return _encoded(hmac.digest(draft.key or b"", (draft.room_id + draft.event_id).encode(), hashlib.sha256))


def sealed(draft: Draft, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return *content* encrypted as the draft of the MSC says."""
    from Crypto.Cipher import AES

    iv, plaintext = secrets.token_bytes(12), json.dumps({"type": kind, "content": content}).encode()
    ciphertext, tag = AES.new(draft.key or b"", AES.MODE_GCM, nonce=iv).encrypt_and_digest(plaintext)
    return {
        "algorithm": ALGORITHM,
        "stream_id": stream_id(draft),
        "iv": _encoded(iv),
        "ciphertext": _encoded(ciphertext + tag),
    }


def unsealed(draft: Draft, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type and the content of an encrypted message to a device."""
    from Crypto.Cipher import AES

    data, iv = _decoded(content["ciphertext"]), _decoded(content["iv"])
    plaintext = AES.new(draft.key or b"", AES.MODE_GCM, nonce=iv).decrypt_and_verify(data[:-16], data[-16:])
    found: dict[str, Any] = json.loads(plaintext)
    return found


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@asynccontextmanager
async def stream_client(harness: BridgeHarness, user_id: str) -> AsyncIterator[StreamClient]:
    """Open another client of a person of *harness*, with a device of its own."""
    async with await StreamClient.login(harness.synapse.url, user_id, "password") as client:
        client.device_id = (await client.ask("GET", "/account/whoami"))["device_id"]
        since = (await client.ask("GET", "/sync"))["next_batch"]
        task = asyncio.create_task(client.run(since))
        try:
            yield client
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if not task.cancelled() and (error := task.exception()) and not isinstance(error, HomeserverError):
                raise error
