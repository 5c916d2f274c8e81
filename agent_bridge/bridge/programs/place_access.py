"""The servers and channels that programs name, and the permissions of identities in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.programs.refusals import of_place
from agent_bridge.core.names import folded
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.servers import PlaceRefused
from agent_bridge.core.servers import PlaceStatus, Server

if TYPE_CHECKING:
    from agent_bridge.bridge.channels.changes import PlaceChanges
    from agent_bridge.bridge.channels.lookup import Found, PlaceLookup
    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.names import Names
    from agent_bridge.core.permissions import Permission
    from agent_bridge.core.programs import Token
    from agent_bridge.core.servers import Channel


class PlaceAccess:
    """Decides about servers and channels. A token with rooms reaches those of its rooms alone."""

    def __init__(self, access: Access, names: Names, lookup: PlaceLookup, changes: PlaceChanges) -> None:
        self._access = access
        self._names = names
        self._lookup = lookup
        self._changes = changes

    def reaches(self, token: Token, place: Server | Channel) -> bool:
        """Tell whether the token may be used for *place*, as far as its own limits go."""
        return token.rooms is None or (place.room_id is not None and token.reaches(place.room_id))

    async def server(self, token: Token, name: str) -> Server:
        """Return the server *name*: a name, a number, or the room id or an alias of its Space.

        Raises:
            ProgramRefused: the token reaches none.
            HomeserverError, StoreError: it cannot be told.
        """
        found = await (self._server_of(name) if _is_room(name) else self._lookup.server(name))
        if not isinstance(found, Server) or found.status is PlaceStatus.DELETING or not self.reaches(token, found):
            raise ProgramRefused(Problem.SERVER_NOT_FOUND, f"the token reaches no server {name}")
        return found

    async def channel(self, token: Token, name: str) -> Found:
        """Return the channel *name*: ``channel``, ``server/channel``, a room id or an alias.

        Raises:
            ProgramRefused: the token reaches none, or several have the name.
            HomeserverError, StoreError: it cannot be told.
        """
        if _is_room(name):
            room_id = await self._names.room(name)
            found = None if room_id is None else await self._lookup.channel_of(room_id)
        else:
            meant = await self._lookup.channel(name)
            found = None if isinstance(meant, PlaceRefused) else meant
        is_there = found is not None and found.channel.status is PlaceStatus.ACTIVE
        if found is None or not is_there or not self.reaches(token, found.channel):
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, f"the token reaches no channel {name}")
        return found

    def require(
        self, token: Token, permission: Permission, server: Server | None, channel: Channel | None = None
    ) -> None:
        """Return if the identity has *permission* in *server* (None: in the main Space), and is not muted.

        Raises:
            ProgramRefused: it may not.
        """
        room_id = "" if channel is None else channel.room_id or ""
        self._access.require(token, permission, room_id, role=self._changes.role(token.user_id, server))

    def require_unlimited(self, token: Token) -> None:
        """Return if the token may make rooms: it is not limited to rooms that exist.

        Raises:
            ProgramRefused: it is.
        """
        if token.rooms is not None:
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, "the token is limited to rooms that exist")

    async def _server_of(self, name: str) -> Server | None:
        room_id = await self._names.room(name)
        return None if room_id is None else await self._lookup.server_of(room_id)


def check_confirmed(name: str, confirm: str, *, channels: int | None = None) -> None:
    """Return if *confirm* is the name of the place to be deleted. *channels*: those that go with it.

    Raises:
        ProgramRefused: it is not.
    """
    if folded(confirm) != folded(name):
        more = {"name": name} | ({} if channels is None else {"channels": channels})
        raise ProgramRefused(Problem.CONFIRMATION_MISSING, f"confirm has to be {name}", more=more)


def checked(result: int | str | PlaceRefused | None) -> int | str:
    """Return the *result* of a change.

    Raises:
        ProgramRefused: nothing was changed.
    """
    if isinstance(result, PlaceRefused):
        raise of_place(result)
    return "" if result is None else result


def _is_room(name: str) -> bool:
    return name.startswith("!") or (name.startswith("#") and ":" in name)
