"""Encrypted rooms after losses: people go on talking, and nobody is warned of new identities without need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.postgres.database import Database
from support.encrypted_person import EncryptedPerson, encrypted_person
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness
    from support.postgres import Server

pytest.importorskip("vodozemac")


async def _identity(person: EncryptedPerson, user_id: str) -> tuple[str, frozenset[str]]:
    """Return the master key of a user and the devices that the user has signed."""
    keys = await person.query_keys(user_id)
    (signing_key,) = keys["self_signing_keys"][user_id]["keys"]
    devices = keys["device_keys"][user_id]
    (master_key,) = keys["master_keys"][user_id]["keys"]
    assert all(signing_key in each["signatures"][user_id] for each in devices.values())
    return master_key, frozenset(devices)


async def test_lost_keys_are_replaced(
    harness: BridgeHarness, postgres: Server, database_url: str, tmp_path: Path
) -> None:
    """The schema of the keys, as after a restored backup; a device on the homeserver; the database; the secret."""
    async with ScriptedUpstream("ada") as upstream, encrypted_person(harness, tmp_path) as person:

        async def exchange(text: str, url: str, **more: str) -> str:
            encryption = {"allow": True, "wait": 2.0, **more}
            config = harness.config(url, [{"name": "u", "url": upstream.url}], encryption=encryption)
            async with harness.bridge(config) as running:
                await running.contact(upstream.names[0])
                if not rooms:
                    rooms.append(await person.create_room(ghost))
                await person.meets(rooms[0], ghost)
                await person.knows_device(ghost, other_than=frozenset(devices))
                person.rotate(rooms[0])
                await person.say(rooms[0], text)
                await person.hears(rooms[0], ghost, text)
            master_key, (device,) = await _identity(person, ghost)
            devices.append(device)
            return master_key

        rooms: list[str] = []
        devices: list[str] = []
        names = harness.config(database_url, []).namespace
        ghost = names.user_id(names.localpart(upstream.names[0]))
        first = await exchange("the first", database_url)
        async with Database(database_url) as database:
            await database.execute("DROP SCHEMA encryption CASCADE")
        second = await exchange("without the schema", database_url)
        async with homeserver_session() as session:
            homeserver = Homeserver(harness.synapse.url, "as-token-of-agent-bridge", names, session)
            await homeserver.delete_device(ghost, devices[-1])
        third = await exchange("without the device", database_url)
        with postgres.migrated() as url:
            fourth = await exchange("without the database", url)
            fifth = await exchange("with another secret", url, secret="0" * 40)
            # The homeserver does not take the same identity twice.
            sixth = await exchange("with the first secret again", url)
            async with Database(url) as database:
                await database.execute("DROP SCHEMA encryption CASCADE")
            seventh = await exchange("without the schema again", url)
        assert first == second == third == fourth
        assert sixth == seventh
        assert len({first, fifth, sixth}) == 3
        assert len({*devices}) == len(devices)
        said = [event["type"] for event in await person.raw(rooms[0]) if event["sender"] == ghost]
        assert "m.room.message" not in said
        assert not [event for event in person.unread.get(rooms[0], []) if event.sender == ghost]
