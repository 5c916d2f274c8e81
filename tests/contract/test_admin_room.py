"""The room of the administrators: what a homeserver refuses, on a real PostgreSQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agent_bridge.bridge.rooms.admin_room import AdminRoom
from agent_bridge.config.validation import config_from
from agent_bridge.core.roles import Roles
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.rooms import Rooms
from support.fault_server import FaultServer, Reply
from support.records import NAMES

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database


async def test_a_message_that_is_too_large_needs_no_other_room(database: Database) -> None:
    body = json.dumps({"errcode": "M_TOO_LARGE", "error": "event too large"}).encode()
    config = config_from(
        {
            "homeserver": {"address": "http://127.0.0.1:9", "domain": "example.org"},
            "appservice": {"as_token": "a", "hs_token": "h"},
            "upstreams": [{"name": "up", "url": "http://127.0.0.1:9"}],
            "permissions": {"@admin:example.org": "admin"},
        }
    )
    kv = KeyValues(database)
    await kv.set(KeyValues.ADMIN_ROOM, "!room:example.org")
    async with FaultServer() as server, homeserver_session() as session:
        homeserver = Homeserver(server.root_url, "a", NAMES, session)
        room = AdminRoom(homeserver, kv, Rooms(database), config, Roles.fixed(config.permissions, NAMES), ENGLISH)
        server.script(Reply(413, {"Content-Type": "application/json"}, (body,)))
        await room.tell_once("a", "x" * 100_000)
        assert [request.method for request in server.requests] == ["PUT"]
    assert await kv.get(KeyValues.ADMIN_ROOM) == "!room:example.org"
