"""The user who shows the earlier messages of people: its account, its profile, and its visits to rooms.

It is in a room only as long as an import takes: rooms that are left, removed or counted then have no further member.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.core.errors import HomeserverError, HomeserverRefused, UserNotRegistered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.media import Media

    #: Returns the picture of a name, and its media type.
    Draw = Callable[[str, str], Awaitable[tuple[bytes, str]]]

_log = structlog.stdlib.get_logger(__name__)

_MEMBER = "m.room.member"


class ImportedPeople:
    """The user with the reserved name :attr:`~agent_bridge.core.ids.Namespace.imported`."""

    def __init__(self, homeserver: Homeserver, media: Media, draw: Draw, texts: Texts) -> None:
        self._homeserver = homeserver
        self._media = media
        self._draw = draw
        self._texts = texts
        self._has_profile = False

    async def enter(self, room_id: str, ghost: str) -> None:
        """Enter a room, invited by *ghost* if needed; a repeat changes nothing.

        Raises:
            HomeserverError: the user is perhaps not in the room.
        """
        namespace = self._homeserver.namespace
        if not self._has_profile:
            await self._homeserver.register(namespace.imported_localpart)
            await self._set_profile(namespace.imported)
            self._has_profile = True
        try:
            await self._homeserver.join(room_id, namespace.imported)
        except UserNotRegistered:
            # The homeserver was reset.
            self._has_profile = False
            raise
        except HomeserverRefused:
            await self._homeserver.invite(room_id, namespace.imported, ghost)
            await self._homeserver.join(room_id, namespace.imported)

    async def leave(self, room_id: str) -> None:
        """Leave a room, if the user is in it. Clients go on showing its name: the event of the leave has the profile.

        Raises:
            HomeserverUnavailable: a repeat leaves it.
        """
        user = self._homeserver.namespace.imported
        try:
            event = await self._homeserver.state(room_id, _MEMBER, user, as_user=user)
            content: dict[str, Any] = {} if event is None else event["content"]
            if content.get("membership") == "join":
                await self._homeserver.set_state(
                    room_id, _MEMBER, content | {"membership": "leave"}, key=user, as_user=user
                )
        except UserNotRegistered:
            # No import had messages of people yet.
            return
        except HomeserverRefused as error:
            _log.debug("the user of imports is not in a room", room=room_id, error=str(error))

    async def _set_profile(self, user: str) -> None:
        """Give the user its name and a picture; without the picture, the import goes on."""
        name = self._texts.contexts.imported_name
        if await self._homeserver.displayname(user) != name:
            await self._homeserver.set_displayname(user, name)
        try:
            if await self._homeserver.avatar(user) is None:
                data, content_type = await self._draw(name, user)
                await self._homeserver.set_avatar(user, await self._media.upload(data, content_type, "avatar", user))
        except HomeserverError as error:
            _log.info("the user of imports has no picture", error=str(error))
