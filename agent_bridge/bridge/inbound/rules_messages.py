"""The rules about messages, edits and commands, and the turns in which the bot tells why it refuses them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_bridge.bridge.inbound.choices import picked_by_message
from agent_bridge.bridge.inbound.prefix import bare_command, command_word, without_mention, without_prefix
from agent_bridge.bridge.rooms.addressing import addressees, asked_agent, readdressed
from agent_bridge.bridge.rooms.kinds import has_agents, is_bots, is_of_several, is_watched, takes_bare_commands
from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.core.commands import OF_THE_AGENT
from agent_bridge.core.payloads import CommandPayload, EditPayload, MessagePayload, RefusalPayload, RefusalReason
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import KindName
from agent_bridge.core.turns import Addressee, Ignored, IgnoreReason, NewTurn, TurnKind
from agent_bridge.matrix.bot_commands import command_in
from agent_bridge.matrix.pills import with_ids
from agent_bridge.matrix.said import is_quiet, message_of, without_fallback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.payloads import Payload
    from agent_bridge.core.rooms import Participant, Room
    from agent_bridge.matrix.events import RoomEvent

_WORDS = ("m.text", "m.emote")
#: Rooms in which an agent may answer only those who have selected it: a direct chat selects its agent by itself.
_FOLLOWING = frozenset({KindName.HOME, KindName.CHAT})
#: Turns for words of people, and types of events that clients never encrypt.
_WORDS_OF_PEOPLE = frozenset({TurnKind.MESSAGE, TurnKind.COMMAND, TurnKind.CHOICE})
_UNENCRYPTED = ("m.room.redaction", "m.reaction")
#: Milliseconds of a day.
_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class MessageRules:
    """Decides about the words of people. :class:`~agent_bridge.bridge.inbound.rules.Rules` decides about all events."""

    namespace: Namespace
    roles: Roles
    #: The word that starts a command in a room with others.
    prefix: str
    #: The words that make a command behind ``!`` in rooms that the bridge made.
    bare_words: frozenset[str] = frozenset()
    #: Whether an agent answers in its room only those who have selected it.
    follow_selection: bool = False
    #: Whether the words of people have to be encrypted.
    requires_encryption: bool = False

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
        role = self._role(event)
        if role < Role.AGENT or self._is_unmentioned(edited, room):
            return ignored(event, IgnoreReason.PERMISSION if role < Role.AGENT else IgnoreReason.UNMENTIONED)
        is_expected = role > Role.AGENT and self._is_for_us(event, room)
        if said is not None and event.target is not None and room is not None and room.is_unbound:
            return self._waiting(event, EditPayload(event.target, said))
        if said is None or room is None or not has_agents(room):
            return self._unreadable(event, room) if is_expected else None
        change = change_of(event, ChangeKind.EDIT, event.target, said, is_expected=is_expected)
        agents = readdressed(edited, room, self.namespace)
        asked = () if agents is None else _addressees_of(self._answering(edited, agents))
        return change if change is None or agents is None else replace(change, addressees=asked)

    def _message(self, event: RoomEvent, room: Room | None) -> NewTurn | Ignored | None:
        said = _said(event)
        command = None
        if said is not None:
            is_choice = _is_words(event) and not event.is_relayed
            picked = picked_by_message(event, said.body, room) if is_choice else None
            command = self._command_of(event, said.body, room) if picked is None else CommandPayload(picked)
        if command is not None:
            return self._command(event, room, replace(command, thread=event.thread, reply_to=event.replies_to))
        if room is None or not self._is_for_us(event, room):
            return None
        if self._role(event) < Role.AGENT:
            return self._refusal(event, room, RefusalReason.PERMISSION)
        if self._is_unmentioned(event, room):
            return ignored(event, IgnoreReason.UNMENTIONED)
        if said is not None and room.is_unbound:
            return self._waiting(event, replace(said, reply_to=event.replies_to))
        return self._question(event, room, said)

    def _question(self, event: RoomEvent, room: Room, said: MessagePayload | None) -> NewTurn | Ignored:
        """Return the turns in which agents answer the words *said* by a user with a role."""
        agents = self._answering(event, addressees(event, room, self.namespace))
        if said is None or not agents:
            return self._unreadable(event, room)
        is_other = room.kind in _FOLLOWING and room.selections.get(event.sender) != room.owner
        # A bot gives no commands, so it cannot select an agent.
        if self.follow_selection and is_other and self._role(event) > Role.AGENT:
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

    def _is_plain(self, event: RoomEvent, room: Room | None, asked: object) -> bool:
        """Tell whether *event*, which asks for *asked*, is refused because it is not encrypted.

        In rooms of several, people give commands without encryption: they are no words for agents. Programs, and bots,
        which have no keys, are not concerned.
        """
        if not self.requires_encryption or event.was_encrypted or event.is_relayed:
            return False
        if event.redacted_by is not None or event.type in _UNENCRYPTED or event.state_key is not None:
            return False
        if isinstance(asked, NewTurn):
            is_meant = asked.kind in _WORDS_OF_PEOPLE and not (asked.kind is TurnKind.COMMAND and is_of_several(room))
        else:
            is_meant = isinstance(asked, ChangeRequest) and asked.kind is ChangeKind.EDIT
        return is_meant and self._role(event) >= Role.MEMBER

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

        A command that a client wrote as JSON counts, whatever the text is. Programs have functions in place of
        commands: their messages are none.
        """
        if event.is_relayed:
            return None
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

    def _answering(self, event: RoomEvent, agents: tuple[Participant, ...]) -> tuple[Participant, ...]:
        """Return those of the addressed *agents* that may answer the sender of *event*: a bot has to mention them."""
        if self._role(event) is not Role.AGENT:
            return agents
        return tuple(each for each in agents if self.namespace.user_id(each.ghost) in event.mentions)

    def _is_unmentioned(self, event: RoomEvent, room: Room | None) -> bool:
        """Tell whether a bot sends *event* and mentions no agent that answers: bots must not talk without end."""
        if self._role(event) is not Role.AGENT:
            return False
        return room is None or not self._answering(event, addressees(event, room, self.namespace))

    def _role(self, event: RoomEvent) -> Role:
        """Return the role of the sender of *event* in its room: a muted user has none there."""
        return Role.NONE if self._is_muted(event) else self.roles.of(event.sender, event.room_id)

    def _is_muted(self, event: RoomEvent) -> bool:
        return self.roles.is_muted(event.sender, event.room_id)

    def _unreadable(self, event: RoomEvent, room: Room | None) -> NewTurn | Ignored:
        return self._refusal(event, room, RefusalReason.NO_COMMAND if is_bots(room) else RefusalReason.UNREADABLE)

    def _refusal(self, event: RoomEvent, room: Room | None, reason: RefusalReason) -> NewTurn | Ignored:
        """Return the turn in which the bot tells why *event* is refused.

        It tells a person without a role once in each room, members once a day, and a bot never. Further messages get a
        mark, if they are certainly for an agent or the bot.
        """
        role = self._role(event)
        if role >= Role.MEMBER:
            once = once_a_day(event, reason)
            if reason is RefusalReason.OTHER_AGENT and room is not None:
                # The reason is another one after another selection.
                once = f"{once}:{room.selections.get(event.sender)}"
        elif reason is RefusalReason.PERMISSION and role is Role.NONE:
            once = told_once(reason, event.room_id, event.sender)
        else:
            return ignored(event, IgnoreReason.PERMISSION)
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


