"""Programs that use the API of a bridge."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp

from agent_bridge.core.actors import Actor
from agent_bridge.core.programs import ALL_CAPABILITIES, random_token, token_hash
from agent_bridge.store.tokens import NewToken, Tokens

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.core.programs import Capability
    from agent_bridge.store.postgres.database import Database
    from support.bot_rooms import BotRoom
    from support.harness import Running

_TOKEN = re.compile(r"AGENT_BRIDGE_TOKEN=(ab_[\w-]{43})")


@dataclass(frozen=True)
class Answer:
    """A response of the API."""

    status: int
    #: JSON; None without.
    content: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        """The code of the problem; empty without one."""
        found = self.content.get("code", "") if isinstance(self.content, dict) else ""
        return str(found)

    def __getitem__(self, key: str) -> Any:
        """Return a field of the content."""
        return self.content[key]


@dataclass(frozen=True)
class Program:
    """A program with a token."""

    url: str
    token: str

    def at(self, url: str) -> Program:
        """Return the program as it uses another process."""
        return replace(self, url=url)

    async def get(self, path: str, **query: object) -> Answer:
        """Send a request that reads."""
        given = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in query.items()}
        return await self.request("GET", path, query=given)

    async def post(self, path: str, key: str | None = None, **body: object) -> Answer:
        """Send a request with a JSON body."""
        return await self.request("POST", path, key=key, body=body)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        data: bytes | None = None,
        key: str | None = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request; *data*: a body that is no JSON."""
        given = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        given |= {} if key is None else {"Idempotency-Key": key}
        if body is not None:
            data, given = json.dumps(body).encode(), given | {"Content-Type": "application/json"}
        async with aiohttp.request(
            method, f"{self.url}{path}", data=data, headers=given | (headers or {}), params=query
        ) as response:
            text = await response.text()
            is_json = response.content_type.endswith("json")
            return Answer(response.status, json.loads(text) if is_json else text, dict(response.headers))

    async def stream(
        self, path: str, body: object, *, headers: dict[str, str] | None = None, heard: list[str] | None = None
    ) -> str:
        """Return the text of a stream that a JSON *body* asks for; *heard* gets the pieces that have arrived."""
        pieces = [] if heard is None else heard
        given = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        async with aiohttp.request("POST", f"{self.url}{path}", json=body, headers=given) as response:
            assert response.content_type == "text/event-stream", await response.text()
            async for piece in response.content.iter_any():
                pieces.append(piece.decode())
        return "".join(pieces)

    async def send(self, room: str, text: str, key: str | None = None, **more: object) -> Answer:
        """Send a message to a room."""
        return await self.post(f"/v1/rooms/{quote(room, safe='')}/messages", key, text=text, **more)


def token_in(room: BotRoom) -> str | None:
    """Return the token that the bot has told last in a room."""
    found = [match[1] for message in room.said() if (match := _TOKEN.search(message.body))]
    return found[-1] if found else None


async def program_of(
    running: Running,
    identity: str,
    *,
    name: str = "test",
    capabilities: Collection[Capability] = ALL_CAPABILITIES,
    rooms: Collection[str] | None = None,
    seconds: float | None = None,
) -> Program:
    """Return a program with a new token of *identity*, a user id or the name of an agent."""
    tokens, actor = Tokens(running.database, running.homeserver.namespace), Actor(identity)
    if not identity.startswith("@"):
        agent = (await running.contact(identity)).agent
        actor = Actor(running.homeserver.namespace.user_id(agent.ghost), agent.id)
    secret = await new_secret(
        tokens, running.database, actor, name=name, capabilities=capabilities, rooms=rooms, seconds=seconds
    )
    return Program(running.bridge.config.public_url, secret)


async def new_secret(
    tokens: Tokens,
    database: Database,
    actor: Actor,
    *,
    name: str = "",
    capabilities: Collection[Capability] = ALL_CAPABILITIES,
    rooms: Collection[str] | None = None,
    made_by: str = "",
    seconds: float | None = None,
) -> str:
    """Write a token of *actor*, and return its secret; *name*: default is a random one."""
    secret = random_token()
    async with database.transaction() as connection:
        new = NewToken(
            name=name or secret[-8:],
            identity=actor,
            hash=token_hash(secret),
            nonce=None,
            capabilities=frozenset(capabilities),
            rooms=None if rooms is None else frozenset(rooms),
            made_by=made_by,
            seconds=seconds,
        )
        await tokens.add(connection, new)
    return secret
