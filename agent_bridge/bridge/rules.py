"""Rules: what an event asks for. Pure; whoever takes events in, or explains what became of one, asks here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.access import role_of
from agent_bridge.core.model import BOT_THREAD, Ignored, NewTurn, Role, StopRequest, TurnKind
from agent_bridge.matrix.events import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.ids import Names
    from agent_bridge.matrix.events import RoomEvent

_TEXT = frozenset({"m.text", "m.emote"})
_FILES = {"m.image": "image", "m.file": "file", "m.audio": "recording", "m.video": "video"}
#: Said by reaction to the question or to the answer; clients add the variation selector or not.
_STOP_SIGN = "🛑"
_VARIATION = "\ufe0f"


@dataclass(frozen=True, slots=True)
class Place:
    """What the bridge knows of the room in which something was said."""

    #: Row id of the portal that the room is, None when it is none.
    portal: int | None
    #: Whether people talk to the bridge bot there.
    bot_room: bool = False

    @property
    def known(self) -> bool:
        """Whether every message there is meant for the bridge."""
        return self.portal is not None or self.bot_room


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides what an event is."""

    names: Names
    permissions: Mapping[str, Role]
    #: What starts a command in a bridged room.
    prefix: str

    def decide(self, event: RoomEvent, place: Place) -> NewTurn | Ignored | None:
        """Return the turn that *event* asks for; why it is ignored, where somebody may wonder; None otherwise."""
        if self.names.is_ours(event.sender):
            return None
        if event.type == "m.room.member":
            return self._invitation(event)
        if event.type == "m.room.encrypted" and place.known:
            return self._refusal(event, place, "encrypted", once=event.room_id)
        if event.type != "m.room.message" or event.state_key is not None:
            return None
        if event.relation == "m.replace":
            return self._ignored(event, place, "it changes an earlier message, and what was asked stays asked")
        return self._message(event, place)

    def stop(self, event: RoomEvent, place: Place) -> StopRequest | None:
        """Return the wish to end an answer that *event* is, if it is one and its sender may have it."""
        if place.portal is None or self.names.is_ours(event.sender):
            return None
        if role_of(event.sender, self.permissions) < Role.MEMBER:
            return None
        if event.type == "m.room.message":
            asked = self.decide(event, place)
            word = asked.payload["body"] if isinstance(asked, NewTurn) and asked.kind is TurnKind.COMMAND else ""
            is_stop = word.partition(" ")[0].lower() == "stop"
            return StopRequest(event.room_id, event.event_id, None) if is_stop else None
        if event.type == "m.reaction":
            related = event.content.get("m.relates_to")
            key, target = (related.get("key"), related.get("event_id")) if isinstance(related, dict) else (None, None)
            if isinstance(key, str) and key.rstrip(_VARIATION) == _STOP_SIGN and isinstance(target, str):
                return StopRequest(event.room_id, event.event_id, clean(target))
        return None

    def has_prefix(self, body: str | None) -> bool:
        """Tell whether *body* is a command wherever it is said."""
        return body is not None and body.split(maxsplit=1)[:1] == [self.prefix]

    def _message(self, event: RoomEvent, place: Place) -> NewTurn | Ignored | None:
        msgtype, body = event.text("msgtype"), event.text("body")
        if not place.known and not self.has_prefix(body):
            return None
        if msgtype in _FILES and place.portal is not None and role_of(event.sender, self.permissions) >= Role.MEMBER:
            return self._refusal(event, place, "file", what=_FILES[msgtype])
        if msgtype not in _TEXT or body is None or not body.strip():
            what = "it is a notice, which nobody answers" if msgtype == "m.notice" else "there is no text in it"
            return self._ignored(event, place, what)
        if place.portal is None or self.has_prefix(body):
            return self._turn(event, place, TurnKind.COMMAND, {"body": self._without_prefix(body)})
        if role_of(event.sender, self.permissions) < Role.MEMBER:
            return self._refusal(event, place, "permission", once=f"{event.room_id}:{event.sender}")
        return self._turn(event, place, TurnKind.MESSAGE, {"body": body})

    def _invitation(self, event: RoomEvent) -> NewTurn | None:
        invited = event.state_key
        if invited is None or not self.names.is_ours(invited) or event.content.get("membership") != "invite":
            return None
        return self._turn(event, Place(None), TurnKind.INVITATION, {"invited": invited})

    def _refusal(self, event: RoomEvent, place: Place, reason: str, *, once: str | None = None, **more: Any) -> NewTurn:
        payload = {"reason": reason, "event_id": event.event_id, **more}
        # The event id is what dies as a duplicate: a made-up one makes the refusal happen once.
        event_id = event.event_id if once is None else f"{reason}:{once}"
        return self._turn(event, place, TurnKind.REFUSAL, payload, event_id)

    @staticmethod
    def _turn(
        event: RoomEvent, place: Place, kind: TurnKind, payload: Mapping[str, Any], event_id: str | None = None
    ) -> NewTurn:
        aside = place.portal is not None and kind in {TurnKind.COMMAND, TurnKind.REFUSAL}
        return NewTurn(
            event_id=event_id or event.event_id,
            room_id=event.room_id,
            kind=kind,
            sender=event.sender,
            payload=payload,
            portal=place.portal,
            thread=BOT_THREAD if aside else "",
            said_at=event.timestamp,
        )

    @staticmethod
    def _ignored(event: RoomEvent, place: Place, reason: str) -> Ignored | None:
        return Ignored(event.event_id, event.room_id, reason) if place.known else None

    def _without_prefix(self, body: str) -> str:
        return body.strip().removeprefix(self.prefix).strip() if self.has_prefix(body) else body.strip()
