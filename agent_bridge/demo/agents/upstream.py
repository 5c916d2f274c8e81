"""The demo's upstream: its agents are the demo's characters.

Besides the OpenAI API it accepts changes of its agents, which the bridge then follows::

    GET    /                 a page that explains the requests below
    POST   /agents           {"name": …, "character": "archivist"}
    PATCH  /agents/{id}      {"name": …}
    DELETE /agents/{id}
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shlex
import time
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from aiohttp import web

from agent_bridge.demo.agents.characters import CHARACTERS, SCEPTIC, Character, Mishap, Talk
from agent_bridge.demo.agents.openai_server import (
    ChatFormat,
    HangUp,
    OpenAIServer,
    Picture,
    Reasoning,
    Refusal,
    json_object,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_WORDS_BEFORE_MISHAP = 6


@dataclass(frozen=True, slots=True)
class DemoAgent:
    """An agent of the demo server."""

    #: Does not change when the agent is renamed.
    id: str
    name: str
    character: Character
    #: Unix time in seconds.
    created: int


class DemoUpstream(OpenAIServer):
    """The server of the demo's agents.

    It starts with one agent of each character, whose ids never change; with *empty* it starts with none. *pace* scales
    the time that words take; with 0 an answer comes at once and in one piece.
    """

    def __init__(self, *, port: int = 0, pace: float = 1, empty: bool = False) -> None:
        super().__init__(port=port)
        self._pace = pace
        self._agents: dict[str, DemoAgent] = {}
        if not empty:
            for key, character in CHARACTERS.items():
                self.add(character.name, character, agent_id=f"agent-{uuid5(NAMESPACE_URL, key)}")

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the API, and those that change agents."""
        return [
            *super().routes(),
            web.get("/", self._welcome),
            web.post("/agents", self._create),
            web.patch("/agents/{id}", self._update),
            web.delete("/agents/{id}", self._delete),
        ]

    @property
    def url(self) -> str:
        """The page that explains how to change agents."""
        return self.root_url

    @property
    def agents(self) -> tuple[DemoAgent, ...]:
        """The agents, oldest first."""
        return tuple(self._agents.values())

    def add(self, name: str, character: Character = SCEPTIC, *, agent_id: str | None = None) -> DemoAgent:
        """Add an agent and return it."""
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
            "Each agent is a contact in Matrix. The bridge follows these changes:",
            "",
            f"  {curl('PATCH', f'{self.url}/agents/{agent_id}', name='Another Name')}",
            f"  {curl('POST', f'{self.url}/agents', name='Newcomer', character='archivist')}",
            f"  {curl('DELETE', f'{self.url}/agents/{agent_id}')}",
            "",
        )
        return web.Response(text="\n".join(lines))

    def model_list(self) -> list[dict[str, Any]]:
        """See :class:`~agent_bridge.demo.agents.openai_server.OpenAIServer`."""
        return [_model(agent) for agent in self.agents]

    def chat_format(self, model: str) -> ChatFormat:
        """See :class:`~agent_bridge.demo.agents.openai_server.OpenAIServer`."""
        return ChatFormat(model)

    async def reply(self, question: Mapping[str, Any]) -> AsyncIterator[object]:
        """See :class:`~agent_bridge.demo.agents.openai_server.OpenAIServer`."""
        agent, talk = self._agent(str(question.get("model"))), _talk(question.get("messages"))
        # An empty piece begins the response before the first word.
        yield ""
        async for piece in _perform(agent.character, talk, self._pace):
            yield piece
        match agent.character.mishap(talk):
            case Mishap.CUT:
                raise HangUp
            case Mishap.FAILS:
                status = HTTPStatus.INTERNAL_SERVER_ERROR
                raise Refusal("the agent failed, as it was asked to", status, code="agent_failed")

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


def _talk(messages: Any) -> Talk:
    """Return the messages of the person among the *messages* of a chat completion.

    Raises:
        Refusal: *messages* is not a list of messages, or a person wrote none of them.
    """
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise Refusal("messages must be a list of objects", param="messages")
    said = [_text(message.get("content")) for message in messages if message.get("role") == "user"]
    if not said:
        raise Refusal("messages must contain one with the role user", param="messages")
    return Talk(said[-1], tuple(said[:-1]))


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


async def _perform(character: Character, talk: Talk, pace: float) -> AsyncIterator[object]:
    """Yield the answer of *character* one word at a time, with *pace* 0 each text in one piece."""
    words = _words(character.answer(talk))
    if character.mishap(talk):
        words = words[:_WORDS_BEFORE_MISHAP]
    for kind, spoken in ((Reasoning, _words(character.thoughts(talk))), (str, words)):
        for piece in spoken if pace else filter(None, ["".join(spoken)]):
            await asyncio.sleep(pace * character.pace)
            yield kind(piece)
    picture = character.picture(talk)
    if picture is not None:
        yield Picture(f"data:image/png;base64,{base64.b64encode(picture).decode()}")


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*", text)


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
        raise Refusal("name must be a non-empty text", param="name")
    return name.strip()
