"""Keys of rooms, from honest and from hostile devices: which events the bridge opens, and for whom it encrypts."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mautrix.types import DeviceID, DeviceIdentity, IdentityKey, RoomID, SigningKey, TrustState, UserID

from agent_bridge.core.errors import KeyMissing, Unreadable
from agent_bridge.encryption.device_lists import _valid
from agent_bridge.encryption.vault import Vault
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.postgres.database import Database
from support.olm_device import OlmDevice, Recipient
from support.records import NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.postgres import Server

ROOM, OTHER_ROOM = "!room:x.org", "!other:x.org"
GHOST, ALICE, MALLORY = NAMES.user_id("agent_ada"), "@alice:x.org", "@mallory:x.org"
LIMITS = (100, timedelta(days=1))


@dataclass
class Safe:
    """The keys of an agent. No homeserver is there: these steps need none."""

    vault: Vault
    database: Database
    device: Recipient

    async def take(self, message: dict[str, Any]) -> bool:
        """Process a message to the device; tell whether more are left."""
        query = "INSERT INTO encryption.inbox (user_id, kind, content, sender) VALUES (%s, 'to_device', %s, %s)"
        await self.database.execute(query, [GHOST, json.dumps(message), message["sender"]])
        return await self.vault.receive(GHOST)

    async def waits_for(self, event: dict[str, Any]) -> None:
        """Keep an event whose key is asked for."""
        query = "INSERT INTO sealed_event (event_id, room_id, sender, session_id, event) VALUES (%s, %s, %s, %s, %s)"
        session_id = event["content"]["session_id"]
        values = [event["event_id"], event["room_id"], event["sender"], session_id, json.dumps(event)]
        await self.database.execute(query, values)

    async def reads(self, event: dict[str, Any]) -> str:
        return str((await self.vault.decrypt(event))["content"]["body"])

    async def count(self, table: str) -> int:
        row = await self.database.row(f"SELECT count(*) AS number FROM encryption.{table}")  # noqa: S608  # of ours
        assert row is not None
        return int(row["number"])


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Safe]:
    async with homeserver_session() as session, Database(url) as database:
        homeserver = Homeserver("http://127.0.0.1:9", "token", NAMES, session)
        async with Vault(url, homeserver, "secret") as vault:
            query = "INSERT INTO encryption.device (user_id, device_id, is_signed) VALUES (%s, 'AB', true)"
            await database.execute(query, [GHOST])
            async with vault._operations.keys_of(GHOST):
                machine = await vault._operations.machine(GHOST, "AB")
                await machine.prepare_keys(0)
            yield Safe(vault, database, Recipient(machine))


@pytest.fixture
async def safe(postgres: Server) -> AsyncIterator[Safe]:
    with postgres.migrated() as url:
        async with _opened(url) as safe:
            yield safe


async def test_a_session_is_the_voice_of_its_owner_alone(safe: Safe) -> None:
    alice, mallory = OlmDevice(ALICE), OlmDevice(MALLORY)
    for device in (alice, mallory):
        await safe.take(device.gives_key(safe.device, ROOM))
    assert await safe.reads(alice.says(ROOM, "$1", "hello")) == "hello"
    # A homeserver that lies about the sender.
    for device, sender in ((alice, MALLORY), (mallory, ALICE)):
        with pytest.raises(KeyMissing):
            await safe.vault.decrypt(device.says(ROOM, f"$of {sender}", "hello") | {"sender": sender})


async def test_a_ciphertext_is_one_event_of_one_room(safe: Safe) -> None:
    alice = OlmDevice(ALICE)
    await safe.take(alice.gives_key(safe.device, ROOM))
    event = alice.says(ROOM, "$1", "once")
    assert [await safe.reads(event) for _ in range(2)] == ["once", "once"]
    with pytest.raises(Unreadable, match="repeats"):
        await safe.vault.decrypt(event | {"event_id": "$2"})
    with pytest.raises(Unreadable, match="another room"):
        await safe.vault.decrypt(alice.says(ROOM, "$3", "elsewhere", inner_room=OTHER_ROOM))


async def test_the_homeserver_decides_about_some_events(safe: Safe) -> None:
    """Nobody redacts the message of another, or enters a room, by a ciphertext."""
    alice = OlmDevice(ALICE)
    await safe.take(alice.gives_key(safe.device, ROOM))
    for kind in ("m.room.redaction", "m.room.encrypted", "m.room.encryption", "m.room.member"):
        with pytest.raises(Unreadable, match="unknown form"):
            await safe.vault.decrypt(alice.says(ROOM, f"${kind}", "strange", kind=kind))


async def test_the_room_of_a_session_stays(safe: Safe) -> None:
    alice, mallory = OlmDevice(ALICE), OlmDevice(MALLORY)
    await safe.take(alice.gives_key(safe.device, ROOM))
    key = {"session_key": alice.room_key, "session_id": alice.session_id}
    for device in (alice, mallory):
        assert not await safe.take(device.gives_key(safe.device, OTHER_ROOM, **key))
    assert await safe.reads(alice.says(ROOM, "$1", "still here")) == "still here"
    with pytest.raises(KeyMissing):
        await safe.vault.decrypt(alice.says(OTHER_ROOM, "$2", "and not there"))


async def test_a_key_that_reaches_further_back_stays(safe: Safe) -> None:
    alice, mallory = OlmDevice(ALICE), OlmDevice(MALLORY)
    await safe.take(alice.gives_key(safe.device, ROOM))
    event = alice.says(ROOM, "$1", "from the beginning")
    later = {"session_key": alice.present_key, "session_id": alice.session_id}
    await safe.take(mallory.gives_key(safe.device, ROOM, **later))
    assert await safe.reads(event) == "from the beginning"


async def test_a_forwarded_key_is_taken_if_it_was_asked_for(safe: Safe) -> None:
    first, second, mallory = OlmDevice(ALICE), OlmDevice(ALICE, "SECOND"), OlmDevice(MALLORY)
    event = first.says(ROOM, "$1", "hello")
    await safe.take(second.forwards(safe.device, ROOM, first))
    assert await safe.count("session_owner") == 0
    await safe.waits_for(event)
    # The devices of its owner were asked.
    await safe.take(mallory.forwards(safe.device, ROOM, first))
    await safe.take(second.forwards(safe.device, OTHER_ROOM, first))
    assert await safe.count("session_owner") == 0
    await safe.take(second.forwards(safe.device, ROOM, first))
    assert await safe.reads(event) == "hello"


@pytest.mark.parametrize("room_id", [OTHER_ROOM, "!\0:x.org"])
async def test_a_message_that_fails_halfway_leaves_nothing(safe: Safe, room_id: str) -> None:
    """The first message of a channel is decrypted before its key is refused: by the bridge, or by the database."""
    alice, second = OlmDevice(ALICE), OlmDevice(ALICE, "SECOND")
    await safe.take(alice.gives_key(safe.device, ROOM))
    before = [await safe.count(table) for table in ("crypto_olm_session", "crypto_megolm_inbound_session")]
    account = await safe.database.row("SELECT account FROM encryption.crypto_account")
    key = {"session_key": alice.room_key, "session_id": alice.session_id} if room_id == OTHER_ROOM else {}
    assert not await safe.take(second.gives_key(safe.device, room_id, **key))
    assert await safe.count("inbox") == 0
    after = [await safe.count(table) for table in ("crypto_olm_session", "crypto_megolm_inbound_session")]
    assert after == before
    assert await safe.database.row("SELECT account FROM encryption.crypto_account") == account


async def test_keys_are_given_to_devices_with_signatures_alone(safe: Safe) -> None:
    honest, forged = OlmDevice(ALICE), OlmDevice(ALICE, "FORGED")
    stranger = OlmDevice(ALICE, "FORGED")
    claimed = {(ALICE, "DEVICE"): honest.one_time_key(), (ALICE, "FORGED"): stranger.one_time_key()}
    devices = [_identity(each) for each in (honest, forged)]
    async with safe.vault._operations.keys_of(GHOST):
        machine = await safe.vault._operations.machine(GHOST, "AB")
        _, left_out = await machine.share(RoomID(ROOM), devices, claimed, LIMITS)
    ((_, messages),) = machine.client.messages
    assert (left_out, [*messages[ALICE]]) == (1, ["DEVICE"])


async def test_devices_sign_their_keys() -> None:
    device, other = OlmDevice(ALICE), OlmDevice(ALICE)
    keys = device.keys()
    assert [*await _valid(ALICE, {"DEVICE": keys}, {})] == ["DEVICE"]
    known = {DeviceID("DEVICE"): _identity(device)}
    assert [*await _valid(ALICE, {"DEVICE": keys}, known)] == ["DEVICE"]
    foreign = keys["keys"] | {"curve25519:DEVICE": other.identity_key}
    for user_id, device_id, wrong, before in (
        (ALICE, "DEVICE", keys | {"signatures": {}}, {}),
        (ALICE, "DEVICE", keys | {"signatures": other.keys()["signatures"]}, {}),
        (ALICE, "DEVICE", keys | {"keys": foreign}, {}),
        (MALLORY, "DEVICE", keys, {}),
        (ALICE, "OTHER", keys, {}),
        # The same device with other keys, as signed as before.
        (ALICE, "DEVICE", other.keys(), known),
    ):
        assert await _valid(user_id, {device_id: wrong}, before) == {}


def _identity(device: OlmDevice) -> DeviceIdentity:
    return DeviceIdentity(
        user_id=UserID(device.user_id),
        device_id=DeviceID(device.device_id),
        identity_key=IdentityKey(device.identity_key),
        signing_key=SigningKey(device.signing_key),
        trust=TrustState.UNVERIFIED,
        deleted=False,
        name="",
    )
