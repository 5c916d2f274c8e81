"""The agents that a message is for. Pure functions: intake and the command ``why`` use the same."""

from __future__ import annotations

import re
import unicodedata
from enum import Enum, auto
from typing import TYPE_CHECKING

from agent_bridge.bridge.rooms.kinds import KINDS, Addressing, sole_agent
from agent_bridge.core.names import can_be_called, undecorated
from agent_bridge.core.rooms import AnswerMode, KindName, ParticipantState
from agent_bridge.matrix.pills import pills
from agent_bridge.matrix.said import message_of, without_fallback

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.rooms import Participant, Room
    from agent_bridge.matrix.events import RoomEvent

#: The text behind a name at the beginning of a message: the name is no part of a word or of a user id.
_BEHIND_NAME = re.compile(r"\s|\Z|[,;!?、。]|[:.]+(?:\s|\Z)")
#: Marks that stand behind a name without a blank, in the form that the comparison of names has.
_WIDE_MARKS = str.maketrans({mark: f"{unicodedata.normalize('NFKC', mark)} " for mark in "：．…"})  # noqa: RUF001


class Silence(Enum):
    """Why no agent answers a message."""

    #: It addresses none, and none answers all messages.
    NOT_ADDRESSED = auto()
    #: It mentions others.
    FOR_OTHERS = auto()
    #: People have switched the agents off that would answer it.
    OFF = auto()


def addressees(event: RoomEvent, room: Room, namespace: Namespace) -> tuple[Participant, ...]:
    """Return the agents in *room* that have to answer the message *event*, in the order of the room's participants."""
    found = _answering(event, room, namespace)
    return () if isinstance(found, Silence) else found


def readdressed(event: RoomEvent, room: Room, namespace: Namespace) -> tuple[Participant, ...] | None:
    """Return the agents that answer *event*, the new content of a message, because it addresses them.

    None: it addresses nobody, so it is for the agents that have the message.
    """
    addressed = _addressed(event, room, namespace)
    return None if addressed is None else _listening(addressed)


def why_silent(event: RoomEvent, room: Room, namespace: Namespace) -> Silence | None:
    """Return why no agent in *room* answers the message *event*; None if one does."""
    found = _answering(event, room, namespace)
    return found if isinstance(found, Silence) else None


def answer_mode(room: Room, agent: Participant) -> AnswerMode:
    """Return which messages in *room* the *agent* answers: as people set it, or by the number of people and agents."""
    if agent.answers is not None:
        return agent.answers
    if KINDS[room.kind].addressing is Addressing.OWNER:
        return AnswerMode.ALWAYS if agent.agent == room.owner else AnswerMode.MENTION
    is_alone = room.kind is KindName.GROUP and len(_present(room)) == 1 and room.people in {0, 1}
    return AnswerMode.ALWAYS if is_alone else AnswerMode.MENTION


def asked_agent(event: RoomEvent, room: Room | None) -> Participant | None:
    """Return the agent whose conversation a command is about: the one that *event* replies to, or that of *room*."""
    replied_to = None if room is None else room.answered_by.get(event.replies_to or "")
    participants = () if room is None else room.participants
    return next((each for each in participants if each.agent == replied_to), None) or sole_agent(room)


def _present(room: Room) -> list[Participant]:
    return [each for each in room.participants if each.state is ParticipantState.JOINED]


def _answering(event: RoomEvent, room: Room, namespace: Namespace) -> tuple[Participant, ...] | Silence:
    """Return the agents that answer *event*: those that it addresses; else those in its thread; else those of all.

    The owner of a room gets every message there that addresses no other agent.
    """
    addressing, present = KINDS[room.kind].addressing, _present(room)
    is_owned = addressing is Addressing.OWNER
    if addressing is Addressing.BOT or (is_owned and room.owner is None):
        return Silence.NOT_ADDRESSED
    if is_owned and all(each.agent == room.owner and each.answers is None for each in present):
        return tuple(present) or Silence.NOT_ADDRESSED
    addressed = _addressed(event, room, namespace)
    if addressed == ():
        return Silence.FOR_OTHERS
    found = _unaddressed(event, room, present) if addressed is None else addressed
    if not found:
        return Silence.NOT_ADDRESSED
    return _listening(found) or Silence.OFF


