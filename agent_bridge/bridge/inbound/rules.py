"""The rules that turn an event into requests. Pure functions: intake and the command ``why`` use the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_bridge.bridge.inbound.choices import confirmed, picked_by_reaction
from agent_bridge.bridge.inbound.prefix import command_word
from agent_bridge.bridge.inbound.reactions import AGAIN, STOP, VERDICTS, claims, lets_go_on, reaction_of
from agent_bridge.bridge.inbound.rules_messages import MessageRules, change_of, ignored, once_a_day
from agent_bridge.bridge.rooms.kinds import has_agents, has_owner, is_of_several, is_watched
from agent_bridge.bridge.rooms.power_levels import has_unnamed_level
from agent_bridge.core.approvals import DecisionRequest
from agent_bridge.core.chains import ResumeRequest
from agent_bridge.core.changes import ChangeKind, ChangeRequest, StopRequest
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.payloads import (
    CommandPayload,
    InvitationPayload,
    RedactionPayload,
    RefusalPayload,
    RefusalReason,
)
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import KindName
from agent_bridge.core.tasks import CardClaim
from agent_bridge.core.threads import ThreadMessage
from agent_bridge.core.turns import Ignored, IgnoreReason, NewTurn, TurnKind
from agent_bridge.core.votes import Ballot
from agent_bridge.matrix.polls import answered_poll, ended_poll, selections
from agent_bridge.matrix.relayed import is_by_program
from agent_bridge.matrix.said import LIVE_LOCATIONS, is_quiet
from agent_bridge.store.votes import SaidBallot

if TYPE_CHECKING:
    from agent_bridge.core.payloads import SentEvent
    from agent_bridge.core.rooms import Room
    from agent_bridge.matrix.events import RoomEvent

#: Types of the state events that may keep the bridge from reading or answering in a room.
_ROOM_CHANGES = frozenset({"m.room.tombstone", "m.room.power_levels", "m.room.encryption", "m.room.guest_access"})
#: Types of the state events by which people change a server or a channel.
_PLACE_CHANGES = frozenset({"m.room.tombstone", "m.room.name", "m.room.topic"})
#: Memberships of a user that is not in the room.
_OUTSIDE = ("leave", "ban")


@dataclass(frozen=True, slots=True)
class Rules(MessageRules):
    """Decides which requests an event makes. docs/events.md has the table of all events."""

    def decide(self, event: RoomEvent, room: Room | None) -> NewTurn | ChangeRequest | Ignored | None:
        """Return the turns, or the change of earlier ones, that *event* asks for.

        If it asks for nothing, return why it is ignored where a person may expect an answer, else None. *room* is None
        if the bridge does not know the room.
        """
        if self.namespace.is_ours(event.sender):
            is_taken_back = event.type == "m.room.redaction" and is_by_program(event, self.namespace)
            return change_of(event, ChangeKind.REDACT, event.redacts) if is_taken_back else None
        if self._is_for_another_bot(event):
            return None
        is_redaction = event.redacted_by is not None or event.type == "m.room.redaction"
        if not is_redaction and event.state_key is None and self._is_muted(event):
            return ignored(event, IgnoreReason.MUTED) if room is not None and event.type != "m.reaction" else None
        asked = self._request(event, room)
        return self._refusal(event, room, RefusalReason.NOT_ENCRYPTED) if self._is_plain(event, room, asked) else asked

    def _request(self, event: RoomEvent, room: Room | None) -> NewTurn | ChangeRequest | Ignored | None:
        if event.redacted_by is not None or event.type in {"m.room.redaction", "m.reaction"}:
            return self._picked(event, room) or self._about_earlier(event, room)
        if event.state_key is not None:
            return self._invitation(event) if event.type == "m.room.member" else self._live_location(event, room)
        if event.type == "m.room.encrypted":
            return self._encrypted(event, room) if is_watched(room) else None
        if is_quiet(event.type, event.content):
            is_notice = event.text("msgtype") == "m.notice" and self._is_for_us(event, room)
            return ignored(event, IgnoreReason.NOTICE) if is_notice else None
        return self._edit(event, room) if event.relation == "m.replace" else self._message(event, room)

    def concerns_bridge(self, event: RoomEvent) -> bool:
        """Tell whether *event* may ask for something: of the bridge's own events, those of agents' programs do."""
        return not self.namespace.is_ours(event.sender) or is_by_program(event, self.namespace)

    def asks_as_agent(self, event: RoomEvent) -> bool:
        """Tell whether *event* is a new message of an agent's program, which asks the agents that it mentions."""
        is_message = event.type == "m.room.message" and event.relation != "m.replace" and event.redacted_by is None
        return is_message and is_by_program(event, self.namespace)

    def stop(self, event: RoomEvent, room: Room | None) -> StopRequest | None:
        """Return the request to end answers that *event* is, if it is one and its sender may make it."""
        if not has_agents(room) or self.namespace.is_ours(event.sender):
            return None
        if self._role(event) < Role.MEMBER:
            return None
        if event.type == "m.room.message":
            asked = self.decide(event, room)
            command = asked.payload if isinstance(asked, NewTurn) else None
            is_stop = isinstance(command, CommandPayload) and command_word(command.body)[0] == "stop"
            return StopRequest(event.room_id, event.event_id, None, event.thread) if is_stop else None
        if reaction_of(event) == STOP and event.target is not None:
            return StopRequest(event.room_id, event.event_id, event.target)
        return None

    def decision(self, event: RoomEvent, room: Room | None) -> DecisionRequest | None:
        """Return the decision about a tool call that *event* is, if it reacts to a card."""
        verdict = VERDICTS.get(reaction_of(event) or "")
        if verdict is None or event.target is None or not has_agents(room) or self.namespace.is_ours(event.sender):
            return None
        role = self._role(event)
        if role < Role.MEMBER:
            return None
        return DecisionRequest(
            room_id=event.room_id,
            event_id=event.event_id,
            sender=event.sender,
            target=event.target,
            verdict=verdict,
            is_admin=role >= Role.ADMIN,
            said_at=event.timestamp,
        )

    def ballot(self, event: RoomEvent, room: Room | None) -> SaidBallot | None:
        """Return the response to a poll that *event* is, if it may belong to a vote of the bridge."""
        if room is None or not room.has_votes or event.state_key is not None or self._role(event) < Role.AGENT:
            return None
        poll = answered_poll(event.type, event.content)
        if poll is None or self.namespace.is_ours(event.sender):
            return None
        ballot = Ballot(event.sender, selections(event.content), event.timestamp)
        return SaidBallot(event.event_id, event.room_id, poll, ballot)

    def ended_poll(self, event: RoomEvent, room: Room | None) -> str | None:
        """Return the poll that a moderator ends with *event*, if it may belong to a vote of the bridge."""
        if room is None or not room.has_votes or event.state_key is not None or self.namespace.is_ours(event.sender):
            return None
        poll = ended_poll(event.type, event.content)
        return poll if poll is not None and self._role(event) >= Role.MODERATOR else None

    def resume(self, event: RoomEvent, room: Room | None) -> ResumeRequest | None:
        """Return the request to let agents go on that *event* is, if it may be one."""
        if event.target is None or not lets_go_on(event) or not is_of_several(room):
            return None
        if self.namespace.is_ours(event.sender) or self._role(event) < Role.MEMBER:
            return None
        return ResumeRequest(event.room_id, event.event_id, event.target)

    def claim(self, event: RoomEvent) -> CardClaim | None:
        """Return the request to claim the task of a card that *event* is, if it may be one."""
        if event.target is None or not claims(event) or self.namespace.is_ours(event.sender):
            return None
        if self._role(event) < Role.MEMBER or self._is_muted(event):
            return None
        return CardClaim(event.room_id, event.event_id, event.sender, event.target)

    def withdrawal(self, event: RoomEvent, room: Room | None) -> StopRequest | None:
        """Return the request to end the answer to a message that the edit *event* turns into a command."""
        if event.relation != "m.replace" or event.target is None or not has_agents(room):
            return None
        asked = self.decide(event, room)
        is_command = isinstance(asked, NewTurn) and asked.kind is TurnKind.COMMAND
        return StopRequest(event.room_id, event.event_id, event.target) if is_command else None

    def thread_message(self, event: RoomEvent, room: Room | None) -> ThreadMessage | None:
        """Return the message of a person or a program in a thread with a name that *event* is.

        Commands are none, nor are words of muted users.
        """
        if room is None or event.thread not in room.named_threads or event.state_key is not None:
            return None
        if event.redacted_by is not None or self._is_muted(event):
            return None
        if self.namespace.is_ours(event.sender) and not is_by_program(event, self.namespace):
            return None
        asked = self.decide(event, room)
        if isinstance(asked, NewTurn) and asked.kind is TurnKind.COMMAND:
            return None
        return ThreadMessage(event.room_id, event.thread, event.timestamp)

    def changes_room(self, event: RoomEvent) -> bool:
        """Tell whether *event* may keep the bridge from reading or answering in its room."""
        if event.state_key is None:
            return False
        if event.type == "m.room.member":
            is_needed = self.namespace.is_ours(event.state_key) and event.state_key != self.namespace.imported
            return is_needed and event.content.get("membership") in _OUTSIDE
        return event.type in _ROOM_CHANGES and not self.namespace.is_ours(event.sender)

    def changes_chat(self, event: RoomEvent) -> bool:
        """Tell whether *event* is the name that a person gives to a room, or a person's leave."""
        if event.type == "m.room.member":
            return self._is_persons(event) and event.content.get("membership") in _OUTSIDE
        return event.type == "m.room.name" and event.state_key == "" and not self.namespace.is_ours(event.sender)

    def enters(self, event: RoomEvent) -> bool:
        """Tell whether a person enters a room with *event*, or changes the own name there."""
        return self._is_persons(event) and event.content.get("membership") == "join"

    def gains_level(self, event: RoomEvent) -> bool:
        """Tell whether a user enters a room with *event* whose role gives a power level, and whom no book names."""
        return self.enters(event) and has_unnamed_level(self.roles.book, event.state_key or "")

    def changes_group(self, event: RoomEvent) -> bool:
        """Tell whether *event* may change who is in a room, or replaces the room."""
        if event.type == "m.room.member":
            # A tuple: the value may be anything, also a value that has no hash.
            return event.content.get("membership") in ("join", *_OUTSIDE)
        return event.type == "m.room.tombstone" and event.state_key == ""

    def changes_place(self, event: RoomEvent) -> bool:
        """Tell whether *event* may change a server or a channel: name, ghosts, strangers, or the room itself."""
        if event.state_key is None or self.namespace.is_ours(event.sender):
            return False
        is_stranger = self.enters(event) and self.roles.of(event.state_key or "", event.room_id) < Role.AGENT
        return event.type in _PLACE_CHANGES or is_stranger or self.removed_ghost(event) is not None

    def removed_ghost(self, event: RoomEvent) -> str | None:
        """Return the localpart of the ghost that leaves a room with *event*; None if it is another event."""
        user = event.state_key or ""
        is_out = event.type == "m.room.member" and event.content.get("membership") in _OUTSIDE
        return (
            parse_user_id(user)[0] if is_out and self.namespace.is_ours(user) and user != self.namespace.bot else None
        )

    def _is_persons(self, event: RoomEvent) -> bool:
        return event.type == "m.room.member" and not self.namespace.is_ours(event.state_key or event.sender)

    def refused(self, turn: NewTurn, payload: RefusalPayload) -> NewTurn:
        """Return the turn in which the bot tells, in place of the answers that *turn* asks for, why there are none."""
        return replace(turn, kind=TurnKind.REFUSAL, payload=payload, addressees=(self._bot,), thread="")

    def refused_change(self, change: ChangeRequest, payload: RefusalPayload) -> NewTurn:
        """Return the turn in which the bot tells why *change* is refused: each time, or once a day to each person."""
        once = None if payload.reason is RefusalReason.FULL else once_a_day(change, payload.reason)
        return replace(self._for_bot(change, TurnKind.REFUSAL, payload), once_key=once, is_marked=True)

    def refused_decision(self, decision: DecisionRequest) -> NewTurn:
        """Return the turn in which the bot tells that the sender of *decision* may not decide: once a day."""
        asked = ChangeRequest(
            event_id=decision.event_id,
            room_id=decision.room_id,
            sender=decision.sender,
            kind=ChangeKind.AGAIN,
            target=decision.target or decision.event_id,
            said_at=decision.said_at,
        )
        return self.refused_change(asked, RefusalPayload(RefusalReason.NO_DECIDER, target=asked.target))

    def erasure(self, change: ChangeRequest, events: tuple[SentEvent, ...]) -> NewTurn:
        """Return the turn in which the bridge redacts *events* of its own, because of the redaction *change*."""
        return self._for_bot(change, TurnKind.REDACTION, RedactionPayload(events))

    def _picked(self, event: RoomEvent, room: Room | None) -> NewTurn | Ignored | None:
        """Return the command of a reaction to a list from which the sender may choose, or to a question."""
        if event.redacted_by is not None or event.is_relayed:
            return None
        question = confirmed(event, reaction_of(event), room)
        if question is not None:
            return self._command(event, room, CommandPayload("yes", question.thread))
        picked = picked_by_reaction(event, reaction_of(event), room)
        if picked is None:
            return None
        command, choice = picked
        return self._command(event, room, CommandPayload(command, choice.thread))

    def _about_earlier(self, event: RoomEvent, room: Room | None) -> ChangeRequest | None:
        """Return the request of a redaction, of a reaction, or of an event that was redacted."""
        if event.redacted_by is not None:
            # Its redaction may be lost. It is forgotten if it was taken in before, and never answered.
            return change_of(replace(event, event_id=event.redacted_by), ChangeKind.REDACT, event.event_id)
        if event.type == "m.room.redaction":
            # The homeserver has decided that its sender may redact the message.
            return change_of(event, ChangeKind.REDACT, event.redacts)
        is_again = reaction_of(event) == AGAIN and self._role(event) >= Role.MEMBER
        if not (is_again and has_agents(room)):
            return None
        return change_of(event, ChangeKind.AGAIN, event.target, is_expected=has_owner(room))

    def _encrypted(self, event: RoomEvent, room: Room | None) -> NewTurn | Ignored:
        if room is not None and room.kind is KindName.DM and not room.is_ours:
            # The ghost leaves a direct chat that is encrypted, and says so.
            return ignored(event, IgnoreReason.ENCRYPTED)
        return self._refusal(event, room, RefusalReason.ENCRYPTED)

    def _live_location(self, event: RoomEvent, room: Room | None) -> NewTurn | Ignored | None:
        begins = event.type in LIVE_LOCATIONS and event.content.get("live") is True
        return self._unreadable(event, room) if begins and self._is_for_us(event, room) else None

    def _invitation(self, event: RoomEvent) -> NewTurn | None:
        invited = event.state_key
        if invited is None or not self.namespace.is_ours(invited) or event.content.get("membership") != "invite":
            return None
        is_direct = event.content.get("is_direct") is True
        return self._for_bot(event, TurnKind.INVITATION, InvitationPayload(invited, is_direct))
