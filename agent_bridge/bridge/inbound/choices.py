"""Answers to a list that a person was shown: a number alone, or a keycap as a message or as a reaction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_bridge.bridge.inbound.reactions import CONFIRM, reaction_of
from agent_bridge.bridge.rooms.kinds import has_only_commands

if TYPE_CHECKING:
    from agent_bridge.core.rooms import OpenChoice, Room
    from agent_bridge.matrix.events import RoomEvent

#: How each command is given a number of the list, and the name of an entry: other words behind ``new`` are a title.
_NUMBERED = {"agent": "agent {}", "new": "new #{}", "load": "load {}"}
_NAMED = {"agent": "agent {}", "new": "new @{}", "load": "load {}"}
#: A number, also with the sign of a list behind it, in the wide signs of Chinese and Japanese, or as a keycap (1️⃣).
_NUMBER = re.compile(r"(?P<digits>[0-9\uff10-\uff19]{1,4})(?:[.)\uff0e\uff09\u3001]|\ufe0f?\u20e3)?")
_TEN = "🔟"
#: Characters of a reply that chooses.
_WORDS = 100


def number_in(text: str) -> int | None:
    """Return the number that *text* is, None if it has other words."""
    text = text.strip()
    if text == _TEN:
        return 10
    found = _NUMBER.fullmatch(text)
    return None if found is None else int(found["digits"])


def may_choose(event: RoomEvent) -> bool:
    """Tell whether *event* may choose from a list that its sender was shown, or confirm a question."""
    if event.type == "m.reaction":
        key = reaction_of(event) or ""
        return key == CONFIRM or number_in(key) is not None
    body = event.text("body") or ""
    return event.replies_to is not None or number_in(body[:_WORDS]) is not None


def picked_by_message(event: RoomEvent, body: str, room: Room | None) -> str | None:
    """Return the command by which the message *event* chooses from the list that its sender was shown in *room*.

    In a room with an agent, the number has to be one of the list and in the thread of the list: it may be a word for
    the agent. There the list is open for the person's next message only. A reply to the list may have other words.
    After the list of chats, a number alone chooses no agent, unless the room waits for one.
    """
    number = number_in(body)
    choice = None if room is None else room.choices.get(event.sender)
    if room is None or choice is None:
        return None
    if event.replies_to in choice.events and len(body) <= _WORDS:
        return _NAMED[choice.command].format(body.strip()) if number is None else _numbered(choice, number)
    if number is None or (choice.is_covered and not room.is_unbound):
        return None
    is_listed = _counts(choice, number) and choice.thread == event.thread
    return _numbered(choice, number) if is_listed or has_only_commands(room) else None


def picked_by_reaction(event: RoomEvent, key: str | None, room: Room | None) -> tuple[str, OpenChoice] | None:
    """Return the command by which a reaction *key* to the list of its sender chooses from it, and the list."""
    number = number_in(key or "")
    choice = None if room is None else room.choices.get(event.sender)
    if room is None or number is None or choice is None or event.target not in choice.events:
        return None
    is_listed = _counts(choice, number)
    return (_numbered(choice, number), choice) if is_listed or has_only_commands(room) else None


def confirmed(event: RoomEvent, key: str | None, room: Room | None) -> OpenChoice | None:
    """Return the question to its sender that the reaction *key* confirms; None if it confirms none."""
    question = None if room is None else room.questions.get(event.sender)
    return question if question is not None and key == CONFIRM and event.target in question.events else None


def _counts(choice: OpenChoice, number: int) -> bool:
    """Tell whether *number* of the list chooses beside an agent: only as the next words of the person."""
    return choice.is_fresh and not choice.is_passed and 1 <= number <= choice.size


def _numbered(choice: OpenChoice, number: int) -> str:
    """Return the command by which *number* chooses from a list."""
    return _NUMBERED[choice.command].format(number)
