"""Rules: what an event asks for. Pure; whoever takes events in, or explains what became of one, asks here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.rooms.permissions import role_of
from agent_bridge.core.roles import Role
from agent_bridge.core.turns import (
    BOT_THREAD,
    ChangeKind,
    ChangeRequest,
    Ignored,
    IgnoreReason,
    NewTurn,
    StopRequest,
    TurnKind,
)
from agent_bridge.matrix.attachments import attachment_of
from agent_bridge.matrix.events import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.events import RoomEvent

_TEXT = frozenset({"m.text", "m.emote"})
#: Said by reaction to the question or to the answer; clients add the variation selector or not.
_STOP_SIGN = "🛑"
_AGAIN_SIGN = "🔁"
_VARIATION = "\ufe0f"


@dataclass(frozen=True, slots=True)
class RoomContext:
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

    namespace: Namespace
    permissions: Mapping[str, Role]
    #: What starts a command in a bridged room.
    prefix: str

    def decide(self, event: RoomEvent, context: RoomContext) -> NewTurn | ChangeRequest | Ignored | None:
        """Return the turn, or the change of an earlier one, that *event* asks for.

        Where there is none, why it is ignored, if somebody may wonder; else None.
        """
        if self.namespace.is_ours(event.sender):
            return None
        if event.type == "m.room.member":
            return self._invitation(event)
        if event.type in {"m.room.redaction", "m.reaction"}:
            return self._sign(event, context)
        if event.type == "m.room.encrypted" and context.known:
            return self._refusal(event, context, "encrypted", once=event.room_id)
        if event.type != "m.room.message" or event.state_key is not None:
            return None
        return self._edit(event, context) if event.relation == "m.replace" else self._message(event, context)

    def stop(self, event: RoomEvent, context: RoomContext) -> StopRequest | None:
        """Return the wish to end an answer that *event* is, if it is one and its sender may have it."""
        if context.portal is None or self.namespace.is_ours(event.sender):
            return None
        if role_of(event.sender, self.permissions) < Role.MEMBER:
            return None
        if event.type == "m.room.message":
            asked = self.decide(event, context)
            word = asked.payload["body"] if isinstance(asked, NewTurn) and asked.kind is TurnKind.COMMAND else ""
            is_stop = word.partition(" ")[0].lower() == "stop"
            return StopRequest(event.room_id, event.event_id, None, event.thread) if is_stop else None
        if _sign_of(event) == _STOP_SIGN and event.target is not None:
            return StopRequest(event.room_id, event.event_id, event.target)
        return None

    def has_prefix(self, body: str | None) -> bool:
        """Tell whether *body* is a command wherever it is said."""
        return body is not None and body.split(maxsplit=1)[:1] == [self.prefix]

    def _sign(self, event: RoomEvent, context: RoomContext) -> ChangeRequest | None:
        """Return what a redaction, or a reaction, wants of an earlier message."""
        if context.portal is None:
            return None
        if event.type == "m.room.redaction":
            # Whoever the homeserver lets take a message back, may.
            return self._change(event, ChangeKind.REDACT, event.redacts)
        if _sign_of(event) == _AGAIN_SIGN and role_of(event.sender, self.permissions) >= Role.MEMBER:
            return self._change(event, ChangeKind.AGAIN, event.target)
        return None

    def _edit(self, event: RoomEvent, context: RoomContext) -> ChangeRequest | Ignored | None:
        payload = self._new_payload(event.content.get("m.new_content"))
        if context.portal is None or payload is None:
            return self._ignored(event, context, IgnoreReason.CHANGE)
        if role_of(event.sender, self.permissions) < Role.MEMBER:
            return self._ignored(event, context, IgnoreReason.PERMISSION)
        return self._change(event, ChangeKind.EDIT, event.target, payload)

    def _new_payload(self, new: object) -> dict[str, Any] | None:
        """Return what a message says from now on, None where that asks an agent nothing."""
        if not isinstance(new, dict):
            return None
        if (attachment := attachment_of(new)) is not None:
            return {"body": attachment.caption or "", "file": asdict(attachment)}
        body = new.get("body")
        if not isinstance(body, str) or not body.strip() or self.has_prefix(body):
            return None
        return {"body": clean(body)}

    @staticmethod
    def _change(
        event: RoomEvent, wish: ChangeKind, target: str | None, payload: Mapping[str, Any] | None = None
    ) -> ChangeRequest | None:
        if target is None:
            return None
        return ChangeRequest(
            event_id=event.event_id,
            room_id=event.room_id,
            sender=event.sender,
            wish=wish,
            target=target,
            payload=payload or {},
            said_at=event.timestamp,
        )

    def _message(self, event: RoomEvent, context: RoomContext) -> NewTurn | Ignored | None:
        msgtype, body = event.text("msgtype"), event.text("body")
        if not context.known and not self.has_prefix(body):
            return None
        attachment = attachment_of(event.content) if context.portal is not None else None
        if attachment is not None:
            return self._question(event, context, {"body": attachment.caption or "", "file": asdict(attachment)})
        if msgtype not in _TEXT or body is None or not body.strip():
            return self._ignored(event, context, IgnoreReason.NOTICE if msgtype == "m.notice" else IgnoreReason.NO_TEXT)
        if context.portal is None or self.has_prefix(body):
            return self._turn(event, context, TurnKind.COMMAND, {"body": self._without_prefix(body), **_where(event)})
        return self._question(event, context, {"body": body})

    def _question(self, event: RoomEvent, context: RoomContext, payload: Mapping[str, Any]) -> NewTurn:
        if role_of(event.sender, self.permissions) < Role.MEMBER:
            return self._refusal(event, context, "permission", once=f"{event.room_id}:{event.sender}")
        reply = {"reply_to": event.replies_to} if event.replies_to else {}
        return self._turn(event, context, TurnKind.MESSAGE, {**payload, **reply})

    def _invitation(self, event: RoomEvent) -> NewTurn | None:
        invited = event.state_key
        if invited is None or not self.namespace.is_ours(invited) or event.content.get("membership") != "invite":
            return None
        return self._turn(event, RoomContext(None), TurnKind.INVITATION, {"invited": invited})

    def _refusal(
        self, event: RoomEvent, context: RoomContext, reason: str, *, once: str | None = None, **more: Any
    ) -> NewTurn:
        payload = {"reason": reason, "event_id": event.event_id, **_where(event), **more}
        # The event id is what dies as a duplicate: a made-up one makes the refusal happen once.
        event_id = event.event_id if once is None else f"{reason}:{once}"
        return self._turn(event, context, TurnKind.REFUSAL, payload, event_id)

    @staticmethod
    def _turn(
        event: RoomEvent, context: RoomContext, kind: TurnKind, payload: Mapping[str, Any], event_id: str | None = None
    ) -> NewTurn:
        aside = context.portal is not None and kind in {TurnKind.COMMAND, TurnKind.REFUSAL}
        return NewTurn(
            event_id=event_id or event.event_id,
            room_id=event.room_id,
            kind=kind,
            sender=event.sender,
            payload=payload,
            portal=context.portal,
            thread=BOT_THREAD if aside else event.thread if context.portal is not None else "",
            said_at=event.timestamp,
        )

    @staticmethod
    def _ignored(event: RoomEvent, context: RoomContext, reason: IgnoreReason) -> Ignored | None:
        return Ignored(event.event_id, event.room_id, reason) if context.known else None

    def _without_prefix(self, body: str) -> str:
        return body.strip().removeprefix(self.prefix).strip() if self.has_prefix(body) else body.strip()


def _where(event: RoomEvent) -> dict[str, str]:
    """Return what has the bot answer in the thread of *event*: its own lane is none of a thread."""
    return {"thread": event.thread} if event.thread else {}


def _sign_of(event: RoomEvent) -> str | None:
    """Return what a reaction says (spec, "Event annotations and reactions"), None where *event* is none."""
    related = event.content.get("m.relates_to")
    key = related.get("key") if event.type == "m.reaction" and isinstance(related, dict) else None
    return key.rstrip(_VARIATION) if isinstance(key, str) else None
