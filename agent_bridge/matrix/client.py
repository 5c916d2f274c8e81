"""The homeserver's client-server API as the bridge uses it: every call can be repeated without harm."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mautrix.api import HTTPAPI, Method, Path, PathBuilder
from mautrix.errors import MatrixConnectionError, MatrixError, MatrixRequestError

from agent_bridge.core.errors import HomeserverError, HomeserverRefused, HomeserverUnavailable
from agent_bridge.i18n.catalogue import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp
    from mautrix.util.logging import TraceLogger

    from agent_bridge.core.ids import Namespace

_log: TraceLogger = logging.getLogger("mau.http")  # type: ignore[assignment]  # mautrix makes its loggers such

Json = dict[str, Any]
Value = TypeVar("Value")

_NOT_FOUND = 404
_FORBIDDEN = 403
_SERVER_ERROR = 500
#: What Synapse says to a ping while it delivers, or is about to deliver, what it kept; the bridge is well.
_DELIVERING = ("AlreadyCancelled", "AlreadyCalled")
_TOO_MANY = 429
#: Room versions whose power levels list the creator; later ones put creators above all levels (MSC4289).
_LISTED_CREATOR = frozenset(str(version) for version in range(1, 12))


def _translate(error: MatrixError) -> HomeserverError:
    if not isinstance(error, MatrixRequestError):
        return HomeserverUnavailable(Text("homeserver_away", said=error))
    status, errcode = error.http_status, error.errcode
    said = f"{errcode}: {error.message}" if errcode else f"HTTP {status}"
    if status >= _SERVER_ERROR or status == _TOO_MANY:
        return HomeserverUnavailable(Text("homeserver_failed", said=said), status=status, errcode=errcode)
    return HomeserverRefused(Text("homeserver_refused", said=said), status=status, errcode=errcode)


def _nonsense() -> HomeserverUnavailable:
    return HomeserverUnavailable(Text("homeserver_invalid"))


def _get(answer: Json, key: str, kind: type[Value]) -> Value:
    value = answer.get(key)
    if not isinstance(value, kind):
        raise _nonsense()
    return value


def _events(answer: Json) -> list[Json]:
    """Return the events of a ``chunk`` that have what every event has."""
    return [
        event
        for event in _get(answer, "chunk", list)
        if isinstance(event, dict) and isinstance(event.get("event_id"), str) and isinstance(event.get("content"), dict)
    ]


@dataclass(frozen=True, slots=True)
class CreatedRoom:
    """A room that was asked for."""

    room_id: str
    #: Whether it is new; False: it was there, half-made perhaps.
    fresh: bool


class Homeserver:
    """The homeserver, spoken to as the bridge bot or as any ghost.

    ``as_user`` is a user id in the bridge's name space; None is the bot. Every method raises
    :class:`HomeserverUnavailable` when trying again may help and :class:`HomeserverRefused` when not.
    """

    def __init__(self, address: str, as_token: str, namespace: Namespace, session: aiohttp.ClientSession) -> None:
        self.namespace = namespace
        self._api = HTTPAPI(address, as_token, client_session=session, log=_log)

    async def request(
        self,
        method: Method,
        path: PathBuilder,
        content: Json | None = None,
        *,
        as_user: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Json:
        """Make one request and return its JSON object."""
        params = {"user_id": as_user or self.namespace.bot, **(query or {})}
        try:
            answer = await self._api.request(method, path, content, query_params=params)
        except (MatrixConnectionError, MatrixRequestError) as error:
            raise _translate(error) from error
        except (ValueError, TypeError) as error:
            # Something between the two answers in its place, or cut the answer.
            raise _nonsense() from error
        if not isinstance(answer, dict):
            raise _nonsense()
        return answer

    async def versions(self) -> Json:
        """Return ``GET /_matrix/client/versions``."""
        return await self.request(Method.GET, Path.versions)

    async def answers(self) -> bool:
        """Tell whether the homeserver is there, whatever it says."""
        try:
            await self.versions()
        except HomeserverUnavailable:
            return False
        except HomeserverRefused:
            pass
        return True

    async def whoami(self, as_user: str | None = None) -> str:
        """Return the user id that the homeserver takes this request's sender for."""
        answer = await self.request(Method.GET, Path.v3.account.whoami, as_user=as_user)
        return _get(answer, "user_id", str)

    async def lists_creator(self, version: str | None) -> bool:
        """Tell whether a new room's power levels have to list its creator.

        *version* None is the homeserver's default room version.
        """
        if version is None:
            answer = await self.request(Method.GET, Path.v3.capabilities)
            version = str(_get(answer, "capabilities", dict).get("m.room_versions", {}).get("default", "1"))
        return version in _LISTED_CREATOR

    async def ping(self, appservice_id: str) -> float | None:
        """Have the homeserver reach the bridge (``POST …/appservice/{id}/ping``); return the milliseconds it took.

        Makes Synapse deliver at once what it kept for the bridge; None when it is doing so already.
        """
        try:
            answer = await self.request(Method.POST, Path.v1.appservice[appservice_id].ping)
        except HomeserverUnavailable as error:
            if any(sign in str(error) for sign in _DELIVERING):
                return None
            raise
        return float(_get(answer, "duration_ms", int))

    async def register(self, localpart: str) -> None:
        """Make sure that the ghost or bot *localpart* exists."""
        content = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        try:
            await self.request(Method.POST, Path.v3.register, content)
        except HomeserverRefused as error:
            if error.errcode != "M_USER_IN_USE":
                raise

    async def set_displayname(self, user_id: str, displayname: str) -> None:
        """Give a ghost or the bot its display name."""
        path = Path.v3.profile[user_id].displayname
        await self.request(Method.PUT, path, {"displayname": displayname}, as_user=user_id)

    async def create_room(self, content: Json, as_user: str | None = None) -> CreatedRoom:
        """Create a room, or adopt the one that has its alias already.

        *content* must have ``room_alias_name``: the endpoint has no transaction id, so the alias is what makes a
        repeat find the first room. An adopted room has its creator as a member.
        """
        try:
            answer = await self.request(Method.POST, Path.v3.createRoom, content, as_user=as_user)
        except HomeserverRefused as error:
            if error.errcode != "M_ROOM_IN_USE":
                raise
            room_id = await self.resolve_alias(self.namespace.alias(content["room_alias_name"]))
            if room_id is None:
                raise
            await self.join(room_id, as_user)
            return CreatedRoom(room_id, fresh=False)
        return CreatedRoom(_get(answer, "room_id", str), fresh=True)

    async def resolve_alias(self, alias: str) -> str | None:
        """Return the room that *alias* points to, None when there is none."""
        try:
            answer = await self.request(Method.GET, Path.v3.directory.room[alias])
        except HomeserverRefused as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return _get(answer, "room_id", str)

    async def remove_alias(self, alias: str) -> None:
        """Take an alias from its room. One that does not exist is refused with status 404."""
        await self.request(Method.DELETE, Path.v3.directory.room[alias])

    async def join(self, room_id: str, as_user: str | None = None) -> None:
        """Join a room; nothing happens to a member."""
        await self.request(Method.POST, Path.v3.rooms[room_id].join, {}, as_user=as_user)

    async def leave(self, room_id: str, reason: str, as_user: str | None = None) -> None:
        """Leave a room or decline its invitation."""
        await self.request(Method.POST, Path.v3.rooms[room_id].leave, {"reason": reason}, as_user=as_user)

    async def invite(self, room_id: str, user_id: str, as_user: str | None = None) -> bool:
        """Invite a person; tell whether that was needed (False: is a member already)."""
        try:
            await self.request(Method.POST, Path.v3.rooms[room_id].invite, {"user_id": user_id}, as_user=as_user)
        except HomeserverRefused as error:
            if error.status == _FORBIDDEN and await self.membership(room_id, user_id, as_user) == "join":
                return False
            raise
        return True

    async def membership(self, room_id: str, user_id: str, as_user: str | None = None) -> str | None:
        """Return the ``membership`` of *user_id* in a room, None when there never was one."""
        event = await self.state(room_id, "m.room.member", user_id, as_user)
        return None if event is None else _get(_get(event, "content", dict), "membership", str)

    async def joined_rooms(self, as_user: str | None = None) -> list[str]:
        """Return the rooms that a ghost or the bot is in."""
        answer = await self.request(Method.GET, Path.v3.joined_rooms, as_user=as_user)
        return [str(room_id) for room_id in _get(answer, "joined_rooms", list)]

    async def count_members(self, room_id: str, as_user: str | None = None) -> int:
        """Return how many members a room has or has invited."""
        path = Path.v3.rooms[room_id].members
        answer = await self.request(Method.GET, path, as_user=as_user, query={"not_membership": "leave"})
        return sum(event["content"].get("membership") in {"join", "invite"} for event in _get(answer, "chunk", list))

    async def state(self, room_id: str, kind: str, key: str = "", as_user: str | None = None) -> Json | None:
        """Return a room's state event, whole; None when there is none."""
        path = Path.v3.rooms[room_id].state[kind][key] if key else Path.v3.rooms[room_id].state[kind]
        try:
            return await self.request(Method.GET, path, as_user=as_user, query={"format": "event"})
        except HomeserverRefused as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    async def set_state(
        self, room_id: str, kind: str, content: Json, *, key: str = "", as_user: str | None = None
    ) -> None:
        """Set a room's state."""
        path = Path.v3.rooms[room_id].state[kind][key] if key else Path.v3.rooms[room_id].state[kind]
        await self.request(Method.PUT, path, content, as_user=as_user)

    async def send(
        self,
        room_id: str,
        content: Json,
        *,
        txn_id: str,
        kind: str = "m.room.message",
        as_user: str | None = None,
    ) -> str:
        """Send an event and return its id.

        The same *txn_id* gives the same event for as long as the homeserver remembers.
        """
        path = Path.v3.rooms[room_id].send[kind][txn_id]
        answer = await self.request(Method.PUT, path, content, as_user=as_user)
        return _get(answer, "event_id", str)

    async def redact(self, room_id: str, event_id: str, *, txn_id: str, as_user: str | None = None) -> None:
        """Take an event back."""
        await self.request(Method.PUT, Path.v3.rooms[room_id].redact[event_id][txn_id], {}, as_user=as_user)

    async def messages(
        self,
        room_id: str,
        *,
        limit: int,
        start: str | None = None,
        as_user: str | None = None,
        only: Json | None = None,
    ) -> tuple[list[Json], str | None]:
        """Return up to *limit* events, newest first, and where the next page starts (None: the room's beginning).

        *only* is a ``RoomEventFilter`` of the Matrix spec; a page may then be empty and not the last.
        """
        query = {"dir": "b", "limit": str(limit), **({"from": start} if start else {})}
        if only is not None:
            query["filter"] = json.dumps(only)
        answer = await self.request(Method.GET, Path.v3.rooms[room_id].messages, as_user=as_user, query=query)
        return _events(answer), answer.get("end")

    async def annotations(self, room_id: str, event_id: str, as_user: str | None = None) -> list[Json]:
        """Return the newest reactions to an event (``GET …/relations/…/m.annotation/m.reaction``)."""
        path = Path.v1.rooms[room_id].relations[event_id]["m.annotation"]["m.reaction"]
        return _events(await self.request(Method.GET, path, as_user=as_user, query={"limit": "50"}))

    async def event(self, room_id: str, event_id: str, as_user: str | None = None) -> Json | None:
        """Return one event, None when the user may not see it or there is none."""
        try:
            return await self.request(Method.GET, Path.v3.rooms[room_id].event[event_id], as_user=as_user)
        except HomeserverRefused as error:
            if error.status in {_FORBIDDEN, _NOT_FOUND}:
                return None
            raise

    async def presence(self, user_id: str, state: str, message: str = "") -> None:
        """Show a ghost as ``online``, ``unavailable`` or ``offline``, with *message* beside it unless that is empty.

        A homeserver whose presence is switched off takes it all the same, and shows nothing.
        """
        content = {"presence": state} | ({"status_msg": message} if message else {})
        await self.request(Method.PUT, Path.v3.presence[user_id].status, content, as_user=user_id)

    async def status_message(self, user_id: str) -> str | None:
        """Return the message beside a ghost's presence, None when there is none to be seen."""
        answer = await self.request(Method.GET, Path.v3.presence[user_id].status, as_user=user_id)
        return answer.get("status_msg")

    async def typing(self, room_id: str, user_id: str, seconds: float) -> None:
        """Show a ghost as typing for *seconds*; 0 ends it."""
        content: Json = {"typing": seconds > 0}
        if seconds > 0:
            content["timeout"] = int(seconds * 1000)
        await self.request(Method.PUT, Path.v3.rooms[room_id].typing[user_id], content, as_user=user_id)

    async def read(self, room_id: str, event_id: str, user_id: str) -> None:
        """Show that a ghost has read up to *event_id*."""
        path = Path.v3.rooms[room_id].receipt["m.read"][event_id]
        await self.request(Method.POST, path, {}, as_user=user_id)
