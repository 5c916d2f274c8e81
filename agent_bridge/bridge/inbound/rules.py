"""The rules that turn an event into requests. Pure functions: intake and the command ``why`` use the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_bridge.bridge.rooms.kinds import KINDS, Addressing, addressees
from agent_bridge.bridge.rooms.permissions import role_of
from agent_bridge.core.changes import ChangeKind, ChangeRequest, StopRequest
from agent_bridge.core.payloads import (
    CommandPayload,
    InvitationPayload,
    MessagePayload,
    RefusalPayload,
    RefusalReason,
)
from agent_bridge.core.roles import Role
from agent_bridge.core.turns import Addressee, Ignored, IgnoreReason, NewTurn, TurnKind
from agent_bridge.matrix.attachments import attachment_of
from agent_bridge.matrix.events import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.payloads import Payload
    from agent_bridge.core.rooms import Participant, Room
    from agent_bridge.matrix.events import RoomEvent

_TEXT = frozenset({"m.text", "m.emote"})
#: Reactions to a question or to an answer. Some clients add the variation selector.
_STOP_REACTION = "🛑"
_AGAIN_REACTION = "🔁"
_VARIATION = "\ufe0f"
#: Types of the state events that may keep the bridge from reading or answering in a room.
_ROOM_CHANGES = frozenset({"m.room.tombstone", "m.room.power_levels", "m.room.encryption", "m.room.guest_access"})
#: Memberships of a user that is not in the room.
_OUTSIDE = ("leave", "ban")


@dataclass(frozen=True, slots=True)
class Rules:
    """Decides which requests an event makes."""

    namespace: Namespace
    permissions: Mapping[str, Role]
    #: The word that starts a command in a room with others.
    prefix: str

    def decide(self, event: RoomEvent, room: Room | None) -> NewTurn | ChangeRequest | Ignored | None:
        """Return the turns, or the change of earlier ones, that *event* asks for.

        If it asks for nothing, return why it is ignored where a person may expect an answer, else None. *room* is None
        if the bridge does not know the room.
        """
        if self.namespace.is_ours(event.sender):
            return None
        if event.type == "m.room.member":
            return self._invitation(event)
        if event.type in {"m.room.redaction", "m.reaction"}:
            return self._about_earlier(event, room)
        if event.type == "m.room.encrypted" and _is_watched(room):
            return self._refusal(event, RefusalReason.ENCRYPTED, once=event.room_id)
        if event.type != "m.room.message" or event.state_key is not None:
            return None
        return self._edit(event, room) if event.relation == "m.replace" else self._message(event, room)

    def stop(self, event: RoomEvent, room: Room | None) -> StopRequest | None:
        """Return the request to end answers that *event* is, if it is one and its sender may make it."""
        if not _has_agents(room) or self.namespace.is_ours(event.sender):
            return None
        if role_of(event.sender, self.permissions) < Role.MEMBER:
            return None
        if event.type == "m.room.message":
            asked = self.decide(event, room)
            command = asked.payload if isinstance(asked, NewTurn) else None
            is_stop = isinstance(command, CommandPayload) and command.body.partition(" ")[0].lower() == "stop"
            return StopRequest(event.room_id, event.event_id, None, event.thread) if is_stop else None
        if _reaction_of(event) == _STOP_REACTION and event.target is not None:
            return StopRequest(event.room_id, event.event_id, event.target)
        return None

    def changes_room(self, event: RoomEvent) -> bool:
        """Tell whether *event* may keep the bridge from reading or answering in its room."""
        if event.state_key is None:
            return False
        if event.type == "m.room.member":
            return self.namespace.is_ours(event.state_key) and event.content.get("membership") in _OUTSIDE
        return event.type in _ROOM_CHANGES and not self.namespace.is_ours(event.sender)

    def has_prefix(self, body: str | None) -> bool:
        """Tell whether *body* is a command in any room."""
        return body is not None and body.split(maxsplit=1)[:1] == [self.prefix]

    def refused(self, turn: NewTurn, payload: RefusalPayload) -> NewTurn:
        """Return the turn in which the bot tells, in place of the answers that *turn* asks for, why there are none."""
        return replace(turn, kind=TurnKind.REFUSAL, payload=payload, addressees=(self._bot,), thread="")

    def _about_earlier(self, event: RoomEvent, room: Room | None) -> ChangeRequest | None:
        """Return the request of a redaction or a reaction."""
        if not _has_agents(room):
            return None
        if event.type == "m.room.redaction":
            # The homeserver has decided that its sender may redact the message.
            return _change(event, ChangeKind.REDACT, event.redacts)
        if _reaction_of(event) == _AGAIN_REACTION and role_of(event.sender, self.permissions) >= Role.MEMBER:
            return _change(event, ChangeKind.AGAIN, event.target)
        return None

    def _edit(self, event: RoomEvent, room: Room | None) -> ChangeRequest | Ignored | None:
        message = self._new_content(event.content.get("m.new_content"))
        if not _has_agents(room) or message is None:
            return _ignored(event, IgnoreReason.CHANGE) if _is_watched(room) else None
        if role_of(event.sender, self.permissions) < Role.MEMBER:
            return _ignored(event, IgnoreReason.PERMISSION)
        return _change(event, ChangeKind.EDIT, event.target, message)

    def _new_content(self, new: object) -> MessagePayload | None:
        """Return the new content of a message, None if it asks an agent nothing."""
        if not isinstance(new, dict):
            return None
        if (attachment := attachment_of(new)) is not None:
            return MessagePayload(attachment.caption or "", attachment)
        body = new.get("body")
        if not isinstance(body, str) or not body.strip() or self.has_prefix(body):
            return None
        return MessagePayload(clean(body))

    def _message(self, event: RoomEvent, room: Room | None) -> NewTurn | Ignored | None:
        msgtype, body = event.text("msgtype"), event.text("body")
        agents = addressees(event, room, self.namespace) if room is not None else ()
        if not (agents or _is_bots(room) or self.has_prefix(body)):
            return None
        attachment = attachment_of(event.content) if agents else None
        if attachment is not None:
            return self._question(event, agents, MessagePayload(attachment.caption or "", attachment, event.replies_to))
        if msgtype not in _TEXT or body is None or not body.strip():
            reason = IgnoreReason.NOTICE if msgtype == "m.notice" else IgnoreReason.NO_TEXT
            return _ignored(event, reason) if agents or _is_bots(room) else None
        if not agents or self.has_prefix(body):
            return self._for_bot(event, TurnKind.COMMAND, CommandPayload(self._without_prefix(body), event.thread))
        return self._question(event, agents, MessagePayload(body, None, event.replies_to))

    def _question(self, event: RoomEvent, agents: Sequence[Participant], payload: MessagePayload) -> NewTurn:
        if role_of(event.sender, self.permissions) < Role.MEMBER:
            return self._refusal(event, RefusalReason.PERMISSION, once=f"{event.room_id}:{event.sender}")
        return NewTurn(
            event_id=event.event_id,
            room_id=event.room_id,
            kind=TurnKind.MESSAGE,
            sender=event.sender,
            payload=payload,
            addressees=tuple(Addressee(each.agent, each.ghost) for each in agents),
            thread=event.thread,
            said_at=event.timestamp,
        )

    def _invitation(self, event: RoomEvent) -> NewTurn | None:
        invited = event.state_key
        if invited is None or not self.namespace.is_ours(invited) or event.content.get("membership") != "invite":
            return None
        return self._for_bot(event, TurnKind.INVITATION, InvitationPayload(invited))

    def _refusal(self, event: RoomEvent, reason: RefusalReason, *, once: str) -> NewTurn:
        """Return the turn in which the bot tells why *event* is refused, once for all events with the same *once*."""
        payload = RefusalPayload(reason, event.thread)
        return replace(self._for_bot(event, TurnKind.REFUSAL, payload), once_key=f"{reason}:{once}")

    def _for_bot(self, event: RoomEvent, kind: TurnKind, payload: Payload) -> NewTurn:
        # The bot has one lane in a room, for all of its threads: the payload names the thread.
        return NewTurn(
            event_id=event.event_id,
            room_id=event.room_id,
            kind=kind,
            sender=event.sender,
            payload=payload,
            addressees=(self._bot,),
            said_at=event.timestamp,
        )

    @property
    def _bot(self) -> Addressee:
        return Addressee(None, self.namespace.bot_username)

    def _without_prefix(self, body: str) -> str:
        return body.strip().removeprefix(self.prefix).strip() if self.has_prefix(body) else body.strip()


def _has_agents(room: Room | None) -> bool:
    return room is not None and bool(room.participants)


def _is_bots(room: Room | None) -> bool:
    """Tell whether every message in *room* is a command for the bridge bot."""
    return room is not None and KINDS[room.kind].addressing is Addressing.BOT


def _is_watched(room: Room | None) -> bool:
    """Tell whether a person may expect an answer to any message in *room*."""
    return _has_agents(room) or _is_bots(room)


def _ignored(event: RoomEvent, reason: IgnoreReason) -> Ignored:
    return Ignored(event.event_id, event.room_id, reason)


def _change(
    event: RoomEvent, kind: ChangeKind, target: str | None, message: MessagePayload | None = None
) -> ChangeRequest | None:
    if target is None:
        return None
    return ChangeRequest(
        event_id=event.event_id,
        room_id=event.room_id,
        sender=event.sender,
        kind=kind,
        target=target,
        message=message or MessagePayload(),
        said_at=event.timestamp,
    )


def _reaction_of(event: RoomEvent) -> str | None:
    """Return the key of a reaction (spec, "Event annotations and reactions"), None if *event* is none."""
    related = event.content.get("m.relates_to")
    key = related.get("key") if event.type == "m.reaction" and isinstance(related, dict) else None
    return key.rstrip(_VARIATION) if isinstance(key, str) else None
