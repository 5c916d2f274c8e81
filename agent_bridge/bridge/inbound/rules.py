"""The rules that turn an event into requests. Pure functions: intake and the command ``why`` use the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_bridge.bridge.inbound.choices import confirmed, picked_by_message, picked_by_reaction
from agent_bridge.bridge.inbound.prefix import bare_command, command_word, without_mention, without_prefix
from agent_bridge.bridge.inbound.reactions import AGAIN, STOP, VERDICTS, lets_go_on, reaction_of
from agent_bridge.bridge.rooms.addressing import addressees, asked_agent, readdressed
from agent_bridge.bridge.rooms.kinds import (
    has_agents,
    has_owner,
    is_bots,
    is_of_several,
    is_watched,
    takes_bare_commands,
)
from agent_bridge.bridge.rooms.permissions import role_of
from agent_bridge.core.approvals import DecisionRequest
from agent_bridge.core.chains import ResumeRequest
from agent_bridge.core.changes import ChangeKind, ChangeRequest, StopRequest
from agent_bridge.core.commands import OF_THE_AGENT
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.payloads import (
    CommandPayload,
    EditPayload,
    InvitationPayload,
    MessagePayload,
    RedactionPayload,
    RefusalPayload,
    RefusalReason,
)
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import KindName
from agent_bridge.core.turns import Addressee, Ignored, IgnoreReason, NewTurn, TurnKind
from agent_bridge.matrix.bot_commands import command_in
from agent_bridge.matrix.pills import with_ids
from agent_bridge.matrix.said import LIVE_LOCATIONS, is_quiet, message_of, without_fallback

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.payloads import Payload, SentEvent
    from agent_bridge.core.rooms import Participant, Room
    from agent_bridge.matrix.events import RoomEvent

_WORDS = ("m.text", "m.emote")
#: Rooms in which an agent may answer only those who have selected it: a direct chat selects its agent by itself.
_FOLLOWING = frozenset({KindName.HOME, KindName.CHAT})
#: Milliseconds of a day.
_DAY = 86_400_000
#: Types of the state events that may keep the bridge from reading or answering in a room.
_ROOM_CHANGES = frozenset({"m.room.tombstone", "m.room.power_levels", "m.room.encryption", "m.room.guest_access"})
#: Memberships of a user that is not in the room.
_OUTSIDE = ("leave", "ban")


@dataclass(frozen=True, slots=True)
class Rules:
    """Decides which requests an event makes. docs/events.md has the table of all events."""

    namespace: Namespace
    permissions: Mapping[str, Role]
    #: The word that starts a command in a room with others.
    prefix: str
    #: The words that make a command behind ``!`` in rooms that the bridge made.
    bare_words: frozenset[str] = frozenset()
    #: Whether an agent answers in its room only those who have selected it.
    follow_selection: bool = False

    def decide(self, event: RoomEvent, room: Room | None) -> NewTurn | ChangeRequest | Ignored | None:
        """Return the turns, or the change of earlier ones, that *event* asks for.

        If it asks for nothing, return why it is ignored where a person may expect an answer, else None. *room* is None
        if the bridge does not know the room.
        """
        if self.namespace.is_ours(event.sender) or self._is_for_another_bot(event):
            return None
        if event.redacted_by is not None or event.type in {"m.room.redaction", "m.reaction"}:
            return self._picked(event, room) or self._about_earlier(event, room)
        if event.state_key is not None:
            return self._invitation(event) if event.type == "m.room.member" else self._live_location(event, room)
        if event.type == "m.room.encrypted":
            return self._encrypted(event, room) if is_watched(room) else None
        if is_quiet(event.type, event.content):
            is_notice = event.text("msgtype") == "m.notice" and self._is_for_us(event, room)
            return _ignored(event, IgnoreReason.NOTICE) if is_notice else None
        return self._edit(event, room) if event.relation == "m.replace" else self._message(event, room)

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

    def resume(self, event: RoomEvent, room: Room | None) -> ResumeRequest | None:
        """Return the request to let agents go on that *event* is, if it may be one."""
        if event.target is None or not lets_go_on(event) or not is_of_several(room):
            return None
        if self.namespace.is_ours(event.sender) or self._role(event) < Role.MEMBER:
            return None
        return ResumeRequest(event.room_id, event.event_id, event.target)

    def withdrawal(self, event: RoomEvent, room: Room | None) -> StopRequest | None:
        """Return the request to end the answer to a message that the edit *event* turns into a command."""
        if event.relation != "m.replace" or event.target is None or not has_agents(room):
            return None
        asked = self.decide(event, room)
        is_command = isinstance(asked, NewTurn) and asked.kind is TurnKind.COMMAND
        return StopRequest(event.room_id, event.event_id, event.target) if is_command else None

    def changes_room(self, event: RoomEvent) -> bool:
        """Tell whether *event* may keep the bridge from reading or answering in its room."""
        if event.state_key is None:
            return False
        if event.type == "m.room.member":
            return self.namespace.is_ours(event.state_key) and event.content.get("membership") in _OUTSIDE
        return event.type in _ROOM_CHANGES and not self.namespace.is_ours(event.sender)

    def changes_chat(self, event: RoomEvent) -> bool:
        """Tell whether *event* is the name that a person gives to a room, or a person's leave."""
        if event.type == "m.room.member":
            return self._is_persons(event) and event.content.get("membership") in _OUTSIDE
        return event.type == "m.room.name" and event.state_key == "" and not self.namespace.is_ours(event.sender)

    def enters(self, event: RoomEvent) -> bool:
        """Tell whether a person enters a room with *event*, or changes the own name there."""
        return self._is_persons(event) and event.content.get("membership") == "join"

    def changes_group(self, event: RoomEvent) -> bool:
        """Tell whether *event* may change who is in a room, or replaces the room."""
        if event.type == "m.room.member":
            return event.content.get("membership") in {"join", *_OUTSIDE}
        return event.type == "m.room.tombstone" and event.state_key == ""

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
        once = None if payload.reason is RefusalReason.FULL else _once_a_day(change, payload.reason)
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
        if event.redacted_by is not None:
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
            return _change(replace(event, event_id=event.redacted_by), ChangeKind.REDACT, event.event_id)
        if event.type == "m.room.redaction":
            # The homeserver has decided that its sender may redact the message.
            return _change(event, ChangeKind.REDACT, event.redacts)
        is_again = reaction_of(event) == AGAIN and self._role(event) >= Role.MEMBER
        if not (is_again and has_agents(room)):
            return None
        return _change(event, ChangeKind.AGAIN, event.target, is_expected=has_owner(room))

    def _encrypted(self, event: RoomEvent, room: Room | None) -> NewTurn | Ignored:
        if room is not None and room.kind is KindName.DM and not room.is_ours:
            # The ghost leaves a direct chat that is encrypted, and says so.
            return _ignored(event, IgnoreReason.ENCRYPTED)
        return self._refusal(event, room, RefusalReason.ENCRYPTED)

    def _live_location(self, event: RoomEvent, room: Room | None) -> NewTurn | Ignored | None:
        begins = event.type in LIVE_LOCATIONS and event.content.get("live") is True
        return self._unreadable(event, room) if begins and self._is_for_us(event, room) else None

    def _edit(self, event: RoomEvent, room: Room | None) -> NewTurn | ChangeRequest | Ignored | None:
        new = event.content.get("m.new_content")
        content = new if isinstance(new, dict) else {}
        edited = replace(event, content=content)
        said = None if is_quiet(event.type, content) else _said(edited)
        command = None if said is None else self._command_of(edited, said.body, room)
        if command is not None:
            # A command that had a fault: its sender corrects it.
            return self._command(event, room, replace(command, target=event.target))
        if not is_watched(room):
            return None
        if self._role(event) < Role.MEMBER:
            return _ignored(event, IgnoreReason.PERMISSION)
        is_expected = self._is_for_us(event, room)
        if said is not None and event.target is not None and room is not None and room.is_unbound:
            return self._waiting(event, EditPayload(event.target, said))
        if said is None or room is None or not has_agents(room):
            return self._unreadable(event, room) if is_expected else None
        change = _change(event, ChangeKind.EDIT, event.target, said, is_expected=is_expected)
        agents = readdressed(edited, room, self.namespace)
        return change if change is None or agents is None else replace(change, addressees=_addressees_of(agents))

    def _message(self, event: RoomEvent, room: Room | None) -> NewTurn | Ignored | None:
        said = _said(event)
        command = None
        if said is not None:
            picked = picked_by_message(event, said.body, room) if _is_words(event) else None
            command = self._command_of(event, said.body, room) if picked is None else CommandPayload(picked)
        if command is not None:
            return self._command(event, room, replace(command, thread=event.thread, reply_to=event.replies_to))
        if room is None or not self._is_for_us(event, room):
            return None
        if self._role(event) < Role.MEMBER:
            return self._refusal(event, room, RefusalReason.PERMISSION)
        if said is not None and room.is_unbound:
            return self._waiting(event, replace(said, reply_to=event.replies_to))
        return self._question(event, room, said)

    def _question(self, event: RoomEvent, room: Room, said: MessagePayload | None) -> NewTurn | Ignored:
        """Return the turns in which agents answer the words *said* by a person with a role."""
        agents = addressees(event, room, self.namespace)
        if said is None or not agents:
            return self._unreadable(event, room)
        if self.follow_selection and room.kind in _FOLLOWING and room.selections.get(event.sender) != room.owner:
            return self._refusal(event, room, RefusalReason.OTHER_AGENT)
        return NewTurn(
            event_id=event.event_id,
            room_id=event.room_id,
            kind=TurnKind.MESSAGE,
            sender=event.sender,
            payload=replace(said, reply_to=event.replies_to),
            addressees=_addressees_of(agents),
            thread=event.thread,
            said_at=event.timestamp,
        )

    def _command(self, event: RoomEvent, room: Room | None, payload: CommandPayload) -> NewTurn | Ignored:
        if self._role(event) < Role.MEMBER:
            return self._refusal(event, room, RefusalReason.PERMISSION)
        turn = self._for_bot(event, TurnKind.COMMAND, payload)
        agent = asked_agent(event, room) if command_word(payload.body)[0] in OF_THE_AGENT else None
        if agent is None:
            return turn
        return replace(turn, addressees=(Addressee(agent.agent, agent.ghost),), thread=payload.thread)

    def _command_of(self, event: RoomEvent, body: str, room: Room | None) -> CommandPayload | None:
        """Return the command for the bot in *event*, whose text is *body*; None if *event* is no command.

        A command that a client wrote as JSON counts, whatever the text is.
        """
        call = command_in(event.content)
        if call is not None and self.namespace.bot in event.mentions:
            return CommandPayload(call.name, arguments=call.arguments)
        command = without_prefix(body, self.prefix)
        if command is None:
            command = without_mention(event, body, self.namespace)
        if command is None and _is_words(event) and takes_bare_commands(room):
            command = bare_command(body, self.bare_words)
        if command is None and _is_words(event) and is_bots(room):
            command = body.strip()
        return None if command is None else CommandPayload(with_ids(command, event.content))

    def _is_for_another_bot(self, event: RoomEvent) -> bool:
        """Tell whether *event* has a command that another bot described."""
        new = event.content.get("m.new_content")
        said = replace(event, content=new) if isinstance(new, dict) else event
        if command_in(said.content) is None or not said.mentions:
            return False
        return not any(self.namespace.is_ours(user) for user in said.mentions)

    def _waiting(self, event: RoomEvent, payload: MessagePayload | EditPayload) -> NewTurn:
        """Return the turn in which *event* waits until the people of its room have chosen an agent."""
        thread = event.thread if isinstance(payload, MessagePayload) else ""
        return replace(self._for_bot(event, TurnKind.CHOICE, payload), thread=thread)

    def _is_for_us(self, event: RoomEvent, room: Room | None) -> bool:
        """Tell whether a person may expect an answer to the message *event*."""
        if room is None:
            return False
        return is_bots(room) or room.is_unbound or bool(addressees(event, room, self.namespace))

    def _role(self, event: RoomEvent) -> Role:
        return role_of(event.sender, self.permissions)

    def _invitation(self, event: RoomEvent) -> NewTurn | None:
        invited = event.state_key
        if invited is None or not self.namespace.is_ours(invited) or event.content.get("membership") != "invite":
            return None
        is_direct = event.content.get("is_direct") is True
        return self._for_bot(event, TurnKind.INVITATION, InvitationPayload(invited, is_direct))

    def _unreadable(self, event: RoomEvent, room: Room | None) -> NewTurn | Ignored:
        return self._refusal(event, room, RefusalReason.NO_COMMAND if is_bots(room) else RefusalReason.UNREADABLE)

    def _refusal(self, event: RoomEvent, room: Room | None, reason: RefusalReason) -> NewTurn | Ignored:
        """Return the turn in which the bot tells why *event* is refused.

        It tells a person without a role once in each room, and others once a day. Further messages get a mark, if they
        are certainly for an agent or the bot.
        """
        if self._role(event) >= Role.MEMBER:
            once = _once_a_day(event, reason)
            if reason is RefusalReason.OTHER_AGENT and room is not None:
                # The reason is another one after another selection.
                once = f"{once}:{room.selections.get(event.sender)}"
        elif reason is RefusalReason.PERMISSION:
            once = told_once(reason, event.room_id, event.sender)
        else:
            return _ignored(event, IgnoreReason.PERMISSION)
        payload = RefusalPayload(reason, event.thread)
        is_marked = reason is not RefusalReason.PERMISSION and self._is_for_us(event, room)
        return replace(self._for_bot(event, TurnKind.REFUSAL, payload), once_key=once, is_marked=is_marked)

    def _for_bot(self, event: RoomEvent | ChangeRequest, kind: TurnKind, payload: Payload) -> NewTurn:
        # The bot has one lane in a room, for all of its threads: the payload names the thread.
        return NewTurn(
            event_id=event.event_id,
            room_id=event.room_id,
            kind=kind,
            sender=event.sender,
            payload=payload,
            addressees=(self._bot,),
            said_at=_said_at(event),
        )

    @property
    def _bot(self) -> Addressee:
        return Addressee(None, self.namespace.bot_username)


