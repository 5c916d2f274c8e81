"""Results of the command ``usage``."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.core.quotas import Period


class UsageBy(StrEnum):
    """The parts into which a sum of usage is divided."""

    USER = "user"
    AGENT = "agent"
    ROOM = "room"


@dataclass(frozen=True, slots=True)
class UsedAmount:
    """The use of several requests."""

    requests: int = 0
    #: Those of *requests* whose tokens are estimated.
    estimated: int = 0
    tokens: int = 0
    #: None: no price was known.
    cost: Decimal | None = None

    def __add__(self, other: UsedAmount) -> UsedAmount:
        """Return the use of both together."""
        costs = [each for each in (self.cost, other.cost) if each is not None]
        return UsedAmount(
            self.requests + other.requests,
            self.estimated + other.estimated,
            self.tokens + other.tokens,
            sum(costs, Decimal()) if costs else None,
        )


@dataclass(frozen=True, slots=True)
class UsagePart:
    """One part of a sum of usage."""

    #: A user id, or names of agents.
    name: str
    amount: UsedAmount
    #: The room whose agents *name* has, and its number if it is a chat; empty and None for other parts.
    room_id: str = ""
    chat: int | None = None


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The use of one person, or of all, in a span of time."""

    #: User id; None: all people.
    user: str | None
    #: Whether *user* is the caller.
    is_own: bool
    period: Period
    total: UsedAmount
    #: Currency of the costs.
    currency: str
    #: The largest first.
    parts: tuple[UsagePart, ...]
    #: The number of parts that are left out.
    more: int = 0
    #: The quotas of the person for the span; None: there is none.
    tokens_limit: int | None = None
    money_limit: Decimal | None = None
