"""Records the tokens of each request to an agent, with their cost and the person who pays for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import StoreError
from agent_bridge.core.observer import UNOBSERVED
from agent_bridge.core.transcript import BYTES_PER_TOKEN, ChatMessage, tokens_of
from agent_bridge.core.usage import Usage, UsageEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.bridge.metering.prices import Prices
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.chats import UntitledChat
    from agent_bridge.core.observer import Observer
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.usage import UsageStore
    from agent_bridge.upstream.answer import AnswerRequest
    from agent_bridge.upstream.base import Traits

_log = structlog.stdlib.get_logger(__name__)


def payer_of(turn: Turn) -> str:
    """Return the user id of the person who pays for *turn*: an agent asks for the person that began its chain."""
    return turn.sender if turn.chain is None else turn.chain.asker


class UsageRecorder:
    """Makes the entries of requests, and writes those that no commit of an answer writes.

    *observer* hears of each request that this process has made.
    """

    def __init__(self, store: UsageStore, prices: Prices, roles: Roles, observer: Observer = UNOBSERVED) -> None:
        self._observer = observer
        self._store = store
        self._prices = prices
        self._roles = roles

    def of_answer(
        self, turn: Turn, agent: Agent, request: AnswerRequest, usage: Usage | None, shown: str, traits: Traits
    ) -> UsageEntry:
        """Return the entry of *request*, which answers *turn* and brought the text *shown*.

        Without a report (*usage*) the tokens are estimated. If a repeated request is harmless, it is the same request
        for the upstream, and has the same entry.
        """
        key = request.idempotency_key if traits.idempotent else f"{request.idempotency_key}#{turn.attempts}"
        found = usage or Usage(_input(request, traits), _output(shown))
        entry = self._entry(key, turn, agent, request.model, found, is_estimated=usage is None)
        self._observer.used(entry)
        return entry

    async def of_title(
        self, chat: UntitledChat, request: AnswerRequest, usage: Usage | None, shown: str, traits: Traits
    ) -> None:
        """Record *request*, by which the model of *chat* made the title *shown*."""
        found = usage or Usage(_input(request, traits), _output(shown))
        cost, price = self._prices.of(chat.agent.upstream, request.model, found)
        entry = UsageEntry(
            key=f"{request.idempotency_key}#{chat.turn}",
            turn=None,
            user=chat.person,
            role=self._role(chat.person),
            room_id=chat.room_id,
            agent=chat.agent.id,
            upstream=chat.agent.upstream,
            model=request.model,
            usage=found,
            is_estimated=usage is None,
            cost=cost,
            price=price,
            origin=chat.turn,
        )
        self._observer.used(entry)
        await self.record([entry])

    async def record(self, entries: Sequence[UsageEntry]) -> None:
        """Write *entries*, all of the same turn. The work goes on without them if the database fails."""
        if not entries:
            return
        try:
            await self._store.record(entries)
        except StoreError as error:
            # The database may be back before the answer has to be committed.
            _log.warning("the tokens of a request were not recorded", error=str(error))

    async def record_left(self, turn: Turn, agent: Agent, request: AnswerRequest, traits: Traits) -> None:
        """Record the requests of earlier attempts whose processes were killed: *request* is the one that repeats them.

        The repeat of a request that is harmless has the entry of the first one.
        """
        if turn.left_attempts and not traits.idempotent:
            usage = Usage(_input(request, traits), 0)
            await self._record_left(turn, agent, request.idempotency_key, request.model, usage)

    async def record_ended(self, turn: Turn, agent: Agent, traits: Traits) -> None:
        """Record the requests of attempts whose processes were killed, for a *turn* that is not asked again."""
        if not turn.left_attempts:
            return
        usage = Usage(tokens_of([ChatMessage("user", turn.body)]), 0)
        model = turn.chosen_model or agent.model
        if traits.idempotent:
            await self.record([self._entry(turn.request_key, turn, agent, model, usage, is_estimated=True)])
        else:
            await self._record_left(turn, agent, turn.request_key, model, usage)

    async def _record_left(self, turn: Turn, agent: Agent, key: str, model: str, usage: Usage) -> None:
        """Record the request *key* of each attempt whose process was killed."""
        keys = [f"{key}#{attempt}" for attempt in turn.left_attempts]
        await self._store.record_left(
            [self._entry(each, turn, agent, model, usage, is_estimated=True) for each in keys]
        )

    def _entry(self, key: str, turn: Turn, agent: Agent, model: str, usage: Usage, *, is_estimated: bool) -> UsageEntry:
        cost, price = self._prices.of(agent.upstream, model, usage)
        user = payer_of(turn)
        return UsageEntry(
            key=key,
            turn=turn.id,
            user=user,
            role=self._role(user),
            room_id=turn.room_id,
            agent=agent.id,
            upstream=agent.upstream,
            model=model,
            usage=usage,
            is_estimated=is_estimated,
            cost=cost,
            price=price,
        )

    def _role(self, user: str) -> str:
        return self._roles.of(user).name.lower()


def _input(request: AnswerRequest, traits: Traits) -> int:
    """Return the estimated tokens of *request*. An upstream that keeps the conversation gets one message."""
    messages = request.messages[-1:] if traits.stateful else request.messages
    prompt = [] if traits.stateful or not request.system_prompt else [ChatMessage("system", request.system_prompt)]
    return tokens_of([*prompt, *messages])


def _output(shown: str) -> int:
    return -(-len(shown.encode()) // BYTES_PER_TOKEN)