def _is_words(event: RoomEvent) -> bool:
    return event.type == "m.room.message" and event.text("msgtype") in _WORDS


def _addressees_of(agents: Iterable[Participant]) -> tuple[Addressee, ...]:
    return tuple(Addressee(each.agent, each.ghost) for each in agents)


def _ignored(event: RoomEvent, reason: IgnoreReason) -> Ignored:
    return Ignored(event.event_id, event.room_id, reason)


def _said(event: RoomEvent) -> MessagePayload | None:
    """Return the words and files of *event*; None if it has none that an agent can get."""
    said = message_of(event.type, event.content)
    return None if said is None else replace(said, body=without_fallback(said.body, event.content))


def _said_at(event: RoomEvent | ChangeRequest) -> int:
    return event.said_at if isinstance(event, ChangeRequest) else event.timestamp


def _once_a_day(event: RoomEvent | ChangeRequest, reason: RefusalReason) -> str:
    """Return the key of a reason that a person is told once a day in a room."""
    return f"{told_once(reason, event.room_id, event.sender)}:{_said_at(event) // _DAY}"


def told_once(reason: RefusalReason, room_id: str, person: str) -> str:
    """Return the key of a reason that *person* is told once in a room."""
    return f"{reason}:{room_id}:{person}"


def _change(
    event: RoomEvent,
    kind: ChangeKind,
    target: str | None,
    message: MessagePayload | None = None,
    *,
    is_expected: bool = False,
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
        is_expected=is_expected,
    )