def ignored(event: RoomEvent, reason: IgnoreReason) -> Ignored:
    """Return that *event* has no turn, and the *reason*."""
    return Ignored(event.event_id, event.room_id, reason)


def _said(event: RoomEvent) -> MessagePayload | None:
    """Return the words and files of *event*; None if it has none that an agent can get."""
    said = message_of(event.type, event.content)
    return None if said is None else replace(said, body=without_fallback(said.body, event.content))


def _said_at(event: RoomEvent | ChangeRequest) -> int:
    return event.said_at if isinstance(event, ChangeRequest) else event.timestamp


def once_a_day(event: RoomEvent | ChangeRequest, reason: RefusalReason) -> str:
    """Return the key of a reason that a person is told once a day in a room."""
    return f"{told_once(reason, event.room_id, event.sender)}:{_said_at(event) // _DAY}"


def told_once(reason: RefusalReason, room_id: str, person: str) -> str:
    """Return the key of a reason that *person* is told once in a room."""
    return f"{reason}:{room_id}:{person}"


def change_of(
    event: RoomEvent,
    kind: ChangeKind,
    target: str | None,
    message: MessagePayload | None = None,
    *,
    is_expected: bool = False,
) -> ChangeRequest | None:
    """Return the request of *event* to change the turns of the event *target*; None if it names none."""
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
