"""Agent events: what agents report, as structured content of a notice that any client shows.

The content of the Matrix event has the key :data:`EVENT` with an object: ``kind``; ``agent`` (user id of the ghost) or
``by`` (user id of a person); ``turn`` (name of a turn), where there is one; ``data``, an object; and ``numbers``.
Matrix events contain whole numbers up to 2^53 - 1 alone. Other numbers of *data* are strings in the event, and
``numbers`` lists the places of these strings as JSON pointers (RFC 6901), so a string is never mistaken for a number.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.events import EventProblem, EventRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agent_bridge.core.actors import Actor

#: Key of an event that an agent or a person reports, for programs.
EVENT = "org.agent_bridge.event"
#: Bytes of the data as JSON with the places of numbers, values in it, and objects and lists around a value.
MOST_BYTES, MOST_VALUES, MOST_DEPTH = 16 * 1024, 1_000, 16
#: Characters of a kind.
MOST_KIND = 64
#: Characters of the readable text of an event.
MOST_TEXT = 4_000
_KIND = re.compile(r"[a-z][a-z0-9_.]{0,63}")
#: Whole numbers of canonical JSON (Matrix spec, appendix "Canonical JSON") are smaller.
_TOO_LARGE = 2**53
_WHOLE = re.compile(r"-?[0-9]+")
#: Digits of a whole number that are read: Python takes time for more.
_MOST_DIGITS = 1_000
#: Characters that PostgreSQL or Matrix cannot hold: NUL, and half a surrogate pair.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class EventKind(StrEnum):
    """Kinds that have a meaning for the bridge; agents use others, too."""

    STARTED = "started"
    PROGRESS = "progress"
    RESULT = "result"
    ERROR = "error"
    SESSION_SUMMARY = "session_summary"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event that is about to be posted."""

    #: Name of the request: a second event with the same key is not posted.
    key: str
    room_id: str
    #: The agent sends it as its ghost; for a person the bot does.
    actor: Actor
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    #: Text for people; empty: one is made of the kind and the data.
    text: str = ""
    #: Name of the turn that it is about; None: none.
    turn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedEvent:
    """An event of a room."""

    event_id: str
    room_id: str
    kind: str
    #: User id of the agent, or of the person, that it comes from.
    agent: str | None
    by: str | None
    turn: str | None
    #: With its numbers as numbers.
    data: Mapping[str, Any]
    #: Text for people.
    text: str
    #: Milliseconds since 1970, by the homeserver.
    timestamp: int


class _Refusal(Exception):
    def __init__(self, refused: EventRefused) -> None:
        super().__init__(refused.problem)
        self.refused = refused


def event_problem(kind: str, data: object) -> EventRefused | None:
    """Return why an event of *kind* with *data*, which is any value of JSON, cannot be posted; None: it can be."""
    if _KIND.fullmatch(kind) is None:
        return EventRefused(EventProblem.BAD_KIND, kind[:MOST_KIND], MOST_KIND)
    if not isinstance(data, dict):
        return EventRefused(EventProblem.NO_OBJECT)
    try:
        encoded(data)
    except _Refusal as error:
        return error.refused
    return None


def event_content(new: NewEvent) -> dict[str, Any]:
    """Return the value of :data:`EVENT` for *new*, which has no problem."""
    data, numbers = encoded(new.data)
    source = "agent" if new.actor.is_agent else "by"
    content: dict[str, Any] = {"kind": new.kind, source: new.actor.user_id, "data": data}
    if new.turn is not None:
        content["turn"] = new.turn
    return content | ({"numbers": numbers} if numbers else {})


