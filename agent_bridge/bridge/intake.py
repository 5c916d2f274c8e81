"""Intake: events become durable turns, inside the homeserver's request. Decides, writes, wakes; nothing slow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from agent_bridge.bridge.access import role_of
from agent_bridge.core.model import NewTurn, Role, TurnKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.core.ids import Names
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.contacts import Contacts
    from agent_bridge.store.database import Connection, Database
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

_TEXT = frozenset({"m.text", "m.emote"})
_FILES = {"m.image": "image", "m.file": "file", "m.audio": "recording", "m.video": "video"}


class Wakes(Protocol):
    """Who works the lanes off."""

    async def wake(self, connection: Connection, lanes: Sequence[int]) -> None:
        """Have *lanes* worked off once the caller's transaction is committed."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides what an event is."""

    names: Names
    permissions: Mapping[str, Role]
    #: What starts a command in a bridged room.
    prefix: str

    def decide(self, event: RoomEvent, portal: int | None, *, bot_room: bool) -> NewTurn | None:
        """Return the turn that *event* asks for, None when it asks for none.

        *portal* is the row id of the portal that the room is, if it is one; *bot_room* tells whether people talk to
        the bridge bot there.
        """
        if self.names.is_ours(event.sender):
            return None
        if event.type == "m.room.member":
            return self._invitation(event)
        if event.type == "m.room.encrypted" and (portal is not None or bot_room):
            return self._refusal(event, portal, "encrypted", once=event.room_id)
        if event.type != "m.room.message" or event.state_key is not None or event.relation == "m.replace":
            return None
        return self._message(event, portal, bot_room=bot_room)

    def _message(self, event: RoomEvent, portal: int | None, *, bot_room: bool) -> NewTurn | None:
        msgtype, body = event.text("msgtype"), event.text("body")
        if portal is None and not bot_room and not self._has_prefix(body):
            return None
        if msgtype in _TEXT and body is not None and body.strip():
            if portal is None or self._has_prefix(body):
                return self._turn(event, portal, TurnKind.COMMAND, {"body": self._without_prefix(body)})
            if role_of(event.sender, self.permissions) < Role.MEMBER:
                return self._refusal(event, portal, "permission", once=f"{event.room_id}:{event.sender}")
            return self._turn(event, portal, TurnKind.MESSAGE, {"body": body})
        if msgtype in _FILES and portal is not None and role_of(event.sender, self.permissions) >= Role.MEMBER:
            return self._refusal(event, portal, "file", what=_FILES[msgtype])
        return None

    def _invitation(self, event: RoomEvent) -> NewTurn | None:
        invited = event.state_key
        if invited is None or not self.names.is_ours(invited) or event.content.get("membership") != "invite":
            return None
        return self._turn(event, None, TurnKind.INVITATION, {"invited": invited})

    def _refusal(
        self, event: RoomEvent, portal: int | None, reason: str, *, once: str | None = None, **more: Any
    ) -> NewTurn:
        payload = {"reason": reason, "event_id": event.event_id, **more}
        turn = self._turn(event, portal, TurnKind.REFUSAL, payload)
        if once is None:
            return turn
        # The event id is what dies as a duplicate: a made-up one makes the refusal happen once.
        return NewTurn(f"{reason}:{once}", turn.room_id, turn.kind, turn.sender, payload, portal)

    @staticmethod
    def _turn(event: RoomEvent, portal: int | None, kind: TurnKind, payload: Mapping[str, Any]) -> NewTurn:
        return NewTurn(event.event_id, event.room_id, kind, event.sender, payload, portal)

    def _has_prefix(self, body: str | None) -> bool:
        return body is not None and body.split(maxsplit=1)[:1] == [self.prefix]

    def _without_prefix(self, body: str) -> str:
        return body.strip().removeprefix(self.prefix).strip() if self._has_prefix(body) else body.strip()


class Intake:
    """Takes what comes through the door."""

    def __init__(self, database: Database, contacts: Contacts, turns: Turns, lanes: Wakes, rules: Rules) -> None:
        self._database = database
        self._contacts = contacts
        self._turns = turns
        self._lanes = lanes
        self._rules = rules

    async def take(self, events: Sequence[RoomEvent]) -> None:
        """Commit the turns of *events* together with the wake-up of their lanes.

        Raises:
            StoreError: nothing was committed.
        """
        rules = self._rules
        events = [event for event in events if not rules.names.is_ours(event.sender)]
        if not events:
            return
        rooms = list({event.room_id for event in events})
        portals = await self._contacts.portals_in(rooms)
        bot_rooms = await self._turns.bot_rooms([room for room in rooms if room not in portals])
        decided = [
            rules.decide(event, portals.get(event.room_id), bot_room=event.room_id in bot_rooms) for event in events
        ]
        new = [turn for turn in decided if turn is not None]
        if not new:
            return
        async with self._database.transaction() as connection:
            await self._lanes.wake(connection, await self._turns.accept(connection, new))
        for turn in new:
            _log.info(
                "message received",
                kind=turn.kind,
                sender=turn.sender,
                room=turn.room_id,
                event_id=turn.event_id,
            )