def _listening(agents: Iterable[Participant]) -> tuple[Participant, ...]:
    """Return those of *agents* that people have not switched off."""
    return tuple(each for each in agents if each.answers is not AnswerMode.OFF)


def _addressed(event: RoomEvent, room: Room, namespace: Namespace) -> tuple[Participant, ...] | None:
    """Return the agents in *room* that *event* addresses: none if it is for others; None if it addresses nobody.

    A message that mentions only people is for the agent whose room it is.
    """
    present = _present(room)
    mentions = event.mentions | {pill.user for pill in pills(event.content, in_quotations=False)}
    meant = _meant(event, room, present, mentions, namespace)
    if meant:
        return tuple(each for each in present if each.agent in meant)
    is_owned = KINDS[room.kind].addressing is Addressing.OWNER
    return () if mentions - {event.sender} and not is_owned else None


def _meant(
    event: RoomEvent, room: Room, present: Sequence[Participant], mentions: frozenset[str], namespace: Namespace
) -> set[int]:
    """Return those of the agents *present* that *event* addresses."""
    meant = {each.agent for each in present if namespace.user_id(each.ghost) in mentions}
    meant |= _called(event, present, namespace)
    replied_to = room.answered_by.get(event.replies_to or "")
    return meant | {each.agent for each in present if each.agent == replied_to}


def _unaddressed(event: RoomEvent, room: Room, present: Sequence[Participant]) -> list[Participant]:
    """Return the agents that a message without an address is for."""
    # Only a person who means an agent that is gone has to know it. In its own room every message means it.
    able = [each for each in present if not each.is_gone or each.agent == room.owner]
    if event.thread:
        in_thread = {*room.thread_agents.get(event.thread, ()), room.answered_by.get(event.thread)}
        if taking_part := [each for each in able if each.agent in in_thread]:
            return taking_part
    always = [each for each in able if answer_mode(room, each) is AnswerMode.ALWAYS]
    # If all are switched off, people are told that reason.
    return always or ([] if any(each.answers is not AnswerMode.OFF for each in able) else able)


def _called(event: RoomEvent, present: Sequence[Participant], namespace: Namespace) -> set[int]:
    """Return the agents whose name, or user id, the text of *event* begins with: those of the longest name.

    The emoji of a name may be left out, unless another agent has just that name.
    """
    said = message_of(event.type, event.content) if event.type == "m.room.message" else None
    if said is None:
        return set()
    text = _folded(without_fallback(said.body, event.content)).lstrip()
    best, called = (0, False), set[int]()
    for each in present:
        user = namespace.user_id(each.ghost).removeprefix("@")
        exact = {*map(_folded, (*each.names, each.ghost, user))}
        names = exact.union(_folded(undecorated(name)) for name in each.names)
        fit = max(((len(name), name in exact) for name in names if _begins(text, name)), default=(0, False))
        if fit > best:
            best, called = fit, set[int]()
        if fit == best and fit[0]:
            called.add(each.agent)
    return called


def _begins(text: str, name: str) -> bool:
    """Tell whether *text* begins with *name*: with a word, or behind ``@``."""
    if not can_be_called(name):
        return False
    at = 1 if text.startswith("@") else 0
    end = at + len(name)
    # Chinese and Japanese have no blanks between words: there the sign tells that the name is no part of a word.
    goes_on = at and unicodedata.east_asian_width(text[end : end + 1] or " ") in "WF"
    return text.startswith(name, at) and (bool(goes_on) or _BEHIND_NAME.match(text, end) is not None)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text.translate(_WIDE_MARKS)).casefold()
