"""The gate of quotas: tells whether a request to an agent may be sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from agent_bridge.bridge.metering.recorder import payer_of
from agent_bridge.core.quotas import Measure, Per, Request, first_exceeded
from agent_bridge.core.usage import WantedSum

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from agent_bridge.core.agents import Agent
    from agent_bridge.core.live import Live
    from agent_bridge.core.money import PriceList
    from agent_bridge.core.quotas import Exceeded, QuotaBook, Rule
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.usage import RecentMessages, UsageStore


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that a quota does not let through."""

    exceeded: Exceeded
    #: The time of the check, in the time zone of the quotas.
    now: datetime
    #: Name of the refusal: the same for all requests of a person that the same limit refuses in the same span of time.
    key: str
    #: Currency of limits of money.
    currency: str


class Gate:
    """Compares each request with the quotas that concern it. Without such quotas it asks the database nothing.

    Running answers end as they are, so several at once may pass a limit of tokens or money.
    """

    def __init__(
        self, store: UsageStore, quotas: Live[QuotaBook], roles: Roles, prices: Live[PriceList], currency: str
    ) -> None:
        self._store = store
        self._quotas = quotas
        self._roles = roles
        self._prices = prices
        self._currency = currency

    async def check(self, turn: Turn, agent: Agent) -> Refusal | None:
        """Return why *agent* is not asked *turn*; None: it is.

        Raises:
            StoreError: the sums cannot be read.
        """
        book = self._quotas.value
        if not book.rules:
            return None
        user = payer_of(turn)
        price = self._prices.value.find(agent.upstream, turn.chosen_model or agent.model)
        request = Request(
            user,
            self._role(user),
            turn.room_id,
            agent.id,
            (agent.name, agent.agent_id, agent.ghost),
            agent.upstream,
            is_of_person=turn.chain is None or turn.chain.speaker is None,
            is_free=price is not None and price.is_zero,
        )
        rules = book.matching(request)
        if turn.retries:
            # The request to ask again was counted as a message.
            rules = [each for each in rules if each.measure is not Measure.MESSAGES]
        if not rules:
            return None
        now = datetime.now(UTC)
        used = await self._used(turn, request, rules, now, book.zone)
        exceeded = first_exceeded(rules, request, used.__getitem__, now, book.zone)
        if exceeded is None:
            return None
        rule = exceeded.rule
        start = rule.period.start(now, book.zone)
        key = f"quota:{rule.per}:{exceeded.subject.key}:{user}:{rule.measure}:{rule.period}:{start.isoformat()}"
        return Refusal(exceeded, now.astimezone(book.zone), key, self._currency)

    async def _used(
        self, turn: Turn, request: Request, rules: Sequence[Rule], now: datetime, zone: tzinfo
    ) -> dict[Rule, Decimal]:
        """Return how much of each of *rules* is used at *now*, whose days are those of *zone*."""
        used: dict[Rule, Decimal] = {}
        if any(each.measure is Measure.MESSAGES for each in rules):
            recent = await self._store.recent(turn.id)
            used |= {each: self._place(each, request, recent) for each in rules if each.measure is Measure.MESSAGES}
        summed = [each for each in rules if each.measure is not Measure.MESSAGES]
        if summed:
            wanted = [
                WantedSum(each.per, request.subject(each.per).key, each.period.start(now, zone)) for each in summed
            ]
            sums = await self._store.sums(wanted, zone)
            used |= {
                each: Decimal(found.tokens) if each.measure is Measure.TOKENS else found.cost
                for each, found in zip(summed, sums, strict=True)
            }
        return used

    def _place(self, rule: Rule, request: Request, recent: Sequence[RecentMessages]) -> Decimal:
        """Return the place of the request among the messages of its subject in the same minute."""
        return Decimal(sum(each.messages for each in recent if self._is_of(each, rule.per, request)))

    def _is_of(self, recent: RecentMessages, per: Per, request: Request) -> bool:
        match per:
            case Per.USER:
                return recent.sender == request.user
            case Per.ROLE:
                return self._role(recent.sender) == request.role
            case Per.ROOM:
                return recent.room_id == request.room_id
            case Per.AGENT:
                return recent.agent == request.agent
            case Per.UPSTREAM:
                return recent.upstream == request.upstream

    def _role(self, user: str) -> str:
        return self._roles.of(user).name.lower()
