"""The tables of the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.encryption.tables import KeyDatabase, make_tables

if TYPE_CHECKING:
    from support.postgres import Server


async def test_new_tables_need_new_devices(postgres: Server) -> None:
    """Tables that are made anew, as after a restored backup or with another secret, have no devices."""
    with postgres.migrated() as url:
        keys = KeyDatabase(url)
        await keys.start()
        try:
            query = "INSERT INTO encrypted_room (room_id, is_encrypted, has_devices) VALUES ('!r:x', true, true)"
            await keys.execute(query)
            has_devices = []
            for secret in ("first", "first", "second"):
                await make_tables(keys, secret)
                has_devices.append(await keys.fetchval("SELECT has_devices FROM encrypted_room"))
                await keys.execute("UPDATE encrypted_room SET has_devices = true")
            assert has_devices == [False, True, False]
        finally:
            await keys.stop()
