"""An authentication service in the place of Matrix Authentication Service: enough of it for a real Synapse.

Synapse reads its metadata, and asks it about each access token of a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from ruamel.yaml import YAML

from agent_bridge.demo.agents.openai_server import LocalServer
from support.forked import fork_module

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.demo.program import Process

SECRET = "shared"  # of the test
ADMIN_TOKEN = "token-of-admin"
_SCOPES = {ADMIN_TOKEN: ("admin", "urn:matrix:client:api:* urn:synapse:admin:*")}


class AuthService(LocalServer):
    """Knows one person, *admin*, a server administrator. While :attr:`is_away`, it answers with errors."""

    def __init__(self) -> None:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._metadata)
        app.router.add_post("/oauth2/introspect", self._introspect)
        super().__init__(app)
        self.is_away = False

    async def start_synapse(self, folder: Path, log: Path) -> Process:
        """Start the Synapse of *folder*, whose accounts belong to this service."""
        settings = folder / "auth_service.yaml"
        service = {"enabled": True, "endpoint": f"{self.root_url}/", "secret": SECRET}
        changes = {"matrix_authentication_service": service, "password_config": {"enabled": False}}
        YAML(typ="safe", pure=True).dump(changes, settings)
        return await fork_module("support.synapse_program", str(folder), str(log), str(settings))

    async def _metadata(self, _request: web.Request) -> web.Response:
        if self.is_away:
            return web.Response(status=502)
        return web.json_response({"issuer": f"{self.root_url}/", "account_management_uri": f"{self.root_url}/account"})

    async def _introspect(self, request: web.Request) -> web.Response:
        token = str((await request.post())["token"])
        if token not in _SCOPES:
            return web.json_response({"active": False})
        name, scope = _SCOPES[token]
        return web.json_response({"active": True, "username": name, "scope": scope, "sub": name})
