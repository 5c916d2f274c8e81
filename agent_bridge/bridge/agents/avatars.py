"""Avatars of ghosts, rooms, the Space and the bot: the picture of the entry or of the upstream, else a generated tile.

A picture is uploaded once for each agent and stored with the agent. An avatar that another user has set stays.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from yarl import URL

from agent_bridge.bridge.queue.periodic import FALLBACK, LONG_REST, LOOK, every
from agent_bridge.bridge.rooms.editor import StateEditor
from agent_bridge.core.errors import (
    FileProblem,
    FileRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    TooLarge,
    UpstreamError,
    UserNotRegistered,
)
from agent_bridge.files.local_picture import read_address
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Topic
from agent_bridge.upstream.capabilities import PICTURE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.config.model import Config
    from agent_bridge.core.agents import Agent
    from agent_bridge.files.pictures import PictureReader
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.media import Media
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import AgentRoom, Agents
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.upstream.capabilities import Pictures
    from agent_bridge.upstream.download.fetch import Fetcher

_log = structlog.stdlib.get_logger(__name__)

_EVENT, _FIELD = "m.room.avatar", "url"
#: Bytes of an agent's picture.
MAX_BYTES = 2_000_000
#: Seconds for the download and the decoding of a picture, and for its upload. The new room waits.
_PATIENCE = 5.0


class Avatars:
    """Makes, uploads and sets avatars. *stored* reads the pictures that upstreams keep, by the name of the upstream."""

    def __init__(
        self,
        homeserver: Homeserver,
        media: Media,
        fetcher: Fetcher,
        pictures: PictureReader,
        stored: Mapping[str, Pictures],
        agents: Agents,
        kv: KeyValues,
        signals: Signals,
        config: Config,
    ) -> None:
        self._homeserver = homeserver
        self._media = media
        self._fetcher = fetcher
        self._pictures = pictures
        self._stored_pictures = stored
        self._agents = agents
        self._kv = kv
        self._signals = signals
        self._bot_name = config.appservice.bot_displayname
        self._space = config.space
        self._bases: Mapping[str, URL] = {each.name: URL(each.url) for each in config.upstreams}
        self._bot_done = False
        self._space_done: str | None = None

    async def run(self) -> None:
        """Give the bot and the Space avatars, once they exist, until cancelled."""
        with self._signals.subscription(Topic.SPACE) as wake:
            await every(FALLBACK, self._bot_and_space, name="avatars of bot and Space", wake=wake, rest=LONG_REST)

    async def of_ghost(self, agent: Agent) -> str | None:
        """Give the ghost its avatar, if it lacks one or its upstream has another picture; return the avatar.

        A failure is logged and leaves the ghost without an avatar, or with the former one.

        Raises:
            UserNotRegistered, StoreError: the caller has to do something first.
        """
        if agent.image_applied == agent.image:
            return agent.avatar
        user_id = self._homeserver.namespace.user_id(agent.ghost)
        avatar = agent.avatar
        try:
            async with asyncio.timeout(_PATIENCE):
                present = await self._homeserver.avatar(user_id)
            if agent.avatar is None and present is not None:
                # Uploaded with an earlier database.
                avatar = present
            else:
                avatar = await self._replaced(agent, present, user_id)
        except UserNotRegistered:
            raise
        except (HomeserverUnavailable, UpstreamError, TimeoutError) as error:
            # The room does not wait for it: the agent counts as out of sync.
            _log.warning("an agent has no avatar yet", agent=agent.name, error=str(error))
            return agent.avatar
        except (FileRefused, HomeserverRefused) as error:
            _log.warning("the homeserver refuses the avatar of an agent", agent=agent.name, error=str(error))
        await self._agents.image_applied(agent.id, agent.image, avatar)
        return avatar

    async def _replaced(self, agent: Agent, present: str | None, user_id: str) -> str:
        """Upload the picture of an agent, and set it unless the *present* avatar is not the bridge's; return it."""
        data, content_type = await self._picture(agent)
        async with asyncio.timeout(_PATIENCE):
            avatar = await self._media.upload(data, content_type, "avatar", user_id)
        if present is None or present == agent.avatar:
            await self._homeserver.set_avatar(user_id, avatar)
        else:
            _log.info("avatar kept: another user chose it", ghost=user_id)
        return avatar

    async def of_room(self, editor: StateEditor, agent_room: AgentRoom, state: RoomState) -> None:
        """Give the room of an agent the avatar of its ghost, unless a person chose another one.

        Raises:
            HomeserverRefused: neither the ghost nor the bot may set it.
        """
        agent, home = agent_room.agent, agent_room.home
        if agent.avatar is None:
            return
        ghost = self._homeserver.namespace.user_id(agent.ghost)
        await editor.field(state, _EVENT, _FIELD, agent.avatar, home.avatar_applied, ghost)
        if home.avatar_applied != agent.avatar and not editor.is_dry:
            await self._agents.avatar_applied(home.id, agent.avatar)

    async def _picture(self, agent: Agent) -> tuple[bytes, str]:
        """Return the picture of an agent and its media type."""
        if agent.image:
            try:
                async with asyncio.timeout(_PATIENCE):
                    data = await self._image(agent)
                    thumbnail = (await self._pictures.preview(data, holder=agent.ghost)).thumbnail
            except (FileRefused, TimeoutError) as error:
                _log.info(
                    "the picture of an agent is not used",
                    agent=agent.name,
                    url=agent.image.partition("?")[0],
                    error=str(error),
                )
            else:
                return thumbnail.data, thumbnail.content_type
        return await draw_tile(agent.name, f"{agent.upstream} {agent.agent_id}")

    async def _image(self, agent: Agent) -> bytes:
        """Return the picture that the configuration or the upstream has of an agent.

        Raises:
            FileRefused: there is none, or it has too many bytes.
            UpstreamError: the upstream does not return it now.
        """
        is_configured = agent.image == agent.settings.image
        if is_configured and (file := await asyncio.to_thread(read_address, agent.image, MAX_BYTES)) is not None:
            return file
        if not agent.image.startswith(PICTURE):
            # The operator may choose a server with a private address; agents may not.
            own = URL(agent.image).parent if is_configured else self._bases.get(agent.upstream)
            return (await self._fetcher.fetch(agent.image, limit=MAX_BYTES, types=("image/",), own=own)).data
        read = self._stored_pictures.get(agent.upstream)
        data = None if read is None else await read(agent.model)
        if data is None:
            raise FileRefused("the upstream has no picture", FileProblem.UNREACHABLE)
        if len(data) > MAX_BYTES:
            raise TooLarge(MAX_BYTES)
        return data

    async def _bot_and_space(self) -> float | None:
        bot = self._homeserver.namespace.bot
        if not self._bot_done:
            if await self._homeserver.avatar(bot) is None:
                await self._homeserver.set_avatar(bot, await self._stored("avatar_bot", self._bot_name))
            self._bot_done = True
        space = await self._kv.get(KeyValues.SPACE)
        if space is not None and space != self._space_done and self._space.enabled:
            state = await self._homeserver.room_state(space)
            if state is not None:
                avatar = await self._stored(KeyValues.SPACE_AVATAR, self._space.name)
                try:
                    await StateEditor(self._homeserver).field(state, _EVENT, _FIELD, avatar, avatar)
                except HomeserverRefused as error:
                    _log.warning("the Space has no avatar", room=space, error=str(error))
                self._space_done = space
        return None if space is None or space == self._space_done or not self._space.enabled else LOOK

    async def _stored(self, key: str, name: str) -> str:
        """Return the tile of *name*, uploaded before or now, as an ``mxc://`` URL."""
        avatar: str | None = await self._kv.get(key)
        if avatar is None:
            avatar = await self._media.upload(*await draw_tile(name, key), "avatar")
            await self._kv.set(key, avatar)
        return avatar


async def draw_tile(name: str, seed: str) -> tuple[bytes, str]:
    """Return the tile of *name*, and its content type."""
    return await asyncio.to_thread(_drawn, name, seed)


def _drawn(name: str, seed: str) -> tuple[bytes, str]:
    # The first tile loads Pillow, which takes longer than the event loop may be blocked.
    from agent_bridge.files import tile

    return tile.tile(name, seed), tile.CONTENT_TYPE
