"""Results of ``trigger`` and ``triggers``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.core.triggers import TriggerKind


class TriggerProblem(StrEnum):
    """Why a trigger is not made, or not found."""

    #: The caller has no chat of two with the bot, for the secret.
    NO_PRIVATE_CHAT = "no_private_chat"
    #: Several agents are in the room, or none, and the caller has named none of them.
    WHICH_AGENT = "which_agent"
    #: The named agent is not in the room, or has no room.
    NOT_THERE = "not_there"
    #: The caller is not in the room of the agent.
    NOT_A_MEMBER = "not_a_member"
    TOO_MANY = "too_many"
    NAME_TAKEN = "name_taken"
    #: A number is no name.
    BAD_NAME = "bad_name"
    #: The caller has named no trigger to be revoked.
    WHICH_TRIGGER = "which_trigger"
    #: The caller has no such trigger.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TriggerMade:
    """A trigger was made; its secret is in the caller's chat with the bot."""

    number: int
    name: str
    agent: str
    kind: TriggerKind


@dataclass(frozen=True, slots=True)
class TriggerNotMade:
    """Nothing was changed."""

    problem: TriggerProblem
    #: The name that the caller gave, of a trigger or an agent.
    name: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class TriggerRevoked:
    """A trigger was deleted."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class TriggerEntry:
    """A trigger in a list."""

    number: int
    name: str
    agent: str
    #: Room id of its room.
    room_id: str
    kind: TriggerKind
    owner: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class TriggerList:
    """A page of the triggers that can still wake an agent, the oldest first."""

    triggers: tuple[TriggerEntry, ...]
    page: int = 1
    pages: int = 1
    is_of_all: bool = False


TriggerResult: TypeAlias = TriggerMade | TriggerNotMade | TriggerRevoked | TriggerList
