"""The agents that a message is for. Pure functions: intake and the command ``why`` use the same."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import unquote

from agent_bridge.bridge.rooms.kinds import KINDS, Addressing, sole_agent
from agent_bridge.core.rooms import ParticipantState
from agent_bridge.matrix.said import message_of, without_fallback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.rooms import Participant, Room
    from agent_bridge.matrix.events import RoomEvent

#: A link to a user, as clients put it into HTML for a mention (spec, "User and room mentions").
_PILL = re.compile(r'\bhref="https://matrix\.to/#/(?P<user>(?:@|%40)[^"?/]+)')
#: The end of the quotation that old clients put before a reply.
_QUOTED = "</mx-reply>"
#: The text behind a name at the beginning of a message: the name is no part of a word or of a user id.
_BEHIND_NAME = re.compile(r"\s|\Z|[;!?…，：；！？、]|[,:.](?:\s|\Z)")  # noqa: RUF001
#: Characters of a name at least.
_SHORTEST = 2


def addressees(event: RoomEvent, room: Room, namespace: Namespace) -> tuple[Participant, ...]:
    """Return the agents in *room* that have to answer the message *event*, in the order of the room's participants."""
    present = [each for each in room.participants if each.state is ParticipantState.JOINED]
    match KINDS[room.kind].addressing:
        case Addressing.OWNER:
            return tuple(each for each in present if each.agent == room.owner)
        case Addressing.ADDRESSED:
            return _addressed(event, room, present, namespace)
        case Addressing.BOT:
            return ()


def asked_agent(event: RoomEvent, room: Room | None) -> Participant | None:
    """Return the agent whose conversation a command is about: the one that *event* replies to, or that of *room*."""
    replied_to = None if room is None else room.answered_by.get(event.replies_to or "")
    participants = () if room is None else room.participants
    return next((each for each in participants if each.agent == replied_to), None) or sole_agent(room)


def _addressed(
    event: RoomEvent, room: Room, present: Sequence[Participant], namespace: Namespace
) -> tuple[Participant, ...]:
    """Return those of the agents *present* that *event* addresses; in a thread, else those that take part in it."""
    mentions = event.mentions | _pills(event)
    meant = {each.agent for each in present if namespace.user_id(each.ghost) in mentions}
    meant |= _called(event, present, namespace)
    if (replied_to := room.answered_by.get(event.replies_to or "")) is not None:
        meant.add(replied_to)
    if meant or not event.thread:
        return tuple(each for each in present if each.agent in meant)
    in_thread = {*room.thread_agents.get(event.thread, ()), room.answered_by.get(event.thread)}
    # Only a person who means an agent that is gone has to know it.
    return tuple(each for each in present if each.agent in in_thread and not each.is_gone)


def _pills(event: RoomEvent) -> frozenset[str]:
    """Return the user ids in the links of *event*, without those of a quotation."""
    html = (event.text("formatted_body") or "").rpartition(_QUOTED)[2]
    return frozenset(unquote(pill["user"]) for pill in _PILL.finditer(html))


def _called(event: RoomEvent, present: Sequence[Participant], namespace: Namespace) -> set[int]:
    """Return the agents whose name, or user id, the text of *event* begins with: those of the longest name."""
    said = message_of(event.type, event.content) if event.type == "m.room.message" else None
    if said is None:
        return set()
    text = _folded(without_fallback(said.body, event.content)).lstrip().removeprefix("@")
    longest, called = 0, set[int]()
    for each in present:
        names = {*map(_folded, (*each.names, each.ghost, namespace.user_id(each.ghost).removeprefix("@")))}
        length = max((len(name) for name in names if _begins(text, name)), default=0)
        if length > longest:
            longest, called = length, set[int]()
        if length and length == longest:
            called.add(each.agent)
    return called


def _begins(text: str, name: str) -> bool:
    is_name = len(name) >= _SHORTEST and text.startswith(name)
    return is_name and _BEHIND_NAME.match(text, len(name)) is not None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
