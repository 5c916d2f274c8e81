"""The kind ``letta_v1`` against the real, retired server: requests for approval."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import AnswerInterrupted, UpstreamRefused
from agent_bridge.upstream.answer import ApprovalAsked, ApprovalClosed, ToolResult
from agent_bridge.upstream.capabilities import Decision
from support.letta_v1_questions import connected, decided, leave_at_approval
from support.questions import DEADLINE, read
from support.scripted_upstream import Tool, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.letta_v1.upstream import LettaV1Upstream
    from support.letta_v1_questions import Dora
    from support.severable_proxy import Piece

pytestmark = pytest.mark.letta_v1

BASH = Tool("Bash", '{"command": "ls"}')


@pytest.fixture
async def upstream(dora: Dora) -> AsyncIterator[LettaV1Upstream]:
    dora.server.llm.script = says("I look. ", BASH, "Done.")
    async with connected(dora.url, dora.store) as found:
        yield found


@pytest.fixture
def ran(dora: Dora) -> Callable[[], int]:
    """Returns how often the tool has run in this test."""
    before = dora.server.runs("Bash")
    return lambda: dora.server.runs("Bash") - before


def asked(events: list[AnswerEvent]) -> list[str]:
    return [each.request.call.arguments for each in events if isinstance(each, ApprovalAsked)]


def outputs(events: list[AnswerEvent]) -> list[str]:
    return [each.output for each in events if isinstance(each, ToolResult)]


async def test_an_allowed_call_runs(upstream: LettaV1Upstream, dora: Dora, ran: Callable[[], int]) -> None:
    text, events = await decided(upstream, dora.question())
    assert text == "I look. \n\nDone."
    assert (asked(events), outputs(events), ran()) == ([BASH.arguments], ["done"], 1)
    assert sum(isinstance(each, ApprovalClosed) for each in events) == 1


async def test_a_denied_call_does_not_run(upstream: LettaV1Upstream, dora: Dora, ran: Callable[[], int]) -> None:
    text, events = await decided(upstream, dora.question(), Decision(allow=False, reason="too dangerous"))
    assert text == "I look. \n\nDone."
    assert ran() == 0
    # The server tells its language model, and nobody else.
    assert outputs(events) == []
    assert "Error: request to call tool denied. User reason: too dangerous" in dora.server.llm.told


async def test_a_decision_counts_once(upstream: LettaV1Upstream, dora: Dora, ran: Callable[[], int]) -> None:
    assert upstream.can.approvals is not None
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(dora.question())) as events:
        async for event in events:
            if isinstance(event, ApprovalAsked):
                await upstream.can.approvals.decide(event.request.ref, Decision(allow=True))
                with pytest.raises(UpstreamRefused):
                    await upstream.can.approvals.decide(event.request.ref, Decision(allow=False))
    assert ran() == 1
    assert len(dora.asked) == 1


async def test_two_requests_one_after_the_other(upstream: LettaV1Upstream, dora: Dora, ran: Callable[[], int]) -> None:
    dora.server.llm.script = says(BASH, "Again. ", BASH, "Done.")
    text, events = await decided(upstream, dora.question())
    assert text == "Again. \n\nDone."
    assert (len(asked(events)), ran()) == (2, 2)


async def test_calls_of_one_step_are_decided_in_one_message(
    upstream: LettaV1Upstream, dora: Dora, ran: Callable[[], int]
) -> None:
    dora.server.llm.script = says(BASH, Tool("Bash", '{"command": "rm"}'), "Done.")
    text, events = await decided(upstream, dora.question(), Decision(allow=True), Decision(allow=False, reason="no"))
    assert text == "Done."
    assert asked(events) == [BASH.arguments, '{"command": "rm"}']
    assert ran() == 1
    assert sorted("no" in each for each in outputs(events)) == [False, True]


async def test_a_call_beside_one_that_needs_an_approval(
    upstream: LettaV1Upstream, dora: Dora, ran: Callable[[], int]
) -> None:
    before = dora.server.runs("look")
    dora.server.llm.script = says(Tool("look"), BASH, "Done.")
    text, events = await decided(upstream, dora.question())
    assert text == "Done."
    assert (asked(events), ran(), dora.server.runs("look")) == ([BASH.arguments], 1, before + 1)
    assert outputs(events) == ["done", "done"]


async def test_a_repeat_asks_for_the_same_approval(
    upstream: LettaV1Upstream, dora: Dora, ran: Callable[[], int]
) -> None:
    question = dora.question()
    await leave_at_approval(upstream, question)
    async with connected(dora.url, dora.store) as other:
        text, events = await decided(other, replace(question, attempt=2))
    assert text == "I look. \n\nDone."
    assert (asked(events), ran(), len(dora.asked)) == ([BASH.arguments], 1, 1)


async def test_a_repeat_sends_no_second_decision(upstream: LettaV1Upstream, dora: Dora, ran: Callable[[], int]) -> None:
    question = dora.question()
    await decided(upstream, question)
    async with connected(dora.url, dora.store) as other:
        text, events = await read(other, replace(question, attempt=2))
    assert text == "I look. \n\nDone."
    assert (asked(events), ran(), len(dora.asked)) == ([], 1, 1)


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_lost_decision_counts_once(
    upstream: LettaV1Upstream, dora: Dora, ran: Callable[[], int], *, arrives: bool
) -> None:
    lost: list[int] = []

    def spoil(piece: Piece) -> bytes | None:
        if b'"approve"' in piece.data and piece.to_target and not lost:
            lost.append(piece.connection)
            return piece.data[:40] if not arrives else None
        # The decision arrived, and its response does not.
        return b"HT" if arrives and not piece.to_target and piece.connection in lost else None

    dora.line.spoils = spoil
    text, _ = await decided(upstream, dora.question())
    assert text == "I look. \n\nDone."
    assert lost
    assert (ran(), len(dora.asked)) == (1, 1)


async def test_a_request_that_is_decided_elsewhere_is_withdrawn(upstream: LettaV1Upstream, dora: Dora) -> None:
    tasks: list[asyncio.Future[Any]] = []
    events: list[AnswerEvent] = []

    def on(event: AnswerEvent) -> None:
        events.append(event)
        if isinstance(event, ApprovalAsked):
            tasks.append(asyncio.ensure_future(dora.decide(event.request)))

    with pytest.raises(AnswerInterrupted, match="did not wait"):
        await read(upstream, dora.question(), on)
    await asyncio.gather(*tasks)
    assert isinstance(events[-1], ApprovalClosed)
    dora.server.llm.script = says("Next")
    assert (await read(upstream, dora.question()))[0] == "Next"


@pytest.mark.parametrize("decision", [Decision(allow=True), Decision(allow=False, reason="no")])
async def test_an_undecided_request_of_an_earlier_turn_is_asked_about_first(
    upstream: LettaV1Upstream, dora: Dora, ran: Callable[[], int], decision: Decision
) -> None:
    await leave_at_approval(upstream, dora.question())
    dora.server.llm.script = says("Next")
    async with connected(dora.url, dora.store) as other:
        text, events = await decided(other, dora.question("second"), decision)
    assert text == "Done.\n\nNext"
    assert (asked(events), ran()) == ([BASH.arguments], int(decision.allow))
    assert dora.asked == ["hello", "second"]


async def test_requests_of_two_conversations_stay_apart(
    upstream: LettaV1Upstream, dora: Dora, ran: Callable[[], int]
) -> None:
    await leave_at_approval(upstream, dora.question())
    dora.server.llm.script = says("Other")
    assert (await read(upstream, dora.question("other", "!other:x")))[0] == "Other"
    dora.server.llm.script = says(Tool("Bash", '{"command": "rm"}'), "Removed.")
    text, events = await decided(upstream, dora.question("remove", "!third:x"))
    assert (text, asked(events), ran()) == ("Removed.", ['{"command": "rm"}'], 1)
    dora.server.llm.script = says("Next")
    text, events = await decided(upstream, dora.question("next"))
    assert (text, asked(events), ran()) == ("Done.\n\nNext", [BASH.arguments], 2)


async def test_closing_an_answer_withdraws_its_requests(upstream: LettaV1Upstream, dora: Dora) -> None:
    refs: list[str] = []
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(dora.question())) as events:
        async for event in events:
            if isinstance(event, ApprovalAsked):
                refs.append(event.request.ref)
                break
    assert upstream.can.approvals is not None
    with pytest.raises(UpstreamRefused):
        await upstream.can.approvals.decide(refs[0], Decision(allow=True))
