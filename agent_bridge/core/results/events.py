"""Results of agent events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class EventProblem(StrEnum):
    """Why an event is not posted."""

    #: The kind has other signs than small letters, digits, ``_`` and ``.``, or too many.
    BAD_KIND = "bad_kind"
    #: The data is no object of JSON; the place is the position of the first sign that cannot be read.
    NO_OBJECT = "no_object"
    #: A value at the place is none of JSON.
    NOT_JSON = "not_json"
    #: The data has too many bytes, too many values, or objects and lists in one another.
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    TOO_DEEP = "too_deep"
    #: A number at the place is infinite, none at all, or has too many digits.
    BAD_NUMBER = "bad_number"
    #: A text at the place has characters that cannot be sent.
    BAD_TEXT = "bad_text"
    #: The actor is not in the room, or may not send messages there.
    NOT_THERE = "not_there"
    NOT_ALLOWED = "not_allowed"


@dataclass(frozen=True, slots=True)
class EventRefused:
    """Nothing was posted."""

    problem: EventProblem
    #: The place in the data, as a JSON pointer; of a kind, the kind.
    place: str = ""
    #: The limit, where there is one.
    most: int = 0


@dataclass(frozen=True, slots=True)
class EventAccepted:
    """An event is posted, or will be within a moment."""

    kind: str


EventResult: TypeAlias = EventAccepted | EventRefused
