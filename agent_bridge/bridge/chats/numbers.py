"""Chats after a restored backup: no number is used again, and the chats that the backup lacks are found.

The state of each chat's room has its number, which only the bridge's own users can set. Rooms of people have none: see
:mod:`agent_bridge.bridge.chats.lost_rooms`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.bridge.rooms.entry import newest_by_people
from agent_bridge.core.chats import FoundChat, TitledBy
from agent_bridge.core.errors import UserNotRegistered
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.names import one_line
from agent_bridge.matrix.rooms import CHAT
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from agent_bridge.bridge.chats.lost_rooms import LostRooms
    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

#: A larger number is none that the bridge gave.
_GREATEST = 10**12
#: Rooms, and ghosts, that are looked at together.
_TOGETHER = 8


def number_in(event: Mapping[str, Any] | None, namespace: Namespace) -> int | None:
    """Return the number in the state event :data:`CHAT` of a room; None unless one of the bridge's own users set it."""
    if event is None or not namespace.is_ours(str(event.get("sender"))):
        return None
    number = event["content"].get("number")
    return number if type(number) is int and 0 < number <= _GREATEST else None


class NumberRepair:
    """Compares the numbers with the homeserver, once in each leadership; no chat gets a number before."""

    def __init__(
        self,
        homeserver: Homeserver,
        database: Database,
        chats: Chats,
        agents: Agents,
        lost: LostRooms,
        take_part: Callable[[str, Collection[str]], Awaitable[None]],
        signals: Signals,
    ) -> None:
        """Create it; *take_part* has the agent of a ghost take part in those of its rooms that are channels."""
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._database = database
        self._chats = chats
        self._agents = agents
        self._lost = lost
        self._take_part = take_part
        self._signals = signals
        #: Chats whose agents are not known yet.
        self._found: list[FoundChat] = []
        self._is_compared = False
        #: Whether the database may lack chats, and the ghosts whose rooms were looked at.
        self._may_lack = False
        self._looked: set[str] = set()

    async def run(self) -> None:
        """Compare the numbers, and adopt the chats that are found, until cancelled."""
        self._is_compared, self._found, self._looked = False, [], set()
        with self._signals.subscription(Topic.AGENTS) as wake:
            await every(FALLBACK, self._step, name="comparison of the numbers of chats", wake=wake)

    async def _step(self) -> None:
        if not self._is_compared:
            await self._compare()
        elif self._may_lack:
            # Discovery may find agents later.
            await self._find(await self._rooms_of_ghosts())
        self._found = [each for each in self._found if not await self._chats.adopt(each)]

    async def _compare(self) -> None:
        async with self._database.transaction() as connection:
            term, compared = await self._chats.term(connection)
        self._may_lack = compared is None
        await self._find(dict.fromkeys(await self._homeserver.joined_rooms(), self._namespace.bot))
        if self._may_lack or self._found:
            self._may_lack = True
            # The bot enters a chat a moment after the ghost has made it, and no direct chat.
            await self._find(await self._rooms_of_ghosts())
        if term is not None:
            await self._chats.compared(term)
        self._is_compared = True

    async def _find(self, rooms: Mapping[str, str]) -> None:
        """Keep those of *rooms*, each with the user id of a member, that are chats and not known."""
        found = await self._look(rooms)
        self._found += found
        if found:
            _log.warning("chats that the database lacks: adopting them", chats=len(found))
            await self._chats.raise_numbers(max(each.number for each in found))

    async def _rooms_of_ghosts(self) -> dict[str, str]:
        """Return the rooms of the ghosts that were not looked at, each with the user id of a ghost in it."""
        rooms: dict[str, str] = {}
        ghosts = sorted(await self._agents.ghosts() - self._looked)
        for start in range(0, len(ghosts), _TOGETHER):
            for found in await asyncio.gather(*map(self._rooms_of, ghosts[start : start + _TOGETHER])):
                rooms |= found
        self._looked |= set(ghosts)
        return rooms

    async def _rooms_of(self, localpart: str) -> dict[str, str]:
        ghost = self._namespace.user_id(localpart)
        try:
            rooms = await self._homeserver.joined_rooms(ghost)
        except UserNotRegistered:
            return {}
        await self._take_part(localpart, rooms)
        return dict.fromkeys(rooms, ghost)

    async def _look(self, rooms: Mapping[str, str]) -> list[FoundChat]:
        """Return those of *rooms*, each with the user id of a member, that are chats and not known; adopt lost ones."""
        known = {each.room_id for each in self._found}
        unknown = [room for room in await self._chats.unknown(rooms) if room not in known]
        found: list[FoundChat] = []
        for start in range(0, len(unknown), _TOGETHER):
            some = unknown[start : start + _TOGETHER]
            chats = await asyncio.gather(*(self._chat_in(room, rooms[room]) for room in some))
            found += [each for each in chats if each is not None]
        return found

    async def _chat_in(self, room_id: str, reader: str) -> FoundChat | None:
        state = await self._homeserver.room_state(room_id, reader)
        if state is None:
            # It has left the room in between.
            return None
        event, name = (state.events.get((kind, "")) for kind in (CHAT, "m.room.name"))
        number = number_in(event, self._namespace)
        if event is None or number is None:
            if self._may_lack:
                await self._lost.adopt(state, reader)
            return None
        person, ghost = (str(event["content"].get(key)) for key in ("person", "agent"))
        try:
            parse_user_id(person)
            localpart = parse_user_id(ghost)[0]
        except ValueError:
            return None
        title = one_line(str(name["content"].get("name", ""))) if name is not None else ""
        by_person = name is not None and not self._namespace.is_ours(str(name["sender"]))
        return FoundChat(
            room_id=room_id,
            number=number,
            person=person,
            ghost=localpart,
            name=title or None,
            titled_by=(TitledBy.PERSON if by_person else TitledBy.MADE) if title else None,
            seen=await newest_by_people(self._homeserver, room_id, reader, ghost),
        )
