"""Prices of tokens. All amounts are decimal numbers of one currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from agent_bridge.core.globs import matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.usage import Usage

_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a model, for a million tokens of each kind."""

    input: Decimal
    output: Decimal
    #: For tokens that the model had in its cache; None: as for the others.
    cached: Decimal | None = None

    @property
    def is_zero(self) -> bool:
        """Whether no request costs anything."""
        return not (self.input or self.output or self.cached)

    def of(self, usage: Usage) -> Decimal:
        """Return the cost of *usage*."""
        rest = usage.input_tokens - usage.from_cache
        price = self.input if self.cached is None else self.cached
        return (rest * self.input + usage.from_cache * price + usage.output_tokens * self.output) / _MILLION


@dataclass(frozen=True, slots=True)
class PriceRule:
    """The price of the models and upstreams that match globs, in upper or lower case."""

    model: str
    upstream: str
    price: Price


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices by model. The first rule that matches counts."""

    currency: str
    rules: Sequence[PriceRule]

    def find(self, upstream: str, model: str) -> Price | None:
        """Return the price of *model* on *upstream*; None: it is unknown."""
        for each in self.rules:
            if matches((upstream,), (each.upstream,)) and matches((model,), (each.model,)):
                return each.price
        return None
