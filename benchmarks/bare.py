"""The requests that create a room, without a bridge: the baselines of provisioning and of new chats."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote
from uuid import uuid4

import aiohttp

from agent_bridge.bridge.chats.maker import chat_powers
from agent_bridge.core.ids import mark
from agent_bridge.demo.account import call
from agent_bridge.files import tile
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.rooms import BridgedAgent, RoomPlan, chat_content, child_content, home_content, space_content
from agent_bridge.render.content import message

if TYPE_CHECKING:
    from agent_bridge.config.model import Config

_V3 = "/_matrix/client/v3"
_UPLOAD = "/_matrix/media/v3/upload"


class Bare:
    """Creates agents' rooms with the same requests and bodies as the bridge. Use it as a context manager.

    The bridge also asks whether the ghost has an avatar, and reads the state of the room that it made. These requests
    count as its own cost, and so does drawing the avatar: here, all ghosts have the same one. The rooms have the
    default version of the homeserver, 12.
    """

    def __init__(self, config: Config, invite: str) -> None:
        self._config = config
        self._namespace = config.namespace
        self._invite = invite
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        token = self._config.appservice.as_token.get_secret_value()
        headers = {"Authorization": f"Bearer {token}"}
        self._http = aiohttp.ClientSession(self._config.homeserver.address, headers=headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def space(self) -> None:
        """Create the bot and the Space."""
        self._picture = tile.tile("Agent 1", "benchmark")
        await self._register(self._namespace.bot_username)
        plan = self._plan(self._namespace.space_alias_localpart, self._namespace.bot)
        self._space: str = (await self._ask("POST", "/createRoom", space_content(plan)))["room_id"]

    async def room(self) -> str:
        """Create one ghost and its room, and return the room id."""
        number = next(self._numbers)
        localpart = f"{self._namespace.username_prefix}{number}"
        ghost, domain, bot = self._namespace.user_id(localpart), self._namespace.domain, self._namespace.bot
        await self._register(localpart)
        await self._ask("PUT", f"/profile/{_q(ghost)}/displayname", {"displayname": f"Agent {number}"}, ghost)
        self._ghost, self._picture_url = ghost, await self._avatar(ghost)
        avatar = self._picture_url
        agent = BridgedAgent(localpart, f"agent-{number}", "benchmark")
        plan = self._plan(localpart, ghost, bot)
        content = home_content(plan, agent, space=self._space, domain=domain, avatar=avatar)
        room_id: str = (await self._ask("POST", "/createRoom", content, ghost))["room_id"]
        await self._ask("POST", f"/rooms/{_q(room_id)}/join", {})
        introduction = message(ENGLISH.introduction.format(name=f"Agent {number}"), mark=mark(ghost, 0), notice=True)
        await self._ask("PUT", f"/rooms/{_q(room_id)}/send/m.room.message/introduction", introduction, ghost)
        child = f"/rooms/{_q(self._space)}/state/m.space.child/{_q(room_id)}"
        await self._ask("PUT", child, child_content(domain, f"Agent {number}"))
        await self._ask("POST", f"/rooms/{_q(room_id)}/invite", {"user_id": self._invite})
        return room_id

    async def chat(self, person: str) -> str:
        """Create a chat of *person* with the ghost that was created last, and return the room id. The bot stays out."""
        ghost = self._ghost
        plan = RoomPlan(
            alias=self._namespace.chat_alias_localpart(uuid4().hex),
            name="A new chat",
            topic="",
            creator=ghost,
            lists_creator=False,
            powers=chat_powers(person),
            bot=self._namespace.bot,
        )
        number, domain = next(self._numbers), self._namespace.domain
        agent = BridgedAgent(ghost.removeprefix("@").partition(":")[0], "agent", "benchmark")
        content = chat_content(
            plan, agent, person=person, number=number, space=self._space, domain=domain, avatar=self._picture_url
        )
        room_id: str = (await self._ask("POST", "/createRoom", content, ghost))["room_id"]
        return room_id

    async def _avatar(self, ghost: str) -> str:
        """Give the ghost an avatar, and return its ``mxc://`` URL."""
        query = {"user_id": ghost, "filename": "avatar"}
        headers = {"Content-Type": tile.CONTENT_TYPE}
        async with self._http.post(_UPLOAD, data=self._picture, params=query, headers=headers) as response:
            avatar: str = (await response.json())["content_uri"]
        await self._ask("PUT", f"/profile/{_q(ghost)}/avatar_url", {"avatar_url": avatar}, ghost)
        return avatar

    async def _register(self, localpart: str) -> None:
        content = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        await self._ask("POST", "/register", content)

    async def _ask(self, method: str, path: str, content: dict[str, Any], as_user: str | None = None) -> Any:
        return await call(self._http, method, _V3 + path, content, query={"user_id": as_user or self._namespace.bot})

    def _plan(self, alias: str, creator: str, bot: str | None = None) -> RoomPlan:
        return RoomPlan(
            alias=alias,
            name=f"Room of {alias}",
            topic=f"Chat with {alias}",
            creator=creator,
            lists_creator=False,
            powers={},
            bot=bot,
        )


def _q(part: str) -> str:
    return quote(part, safe="")
