"""The requests that create a room, without a bridge: the baseline of provisioning."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import aiohttp

from agent_bridge.demo.account import call
from agent_bridge.matrix.rooms import ADMIN_POWER, RoomPlan, child_content, home_content, space_content

if TYPE_CHECKING:
    from agent_bridge.config.model import Config

_V3 = "/_matrix/client/v3"


class Bare:
    """Creates agents' rooms with the same requests and bodies as the bridge. Use it as a context manager.

    The rooms have the default version of the homeserver, 12.
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
        content = home_content(self._plan(localpart, ghost), bot=bot, space=self._space, domain=domain)
        room_id: str = (await self._ask("POST", "/createRoom", content, ghost))["room_id"]
        await self._ask("POST", f"/rooms/{_q(room_id)}/join", {})
        child = f"/rooms/{_q(self._space)}/state/m.space.child/{_q(room_id)}"
        await self._ask("PUT", child, child_content(domain, f"Agent {number}"))
        await self._ask("POST", f"/rooms/{_q(room_id)}/invite", {"user_id": self._invite})
        return room_id

    async def _register(self, localpart: str) -> None:
        content = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        await self._ask("POST", "/register", content)

    async def _ask(self, method: str, path: str, content: dict[str, Any], as_user: str | None = None) -> Any:
        return await call(self._http, method, _V3 + path, content, query={"user_id": as_user or self._namespace.bot})

    def _plan(self, alias: str, creator: str) -> RoomPlan:
        return RoomPlan(
            alias=alias,
            name=f"Room of {alias}",
            topic=f"Chat with {alias}",
            creator=creator,
            lists_creator=False,
            powers={self._namespace.bot: ADMIN_POWER},
        )


def _q(part: str) -> str:
    return quote(part, safe="")
