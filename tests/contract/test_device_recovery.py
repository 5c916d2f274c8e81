"""The devices of the bridge are brought up to date at its start, some at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from agent_bridge.demo.agents.openai_server import LocalServer
from agent_bridge.encryption.vault import Vault
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.postgres.database import Database
from support.records import NAMES

if TYPE_CHECKING:
    from support.postgres import Server

USERS = [NAMES.user_id(f"agent_{number}") for number in range(20)]
TOGETHER = 8


class Uploads(LocalServer):
    """A homeserver with enough keys of each device. It answers when some requests wait, and fails for *broken*."""

    def __init__(self, broken: str) -> None:
        app = web.Application()
        app.router.add_post("/_matrix/client/v3/keys/upload", self._upload)
        app.router.add_post("/_matrix/client/v3/keys/query", self._query)
        app.router.add_put("/_matrix/client/v3/sendToDevice/{kind}/{txn}", self._send)
        super().__init__(app)
        self.broken = broken
        self.users: list[str] = []
        self.queried: list[str] = []
        self._are_many = asyncio.Event()

    async def _upload(self, request: web.Request) -> web.Response:
        self.users.append(request.query["user_id"])
        if len(self.users) == TOGETHER:
            self._are_many.set()
        await self._are_many.wait()
        if request.query["user_id"] == self.broken:
            return web.json_response({"errcode": "M_UNKNOWN", "error": "Internal server error"}, status=500)
        return web.json_response({"one_time_key_counts": {"signed_curve25519": 50}})

    async def _query(self, request: web.Request) -> web.Response:
        self.queried += (await request.json())["device_keys"]
        return web.json_response({"device_keys": {}})

    async def _send(self, _request: web.Request) -> web.Response:
        said = "Application service has not registered this user"
        return web.json_response({"errcode": "M_FORBIDDEN", "error": said}, status=403)


async def test_devices_are_brought_up_to_date_together(postgres: Server) -> None:
    """Users for whom the homeserver fails hold neither the others nor the lists of the devices of people."""
    with postgres.migrated() as url:
        async with Uploads(USERS[0]) as server, homeserver_session() as session, Database(url) as database:
            homeserver = Homeserver(server.root_url, "token", NAMES, session)
            async with Vault(url, homeserver, "secret") as vault:
                query = """
                    INSERT INTO encryption.device (user_id, device_id, is_signed, fetched_at)
                    SELECT user_id, 'AB', true, now() FROM unnest(%s::text[]) AS user_id
                """
                await database.execute(query, [USERS])
                await database.execute("INSERT INTO encryption.crypto_tracked_user VALUES ('@alice:x.org')")
                query = "INSERT INTO encryption.device_message (user_id, type, content) VALUES (%s, 'm.dummy', '{}')"
                await database.execute(query, [USERS[1]])
                async with asyncio.timeout(30):
                    await vault.recover()
                assert (sorted(server.users), server.queried) == (sorted(USERS), ["@alice:x.org"])
                # It has another attempt, until the homeserver takes its keys.
                for broken, expected in ((USERS[0], [USERS[0]]), ("", [USERS[0]]), ("", [])):
                    server.users, server.broken = [], broken
                    await vault.prune()
                    assert server.users == expected
