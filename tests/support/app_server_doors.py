"""App Servers that describe themselves, want a token or refuse WebSockets, and list agents as the real one does."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from agent_bridge.demo.agents.openai_server import Refusal
from support.scripted_app_server import ScriptedAppServer


class GuardedAppServer(ScriptedAppServer):
    """:class:`ScriptedAppServer` with a description of itself, and with checks before its WebSocket."""

    def __init__(self, *models: str) -> None:
        super().__init__(*models)
        #: The token that the server wants, and the status with which it responds to the handshake of a WebSocket.
        self.token = ""
        self.handshake = 101

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the server."""
        return [*super().routes(), web.get("/app-server-info", self._describe)]

    async def _describe(self, request: web.Request) -> web.Response:
        self._authorise(request)
        capabilities = {"protocol_version": self.protocol_version, "capabilities": self.capabilities}
        return web.json_response(
            {"type": "app_server_info_response", "letta_code_version": self.version, **capabilities}
        )

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self._authorise(request)
        if self.handshake != 101:
            raise Refusal("", self.handshake)
        return await super()._serve(request)

    def _authorise(self, request: web.Request) -> None:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            raise Refusal("missing websocket bearer token", 401)


class TwoInterfaces(GuardedAppServer):
    """Has the agents *names*, by their ids. Its OpenAI API lists names, and ids where names are not unique."""

    def __init__(self, names: dict[str, str]) -> None:
        super().__init__()
        self.by_id = names

    @property
    def by_id(self) -> dict[str, str]:
        """The names of the agents by their ids."""
        return {each["id"]: each["name"] for each in self.models}

    @by_id.setter
    def by_id(self, names: dict[str, str]) -> None:
        self.models = [{"id": each, "name": name} for each, name in names.items()]

    def model_list(self) -> list[dict[str, Any]]:
        """Return the list of the OpenAI API."""
        names = list(self.by_id.values())
        shown = [name if names.count(name) == 1 else each for each, name in self.by_id.items()]
        return [{"id": each, "owned_by": "letta"} for each in shown]
