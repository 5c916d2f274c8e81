"""A person whose client encrypts, by matrix-nio: another implementation than the bridge's."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import logging
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nio import (
    AsyncClient,
    AsyncClientConfig,
    LocalProtocolError,
    LoginResponse,
    MegolmEvent,
    RoomCreateResponse,
    RoomKeyRequest,
    RoomMessage,
    RoomPutStateResponse,
    RoomSendResponse,
)

from support.conditions import DEADLINE, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from nio import Event, MatrixRoom

    from support.harness import BridgeHarness

ALGORITHM = "m.megolm.v1.aes-sha2"
ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": ALGORITHM}}
_numbers = itertools.count(1)
#: Attempts of a request that the library fails to make.
_ATTEMPTS = 5
#: The client reads no pages of the history: a response has all events since the one before.
_ALL = {"room": {"timeline": {"limit": 1000}}}
_log = logging.getLogger(__name__)


@dataclass
class EncryptedPerson:
    """A person with an open client, which has a device of its own."""

    client: AsyncClient
    #: Events that the client could read, and those that it could not, by room.
    read: dict[str, list[Event]] = field(default_factory=dict)
    unread: dict[str, list[MegolmEvent]] = field(default_factory=dict)
    #: Requests for keys that others sent.
    requests: list[RoomKeyRequest] = field(default_factory=list)
    #: The messages to devices with the key that was withheld last.
    withheld: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client.add_event_callback(self._on_event, (RoomMessage, MegolmEvent))
        # The client itself gives keys to devices of its own user alone.
        self.client.olm._collect_single_key_share = self._on_request

    @property
    def _token(self) -> str:
        return str(self.client.access_token)

    @property
    def user_id(self) -> str:
        """Return the user id."""
        return str(self.client.user_id)

    async def _on_event(self, room: MatrixRoom, event: Event) -> None:
        where = self.unread if isinstance(event, MegolmEvent) else self.read
        where.setdefault(room.room_id, []).append(event)

    def _on_request(self, event: RoomKeyRequest) -> bool:
        self.requests.append(event)
        return True

    async def create_room(self, *invite: str, direct: bool = True, encrypted: bool = True) -> str:
        """Make a room; return its room id."""
        state = [ENCRYPTION] if encrypted else []
        answer = await self.client.room_create(is_direct=direct, invite=invite, initial_state=state)
        assert isinstance(answer, RoomCreateResponse), answer
        room_id = str(answer.room_id)
        await self.knows(room_id)
        return room_id

    async def join(self, room_id: str) -> None:
        """Accept an invitation, and wait until the client has the room."""
        await self.client.join(room_id)
        await self.knows(room_id)

    async def knows(self, room_id: str) -> None:
        """Wait until the client has a room."""

        async def known() -> bool:
            return room_id in self.client.rooms

        await eventually(known, "the client has the room")

    async def meets(self, room_id: str, user_id: str) -> None:
        """Wait until a user has joined a room, with a device that the client knows."""

        async def met() -> bool:
            user = self.client.rooms[room_id].users.get(user_id)
            if user is None or user.invited:
                return False
            return any(self.devices(user_id)) or await self._asks_for_devices(user_id)

        await self.knows(room_id)
        await eventually(met, f"{user_id} is there, with a device")

    async def set_encryption(self, room_id: str, **settings: int) -> None:
        """Have the messages of a room encrypted, with *settings*."""
        content = {"algorithm": ALGORITHM, **settings}
        answer = await self.client.room_put_state(room_id, "m.room.encryption", content)
        assert isinstance(answer, RoomPutStateResponse), answer

    def channel(self, device: Any) -> str:
        """Return the id of the session by which the client encrypts for a device."""
        return str(self.client.olm.session_store.get(device.curve25519).id)

    def steal(self, other: EncryptedPerson) -> None:
        """Have the session that *other* withheld, and know the devices of the bridge that *other* knows."""
        mine, theirs = self.client.olm, other.client.olm
        mine.inbound_group_store = theirs.inbound_group_store
        for device in theirs.device_store:
            mine.device_store.add(device)

    def devices(self, user_id: str) -> list[Any]:
        """Return the devices of a user that the client knows."""
        return list(self.client.device_store.active_user_devices(user_id))

    async def knows_device(self, user_id: str, *, other_than: frozenset[str] = frozenset()) -> None:
        """Wait until a user has a device that is none of some others, and the client knows it."""

        async def known() -> bool:
            there = (await self.query_keys(user_id))["device_keys"].get(user_id, {})
            if {device.id for device in self.devices(user_id)} == {*there}:
                return bool({*there} - other_than)
            return await self._asks_for_devices(user_id)

        await eventually(known, f"the device of {user_id} is known")

    async def _asks_for_devices(self, user_id: str) -> bool:
        """Have the client ask for the devices of a user: it forgets a change of which it hears during a query."""
        self.client.olm.users_for_key_query.add(user_id)
        with suppress(LocalProtocolError):
            # Otherwise the sync has asked meanwhile.
            await self.client.keys_query()
        return False

    async def query_keys(self, user_id: str) -> dict[str, Any]:
        """Return the response of the homeserver to a query for the keys of a user."""
        path = f"/_matrix/client/v3/keys/query?access_token={self._token}"
        answer = await self.client.send("POST", path, json.dumps({"device_keys": {user_id: []}}))
        found: dict[str, Any] = await answer.json()
        return found

    async def claim_key(self, user_id: str, device_id: str) -> str:
        """Use a one-time key of a device, or its fallback key; return its name."""
        path = f"/_matrix/client/v3/keys/claim?access_token={self._token}"
        wanted = json.dumps({"one_time_keys": {user_id: {device_id: "signed_curve25519"}}})
        answer = await (await self.client.send("POST", path, wanted)).json()
        return str(next(iter(answer["one_time_keys"][user_id][device_id])))

    async def say(self, room_id: str, text: str, **more: Any) -> str:
        """Send a message, encrypted if the room is, to the devices that the client knows; return its event id."""
        return await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": text, **more})

    async def send(self, room_id: str, kind: str, content: dict[str, Any]) -> str:
        """Send an event; return its event id."""
        for _ in range(_ATTEMPTS):
            # The client fails before it sends if it hears of a device while it shares a session.
            with suppress(KeyError):
                answer = await self.client.room_send(room_id, kind, content, ignore_unverified_devices=True)
                break
        else:
            raise AssertionError("the client shares no session")
        assert isinstance(answer, RoomSendResponse), answer
        return str(answer.event_id)

    async def send_plain(self, room_id: str, kind: str, content: dict[str, Any]) -> str:
        """Send an event as it is; return its event id."""
        olm, self.client.olm = self.client.olm, None
        try:
            return await self.send(room_id, kind, content)
        finally:
            self.client.olm = olm

    @asynccontextmanager
    async def withholding(self, room_id: str) -> AsyncIterator[None]:
        """Give nobody the keys of the messages that are sent in a room within the block."""
        self.rotate(room_id)
        if missing := self.client.get_missing_sessions(room_id):
            await self.client.keys_claim(missing)
        users = list(self.client.rooms[room_id].users)
        parts = self.client.olm.share_group_session_parallel(room_id, users, ignore_unverified_devices=True)
        self.withheld = [content for _, content in parts]
        self.client.olm.outbound_group_sessions[room_id].shared = True
        # News of a device would begin another session, whose key is given to everybody.
        invalidate, self.client.invalidate_outbound_session = self.client.invalidate_outbound_session, lambda _: None
        try:
            yield
        finally:
            self.client.invalidate_outbound_session = invalidate
            self.rotate(room_id)

    def rotate(self, room_id: str) -> None:
        """Have the next message begin a session."""
        self.client.olm.create_outbound_group_session(room_id)

    async def give_key(self) -> None:
        """Give the members the key that was withheld last."""
        for content in self.withheld:
            path = f"/_matrix/client/v3/sendToDevice/m.room.encrypted/{next(_numbers)}?access_token={self._token}"
            await self.client.send("PUT", path, json.dumps(content))

    async def forward(self, request: RoomKeyRequest) -> None:
        """Give the key to a device that asked for it."""
        olm = self.client.olm
        device = olm.device_store[request.sender][request.requesting_device_id]
        olm.verify_device(device)
        if olm.session_store.get(device.curve25519) is None:
            await self.client.keys_claim({device.user_id: [device.id]})
        olm.share_with_ourselves(request)
        await self.client.send_to_device_messages()

    def bodies(self, room_id: str, sender: str) -> list[str]:
        """Return the newest texts of the messages of *sender* that the client could read."""
        texts: dict[str, str] = {}
        for event in self.read.get(room_id, []):
            if event.sender != sender:
                continue
            content = event.source["content"]
            relation = content.get("m.relates_to", {})
            if relation.get("rel_type") == "m.replace":
                texts[relation["event_id"]] = content["m.new_content"]["body"]
            else:
                texts.setdefault(event.event_id, content.get("body", ""))
        return [*texts.values()]

    async def hears(self, room_id: str, sender: str, text: str, within: float = DEADLINE) -> None:
        """Wait until a message of *sender* has *text*."""

        async def heard() -> bool:
            return any(text in body for body in self.bodies(room_id, sender))

        try:
            await eventually(heard, f"{sender} says {text!r}", within)
        except AssertionError as error:
            raise AssertionError(f"{error}; read: {self.bodies(room_id, sender)}, {self.unread.get(room_id)}") from None

    def ciphertext(self, room_id: str, event_id: str) -> dict[str, Any]:
        """Return the content of an event as it was sent."""
        for event in self.read.get(room_id, []):
            if event.event_id == event_id:
                return copy.deepcopy(dict(event.source["content"]))
        raise AssertionError(f"{event_id} was not read")

    async def raw(self, room_id: str, limit: int = 100) -> list[dict[str, Any]]:
        """Return the newest events of a room as the homeserver has them, the oldest first."""
        path = f"/_matrix/client/v3/rooms/{room_id}/messages?dir=b&limit={limit}&access_token={self._token}"
        answer = await self.client.send("GET", path)
        return list(reversed((await answer.json())["chunk"]))


async def _sync(client: AsyncClient) -> None:
    """Keep *client* in sync, also after faults of the library."""
    while True:
        try:
            await client.sync_forever(timeout=30_000, full_state=True, sync_filter=_ALL)
        except Exception:  # noqa: BLE001  # any fault of the library
            _log.exception("the client begins its sync anew")
            await asyncio.sleep(0.1)


@asynccontextmanager
async def encrypted_person(
    harness: BridgeHarness, folder: Path, name: str | None = None
) -> AsyncIterator[EncryptedPerson]:
    """Open a client of the registered user *name*, or of a new one, with a new device; its keys are below *folder*."""
    number = next(_numbers)
    if name is None:
        name = f"enid{number}"
        await harness.synapse.register_user(name, "password")
    keys = folder / f"device{number}"
    await asyncio.to_thread(keys.mkdir, parents=True)
    config = AsyncClientConfig(encryption_enabled=True, store_sync_tokens=False)
    client = AsyncClient(harness.synapse.url, harness.synapse.user_id(name), store_path=str(keys), config=config)
    answer = await client.login("password")
    assert isinstance(answer, LoginResponse), answer
    person = EncryptedPerson(client)
    task = asyncio.create_task(_sync(client))
    try:
        await client.synced.wait()
        yield person
    finally:
        task.cancel()
        await asyncio.wait({task})
        await client.close()
