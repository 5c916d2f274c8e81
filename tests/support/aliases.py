"""Aliases of rooms that bridges of earlier tests have left on the homeserver, and that a bridge would find again."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config


async def forget_lobby(config: Config, url: str) -> None:
    """Take the alias away from the lobby of an earlier bridge: agents would get the messages of its people."""
    async with _bot(config, url) as homeserver:
        with suppress(HomeserverRefused):
            await homeserver.remove_alias(config.namespace.alias(config.namespace.lobby_alias_localpart))


async def make_space(config: Config, url: str) -> None:
    """Have a room with the alias of the Space, unless there is one: the bridge has to look which room that is."""
    async with _bot(config, url) as homeserver:
        await homeserver.create_room({"room_alias_name": config.namespace.space_alias_localpart})


@asynccontextmanager
async def _bot(config: Config, url: str) -> AsyncIterator[Homeserver]:
    async with homeserver_session() as session:
        yield Homeserver(url, config.appservice.as_token.get_secret_value(), config.namespace, session)
