"""Approvals: a tool call that an upstream holds back is decided by a rule, by a person, or by the passage of time.

The order of the steps makes a decision count once, also after a kill: the request is stored, then its card is shown;
the verdict is stored, then that the tool may run, and then it is sent to the upstream. A verdict never changes, and an
upstream takes it once.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.metering.recorder import payer_of
from agent_bridge.core.approvals import Rule, Verdict
from agent_bridge.core.errors import (
    BridgeError,
    HomeserverError,
    HomeserverRefused,
    HomeserverUnavailable,
    StoreError,
    UpstreamError,
    UpstreamRefused,
)
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.store.postgres.signals import Topic
from agent_bridge.upstream.capabilities import Decision

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent_bridge.bridge.delivery.approval_cards import ApprovalCards
    from agent_bridge.bridge.delivery.outbox import Outbox
    from agent_bridge.config.upstreams import UpstreamConfig
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
#: Seconds after which the person who asked is notified of a request, if there is no other wish.
NOTIFY_AFTER = 60.0
#: Seconds that the end of an answer waits for the cards.
_PATIENCE = 10.0


class ToolApprovals:
    """Decides requests of upstreams."""

    def __init__(
        self,
        approvals: Approvals,
        cards: ApprovalCards,
        signals: Signals,
        texts: Texts,
        *,
        notify_after: float = NOTIFY_AFTER,
    ) -> None:
        self.store = approvals
        self.cards = cards
        self.signals = signals
        self.texts = texts
        #: Seconds after which the asker of an undecided request is notified.
        self.notify_after = notify_after

    async def earlier(self, turn: Turn) -> tuple[frozenset[str], frozenset[str]]:
        """Return the ids of the tool calls of earlier attempts at *turn* that never ran, and the allowed requests.

        A request is allowed if the word of a person may have been sent. The word for a request whose process was killed
        before that has no effect: the request does not exist any more, unless the upstream repeats it. A call about
        which another program decided is none of them.

        Raises:
            StoreError: the database cannot be read.
        """
        known = [] if turn.attempts == 1 else await self.store.of_turn(turn)
        # Two calls may have the same id.
        ran = {each.call_id for each in known if each.may_have_run}
        sent = (each for each in known if each.may_have_run and each.verdict is not None and each.verdict.allows)
        return frozenset(each.call_id for each in known) - ran, frozenset(each.ref for each in sent)

    async def withdrawn(self, turn: Turn, upstream: Upstream) -> frozenset[str]:
        """Return the references of requests in the conversation of *turn* about which nobody decides any more.

        People have ended their answers.

        Raises:
            StoreError: the database cannot be read.
        """
        return frozenset() if upstream.can.approvals is None else await self.store.withdrawn(turn.conversation)

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
        #: What wakes these tasks, by the same references.
        self._wakes: dict[str, asyncio.Event] = {}
        #: The references of the requests that were decided outside of the bridge.
        self._closed: set[str] = set()
        #: The requests of all attempts, by their numbers.
        self._cards: dict[int, Approval] = {}
        #: Called with the id of a tool call that may run from now on.
        self.on_allowed: Callable[[str], None] = lambda _call_id: None

    @property
    def waits(self) -> bool:
        """Whether a request is undecided."""
        return bool(self._tasks)

    def ops(self) -> tuple[Op, ...]:
        """Return the messages that show the requests at the end of the answer."""
        shown = (self._cards[number] for number in sorted(self._cards) if self._cards[number].is_sent)
        ended = (replace(each, verdict=each.verdict or Verdict.WITHDRAWN) for each in shown)
        return tuple(self._op(each) for each in ended)

    def ask(self, request: ApprovalRequest) -> None:
        """Begin to decide *request*."""
        if request.ref not in self._tasks:
            self._closed.discard(request.ref)
            task = self._tasks[request.ref] = asyncio.create_task(self._decide(request))
            task.add_done_callback(lambda _: self._tasks.pop(request.ref, None))

    def close(self, ref: str) -> None:
        """Note that the request *ref* needs no decision any more.

        If there is none yet, another program has decided, and the tool may have run.
        """
        if (task := self._tasks.get(ref)) is not None and not task.done():
            self._closed.add(ref)
            if (wake := self._wakes.get(ref)) is not None:
                wake.set()

    async def withdraw_earlier(self) -> None:
        """Close the requests of earlier attempts, which do not exist any more unless the upstream repeats them.

        Raises:
            StoreError: their ends are not stored.
        """
        if await self._parent.store.of_turn(self._turn):
            await self._withdraw()

    async def end(self) -> None:
        """End the work on all requests, and withdraw those that are undecided."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._cards or self._closed:
            with suppress(BridgeError, TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._withdraw()

    async def _withdraw(self) -> None:
        """Give the undecided requests the verdict that they are withdrawn, and show all verdicts that are not shown."""
        store = self._parent.store
        if self._closed:
            await store.overtaken(self._turn, self._closed)
        await store.end(self._turn, Verdict.WITHDRAWN)
        self._cards = {each.number: each for each in await store.of_turn(self._turn)}
        with suppress(HomeserverUnavailable):
            for each in self._cards.values():
                if each.event_id is not None and not each.is_settled:
                    with suppress(HomeserverRefused):
                        await self._show(each)

    def _op(self, approval: Approval) -> Op:
        return self._parent.cards.op(approval, self._agent.name, self._timeout)

    def _rule(self, tool: str) -> Rule:
        """Return the rule of the first glob that matches *tool*."""
        return next((rule for glob, rule in self._rules.items() if fnmatchcase(tool, glob)), Rule.ASK)

    async def _decide(self, request: ApprovalRequest) -> None:
        rule = self._rule(request.call.name)
        if rule is not Rule.ASK:
            await self._send(request, Decision(rule is Rule.ALLOW, reason=self._parent.texts.approval_by_rule))
            return
        approval = await self._until_decided(request)
        if approval is None or approval.verdict in {None, Verdict.WITHDRAWN}:
            return
        said = approval.verdict is not None and approval.verdict.allows
        reason = "" if said else approval.reason or self._reason(approval)
        await self._send(request, Decision(said, always=approval.verdict is Verdict.ALWAYS, reason=reason))

    def _reason(self, approval: Approval) -> str:
        if approval.verdict is Verdict.EXPIRED:
            return self._parent.texts.approval_no_answer
        return self._parent.texts.approval_by_person.format(person=approval.decided_by or "")

    async def _until_decided(self, request: ApprovalRequest) -> Approval | None:
        """Show the card of *request*, and return the request when it has a verdict and the card shows it.

        A request whose card the homeserver refuses expires. Return None if this attempt has no say any more: another
        worker has taken the turn up, or a redaction ends the answer.
        """
        store = self._parent.store
        approval: Approval | None = None
        is_offered = is_refused = is_logged = False
        with self._parent.signals.subscription(Topic.APPROVALS) as wake:
            self._wakes[request.ref] = wake
            while True:
                wake.clear()
                try:
                    approval = await self._look(request, approval, is_refused=is_refused)
                    if approval is None:
                        return None
                    self._cards[approval.number] = approval
                    if not is_refused and (approval.verdict is not None or not is_offered):
                        await self._show(approval)
                        is_offered = True
                    if approval.verdict is not None:
                        is_ours = not approval.verdict.allows or await store.sending(self._turn, approval.id)
                        return approval if is_ours else None
                    pause = min(_LOOK, max(0.0, self._timeout - approval.age))
                except HomeserverRefused as error:
                    _log.warning("a card cannot be shown", room=self._turn.room_id, error=str(error))
                    is_refused, pause = True, 0.0
                except (HomeserverError, StoreError) as error:
                    if not is_logged:
                        _log.warning("a card is not shown yet", room=self._turn.room_id, error=str(error))
                    is_logged, pause = True, _AGAIN
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await wake.wait()

    async def _look(self, request: ApprovalRequest, known: Approval | None, *, is_refused: bool) -> Approval | None:
        """Return *request* as it is stored now; it has a verdict if its time is over, or if it is closed."""
        store, call = self._parent.store, request.call
        if known is None:
            return await store.ask(
                self._turn,
                ref=request.ref,
                call_id=call.call_id,
                tool=call.name,
                arguments=call.arguments,
                always=request.always,
                news=self._news(call.name),
            )
        if request.ref in self._closed:
            await store.overtaken(self._turn, [request.ref])
        elif is_refused or known.age >= self._timeout:
            await store.end(self._turn, Verdict.EXPIRED, [known.id])
        return next((each for each in await store.of_turn(self._turn) if each.id == known.id), None)

    def _news(self, tool: str) -> Notification:
        """Return the notification of the person whose decision a request waits for."""
        values = {"agent": self._agent.name, "tool": tool}
        delay = self._parent.notify_after
        return Notification(
            payer_of(self._turn), NotificationKind.APPROVAL_WAITING, self._turn.room_id, values, delay=delay
        )

    async def _show(self, approval: Approval) -> None:
        """Make the card show *approval*, with its reactions while it is undecided."""
        cards, ghost = self._parent.cards, self._outbox.user_id
        event_id = await cards.show(self._outbox, self._op(approval))
        if event_id is None:
            return
        approval = self._cards[approval.number] = replace(approval, event_id=event_id, is_sent=True)
        if approval.verdict is None:
            await cards.offer(self._turn, approval, event_id, ghost)
        else:
            await cards.withdraw_offers(self._turn, approval, event_id, ghost)
            await self._parent.store.settled(approval.id)

    async def _send(self, request: ApprovalRequest, decision: Decision) -> None:
        """Send *decision* until the upstream has it, or does not wait for it any more."""
        ref, approvals = request.ref, self._upstream.can.approvals
        if decision.allow:
            self.on_allowed(request.call.call_id)
        is_logged = False
        while approvals is not None and ref not in self._closed:
            try:
                await approvals.decide(ref, decision)
            except UpstreamRefused as error:
                _log.info("a decision came too late", room=self._turn.room_id, error=str(error))
                if not decision.allow:
                    # Another program may have allowed it.
                    self._closed.add(ref)
                return
            except UpstreamError as error:
                if not is_logged:
                    _log.warning("a decision is not sent yet", room=self._turn.room_id, error=str(error))
                is_logged = True
                await asyncio.sleep(_AGAIN)
            else:
                # The server may tell that the call goes on before it responds.
                self._closed.discard(ref)
                return