def encoded(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return *data* as a Matrix event can contain it, and the places of the numbers that became strings."""
    numbers: list[str] = []
    counter = iter(range(MOST_VALUES))
    result: dict[str, Any] = {}
    for key, value in data.items():
        pointer = _below("", key)
        result[_key(key, pointer)] = _encoded(value, pointer, 1, counter, numbers)
    size = len(json.dumps([result, numbers], ensure_ascii=False, separators=(",", ":")).encode())
    if size > MOST_BYTES:
        raise _Refusal(EventRefused(EventProblem.TOO_LARGE, "", MOST_BYTES))
    return result, numbers


def _encoded(value: object, pointer: str, depth: int, counter: Iterator[int], numbers: list[str]) -> object:
    if next(counter, None) is None:
        raise _Refusal(EventRefused(EventProblem.TOO_MANY, pointer, MOST_VALUES))
    match value:
        case None | bool():
            return value
        case str():
            return _storable(value, pointer)
        case int() if abs(value) < _TOO_LARGE:
            return value
        case int() | float():
            return _as_text(value, pointer, numbers)
        case dict() | list() | tuple() if depth >= MOST_DEPTH:
            raise _Refusal(EventRefused(EventProblem.TOO_DEEP, pointer, MOST_DEPTH))
        case dict():
            inner = {_key(key, _below(pointer, key)): (each, _below(pointer, key)) for key, each in value.items()}
            return {key: _encoded(each, at, depth + 1, counter, numbers) for key, (each, at) in inner.items()}
        case list() | tuple():
            return [
                _encoded(each, f"{pointer}/{place}", depth + 1, counter, numbers) for place, each in enumerate(value)
            ]
    raise _Refusal(EventRefused(EventProblem.NOT_JSON, pointer))


def _as_text(value: float, pointer: str, numbers: list[str]) -> str:
    """Return a number as a string, whose place is added to *numbers*."""
    if isinstance(value, float) and not math.isfinite(value):
        raise _Refusal(EventRefused(EventProblem.BAD_NUMBER, pointer))
    if isinstance(value, int) and value.bit_length() > 3 * _MOST_DIGITS:
        raise _Refusal(EventRefused(EventProblem.BAD_NUMBER, pointer, _MOST_DIGITS))
    numbers.append(pointer)
    return repr(value)


def _storable(text: str, pointer: str) -> str:
    if len(text) > MOST_BYTES:
        raise _Refusal(EventRefused(EventProblem.TOO_LARGE, pointer, MOST_BYTES))
    if _UNSTORABLE.search(text) is not None:
        raise _Refusal(EventRefused(EventProblem.BAD_TEXT, pointer))
    return text


def _key(key: object, pointer: str) -> str:
    if not isinstance(key, str):
        raise _Refusal(EventRefused(EventProblem.NOT_JSON, pointer))
    return _storable(key, "")


def _below(pointer: str, key: object) -> str:
    escaped = str(key)[:MOST_BYTES].replace("~", "~0").replace("/", "~1")
    if len(pointer) + len(escaped) > MOST_BYTES:
        # Keys are a part of the data.
        raise _Refusal(EventRefused(EventProblem.TOO_LARGE, "", MOST_BYTES))
    return f"{pointer}/{escaped}"


def decoded(data: Mapping[str, Any], numbers: Sequence[object]) -> dict[str, Any]:
    """Return *data* of a Matrix event with numbers in place of the strings at the places *numbers*.

    A place that has no such string is ignored: the event may be anything.
    """
    # A copy: values of an event are shared.
    result: dict[str, Any] = json.loads(json.dumps(data))
    for pointer in numbers[:MOST_VALUES]:
        if isinstance(pointer, str) and pointer.startswith("/"):
            _restore(result, [each.replace("~1", "/").replace("~0", "~") for each in pointer[1:].split("/")])
    return result


def _restore(value: Any, path: Sequence[str]) -> None:
    """Replace the string at *path* in *value* by its number."""
    *front, last = path
    for name in front:
        value = _member(value, name)
    found = _member(value, last)
    if not isinstance(found, str) or len(found) > _MOST_DIGITS:
        return
    try:
        number = int(found) if _WHOLE.fullmatch(found) else float(found)
    except ValueError:
        return
    # A whole number is finite, and may be too large for a float.
    if isinstance(number, int) or math.isfinite(number):
        value[int(last) if isinstance(value, list) else last] = number


def _member(value: Any, name: str) -> Any:
    """Return a member of an object, or of a list by its place; None if there is none."""
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, list) and name.isdecimal() and name.isascii() and len(name) <= len(str(MOST_VALUES)):
        return value[int(name)] if int(name) < len(value) else None
    return None
