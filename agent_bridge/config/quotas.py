"""The sections ``quotas`` and ``prices`` of config.yaml, and the time zone of days and months."""

from __future__ import annotations

import re
from decimal import Decimal
from importlib.util import find_spec
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, ValidationInfo, field_validator, model_validator

from agent_bridge.config.section import Section
from agent_bridge.config.types import RoleName
from agent_bridge.core.money import Price, PriceList, PriceRule
from agent_bridge.core.quotas import Measure, Per, Period, Rule
from agent_bridge.core.times.zones import is_zone

#: The largest amount of money, and of tokens.
_MOST_MONEY, _MOST_TOKENS = 10**12, 10**15
_CURRENCY = re.compile(r"[A-Z]{3}")
#: The package of the price library, which the extra ``prices`` installs, and its currency.
PRICE_LIBRARY, _LIBRARY_CURRENCY = "genai_prices", "USD"


def _money(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004  # pydantic reports it
    # The digits as they are written, and not the binary number that is nearest to them.
    amount = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not (amount.is_finite() and 0 <= amount <= _MOST_MONEY):
        raise ValueError(f"must be between 0 and {_MOST_MONEY}")
    return amount


def _time_zone(value: str) -> str:
    if not is_zone(value):
        raise ValueError("must be a time zone that this system knows, such as Europe/Oslo")
    return value


Money = Annotated[Decimal, BeforeValidator(_money), Field(ge=0, le=_MOST_MONEY)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
#: Keys of limits, with their measures and periods.
_LIMITS = {
    "messages_per_minute": (Measure.MESSAGES, Period.MINUTE),
    "tokens_per_day": (Measure.TOKENS, Period.DAY),
    "tokens_per_month": (Measure.TOKENS, Period.MONTH),
    "money_per_day": (Measure.MONEY, Period.DAY),
    "money_per_month": (Measure.MONEY, Period.MONTH),
}


class QuotaConfig(Section):
    """Limits of each subject of one kind."""

    per: Per = Field(
        description="Each user, room, agent or upstream has the limits on its own; all users of a role have them "
        "together."
    )
    match: str = Field(
        "*",
        min_length=1,
        description="Glob, in upper or lower case, of user ids, roles, room ids, names of upstreams, or names, ids and "
        "user names of agents.",
    )
    role: RoleName | None = Field(
        None, description="Only users with this role. Only with per: user.", examples=["member"]
    )
    messages_per_minute: StrictInt | None = Field(
        None, ge=0, le=10**9, description="Messages in a minute.", examples=[20]
    )
    tokens_per_day: StrictInt | None = Field(
        None, ge=0, le=_MOST_TOKENS, description="Tokens in a day.", examples=[200_000]
    )
    tokens_per_month: StrictInt | None = Field(
        None, ge=0, le=_MOST_TOKENS, description="Tokens in a month.", examples=[2_000_000]
    )
    money_per_day: Money | None = Field(None, description="Money in a day, in prices.currency.", examples=[2.5])
    money_per_month: Money | None = Field(None, description="Money in a month, in prices.currency.", examples=[20])

    @field_validator("role")
    @classmethod
    def _is_of_users(cls, value: object, info: ValidationInfo) -> object:
        per = info.data.get("per")
        if value is not None and per not in {None, Per.USER}:
            raise ValueError(f"has no effect with per: {per}, only with per: user; remove the key")
        return value

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if not self.rules:
            raise ValueError(f"has no limit; set one of {', '.join(_LIMITS)}")
        return self

    @property
    def rules(self) -> list[Rule]:
        """The limits, each on its own."""
        role = None if self.role is None else self.role.name.lower()
        return [
            Rule(self.per, self.match, measure, period, Decimal(limit), role)
            for key, (measure, period) in _LIMITS.items()
            if (limit := getattr(self, key)) is not None
        ]


class ModelPrice(Section):
    """The price of the models that match."""

    match: str = Field(min_length=1, description="Glob of the ids of models, in upper or lower case.")
    upstream: str = Field("*", min_length=1, description="Glob of the names of upstreams.")
    input: Money = Field(description="Price of a million tokens that the model reads.")
    output: Money = Field(description="Price of a million tokens that it writes.")
    cached: Money | None = Field(
        None, description="Price of a million tokens that it has in its cache. Default: as input.", examples=[0.1]
    )


class PricesConfig(Section):
    """Prices of tokens, for the cost in !ab usage and for quotas of money."""

    currency: str = Field("USD", description="Currency of all prices: three capital letters.")
    library: bool = Field(
        False,
        description="Whether the package genai-prices tells the prices of well-known models that models does not "
        "list, in USD. Install it by pip install 'agent-bridge[prices]'.",
    )
    models: tuple[ModelPrice, ...] = Field(
        (),
        description="Prices for a million tokens. The first entry that matches counts.",
        examples=[[{"match": "gpt-5*", "upstream": "*", "input": 1.25, "output": 10, "cached": 0.125}]],
    )

    @field_validator("currency")
    @classmethod
    def _is_a_code(cls, value: str) -> str:
        if _CURRENCY.fullmatch(value) is None:
            raise ValueError("must be three capital letters, such as USD")
        return value

    @field_validator("library")
    @classmethod
    def _can_be_used(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  # pydantic's own signature
        if value and info.data.get("currency", _LIBRARY_CURRENCY) != _LIBRARY_CURRENCY:
            raise ValueError(f"needs currency: {_LIBRARY_CURRENCY}, because the library has no other prices")
        if value and find_spec(PRICE_LIBRARY) is None:
            raise ValueError("needs the package genai-prices: pip install 'agent-bridge[prices]'")
        return value

    @property
    def are_known(self) -> bool:
        """Whether any price is known."""
        return self.library or bool(self.models)

    @property
    def price_list(self) -> PriceList:
        """The prices of the list *models*."""
        rules = [
            PriceRule(each.match, each.upstream, Price(each.input, each.output, each.cached)) for each in self.models
        ]
        return PriceList(self.currency, tuple(rules))
