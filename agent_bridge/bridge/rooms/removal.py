"""Removes rooms: by the admin API of the homeserver, or by leaving them where that is not permitted."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.entry import leave_for_good
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import mark
from agent_bridge.matrix.admin import Deletion, delete_room, deletion
from agent_bridge.render.content import message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)

#: Deletions of one room that may fail on the homeserver.
_TRIES = 3


class Removal(StrEnum):
    """States of the removal of a room."""

    #: The homeserver is at work: look again in a moment.
    RUNS = "runs"
    DONE = "done"
    #: The bridge may not delete rooms, or the homeserver cannot.
    REFUSED = "refused"


class RoomRemoval:
    """Removes rooms. Every step can be repeated: a repeated deletion deletes nothing more."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        #: Deletions that failed, by room.
        self._failures: Counter[str] = Counter()

    async def delete(self, room_id: str, ref: str | None) -> tuple[Removal, str | None]:
        """Take the next step of the deletion *ref* (None: not requested yet); return the state, and the deletion.

        The homeserver removes all members and the history. The caller records the deletion before the next call.

        Raises:
            HomeserverUnavailable: a repeat continues.
        """
        if ref is not None:
            state = await deletion(self._homeserver, ref)
            if state is not Deletion.FAILED:
                return (Removal.RUNS if state is Deletion.RUNS else Removal.DONE), ref
            self._failures[room_id] += 1
            if self._failures[room_id] >= _TRIES:
                _log.error("the homeserver does not delete a room", room=room_id)
                return Removal.REFUSED, None
        ref = await delete_room(self._homeserver, room_id)
        return (Removal.REFUSED if ref is None else Removal.RUNS), ref

    async def leave(
        self, room_id: str, ghost: str, host: str, *, says: tuple[str, str] | None = None, removes: bool = False
    ) -> None:
        """Have the users of the bridge leave a room and forget it: the bot, other ghosts, then *ghost* (a user id).

        *says*: the key and the text of a message of the ghost to the people. Invitations that people have not accepted
        are withdrawn by *host*, for a room without members cannot be entered; *removes*: so are members, as far as the
        room permits it.

        Raises:
            HomeserverUnavailable: a repeat continues.
        """
        if says is not None:
            await self._say(room_id, ghost, *says)
        state = await self._homeserver.room_state(room_id, ghost)
        members = frozenset() if state is None else state.members("join", "invite")
        if state is not None:
            for person in sorted(state.members("join", "invite") if removes else state.members("invite")):
                if not self._namespace.is_ours(person):
                    await self._withdraw(room_id, person, host)
        # A person may have invited other agents.
        guests = {user for user in members if self._namespace.is_ours(user)} - {self._namespace.bot, ghost}
        await leave_for_good(self._homeserver, room_id, [self._namespace.bot, *sorted(guests), ghost])

    async def remove_aliases(self, room_id: str, aliases: Iterable[str]) -> None:
        """Remove those of *aliases* that point to a room; a repeat changes nothing.

        Raises:
            HomeserverUnavailable: a repeat continues.
        """
        for alias in aliases:
            try:
                if await self._homeserver.resolve_alias(alias) == room_id:
                    await self._homeserver.remove_alias(alias)
            except HomeserverRefused as error:
                _log.info("an alias stays", alias=alias, error=str(error))

    async def _say(self, room_id: str, ghost: str, key: str, text: str) -> None:
        try:
            content = message(text, mark=mark(key, 0), notice=True)
            await self._homeserver.send(room_id, content, txn_id=f"ab.{key}", as_user=ghost)
        except HomeserverRefused as error:
            _log.info("a ghost leaves without a word", room=room_id, error=str(error))

    async def _withdraw(self, room_id: str, person: str, host: str) -> None:
        """End the membership or the invitation of *person* as *host*, if the room permits it."""
        content = {"membership": "leave"}
        try:
            await self._homeserver.set_state(room_id, "m.room.member", content, key=person, as_user=host)
        except HomeserverRefused as error:
            _log.info("a membership stays", room=room_id, user=person, error=str(error))
