"""Requests of ``/responses`` for a decision about a tool of an MCP server.

The response ends with an item ``mcp_approval_request``. The decision is an item ``mcp_approval_response`` of the next
request, whose response continues the answer. That request names the response before it (``previous_response_id``), or
repeats its items for a server that keeps none. It is sent once: a server may take a second one as a new decision.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import AnswerEmpty, AnswerInterrupted, UpstreamError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.answer import ApprovalAsked, ApprovalClosed, ApprovalRequest, End, RunStarted, TextDelta
from agent_bridge.upstream.openai.responses import ResponsesDialect
from agent_bridge.upstream.transport.json_values import text
from agent_bridge.upstream.transport.pieces import tool_call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest
    from agent_bridge.upstream.capabilities import Decision
    from agent_bridge.upstream.transport.decisions import OpenDecisions

    Item = Mapping[str, Any]
    #: Sends a question, or what follows it, and yields the events of the response, which the dialect reads.
    Read = Callable[["ResponsesDialect", "Following | None"], AsyncGenerator[AnswerEvent, None]]

_DENIED = "denied"
#: Statuses of a server that does not know the response before. No agent got the request.
_FORGOTTEN = frozenset({400, 404, 405, 410, 422, 501})
#: Responses of one answer.
_MAX_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Following:
    """The request that follows a response."""

    #: The items behind the question: those of earlier responses, and the decisions.
    items: tuple[Item, ...]
    #: The response before it, whose items are then not among *items*; empty: none.
    previous: str = ""

    def added_to(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the request with the question *body* and this continuation."""
        if self.previous:
            return {**body, "input": list(self.items), "previous_response_id": self.previous}
        return {**body, "input": [*body["input"], *self.items]}


class McpAnswer:
    """The answer to *request*, from all of its responses."""

    def __init__(self, request: AnswerRequest, decisions: OpenDecisions, upstream: str, read: Read) -> None:
        self._request = request
        self._decisions = decisions
        self._upstream = upstream
        self._read = read
        self._began = self._said = False
        #: The items of all responses, and the decisions.
        self._items: list[Item] = []

    async def events(self) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the events of the answer.

        Raises:
            AnswerInterrupted: a tool that a person allowed in an earlier attempt may have run.
            UpstreamError: the answer is not complete.
        """
        key = f"{self._request.idempotency_key} "
        if any(ref.startswith(key) for ref in self._request.allowed):
            raise AnswerInterrupted(Text("letta_interrupted"))
        dialect = ResponsesDialect()
        async with aclosing(self._one(dialect, None)) as events:
            async for each in events:
                yield each
        for _ in range(_MAX_ROUNDS):
            if not dialect.asked:
                return
            said: list[Item] = []
            async with aclosing(self._ask(dialect, said)) as asked:
                async for each in asked:
                    yield each
            before, dialect = dialect, ResponsesDialect()
            async with aclosing(self._follow(before, dialect, said)) as events:
                async for each in events:
                    yield each
        raise self._unanswered(None)

    async def _one(self, dialect: ResponsesDialect, following: Following | None) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the events of one response as a part of the answer."""
        is_paragraph = self._said
        async with aclosing(self._read(dialect, following)) as events:
            async for each in events:
                if isinstance(each, RunStarted):
                    if self._began:
                        continue
                    self._began = True
                elif isinstance(each, TextDelta) and is_paragraph:
                    is_paragraph = False
                    yield TextDelta("\n\n")
                self._said = self._said or (isinstance(each, TextDelta) and not each.text.isspace())
                yield each
        self._items += dialect.items

    async def _ask(self, dialect: ResponsesDialect, said: list[Item]) -> AsyncGenerator[AnswerEvent, None]:
        """Ask people about the requests of a response, and add the items with their decisions to *said*."""
        requests = [self._request_of(dialect.response_id, each) for each in dialect.asked]
        with self._decisions.ask(requests) as waiting:
            for each in requests:
                yield ApprovalAsked(each)
            await asyncio.wait(waiting)
            for each in requests:
                yield ApprovalClosed(each.ref)
        said += [_response(item, each.result()) for item, each in zip(dialect.asked, waiting, strict=True)]
        self._items += said

    def _request_of(self, response_id: str, item: Item) -> ApprovalRequest:
        item_id, label = text(item.get("id")), text(item.get("server_label"))
        name = text(item.get("name"))
        call = tool_call(item_id, f"{label}.{name}" if label else name, text(item.get("arguments")))
        return ApprovalRequest(f"{self._request.idempotency_key} {response_id} {item_id}", call)

    async def _follow(
        self, before: ResponsesDialect, dialect: ResponsesDialect, said: Sequence[Item]
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Send the decisions about the response *before*, and yield the events of the next one.

        A failure is not retryable: the question would be asked again, and the tool may have run.
        """
        try:
            async with aclosing(self._send(before, dialect, said)) as events:
                async for each in events:
                    yield each
        except AnswerEmpty:
            if not self._said:
                raise
            yield End("stop")
        except AnswerInterrupted as error:
            error.retryable = error.not_begun = False
            raise
        except UpstreamError as error:
            raise self._unanswered(error.detail) from None

    async def _send(
        self, before: ResponsesDialect, dialect: ResponsesDialect, said: Sequence[Item]
    ) -> AsyncGenerator[AnswerEvent, None]:
        if before.is_kept and before.response_id:
            try:
                async with aclosing(self._one(dialect, Following(tuple(said), before.response_id))) as events:
                    async for each in events:
                        yield each
            except UpstreamError as error:
                if error.status not in _FORGOTTEN:
                    raise
            else:
                return
        async with aclosing(self._one(dialect, Following(tuple(self._items)))) as events:
            async for each in events:
                yield each

    def _unanswered(self, detail: str | None) -> AnswerInterrupted:
        return AnswerInterrupted(Text("decision_unanswered", upstream=self._upstream), detail=detail)


def _response(item: Item, decision: Decision) -> Item:
    answer: dict[str, Any] = {
        "type": "mcp_approval_response",
        "approval_request_id": item["id"],
        "approve": decision.allow,
    }
    return answer if decision.allow else {**answer, "reason": decision.reason or _DENIED}
