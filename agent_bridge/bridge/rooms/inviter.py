"""Brings people into rooms: by an invitation, or by the admin API of the homeserver (``homeserver.admin``)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.core.errors import HomeserverRefused, ServerOutOfReach
from agent_bridge.core.results.access import Arrival
from agent_bridge.core.roles import Role
from agent_bridge.matrix.admin import is_server_administrator, join_user
from agent_bridge.matrix.rooms import REQUEST
from agent_bridge.render.content import in_backticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.core.roles import Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState

_log = structlog.stdlib.get_logger(__name__)

_MEMBER = "m.room.member"
#: Memberships that stay as they are.
_NOTHING_TO_DO = {"join": Arrival.INSIDE, "ban": Arrival.BANNED}
#: Seconds between two requests to an admin API that the bot may not use.
_AGAIN = 60.0


class Inviter:
    """Brings people into rooms. *joins*: local users join at once, if the bot is a server administrator.

    Every method may be repeated: a user who is in a room, or has an invitation, gets no other one. A user whose role
    this process sees fall while a method runs is not in the room, and not invited, at the end.
    """

    def __init__(
        self, homeserver: Homeserver, admin_room: AdminRoom, roles: Roles, texts: Texts, *, joins: bool
    ) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._admin_room = admin_room
        self._roles = roles
        self._texts = texts
        self._joins = joins
        #: The end of the time in which the admin API is not asked again, by a monotonic clock; 0: it never refused.
        self._refused_until = 0.0
        #: Why people could not be invited at last.
        self._failing: dict[str, Arrival] = {}

    def joins(self, user: str) -> bool:
        """Tell whether *user* should join rooms without an own decision."""
        return self._joins and not self._namespace.is_foreign(user)

    async def welcome(self, state: RoomState, user: str, sender: str) -> bool:
        """Bring *user* into a room as *sender* or the bot; tell whether that is done.

        A user who was in the room before, or has an invitation, gets no other one: the user has left, or declined, or
        was removed. A user without a role gets none: agents would not answer.

        Raises:
            HomeserverUnavailable, StoreError: a repeat continues.
        """
        if state.membership(user) not in {None, "knock"}:
            return True
        if self._roles.of(user, state.room_id) is Role.NONE:
            return False
        senders = [sender] if sender == self._namespace.bot else [sender, self._namespace.bot]
        arrival = await self._join_or_invite(state.room_id, user, senders, {})
        if arrival.is_done:
            self._failing.pop(user, None)
        else:
            # The comparison of each room tries it again.
            log = _log.debug if self._failing.get(user) is arrival else _log.warning
            log("cannot invite", user=user, room=state.room_id, cause=str(arrival))
            self._failing[user] = arrival
        return arrival.is_done

    async def member(self, room_id: str, user: str, readers: Sequence[str]) -> Mapping[str, Any] | None:
        """Return the event with the membership of *user*; None if the room never had one.

        Raises:
            HomeserverRefused: none of *readers* sees the room.
            HomeserverUnavailable: it is not known.
        """
        for reader in readers[:-1]:
            try:
                return await self._homeserver.state(room_id, _MEMBER, user, reader)
            except HomeserverRefused:
                continue
        return await self._homeserver.state(room_id, _MEMBER, user, readers[-1])

    async def bring(
        self, room_id: str, user: str, senders: Sequence[str], *, is_direct: bool = False, request: str = ""
    ) -> Arrival:
        """Bring *user* into a room; the first of *senders* invites that the homeserver permits.

        *is_direct*: the client of the user lists the room among the direct ones. *request*: :func:`belongs_to` finds
        the invitation by it.

        Raises:
            HomeserverRefused: none of *senders* sees the room.
            HomeserverUnavailable, StoreError: a repeat continues.
        """
        member = await self.member(room_id, user, senders)
        membership = None if member is None else member["content"].get("membership")
        if membership in _NOTHING_TO_DO:
            return _NOTHING_TO_DO[membership]
        content: dict[str, Any] = {"is_direct": True} if is_direct else {}
        content |= {REQUEST: request} if request else {}
        return await self._join_or_invite(room_id, user, senders, content, is_invited=membership == "invite")

    async def _join_or_invite(
        self, room_id: str, user: str, senders: Sequence[str], content: dict[str, Any], *, is_invited: bool = False
    ) -> Arrival:
        """Bring *user* in as :meth:`bring` does; a user who loses the role meanwhile does not stay.

        The comparison of the room with the roles may have looked at it just before.
        """
        if self.joins(user) and await self._join(room_id, user):
            arrival = Arrival.JOINED
        elif is_invited:
            return Arrival.INVITED
        elif self._roles.of(user, room_id) is Role.NONE:
            return Arrival.NO_ROLE
        else:
            arrival = await self._invite(room_id, user, senders, content)
        if not arrival.is_done or self._roles.of(user, room_id) is not Role.NONE:
            return arrival
        await self._take_back(room_id, user, senders)
        return Arrival.NO_ROLE

    async def _take_back(self, room_id: str, user: str, senders: Sequence[str]) -> None:
        """Remove *user* from a room, with the line that all get who lose the role."""
        reason = self._texts.for_admins(self._texts.people.removed)
        for sender in senders:
            try:
                if await self._homeserver.membership(room_id, user, sender) in {"join", "invite"}:
                    await self._homeserver.remove(room_id, user, reason, sender)
            except HomeserverRefused as error:
                _log.info("a user was not removed", room=room_id, user=user, error=str(error))
            else:
                return

    async def _invite(self, room_id: str, user: str, senders: Sequence[str], content: dict[str, Any]) -> Arrival:
        is_foreign = self._namespace.is_foreign(user)
        for sender in senders:
            try:
                await self._homeserver.invite_with(room_id, user, content, sender)
            except ServerOutOfReach as error:
                _log.debug("the server of a user does not answer", user=user, error=str(error))
                return Arrival.AWAY
            except HomeserverRefused as error:
                _log.info("an invitation was refused", room=room_id, user=user, sender=sender, error=str(error))
                if is_foreign and not await self._may_invite(room_id, sender):
                    continue
                if is_foreign:
                    return Arrival.AWAY
            else:
                return Arrival.INVITED
        return Arrival.POWERLESS

    async def _may_invite(self, room_id: str, sender: str) -> bool:
        """Tell whether *sender* has the power to invite, so that a refusal comes from the server of the user."""
        state = await self._homeserver.room_state(room_id, sender)
        return state is not None and state.power(sender) >= state.invite_level

    async def _join(self, room_id: str, user: str) -> bool:
        """Have *user* join by the admin API; tell whether that was possible."""
        if time.monotonic() < self._refused_until:
            return False
        try:
            await join_user(self._homeserver, room_id, user)
        except HomeserverRefused as error:
            if await is_server_administrator(self._homeserver):
                # The bot is not in the room, or may not invite.
                _log.info("a user cannot be joined", room=room_id, user=user, error=str(error))
            else:
                log = _log.warning if self._refused_until == 0.0 else _log.debug
                log("the bot is no server administrator: people get invitations", error=str(error))
                self._refused_until = time.monotonic() + _AGAIN
                bot = in_backticks(self._namespace.bot)
                await self._admin_room.tell_once(
                    "not_administrator", self._texts.commands.access.not_administrator.format(bot=bot)
                )
            return False
        return True


def belongs_to(member: Mapping[str, Any] | None, request: str) -> bool:
    """Tell whether the membership *member* is the invitation of *request*, or the answer of the user to it."""
    if member is None:
        return False
    unsigned = member.get("unsigned")
    before = unsigned.get("prev_content") if isinstance(unsigned, dict) else None
    return member["content"].get(REQUEST) == request or (isinstance(before, dict) and before.get(REQUEST) == request)
