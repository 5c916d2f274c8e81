"""The tokens that answers take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of tokens, as an upstream counts them: of one report, or of several together."""

    input_tokens: int
    output_tokens: int
    #: Those of *input_tokens* that the model had in its cache; None: the upstream does not tell.
    cached_tokens: int | None = None

    @property
    def from_cache(self) -> int:
        """Those of *input_tokens* that the model had in its cache. A server may report more of them than tokens."""
        return min(self.cached_tokens or 0, self.input_tokens)

    def corrected_by(self, later: Usage) -> Usage:
        """Return the numbers of this report with those of a *later* one of the same request.

        Later numbers replace earlier ones. A number that the later report has not, or as 0, stays: servers that pass
        the stream of Anthropic on report the input at the start, and the output at the end.
        """
        cached = self.cached_tokens if later.cached_tokens is None or not later.input_tokens else later.cached_tokens
        return Usage(later.input_tokens or self.input_tokens, later.output_tokens or self.output_tokens, cached)

    def __add__(self, other: Usage) -> Usage:
        """Return the numbers of both together."""
        cached = [each for each in (self.cached_tokens, other.cached_tokens) if each is not None]
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            sum(cached) if cached else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEntry:
    """The tokens of one request to an agent, and the person who pays for them."""

    #: The name of the request. A second entry with the same key replaces the first one: it is the same request.
    key: str
    #: Row id of the turn that is answered; None: the request answers no message.
    turn: int | None
    #: User id of the person, and the name of the person's role at that time.
    user: str
    role: str
    room_id: str
    #: Row id of the agent, the name of its upstream, and the model that was asked.
    agent: int
    upstream: str
    model: str
    usage: Usage
    #: Whether the bridge has estimated *usage*, because the upstream reported nothing.
    is_estimated: bool
    #: None: the price is unknown.
    cost: Decimal | None = None
    #: The price by which *cost* was computed, as words for operators; None without one.
    price: str | None = None
    #: Without *turn*: row id of the turn from which the request comes. An erasure up to it drops the entry.
    origin: int | None = None


@dataclass(frozen=True, slots=True)
class WantedSum:
    """A sum of usage to be computed."""

    #: The kind of subject, as :class:`agent_bridge.core.quotas.Per` names it, and its key.
    per: str
    key: str
    since: datetime


@dataclass(frozen=True, slots=True)
class UsageSum:
    """The tokens and the cost of several requests. Requests without a known price cost nothing."""

    tokens: int
    cost: Decimal
