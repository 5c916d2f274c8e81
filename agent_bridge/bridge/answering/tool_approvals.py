"""Approvals: a tool call that an upstream holds back is decided by a rule, by a person, or by the passage of time.

The order of the steps makes a decision count once, also after a kill: the request is stored, then its card is shown;
the verdict is stored, then it is sent to the upstream. A verdict never changes, and an upstream takes it once.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.approvals import Rule, Verdict
from agent_bridge.core.errors import (
    BridgeError,
    HomeserverError,
    HomeserverRefused,
    StoreError,
    UpstreamError,
    UpstreamRefused,
)
from agent_bridge.store.postgres.signals import Topic
from agent_bridge.upstream.capabilities import Decision

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.bridge.delivery.approval_cards import ApprovalCards
    from agent_bridge.bridge.delivery.outbox import Outbox
    from agent_bridge.config.model import UpstreamConfig
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.answers import Op
    from agent_bridge.core.approvals import Approval
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.approvals import Approvals
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.upstream.answer import ApprovalRequest
    from agent_bridge.upstream.base import Upstream

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two attempts to reach the homeserver, the upstream or the database.
_AGAIN = 1.0
#: Seconds between two looks for a verdict without a signal.
_LOOK = 5.0
#: Seconds that the end of an answer waits for the cards.
_PATIENCE = 10.0


class ToolApprovals:
    """Decides requests of upstreams."""

    def __init__(self, approvals: Approvals, cards: ApprovalCards, signals: Signals, texts: Texts) -> None:
        self.store = approvals
        self.cards = cards
        self.signals = signals
        self.texts = texts

    async def earlier(self, turn: Turn) -> tuple[frozenset[str], frozenset[str]]:
        """Return the ids of the tool calls of earlier attempts at *turn* that nobody allowed, and the other requests.

        Raises:
            StoreError: the database cannot be read.
        """
        known = [] if turn.attempts == 1 else await self.store.of_turn(turn.id)
        allowed = [each for each in known if each.verdict is not None and each.verdict.allows]
        never_ran = frozenset(each.call_id for each in known if each not in allowed)
        return never_ran, frozenset(each.ref for each in allowed)

    @asynccontextmanager
    async def during(
        self, turn: Turn, agent: Agent, upstream: Upstream, config: UpstreamConfig, outbox: Outbox
    ) -> AsyncIterator[OpenApprovals]:
        """Decide the requests of one attempt at *turn* while the context is entered.

        Raises:
            StoreError: the requests of earlier attempts cannot be read.
        """
        opened = OpenApprovals(self, turn, agent, upstream, config, outbox)
        if turn.attempts > 1:
            await opened.withdraw_earlier()
        try:
            yield opened
        finally:
            await opened.end()


class OpenApprovals:
    """The requests of one attempt."""

    def __init__(
        self,
        parent: ToolApprovals,
        turn: Turn,
        agent: Agent,
        upstream: Upstream,
        config: UpstreamConfig,
        outbox: Outbox,
    ) -> None:
        self._parent = parent
        self._turn = turn
        self._agent = agent
        self._upstream = upstream
        self._rules = config.approval_rules
        #: Seconds after which a request without a person's word counts as refused.
        self._timeout = config.approval_timeout
        self._outbox = outbox
        #: The tasks of the undecided requests, by their references.
        self._tasks: dict[str, asyncio.Task[None]] = {}
        #: The requests with a card, by their numbers.
        self._cards: dict[int, Approval] = {}

    @property
    def waits(self) -> bool:
        """Whether a request is undecided."""
        return bool(self._tasks)

    def ops(self) -> tuple[Op, ...]:
        """Return the messages that show the requests at the end of the answer."""
        shown = (self._cards[number] for number in sorted(self._cards))
        ended = (replace(each, verdict=each.verdict or Verdict.WITHDRAWN) for each in shown)
        return tuple(self._op(each) for each in ended)

    def ask(self, request: ApprovalRequest) -> None:
        """Begin to decide *request*."""
        if request.ref not in self._tasks:
            task = self._tasks[request.ref] = asyncio.create_task(self._decide(request))
            task.add_done_callback(lambda _: self._tasks.pop(request.ref, None))

    def close(self, ref: str) -> None:
        """Note that the request *ref* needs no decision any more."""
        if (task := self._tasks.get(ref)) is not None:
            task.cancel()

    async def withdraw_earlier(self) -> None:
        """Close the requests of earlier attempts, which do not exist any more unless the upstream repeats them."""
        known = await self._parent.store.of_turn(self._turn.id)
        self._cards = {each.number: each for each in known}
        if known:
            await self._withdraw()

    async def end(self) -> None:
        """End the work on all requests, and withdraw those that are undecided."""
        for task in list(self._tasks.values()):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()))
        if any(each.verdict is None for each in self._cards.values()):
            with suppress(BridgeError, TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._withdraw()

    async def _withdraw(self) -> None:
        """Give the undecided requests the verdict that they are withdrawn, and show it."""
        store, cards = self._parent.store, self._parent.cards
        await store.end([each.id for each in self._cards.values()], Verdict.WITHDRAWN)
        ended = await store.of_turn(self._turn.id)
        self._cards = {each.number: each for each in ended if each.number in self._cards}
        with suppress(HomeserverError):
            await cards.withdraw_offers(self._turn, self._cards.values(), self._outbox.user_id)
            for each in self._cards.values():
                if each.event_id is not None:
                    await cards.show(self._outbox, self._op(each))

    def _op(self, approval: Approval) -> Op:
        return self._parent.cards.op(approval, self._agent.name, self._timeout)

    def _rule(self, tool: str) -> Rule:
        """Return the rule of the first glob that matches *tool*."""
        return next((rule for glob, rule in self._rules.items() if fnmatchcase(tool, glob)), Rule.ASK)

    async def _decide(self, request: ApprovalRequest) -> None:
        rule = self._rule(request.call.name)
        if rule is not Rule.ASK:
            await self._send(request.ref, Decision(rule is Rule.ALLOW, reason=self._parent.texts.approval_by_rule))
            return
        approval = await self._until_decided(request)
        said = approval.verdict is not None and approval.verdict.allows
        reason = "" if said else approval.reason or self._reason(approval)
        await self._send(request.ref, Decision(said, always=approval.verdict is Verdict.ALWAYS, reason=reason))

    def _reason(self, approval: Approval) -> str:
        if approval.verdict is Verdict.EXPIRED:
            return self._parent.texts.approval_no_answer
        return self._parent.texts.approval_by_person.format(person=approval.decided_by or "")

    async def _until_decided(self, request: ApprovalRequest) -> Approval:
        """Show the card of *request*, and return the request when it has a verdict and the card shows it."""
        approval: Approval | None = None
        is_offered = False
        with self._parent.signals.subscription(Topic.APPROVALS) as wake:
            while True:
                try:
                    wake.clear()
                    approval = await self._look(request, approval)
                    self._cards[approval.number] = approval
                    if approval.verdict is not None or not is_offered:
                        await self._show(approval)
                        is_offered = True
                    if approval.verdict is not None:
                        return approval
                    pause = min(_LOOK, max(0.0, self._timeout - approval.age))
                except HomeserverRefused as error:
                    _log.warning("a card cannot be shown", room=self._turn.room_id, error=str(error))
                    return await self._expired(request)
                except (HomeserverError, StoreError) as error:
                    _log.warning("a card is not shown yet", room=self._turn.room_id, error=str(error))
                    pause = _AGAIN
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await wake.wait()

    async def _look(self, request: ApprovalRequest, known: Approval | None) -> Approval:
        """Return *request* as it is stored now; it has a verdict if its time is over."""
        if known is None:
            call = request.call
            return await self._parent.store.ask(
                self._turn.id,
                ref=request.ref,
                call_id=call.call_id,
                tool=call.name,
                arguments=call.arguments,
                always=request.always,
            )
        if known.age >= self._timeout:
            await self._parent.store.end([known.id], Verdict.EXPIRED)
        found = await self._parent.store.of_turn(self._turn.id)
        return next(each for each in found if each.id == known.id)

    async def _expired(self, request: ApprovalRequest) -> Approval:
        approval = await self._look(request, None)
        await self._parent.store.end([approval.id], Verdict.EXPIRED)
        return replace(approval, verdict=Verdict.EXPIRED)

    async def _show(self, approval: Approval) -> None:
        """Make the card show *approval*, with its reactions while it is undecided."""
        cards, ghost = self._parent.cards, self._outbox.user_id
        event_id = await cards.show(self._outbox, self._op(approval))
        if approval.event_id is None:
            await self._parent.store.shown(approval.id, event_id)
            approval = replace(approval, event_id=event_id)
            self._cards[approval.number] = approval
        if approval.verdict is None:
            await cards.offer(self._turn, approval, event_id, ghost)
        else:
            await cards.withdraw_offers(self._turn, [approval], ghost)

    async def _send(self, ref: str, decision: Decision) -> None:
        """Send *decision* until the upstream has it, or does not wait for it any more."""
        approvals = self._upstream.can.approvals
        while approvals is not None:
            try:
                await approvals.decide(ref, decision)
            except UpstreamRefused as error:
                _log.info("a decision came too late", room=self._turn.room_id, error=str(error))
                return
            except UpstreamError as error:
                _log.warning("a decision is not sent yet", room=self._turn.room_id, error=str(error))
                await asyncio.sleep(_AGAIN)
            else:
                return
