"""A small OpenAI-compatible server on 127.0.0.1 whose agents are the demo's characters.

Beside the API it takes changes of its agents, so that one can see them followed::

    GET    /                 what can be done here, in words
    POST   /agents           {"name": …, "character": "archivist"}
    PATCH  /agents/{id}      {"name": …}
    DELETE /agents/{id}
"""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from uuid import NAMESPACE_URL, uuid4, uuid5

from aiohttp import web

from agent_bridge.demo.characters import CHARACTERS, SCEPTIC, Character
from agent_bridge.demo.completions import Completion, Refusal, json_object, performance, refusals, talk

if TYPE_CHECKING:
    from types import TracebackType

_MAX_BODY = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DemoAgent:
    """An agent of the demo server."""

    #: Stays the same when it is renamed.
    id: str
    name: str
    character: Character
    #: Unix time in seconds.
    created: int


class DemoUpstream:
    """The server: listens from entering to leaving the context.

    It starts with one agent of each character, whose ids are the same each time; with *empty* it starts with
    none. *pace* scales how long words take; with 0 an answer comes at once and in one piece.
    """

    def __init__(self, *, port: int = 0, pace: float = 1, empty: bool = False) -> None:
        self._port = port
        self._pace = pace
        self._agents: dict[str, DemoAgent] = {}
        if not empty:
            for key, character in CHARACTERS.items():
                self.add(character.name, character, agent_id=f"agent-{uuid5(NAMESPACE_URL, key)}")

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_MAX_BODY, middlewares=[refusals])
        app.add_routes(
            [
                web.get("/", self._welcome),
                web.get("/v1/models", self._models),
                web.post("/v1/chat/completions", self._chat),
                web.post("/agents", self._create),
                web.patch("/agents/{id}", self._update),
                web.delete("/agents/{id}", self._delete),
            ]
        )
        # Answers that are under way when the context is left are not waited for.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where a person looks at it and changes its agents."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        """Base URL of the OpenAI-compatible API."""
        return f"{self.url}/v1"

    @property
    def agents(self) -> tuple[DemoAgent, ...]:
        """The agents, oldest first."""
        return tuple(self._agents.values())

    def add(self, name: str, character: Character = SCEPTIC, *, agent_id: str | None = None) -> DemoAgent:
        """Make an agent."""
        agent = DemoAgent(agent_id or f"agent-{uuid4()}", name, character, int(time.time()))
        self._agents[agent.id] = agent
        return agent

    def rename(self, agent_id: str, name: str) -> DemoAgent:
        """Give an agent another name.

        Raises:
            KeyError: there is no such agent.
        """
        self._agents[agent_id] = replace(self._agents[agent_id], name=name)
        return self._agents[agent_id]

    def remove(self, agent_id: str) -> None:
        """Delete an agent.

        Raises:
            KeyError: there is no such agent.
        """
        del self._agents[agent_id]

    async def _welcome(self, _: web.Request) -> web.Response:
        agent_id = next(iter(self._agents), "ID")
        lines = (
            "The agents of the demo:",
            "",
            *(f"  {agent.id}  {agent.name}: {agent.character.about}" for agent in self.agents),
            "",
            "Each is a contact in Matrix. Change one here, and see it followed there:",
            "",
            f"  {curl('PATCH', f'{self.url}/agents/{agent_id}', name='Another Name')}",
            f"  {curl('POST', f'{self.url}/agents', name='Newcomer', character='archivist')}",
            f"  {curl('DELETE', f'{self.url}/agents/{agent_id}')}",
            "",
        )
        return web.Response(text="\n".join(lines))

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [_model(agent) for agent in self.agents]})

    async def _create(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        character = CHARACTERS.get(str(body.get("character", "sceptic")))
        if character is None:
            raise Refusal(f"character must be one of {', '.join(CHARACTERS)}", param="character")
        return web.json_response(_model(self.add(_name(body), character)), status=HTTPStatus.CREATED)

    async def _update(self, request: web.Request) -> web.Response:
        agent = self._agent(request.match_info["id"])
        return web.json_response(_model(self.rename(agent.id, _name(await json_object(request)))))

    async def _delete(self, request: web.Request) -> web.Response:
        self.remove(self._agent(request.match_info["id"]).id)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await json_object(request)
        agent, said = self._agent(str(body.get("model"))), talk(body.get("messages"))
        deltas = performance(agent.character, said, self._pace)
        completion = Completion(agent.id, deltas, agent.character.mishap(said))
        return await (completion.stream(request) if body.get("stream") else completion.whole(request))

    def _agent(self, agent_id: str) -> DemoAgent:
        try:
            return self._agents[agent_id]
        except KeyError:
            message = f"there is no agent {agent_id!r}"
            raise Refusal(message, HTTPStatus.NOT_FOUND, param="model", code="model_not_found") from None


def curl(method: str, url: str, **body: str) -> str:
    """Return the curl command, for a shell, that sends *body* as JSON."""
    parts = ["curl", "-X", method, url]
    if body:
        parts += ["-H", "Content-Type: application/json", "-d", json.dumps(body, ensure_ascii=False)]
    return shlex.join(parts)


def _model(agent: DemoAgent) -> dict[str, Any]:
    return {
        "id": agent.id,
        "object": "model",
        "created": agent.created,
        "owned_by": "agent-bridge-demo",
        "name": agent.name,
    }


def _name(body: dict[str, Any]) -> str:
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise Refusal("name must be a text that is not empty", param="name")
    return name.strip()
