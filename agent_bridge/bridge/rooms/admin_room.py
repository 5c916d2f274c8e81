"""The room in which the bot tells the administrators about changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.permissions import people_with
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import mark
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import KindName
from agent_bridge.matrix.rooms import RoomPlan
from agent_bridge.render.content import message
from agent_bridge.store.kv import KeyValues

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.config.model import Config
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.rooms import Rooms

_log = structlog.stdlib.get_logger(__name__)


class AdminRoom:
    """Makes the room when there is something to tell. If ``permissions`` names no admin, only the log has the text."""

    def __init__(
        self,
        homeserver: Homeserver,
        kv: KeyValues,
        rooms: Rooms,
        config: Config,
        powers: Mapping[str, int],
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._kv = kv
        self._rooms = rooms
        self._people = people_with(config.permissions, Role.ADMIN)
        self._version = config.rooms.version
        self._powers = powers
        self._texts = texts

    async def tell_once(self, key: str, text: str) -> None:
        """Tell the administrators the Markdown *text*, once for each *key*.

        Raises:
            HomeserverUnavailable, StoreError: the next call tells it.
        """
        told: list[str] = await self._kv.get(KeyValues.TOLD_ADMINS) or []
        if key in told:
            return
        _log.warning("the administrators are told of a change", change=key, admins=self._people)
        if self._people:
            try:
                room_id = await self._room_id()
                content = message(text, mark=mark(f"admins.{key}", 0), notice=True)
                await self._homeserver.send(room_id, content, txn_id=f"ab.admins.{key}")
            except HomeserverRefused as error:
                _log.warning("the administrators were not told", error=str(error))
        await self._kv.set(KeyValues.TOLD_ADMINS, [*told, key])

    async def _room_id(self) -> str:
        """Return the room, created if needed."""
        namespace = self._homeserver.namespace
        plan = RoomPlan(
            alias=f"{namespace.bot_username}_admins",
            name=self._texts.admin_room_name,
            topic="",
            creator=namespace.bot,
            lists_creator=await self._homeserver.lists_creator(self._version),
            powers=self._powers,
            version=self._version,
        )
        made = await self._homeserver.create_room(plan.content() | {"invite": self._people})
        if made.fresh:
            create = await self._homeserver.state(made.room_id, "m.room.create")
            # Every message in it is a command.
            await self._rooms.enter(made.room_id, KindName.BOT, str((create or {}).get("event_id", "")))
        return made.room_id
