"""Sets the state of rooms: state that a person chose stays, unless it is to be replaced.

One editor goes through one comparison of one room. It collects the differences that it finds, so the same steps serve
the regular comparison, a repair with a report, and a report alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.results.repairs import Difference, Outcome, Part
from agent_bridge.matrix.rooms import (
    BRIDGE,
    CHILD,
    ENCRYPTION,
    FUNCTIONAL,
    GUESTS,
    JOIN_RULES,
    PARENT,
    POWER_LEVELS,
    TOMBSTONE,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState

_log = structlog.stdlib.get_logger(__name__)

_PARTS = {
    "m.room.name": Part.NAME,
    "m.room.topic": Part.TOPIC,
    "m.room.avatar": Part.AVATAR,
    POWER_LEVELS: Part.LEVELS,
    JOIN_RULES: Part.JOIN_RULE,
    GUESTS: Part.GUESTS,
    "m.room.canonical_alias": Part.CANONICAL_ALIAS,
    CHILD: Part.CHILD,
    PARENT: Part.PARENT,
    BRIDGE: Part.BRIDGE,
    FUNCTIONAL: Part.FUNCTIONAL,
    TOMBSTONE: Part.UPGRADE,
    ENCRYPTION: Part.ENCRYPTION,
}


def chosen_by_person(state: RoomState, kind: str, namespace: Namespace, *, is_applied: bool, key: str = "") -> bool:
    """Tell whether a person chose the state event *kind* of a room, by its sender.

    The homeserver copies state into the room that replaces an upgraded one, and the person who upgraded it is the
    sender. Such a copy counts as chosen only if it differs from the bridge's last value (*is_applied* False).
    """
    sender = state.sender(kind, key)
    if sender is None or namespace.is_ours(sender):
        return False
    is_copy = state.predecessor is not None and sender == state.sender("m.room.create")
    return not (is_copy and is_applied)


class StateEditor:
    """Edits the state of rooms, and collects the :attr:`differences` from the desired state."""

    def __init__(self, homeserver: Homeserver, *, force: bool = False, dry: bool = False) -> None:
        self._homeserver = homeserver
        self.namespace = homeserver.namespace
        #: Whether state that people chose is replaced.
        self.is_forced = force
        #: Whether nothing is changed, neither on the homeserver nor in the tables.
        self.is_dry = dry
        self.differences: list[Difference] = []

    async def field(
        self, state: RoomState, kind: str, field: str, value: str, applied: str | None, ghost: str | None = None
    ) -> bool:
        """Set the state event *kind* of a room to *value* in *field*, unless it is already set or a person chose it.

        *applied* is the value that the bridge gave the room last. The user is that of :meth:`edit`. Tell whether the
        state changed.

        Raises:
            HomeserverRefused: the user may not set it.
        """
        present = state.content(kind).get(field)
        if present == value:
            return False
        if self._keeps(state, kind, is_applied=present == applied, is_known=applied == value):
            return False
        return await self.edit(state, kind, {field: value}, ghost)

    async def content(
        self,
        state: RoomState,
        kind: str,
        content: dict[str, Any],
        ghost: str | None = None,
        *,
        key: str = "",
        applied: Mapping[str, Any] | None = None,
    ) -> bool:
        """Set a state event of a room to *content*, unless it is already set or a person chose it.

        *applied* is the content that the bridge gave the room last, if that may differ. The user is that of
        :meth:`edit`. Tell whether the state changed.

        Raises:
            HomeserverRefused: the user may not set it.
        """
        present = state.content(kind, key)
        if (kind, key) in state.events and present == content:
            return False
        last = content if applied is None else applied
        if self._keeps(state, kind, key=key, is_applied=present == last, is_known=last == content):
            return False
        return await self.edit(state, kind, content, ghost, key=key)

    async def edit(
        self,
        state: RoomState,
        kind: str,
        content: dict[str, Any],
        ghost: str | None = None,
        *,
        key: str = "",
        as_user: str | None = None,
    ) -> bool:
        """Set a state event of a room as *ghost*, or as the bot if only the bot may, or without *ghost*.

        *as_user*: as that user in any case. Tell whether the state changed.

        Raises:
            HomeserverRefused: neither of them may set it.
        """
        bot = self.namespace.bot
        editor = as_user or (bot if ghost is None else state.editor(kind, ghost, bot))
        part = _PARTS.get(kind, Part.OTHER)
        return await self.step(
            part, lambda: self._homeserver.set_state(state.room_id, kind, content, key=key, as_user=editor)
        )

    async def present(self, state: RoomState, kind: str, reader: str) -> RoomState:
        """Return *state* with the state event *kind* that *reader* reads now."""
        event = await self._homeserver.state(state.room_id, kind, as_user=reader)
        others = {key: value for key, value in state.events.items() if key != (kind, "")}
        return replace(state, events=others | ({} if event is None else {(kind, ""): event}))

    async def step(self, part: Part, step: Callable[[], Awaitable[object]]) -> bool:
        """Carry out *step*, which repairs *part*; tell whether it was carried out.

        Raises:
            HomeserverRefused: the homeserver refused it, or it returned False.
        """
        if self.is_dry:
            self.note(part, Outcome.WOULD_SET)
            return False
        try:
            is_done = await step()
        except HomeserverRefused:
            self.note(part, Outcome.REFUSED)
            raise
        self.note(part, Outcome.REFUSED if is_done is False else Outcome.SET)
        return is_done is not False

    def note(self, part: Part, outcome: Outcome, by: str | None = None) -> None:
        """Add a difference, once."""
        difference = Difference(part, outcome, by)
        if difference not in self.differences:
            self.differences.append(difference)

    def keep(self, state: RoomState, kind: str, key: str = "") -> None:
        """Note that a person chose a state event, which stays."""
        self.note(_PARTS.get(kind, Part.OTHER), Outcome.KEPT, state.sender(kind, key))

    def keep_fixed(self, state: RoomState) -> None:
        """Note the state that is never replaced: encryption, and an upgrade that the bridge does not follow."""
        if state.replacement is not None:
            self.keep(state, TOMBSTONE)
        if state.is_illegible:
            self.keep(state, ENCRYPTION)

    def _keeps(self, state: RoomState, kind: str, *, is_applied: bool, is_known: bool, key: str = "") -> bool:
        if self.is_forced or not chosen_by_person(state, kind, self.namespace, is_applied=is_applied, key=key):
            return False
        log = _log.debug if is_known else _log.info
        log("state kept: a person chose it", room=state.room_id, kind=kind)
        self.keep(state, kind, key)
        return True
