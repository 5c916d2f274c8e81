"""The room in which the bot tells the administrators about changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.invitations import try_invite
from agent_bridge.bridge.rooms.power_levels import role_powers
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import mark, short_hash
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import KindName
from agent_bridge.matrix.rooms import RoomPlan
from agent_bridge.render.content import escape, message
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.rooms import Rooms

_log = structlog.stdlib.get_logger(__name__)

_TOO_LARGE = "M_TOO_LARGE"


class AdminRoom:
    """Makes the room when there is something to tell. If ``permissions`` names no admin, only the log has the text."""

    def __init__(
        self,
        homeserver: Homeserver,
        kv: KeyValues,
        rooms: Rooms,
        config: Config,
        roles: Roles,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._kv = kv
        self._rooms = rooms
        self._roles = roles
        self._version = config.rooms.version
        self._texts = texts
        self._lock = asyncio.Lock()

    async def tell_once(self, key: str, text: str) -> None:
        """Tell the administrators the Markdown *text*, once for each *key*.

        Raises:
            HomeserverUnavailable, StoreError: the next call tells it.
        """
        async with self._lock:
            told: list[str] = await self._kv.get(KeyValues.TOLD_ADMINS) or []
            if key in told:
                return
            people = self._people()
            _log.warning("the administrators are told of a change", change=key, admins=people)
            if people:
                try:
                    await self._tell(key, text)
                except HomeserverRefused as error:
                    _log.warning("the administrators were not told", error=str(error))
            await self._kv.set(KeyValues.TOLD_ADMINS, [*told, key])

    async def tell_replaced(self, name: str, room_id: str) -> None:
        """Tell the administrators that another room replaces the room of *name*, because the bridge cannot enter it.

        Raises:
            HomeserverUnavailable, StoreError: the next call tells it.
        """
        text = self._texts.room_replaced.format(name=escape(name), room=room_id)
        await self.tell_once(f"replaced.{short_hash(room_id)}", text)

    def _people(self) -> list[str]:
        return self._roles.book.named(Role.ADMIN)

    async def _tell(self, key: str, text: str) -> None:
        content = message(text, mark=mark(f"admins.{key}", 0), notice=True)
        room_id: str | None = await self._kv.get(KeyValues.ADMIN_ROOM)
        if room_id is not None:
            try:
                await self._homeserver.send(room_id, content, txn_id=f"ab.admins.{key}")
            except HomeserverRefused as error:
                if error.errcode == _TOO_LARGE:
                    # It is about the message, and not about the room.
                    raise
                # The bot left the empty room, or the room was deleted.
                _log.info("the room of the administrators is made again", error=str(error))
            else:
                return
        await self._homeserver.send(await self._make(), content, txn_id=f"ab.admins.{key}")

    async def _make(self) -> str:
        """Create the room, and store its id. It has no alias, because the registration reserves none for it."""
        book = self._roles.book
        plan = RoomPlan(
            alias="",
            name=self._texts.admin_room_name,
            topic="",
            creator=self._homeserver.namespace.bot,
            lists_creator=await self._homeserver.lists_creator(self._version),
            powers=role_powers(book),
            version=self._version,
        )
        people = self._people()
        content = plan.content() | {"invite": people}
        del content["room_alias_name"], content["topic"]
        room_id = (await self._homeserver.create_room(content)).room_id
        create = await self._homeserver.state(room_id, "m.room.create")
        # Every message in it is a command.
        seen = str((create or {}).get("event_id", ""))
        await self._rooms.enter(room_id, KindName.BOT, seen, roles=book.version or None)
        await self._kv.set(KeyValues.ADMIN_ROOM, room_id, topic=Topic.ROLES)
        for user in people:
            if self._homeserver.namespace.is_foreign(user):
                await try_invite(self._homeserver, room_id, user)
        return room_id
