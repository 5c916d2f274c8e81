"""Results of ``token`` and ``tokens``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime


class TokenProblem(StrEnum):
    """Why a token is not made, or not found."""

    #: The caller has no chat of two with the bot, for the secret.
    NO_PRIVATE_CHAT = "no_private_chat"
    #: The caller has given no name, or a number.
    BAD_NAME = "bad_name"
    NAME_TAKEN = "name_taken"
    TOO_MANY = "too_many"
    #: There is no such option.
    UNKNOWN_OPTION = "unknown_option"
    #: There is no such capability.
    UNKNOWN_CAPABILITY = "unknown_capability"
    #: The bridge knows no such room.
    UNKNOWN_ROOM = "unknown_room"
    #: There is no such agent, or several have that name.
    UNKNOWN_AGENT = "unknown_agent"
    BAD_TIME = "bad_time"
    #: Only admins make tokens for agents, and nobody makes one for another person.
    NOT_YOURS = "not_yours"
    #: The caller has named no token to be revoked.
    WHICH_TOKEN = "which_token"  # noqa: S105 - no secret
    #: The caller has no such token.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TokenMade:
    """A token was made; it is in the caller's chat with the bot."""

    number: int
    name: str
    #: Name of the agent, or user id of the person, in whose name it counts.
    identity: str


@dataclass(frozen=True, slots=True)
class TokenNotMade:
    """Nothing was changed."""

    problem: TokenProblem
    #: The word that the caller gave.
    name: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class TokenRevoked:
    """A token counts no more."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """A token in a list."""

    number: int
    name: str
    identity: str
    is_agent: bool
    capabilities: tuple[str, ...]
    #: Number of the rooms to which it is limited; None: no limit.
    rooms: int | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenList:
    """A page of the tokens that count, the oldest first."""

    tokens: tuple[TokenEntry, ...]
    page: int = 1
    pages: int = 1
    is_of_all: bool = False


TokenResult: TypeAlias = TokenMade | TokenNotMade | TokenRevoked | TokenList
