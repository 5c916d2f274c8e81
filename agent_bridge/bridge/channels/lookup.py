"""Servers and channels by the names that people and programs give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.channels.changes import SLASH
from agent_bridge.core.names import folded, one_line
from agent_bridge.core.results.servers import PlaceProblem, PlaceRefused
from agent_bridge.core.servers import Channel, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.store.servers import Servers

#: Digits of the number of a channel.
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """A channel, and its server (None: the main Space)."""

    channel: Channel
    server: Server | None

    @property
    def name(self) -> str:
        """The name by which people mean the channel from anywhere."""
        return self.channel.name if self.server is None else f"{self.server.name}{SLASH}{self.channel.name}"


class PlaceLookup:
    """Finds servers and channels that are not being deleted. Every method raises :class:`StoreError`."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    async def server_of(self, room_id: str) -> Server | None:
        """Return the server to which a room belongs; None: it belongs to none."""
        place = await self._servers.in_room(room_id)
        if isinstance(place, Server):
            return place
        if place is None or place.server is None:
            return None
        return await self._servers.server(place.server)

    async def channel_of(self, room_id: str) -> Found | None:
        """Return the channel whose room is *room_id*; None: the room is no channel."""
        place = await self._servers.in_room(room_id)
        if not isinstance(place, Channel):
            return None
        return Found(place, None if place.server is None else await self._servers.server(place.server))

    async def server(self, text: str) -> Server | PlaceRefused:
        """Return the server whose number or name is *text*."""
        known = await self._servers.servers()
        number = text.removeprefix("#")
        meant = [each for each in known if number == str(each.number)]
        meant = meant or [each for each in known if folded(each.name) == folded(text)]
        return meant[0] if len(meant) == 1 else PlaceRefused(PlaceProblem.NO_SERVER, text)

    async def channel(self, text: str, here: Server | None = None) -> Found | PlaceRefused:
        """Return the channel that *text* means: ``name``, or ``server/name``.

        A name alone means a channel of the server *here*, then of the main Space, then of any server. A number behind
        the slash, or behind ``#``, is the place in the list: names that people gave in clients may be equal.
        """
        *front, name = text.removeprefix("#").split(SLASH, 1)
        if front:
            server = await self.server(front[0].strip())
            if isinstance(server, PlaceRefused):
                return server
            channels = await self._servers.channels(server.number)
            return _of_name(text, [Found(each, server) for each in channels], name)
        known = await self._servers.servers()
        by_server = await self._servers.by_server()
        others = [each for each in known if here is None or each.number != here.number]
        if text.startswith("#") and name.isdecimal():
            return _of_name(
                text, [Found(each, here) for each in by_server.get(None if here is None else here.number, ())], name
            )
        for group in ([here], [None], others):
            found = [
                Found(each, server)
                for server in group
                for each in by_server.get(None if server is None else server.number, ())
            ]
            meant = _of_name(text, found, name, numbered=False)
            if isinstance(meant, Found) or meant.problem is PlaceProblem.SEVERAL:
                return meant
        return PlaceRefused(PlaceProblem.NO_CHANNEL, text)


def _of_name(text: str, found: Sequence[Found], name: str, *, numbered: bool = True) -> Found | PlaceRefused:
    meant = [each for each in found if folded(each.channel.name) == folded(one_line(name))]
    if len(meant) == 1:
        return meant[0]
    if not meant and numbered and name.isdecimal() and len(name) <= _DIGITS and 1 <= int(name) <= len(found):
        return found[int(name) - 1]
    return PlaceRefused(PlaceProblem.SEVERAL if meant else PlaceProblem.NO_CHANNEL, text)
