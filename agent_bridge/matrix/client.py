"""The client-server API of the homeserver. Every call can be repeated without a second effect."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from agent_bridge.core.errors import (
    HomeserverRefused,
    HomeserverUnavailable,
    RoomOutOfReach,
    UserNotRegistered,
)
from agent_bridge.core.lean_imports import in_place_of, without
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.other_servers import OtherServers
from agent_bridge.matrix.requests import Json, as_list, events, field
from agent_bridge.matrix.room_state import LISTED_CREATOR, RoomState
from agent_bridge.matrix.rooms import ENCRYPTION, REMOVED
from agent_bridge.matrix.users import NOT_FOUND, UserRequests

with without("prometheus_client"), in_place_of("mautrix.types", IdentityKey=str, SessionID=str):
    from mautrix.api import Method, Path

if TYPE_CHECKING:
    from datetime import datetime

    import aiohttp

    from agent_bridge.core.ids import Namespace

_FORBIDDEN = "M_FORBIDDEN"
#: Seconds for which the default room version is not asked again.
_KEPT = 60.0
#: Synapse's responses to a ping during its delivery of stored transactions; the bridge is reachable.
_DELIVERING = ("AlreadyCancelled", "AlreadyCalled")


@dataclass(frozen=True, slots=True)
class CreatedRoom:
    """The result of :meth:`Homeserver.create_room`."""

    room_id: str
    #: True: the room is new. False: the room existed, or people of other servers are not invited: it may be incomplete.
    fresh: bool


class Homeserver(UserRequests):
    """Makes requests to the homeserver as the bridge bot or as a ghost.

    ``as_user`` is a user id in the bridge's name space; None is the bot. Every method raises
    :class:`HomeserverUnavailable` if a repeat may succeed, else :class:`HomeserverRefused`.
    """

    #: Whether encrypted events are read and written.
    has_keys = False
    #: Whether messages of people that are not encrypted are refused.
    requires_encryption = False
    #: The default room version, and the end of its use in seconds of the monotonic clock: an upgrade may change it.
    _default: tuple[str, float] = ("", 0.0)

    def __init__(self, address: str, as_token: str, namespace: Namespace, session: aiohttp.ClientSession) -> None:
        super().__init__(address, as_token, namespace, session)
        self._others = OtherServers(namespace)

    async def versions(self) -> Json:
        """Return ``GET /_matrix/client/versions``."""
        return await self.request(Method.GET, Path.versions)

    async def outage(self, as_user: str | None = None) -> HomeserverUnavailable | None:
        """Return why the homeserver carries out no request of *as_user*; None if it responds, even with a refusal.

        A user of the name space need not be registered.
        """
        try:
            await self.request(Method.GET, Path.versions, as_user=as_user)
        except (UserNotRegistered, HomeserverRefused):
            return None
        except HomeserverUnavailable as error:
            return error
        return None

    async def answers(self) -> bool:
        """Tell whether the homeserver responds, even with a refusal, and knows the ``as_token``."""
        return await self.outage() is None

    async def server_name(self) -> str:
        """Return the name by which the homeserver calls itself: the domain of the application service's own user."""
        answer = await self._own(Method.GET, Path.v3.account.whoami)
        return field(answer, "user_id", str).partition(":")[2]

    async def whoami(self, as_user: str | None = None) -> str:
        """Return the user id as which the homeserver sees this request."""
        answer = await self.request(Method.GET, Path.v3.account.whoami, as_user=as_user)
        return field(answer, "user_id", str)

    async def lists_creator(self, version: str | None) -> bool:
        """Tell whether the power levels of a new room must list its creator.

        *version* None is the default room version of the homeserver.
        """
        return (version or await self._default_version()) in LISTED_CREATOR

    async def _default_version(self) -> str:
        version, until = self._default
        if time.monotonic() >= until:
            answer = await self.request(Method.GET, Path.v3.capabilities)
            version = str(field(answer, "capabilities", dict).get("m.room_versions", {}).get("default", "1"))
            self._default = version, time.monotonic() + _KEPT
        return version

    async def ping(self, appservice_id: str) -> float | None:
        """Let the homeserver ping the bridge (``POST …/appservice/{id}/ping``) and return the duration in milliseconds.

        The ping makes Synapse deliver its stored transactions at once. Returns None during such a delivery.
        """
        try:
            answer = await self.request(Method.POST, Path.v1.appservice[appservice_id].ping)
        except HomeserverUnavailable as error:
            if any(name in str(error) for name in _DELIVERING):
                return None
            raise
        return float(field(answer, "duration_ms", int))

    async def create_room(self, content: Json, as_user: str | None = None) -> CreatedRoom:
        """Create a room, or adopt the room that already has its alias.

        *content* must have ``room_alias_name``: this request has no transaction id, so a repeat finds the first room
        by its alias. *as_user* is a member of an adopted room. People of other servers in *content* are left out, and
        the room is not fresh: the caller invites them. The homeserver would answer when their servers have.

        Raises:
            RoomOutOfReach: *as_user* cannot enter the room that has the alias.
        """
        local = [user for user in content.get("invite", ()) if not self.namespace.is_foreign(user)]
        is_whole = local == list(content.get("invite", ()))
        content = content if is_whole else {**content, "invite": local}
        try:
            answer = await self.request(Method.POST, Path.v3.createRoom, content, as_user=as_user)
        except HomeserverRefused as error:
            if error.errcode != "M_ROOM_IN_USE" and error.status != HTTPStatus.CONFLICT:
                # Of two requests at once Synapse answers one with the status alone.
                raise
            room_id = await self.resolve_alias(self.namespace.alias(content["room_alias_name"]))
            if room_id is None:
                raise
            try:
                await self.join(room_id, as_user)
            except HomeserverRefused as refusal:
                text = Text("homeserver_refused", said=f"{room_id}: {refusal}")
                raise RoomOutOfReach(text, room_id=room_id, status=refusal.status, errcode=refusal.errcode) from refusal
            return CreatedRoom(room_id, fresh=False)
        return CreatedRoom(field(answer, "room_id", str), fresh=is_whole)

    async def resolve_alias(self, alias: str) -> str | None:
        """Return the room that *alias* points to; None if the alias does not exist."""
        try:
            answer = await self.request(Method.GET, Path.v3.directory.room[alias])
        except HomeserverRefused as error:
            if error.errcode == NOT_FOUND:
                return None
            raise
        return field(answer, "room_id", str)

    async def local_aliases(self, room_id: str, as_user: str | None = None) -> list[str]:
        """Return the aliases of this homeserver that point to a room."""
        answer = await self.request(Method.GET, Path.v3.rooms[room_id].aliases, as_user=as_user)
        return [str(alias) for alias in field(answer, "aliases", list)]

    async def add_alias(self, alias: str, room_id: str, as_user: str | None = None) -> None:
        """Let *alias*, which does not exist, point to a room."""
        await self.request(Method.PUT, Path.v3.directory.room[alias], {"room_id": room_id}, as_user=as_user)

    async def forget(self, room_id: str, as_user: str | None = None) -> None:
        """Forget a room that the user has left, so that the homeserver may delete it."""
        await self.request(Method.POST, Path.v3.rooms[room_id].forget, {}, as_user=as_user)

    async def remove_alias(self, alias: str) -> None:
        """Remove an alias from its room. An alias that does not exist is refused with status 404."""
        await self.request(Method.DELETE, Path.v3.directory.room[alias])

    async def join(self, room_id: str, as_user: str | None = None) -> None:
        """Join a room; no effect for a member."""
        await self.request(Method.POST, Path.v3.rooms[room_id].join, {}, as_user=as_user)

    async def can_join(self, room_id: str, as_user: str | None = None) -> bool:
        """Join a room, unless the homeserver refuses it; tell whether the user is in the room."""
        try:
            await self.join(room_id, as_user)
        except HomeserverRefused:
            return False
        return True

    async def leave(self, room_id: str, reason: str, as_user: str | None = None) -> None:
        """Leave a room or decline its invitation."""
        await self.request(Method.POST, Path.v3.rooms[room_id].leave, {"reason": reason}, as_user=as_user)

    async def kick(self, room_id: str, user_id: str, reason: str, as_user: str | None = None) -> None:
        """Remove a member, or take an invitation back. The client of the user shows *reason*."""
        content = {"user_id": user_id, "reason": reason}
        await self.request(Method.POST, Path.v3.rooms[room_id].kick, content, as_user=as_user)

    async def remove(
        self, room_id: str, user_id: str, reason: str, as_user: str | None = None, *, note: str = REMOVED
    ) -> None:
        """Remove a user as :meth:`kick` does, with the key *note*: by default, the user may come back with a role."""
        content = {"membership": "leave", "reason": reason, note: True}
        await self.set_state(room_id, "m.room.member", content, key=user_id, as_user=as_user)

    async def invite(self, room_id: str, user_id: str, as_user: str | None = None) -> bool:
        """Invite a person. Returns False if the person is already a member.

        Raises:
            ServerOutOfReach: the server of the person does not answer.
        """
        try:
            with self._others.inviting(user_id):
                await self.request(Method.POST, Path.v3.rooms[room_id].invite, {"user_id": user_id}, as_user=as_user)
        except HomeserverRefused as error:
            if error.errcode == _FORBIDDEN and await self.membership(room_id, user_id, as_user) == "join":
                return False
            raise
        return True

    async def invite_directly(self, room_id: str, user_id: str, as_user: str) -> bool:
        """Invite a person to a direct conversation with *as_user*. Returns False if the person is already a member.

        The client of the person then lists the room among the direct ones (Matrix spec, "Direct Messaging").

        Raises:
            ServerOutOfReach: the server of the person does not answer.
        """
        if await self.membership(room_id, user_id, as_user) == "join":
            return False
        await self.invite_with(room_id, user_id, {"is_direct": True}, as_user)
        return True

    async def invite_with(self, room_id: str, user_id: str, content: Json, as_user: str | None = None) -> None:
        """Invite a person by a membership that has *content*, too.

        Raises:
            ServerOutOfReach: the server of the person does not answer.
        """
        content = {"membership": "invite", **content}
        with self._others.inviting(user_id):
            await self.set_state(room_id, "m.room.member", content, key=user_id, as_user=as_user)

    async def membership(self, room_id: str, user_id: str, as_user: str | None = None) -> str | None:
        """Return the ``membership`` of *user_id* in a room; None if the room never had one."""
        event = await self.state(room_id, "m.room.member", user_id, as_user)
        return None if event is None else field(field(event, "content", dict), "membership", str)

    async def joined_rooms(self, as_user: str | None = None) -> list[str]:
        """Return the rooms of a ghost or the bot."""
        answer = await self.request(Method.GET, Path.v3.joined_rooms, as_user=as_user)
        return [str(room_id) for room_id in field(answer, "joined_rooms", list)]

    async def members(self, room_id: str, as_user: str | None = None) -> dict[str, str]:
        """Return the memberships of all users of a room but those that left it, by user id."""
        found = await self._memberships(room_id, as_user)
        return {str(event["state_key"]): str(event["content"].get("membership")) for event in found}

    async def count_members(self, room_id: str, as_user: str | None = None) -> int:
        """Return the number of members and invited users of a room."""
        found = await self._memberships(room_id, as_user)
        return sum(event["content"].get("membership") in ("join", "invite") for event in found)

    async def member_events(self, room_id: str, as_user: str | None = None) -> list[Json]:
        """Return the events of the memberships of all users of a room but those that left it."""
        return await self._memberships(room_id, as_user)

    async def _memberships(self, room_id: str, as_user: str | None) -> list[Json]:
        path = Path.v3.rooms[room_id].members
        answer = await self.request(Method.GET, path, as_user=as_user, query={"not_membership": "leave"})
        return list(field(answer, "chunk", list))

    async def state(self, room_id: str, kind: str, key: str = "", as_user: str | None = None) -> Json | None:
        """Return a complete state event of a room; None if it does not exist."""
        path = Path.v3.rooms[room_id].state[kind][key] if key else Path.v3.rooms[room_id].state[kind]
        try:
            return await self.request(Method.GET, path, as_user=as_user, query={"format": "event"})
        except HomeserverRefused as error:
            if error.errcode == NOT_FOUND:
                return None
            raise

    async def is_illegible(self, room_id: str) -> bool:
        """Tell whether the bridge cannot read the messages of a room of the bot, because they are encrypted."""
        return not self.has_keys and await self.state(room_id, ENCRYPTION) is not None

    async def room_state(self, room_id: str, as_user: str | None = None) -> RoomState | None:
        """Return the present state of a room; None if the user is not in the room."""
        path = Path.v3.rooms[room_id].state
        try:
            answer = await self._ask(Method.GET, path, as_user=as_user)
        except HomeserverRefused as error:
            if error.errcode in {_FORBIDDEN, NOT_FOUND}:
                return None
            raise
        state = RoomState.of(
            room_id, as_list(answer), has_keys=self.has_keys, requires_encryption=self.requires_encryption
        )
        # A user that left sees the state at that time.
        return state if state.membership(as_user or self.namespace.bot) == "join" else None

    async def set_state(
        self, room_id: str, kind: str, content: Json, *, key: str = "", as_user: str | None = None
    ) -> None:
        """Set the state of a room."""
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
        sent_at: datetime | None = None,
    ) -> str:
        """Send an event and return its id.

        A repeat with the same *txn_id* returns the same event, as long as the homeserver remembers the id. *sent_at* is
        the time that clients show (Matrix spec, "Timestamp massaging"); None: the present time.
        """
        path = Path.v3.rooms[room_id].send[kind][txn_id]
        query = {} if sent_at is None else {"ts": str(int(sent_at.timestamp() * 1000))}
        answer = await self.request(Method.PUT, path, content, as_user=as_user, query=query)
        return field(answer, "event_id", str)

    async def redact(self, room_id: str, event_id: str, *, txn_id: str, as_user: str | None = None) -> None:
        """Redact an event."""
        await self.request(Method.PUT, Path.v3.rooms[room_id].redact[event_id][txn_id], {}, as_user=as_user)

    async def redact_with(
        self, room_id: str, event_id: str, content: Json, *, txn_id: str, as_user: str | None = None
    ) -> str:
        """Redact an event by an event that has *content*, and return the id of that one."""
        path = Path.v3.rooms[room_id].redact[event_id][txn_id]
        return field(await self.request(Method.PUT, path, content, as_user=as_user), "event_id", str)

    async def messages(
        self,
        room_id: str,
        *,
        limit: int,
        start: str | None = None,
        as_user: str | None = None,
        only: Json | None = None,
        forwards: bool = False,
        as_sent: bool = False,
    ) -> tuple[list[Json], str | None]:
        """Return up to *limit* events, newest first, and the start of the next page (None: this is the last page).

        *forwards*: oldest first, from *start*. *as_sent*: a homeserver with keys opens no encrypted events.

        *only* is a ``RoomEventFilter`` of the Matrix spec. With a filter a page may be empty without being the last.
        """
        query = {"dir": "f" if forwards else "b", "limit": str(limit), **({"from": start} if start else {})}
        if only is not None:
            query["filter"] = json.dumps(only)
        request = super().request if as_sent else self.request
        answer = await request(Method.GET, Path.v3.rooms[room_id].messages, as_user=as_user, query=query)
        return events(answer), answer.get("end")

    async def edits(
        self, room_id: str, event_id: str, start: str | None = None, as_user: str | None = None
    ) -> tuple[list[Json], str | None]:
        """Return edits of an event, newest first, and the start of the next page (None: this is the last page).

        A redacted event has none for the homeserver (``GET …/relations/…/m.replace``).
        """
        path = Path.v1.rooms[room_id].relations[event_id]["m.replace"]
        query = {"limit": "100", **({"from": start} if start else {})}
        answer = await self.request(Method.GET, path, as_user=as_user, query=query)
        return events(answer), answer.get("next_batch")

    async def position_after(self, room_id: str, event_id: str, as_user: str | None = None) -> str | None:
        """Return the start of the page of :meth:`messages` that follows an event; None if there is none."""
        path = Path.v3.rooms[room_id].context[event_id]
        return (await self.request(Method.GET, path, as_user=as_user, query={"limit": "0"})).get("end")

    async def annotations(self, room_id: str, event_id: str, as_user: str | None = None) -> list[Json]:
        """Return the newest reactions to an event (``GET …/relations/…/m.annotation/m.reaction``)."""
        path = Path.v1.rooms[room_id].relations[event_id]["m.annotation"]["m.reaction"]
        return events(await self.request(Method.GET, path, as_user=as_user, query={"limit": "50"}))

    async def references(
        self, room_id: str, event_id: str, start: str | None = None, as_user: str | None = None
    ) -> tuple[list[Json], str | None]:
        """Return events that refer to an event, oldest first, and the start of the next page (None: the last page).

        Redacted ones are left out (``GET …/relations/…/m.reference``).
        """
        path = Path.v1.rooms[room_id].relations[event_id]["m.reference"]
        query = {"dir": "f", "limit": "100", **({"from": start} if start else {})}
        answer = await self.request(Method.GET, path, as_user=as_user, query=query)
        return events(answer), answer.get("next_batch")

    async def event(self, room_id: str, event_id: str, as_user: str | None = None) -> Json | None:
        """Return one event; None if the user may not see it or it does not exist."""
        try:
            return await self.request(Method.GET, Path.v3.rooms[room_id].event[event_id], as_user=as_user)
        except HomeserverRefused as error:
            if error.errcode in {_FORBIDDEN, NOT_FOUND}:
                return None
            raise

    async def typing(self, room_id: str, user_id: str, seconds: float) -> None:
        """Show a ghost as typing for *seconds*; 0 ends the display."""
        content: Json = {"typing": seconds > 0}
        if seconds > 0:
            content["timeout"] = int(seconds * 1000)
        await self.request(Method.PUT, Path.v3.rooms[room_id].typing[user_id], content, as_user=user_id)

    async def read(self, room_id: str, event_id: str, user_id: str) -> None:
        """Set the read receipt of a ghost to *event_id*."""
        path = Path.v3.rooms[room_id].receipt["m.read"][event_id]
        await self.request(Method.POST, path, {}, as_user=user_id)
