"""The kind ``letta_v1``: each rule of Letta's REST API, with a server that behaves like the real one."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import (
    AgentGone,
    AnswerInterrupted,
    ConversationTooLong,
    StoreError,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamRefused,
)
from agent_bridge.core.transcript import ChatMessage, Image
from agent_bridge.core.upstreams import StoredConversation
from agent_bridge.upstream.answer import (
    AnswerRequest,
    ApprovalAsked,
    ApprovalClosed,
    End,
    RunStarted,
    TextDelta,
    TextWithdrawn,
    ToolCall,
    ToolResult,
)
from agent_bridge.upstream.base import UNCHANGED
from agent_bridge.upstream.capabilities import Decision
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.transport.letta_past import otid_of
from support.conditions import eventually
from support.fault_server import Reply
from support.letta_v1_questions import connected, decided, leave_at_approval
from support.questions import read
from support.scripted_letta_v1 import ScriptedLettaV1
from support.scripted_upstream import Tool, says, waits_for
from support.upstream_kinds import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.letta_v1.upstream import LettaV1Upstream
    from support.fault_server import FaultServer
    from support.scripted_upstream import Script

QUESTION = AnswerRequest("Dora", (ChatMessage("user", "hello"),), "!room:x", "key", title="A title")
NEXT = replace(QUESTION, idempotency_key="next")
AGAIN = replace(QUESTION, attempt=2)
OTID = otid_of("key")
BASH = Tool("Bash", '{"command": "ls"}', call_id="call_1")


class Store(MemoryConversations):
    """Fails at the write with the number :attr:`fails_at`, like a process that is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.fails_at = 0

    async def put(self, model: str, session: str, conversation: StoredConversation) -> None:
        self.writes += 1
        if self.writes == self.fails_at:
            raise StoreError("killed")
        await super().put(model, session, conversation)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedLettaV1]:
    async with ScriptedLettaV1() as running:
        running.models = [{"id": "Dora"}]
        yield running


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def upstream(server: ScriptedLettaV1, store: Store) -> AsyncIterator[LettaV1Upstream]:
    async with connected(server.url, store) as found:
        yield found


def raw(*pieces: object) -> Script:
    """Return a script of pieces that are frames of the protocol too."""
    return says(*pieces)  # type: ignore[arg-type]  # the server takes frames as they are


def sent(server: ScriptedLettaV1, ending: str) -> list[dict[str, object]]:
    """Return the bodies of the requests to paths with *ending*."""
    return [body for method, path, body in server.requests if method == "POST" and path.endswith(ending)]


# The list of agents


async def test_agents_are_read_in_pages(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    server.models = [{"id": f"agent-{number}", "name": "Ada", "description": "Helps"} for number in range(250)]
    agents = await upstream.agents()
    assert agents is not UNCHANGED
    assert [each.model for each in agents] == [each["id"] for each in server.models]
    assert (agents[0].name, agents[0].description) == ("Ada", "Helps")
    assert [(path, query.get("after")) for _, path, query in server.requests] == [
        ("/agents/", None),
        ("/agents/", "agent-99"),
        ("/agents/", "agent-199"),
    ]


async def test_a_cursor_that_the_server_ignores_ends_the_list(
    server: ScriptedLettaV1, upstream: LettaV1Upstream
) -> None:
    server.models = [{"id": f"agent-{number}"} for number in range(150)]
    server.knows_cursors = False
    with pytest.raises(UpstreamProtocolError, match="same agents"):
        await upstream.agents()
    assert len(server.requests) == 2


async def test_hidden_agents_are_left_out(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    server.models = [{"id": "a", "hidden": True}, {"id": "b", "hidden": None}]
    agents = await upstream.agents()
    assert agents is not UNCHANGED
    assert [each.model for each in agents] == ["b"]


async def test_the_url_may_contain_the_version(server: ScriptedLettaV1, store: Store) -> None:
    async with connected(f"{server.url}/v1", store) as upstream:
        assert (await read(upstream, QUESTION))[0] == "Echo: hello"


# Conversations


async def test_a_lane_keeps_its_conversation(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    await read(upstream, QUESTION)
    await read(upstream, NEXT)
    await read(upstream, replace(NEXT, session="!other:x", title="Other"))
    assert [each.summary for each in server.talks.values()] == ["A title", "Other"]
    assert [len(each.runs) for each in server.talks.values()] == [2, 1]


@pytest.mark.parametrize("fails_at", [1, 2, 3])
async def test_a_kill_between_the_steps_leaves_one_conversation(
    server: ScriptedLettaV1, store: Store, fails_at: int
) -> None:
    store.fails_at = fails_at
    async with connected(server.url, store) as upstream:
        with pytest.raises(StoreError):
            await read(upstream, QUESTION)
    async with connected(server.url, store) as upstream:
        await read(upstream, AGAIN)
    [talk] = server.talks.values()
    assert talk.summary == "A title"
    assert await store.get("Dora", "!room:x") == StoredConversation(talk.id)


async def test_a_lost_response_makes_no_second_conversation(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    server.cut_after = {"POST conversations"}
    assert (await read(upstream, QUESTION))[0] == "Echo: hello"
    assert len(server.talks) == 1


async def test_a_conversation_that_is_gone_is_replaced(
    server: ScriptedLettaV1, store: Store, upstream: LettaV1Upstream
) -> None:
    await store.put("Dora", "!room:x", StoredConversation("conv-gone"))
    assert (await read(upstream, QUESTION))[0] == "Echo: hello"
    assert list(server.talks) == [(await store.get("Dora", "!room:x") or StoredConversation("")).ref]


# Questions and their runs


async def test_a_question_asks_for_tokens_in_the_background(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    await read(upstream, QUESTION)
    message = {"role": "user", "content": "hello", "otid": OTID}
    assert sent(server, "/messages") == [
        {"messages": [message], "streaming": True, "stream_tokens": True, "background": True}
    ]


async def test_images_are_sent_as_base64(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    message = ChatMessage("user", "look", (Image(b"PNG", "image/png"),))
    await read(upstream, replace(QUESTION, messages=(message,)))
    [body] = sent(server, "/messages")
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(b"PNG").decode()}
    assert body["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "look"}, {"type": "image", "source": source}],
            "otid": OTID,
        }
    ]


async def test_a_server_without_redis_answers_in_the_foreground(store: Store) -> None:
    async with ScriptedLettaV1(redis=False) as server, connected(server.url, store) as upstream:
        await read(upstream, QUESTION)
        await read(upstream, NEXT)
        assert [each["background"] for each in sent(server, "/messages")] == [True, False, False]


async def test_a_repeat_joins_the_same_run(server: ScriptedLettaV1, store: Store, upstream: LettaV1Upstream) -> None:
    server.script = says("I look. ", BASH, "Done.")
    first = await read(upstream, QUESTION)
    async with connected(server.url, store) as other:
        assert await read(other, AGAIN) == first
    assert len(server.questions) == 1


async def test_a_lost_connection_is_resumed_after_the_last_event(
    server: ScriptedLettaV1, upstream: LettaV1Upstream
) -> None:
    gate = asyncio.Event()
    server.script = waits_for(gate, "Half", " whole")

    def on(event: AnswerEvent) -> None:
        if event == TextDelta("Half"):
            server.cut()
            gate.set()

    text, events = await read(upstream, QUESTION, on=on)
    assert text == "Half whole"
    assert not [each for each in events if isinstance(each, TextWithdrawn)]
    [run] = server.runs.values()
    assert (f"/runs/{run.id}/stream", 2) in [(path, body.get("starting_after")) for _, path, body in server.requests]
    assert len(server.questions) == 1


@pytest.mark.parametrize("cut", ["cut_before", "cut_after"])
async def test_a_lost_question_is_asked_once(server: ScriptedLettaV1, upstream: LettaV1Upstream, cut: str) -> None:
    await read(upstream, QUESTION)
    setattr(server, cut, {"POST messages"})
    assert (await read(upstream, NEXT))[0] == "Echo: hello"
    assert len(server.questions) == 2


async def test_without_redis_a_lost_answer_is_read_at_its_end(store: Store) -> None:
    async with ScriptedLettaV1(redis=False) as server, connected(server.url, store) as upstream:
        gate = asyncio.Event()
        server.script = waits_for(gate, "Half", Tool("look"), " whole")

        def on(event: AnswerEvent) -> None:
            if event == TextDelta("Half"):
                server.cut()
                gate.set()

        text, events = await read(upstream, QUESTION, on=on)
        assert text == "Half\n\n whole"
        assert [type(each) for each in events].count(ToolCall) == 1
        assert len(server.questions) == 1


async def test_without_redis_a_repeat_finds_the_question_in_the_history(store: Store) -> None:
    async with ScriptedLettaV1(redis=False) as server:
        async with connected(server.url, store) as upstream:
            first = await read(upstream, QUESTION)
        async with connected(server.url, store) as upstream:
            text, _ = await read_history(upstream)
        assert text == first[0]
        assert len(server.questions) == 1


async def read_history(upstream: LettaV1Upstream) -> tuple[str, list[AnswerEvent]]:
    """Return the answer of a second attempt, which has no run to be named."""
    events: list[AnswerEvent] = []
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(AGAIN)) as answer:
        events.extend([each async for each in answer])
    return "".join(each.text for each in events if isinstance(each, TextDelta)), events


async def test_without_redis_a_repeat_waits_for_a_run_that_goes_on(store: Store) -> None:
    async with ScriptedLettaV1(redis=False) as server, connected(server.url, store) as upstream:
        gate = asyncio.Event()
        server.script = waits_for(gate, "Half", " whole")
        started = asyncio.Event()
        first = asyncio.create_task(read(upstream, QUESTION, on=lambda _event: started.set()))
        await asyncio.wait_for(started.wait(), DEADLINE)
        with pytest.raises(UpstreamBusy) as busy:
            await read_history(upstream)
        assert busy.value.not_begun
        gate.set()
        assert (await first)[0] == "Half whole"
        assert len(server.questions) == 1


async def test_a_busy_conversation_is_waited_for(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    gate = asyncio.Event()
    server.scripts.extend([waits_for(gate, "One", "!"), says("Two")])
    started = asyncio.Event()
    first = asyncio.create_task(read(upstream, QUESTION, on=lambda _event: started.set()))
    await asyncio.wait_for(started.wait(), DEADLINE)
    second = asyncio.create_task(read(upstream, NEXT))

    async def looked() -> bool:
        return any(path.startswith("/runs/") for _, path, _ in server.requests)

    await eventually(looked, "the second question waits for the first run")
    gate.set()
    assert [(await each)[0] for each in (first, second)] == ["One!", "Two"]


async def test_closing_an_answer_ends_its_run(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    server.script = waits_for(asyncio.Event(), "Half", "never")
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(QUESTION)) as events:
        while not isinstance(await anext(events), TextDelta):
            pass
    [run] = server.runs.values()
    assert run.status == "cancelled"
    server.script = says("Next")
    assert (await read(upstream, NEXT))[0] == "Next"


async def test_a_cancelled_run_ends_although_the_server_goes_on(
    server: ScriptedLettaV1, upstream: LettaV1Upstream
) -> None:
    server.cancels_later = True
    server.script = waits_for(asyncio.Event(), "Half", "never")
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(QUESTION)) as events:
        start = await anext(events)
        assert isinstance(start, RunStarted)
        assert await anext(events) == TextDelta("Half")
        assert upstream.can.cancel is not None
        await upstream.can.cancel(start.ref)
        with pytest.raises(AnswerInterrupted):
            await anext(events)


async def test_a_run_that_ended_with_the_server_is_given_up(server: ScriptedLettaV1, store: Store) -> None:
    server.scripts.extend([waits_for(asyncio.Event(), "Half", "never"), says("Whole")])

    async def signs() -> None:
        while True:
            await asyncio.sleep(0.1)
            next(iter(server.runs.values())).sign()

    tasks: list[asyncio.Task[None]] = []

    def on(event: AnswerEvent) -> None:
        if event == TextDelta("Half"):
            server.cut()
            tasks.append(asyncio.create_task(signs()))

    async with connected(server.url, store, idle_timeout=0.5) as upstream:
        with pytest.raises(AnswerInterrupted, match="sent nothing") as lost:
            await read(upstream, QUESTION, on=on)
        assert lost.value.retryable
        tasks[0].cancel()
        assert (await read(upstream, AGAIN))[0] == "Whole"


async def test_a_complete_answer_is_not_cancelled(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    await read(upstream, QUESTION)
    assert sent(server, "/cancel") == []


# The end of a run


async def test_the_end_needs_no_mark(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    server.no_done = True
    assert (await read(upstream, QUESTION))[0] == "Echo: hello"


async def test_a_mark_without_a_reason_is_no_end(wire: FaultServer, store: Store) -> None:
    await store.put("Dora", "!room:x", StoredConversation("conv-1"))
    words = {"message_type": "assistant_message", "id": "m", "run_id": "run-1", "seq_id": 1, "content": "Half"}
    stream = f"data: {json.dumps(words)}\n\ndata: [DONE]\n\n".encode()
    wire.script(Reply(200, {"Content-Type": "text/event-stream"}, (stream,)), *[Reply(404, pieces=(b"{}",))] * 3)
    async with connected(wire.url, store) as upstream:
        with pytest.raises(AnswerInterrupted, match="was lost"):
            await read(upstream, QUESTION)
    assert wire.requests[1].path.endswith("/runs/run-1/stream")


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("context_window_overflow_in_system_prompt", ConversationTooLong),
        ("insufficient_credits", UpstreamFailed),
        ("invalid_tool_call", AnswerInterrupted),
        ("cancelled", AnswerInterrupted),
    ],
)
async def test_the_reason_decides(
    server: ScriptedLettaV1, upstream: LettaV1Upstream, reason: str, error: type[UpstreamError]
) -> None:
    server.script = raw({"message_type": "stop_reason", "stop_reason": reason})
    with pytest.raises(UpstreamError) as found:
        await read(upstream, QUESTION)
    assert type(found.value) is error


async def test_an_answer_may_end_at_a_limit(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    server.script = raw("Long", {"message_type": "stop_reason", "stop_reason": "max_steps"})
    _, events = await read(upstream, QUESTION)
    assert events[-1] == End("length")


async def test_the_detail_of_an_error_names_the_cause(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    server.script = says(RuntimeError("CONTEXT_WINDOW_EXCEEDED: Bad request: context window exceeded"))
    with pytest.raises(ConversationTooLong):
        await read(upstream, QUESTION)
    server.script = says("Half", RuntimeError("peer closed the connection"))
    with pytest.raises(AnswerInterrupted) as found:
        await read(upstream, NEXT)
    assert found.value.detail == "peer closed the connection"


async def test_a_failed_attempt_is_followed_by_a_new_question(
    server: ScriptedLettaV1, upstream: LettaV1Upstream
) -> None:
    server.scripts.extend([says("Half", RuntimeError("no")), says("Whole")])
    with pytest.raises(AnswerInterrupted):
        await read(upstream, QUESTION)
    assert (await read(upstream, AGAIN))[0] == "Whole"
    otids = [run.otid for run in server.runs.values()]
    assert otids == [OTID, otid_of("key#1")]


async def test_a_failed_attempt_whose_agent_acted_is_not_repeated(
    server: ScriptedLettaV1, upstream: LettaV1Upstream
) -> None:
    server.script = says(BASH, RuntimeError("no"))
    for request in (QUESTION, AGAIN):
        with pytest.raises(AnswerInterrupted):
            await read(upstream, request)
    assert len(server.questions) == 1


@pytest.mark.parametrize(
    ("status", "body", "error", "detail"),
    [
        (404, {"detail": "Agent with ID agent-1 not found"}, AgentGone, "Agent with ID agent-1 not found"),
        (422, {"trace_id": "", "detail": "[{'type': 'missing'}]"}, UpstreamRefused, "[{'type': 'missing'}]"),
        (429, {"error": {"type": "llm_rate_limit", "message": "Slow", "detail": "x"}}, UpstreamBusy, "Slow"),
        (500, {"error": {"type": "llm_error", "message": "No", "detail": "x"}}, UpstreamFailed, "No"),
        (
            400,
            {"detail": "CONTEXT_WINDOW_EXCEEDED: too long"},
            ConversationTooLong,
            "CONTEXT_WINDOW_EXCEEDED: too long",
        ),
    ],
)
async def test_shapes_of_errors(  # fixtures and the parameters of one case
    wire: FaultServer, store: Store, status: int, body: object, error: type[UpstreamError], detail: str
) -> None:
    await store.put("Dora", "!room:x", StoredConversation("conv-1"))
    wire.script(Reply(status, pieces=(json.dumps(body).encode(),)))
    async with connected(wire.url, store) as upstream:
        with pytest.raises(UpstreamError) as found:
            await read(upstream, QUESTION)
    assert type(found.value) is error
    assert found.value.detail == detail
    assert len(wire.requests) == 1


# Requests for approval


async def test_calls_of_one_step_are_decided_in_one_message(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    server.guarded = {"Bash"}
    server.script = says("I look. ", BASH, Tool("Bash", "{}", call_id="call_2"), "Done.")
    text, events = await decided(upstream, QUESTION, Decision(allow=True), Decision(allow=False, reason="no"))
    assert text == "I look. \n\nDone."
    calls = [each.request.call for each in events if isinstance(each, ApprovalAsked)]
    assert [(each.call_id, each.arguments) for each in calls] == [("call_1", '{"command": "ls"}'), ("call_2", "{}")]
    assert server.decisions == [
        {"type": "approval", "tool_call_id": "call_1", "approve": True},
        {"type": "approval", "tool_call_id": "call_2", "approve": False, "reason": "no"},
    ]
    assert len(sent(server, "/messages")) == 2
    assert sum(isinstance(each, ApprovalClosed) for each in events) == 2
    outputs = [each.output for each in events if isinstance(each, ToolResult)]
    assert outputs == ["done", "Error: request to call tool denied. User reason: no"]


async def test_a_call_that_a_repeat_allowed_is_not_repeated(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    server.guarded.add("Bash")
    server.scripts.extend([says(BASH, "Half", RuntimeError("no")), says("Again")])
    await leave_at_approval(upstream, QUESTION)
    with pytest.raises(AnswerInterrupted):
        await decided(upstream, replace(AGAIN, never_ran=frozenset({"call_1"})))
    assert len(server.questions) == 1


async def test_a_repeat_asks_for_the_same_approval(
    server: ScriptedLettaV1, store: Store, upstream: LettaV1Upstream
) -> None:
    server.guarded = {"Bash"}
    server.script = says(BASH, "Done.")
    await leave_at_approval(upstream, QUESTION)
    async with connected(server.url, store) as other:
        text, events = await decided(other, AGAIN)
    assert text == "Done."
    assert len([each for each in events if isinstance(each, ApprovalAsked)]) == 1
    assert (len(server.questions), server.verdicts) == (1, ["allow"])


async def test_a_repeat_sends_no_second_decision(
    server: ScriptedLettaV1, store: Store, upstream: LettaV1Upstream
) -> None:
    server.guarded = {"Bash"}
    server.script = says(BASH, "Done.")
    await decided(upstream, QUESTION)
    async with connected(server.url, store) as other:
        text, events = await read(other, AGAIN)
    assert text == "Done."
    assert not [each for each in events if isinstance(each, ApprovalAsked)]
    assert (server.verdicts, server.invented) == (["allow"], 0)


@pytest.mark.parametrize("cut", ["cut_before", "cut_after"])
@pytest.mark.parametrize("redis", [True, False])
async def test_a_lost_decision_counts_once(store: Store, cut: str, *, redis: bool) -> None:
    async with ScriptedLettaV1(redis=redis) as server, connected(server.url, store) as upstream:
        server.guarded = {"Bash"}
        server.script = says(BASH, "Done.")

        def on(event: AnswerEvent) -> None:
            if isinstance(event, ApprovalAsked):
                setattr(server, cut, {"POST messages"})
                assert upstream.can.approvals is not None
                tasks.append(
                    asyncio.ensure_future(upstream.can.approvals.decide(event.request.ref, Decision(allow=True)))
                )

        tasks: list[asyncio.Future[None]] = []
        if redis or cut == "cut_before":
            assert (await read(upstream, QUESTION, on=on))[0] == "Done."
        else:
            # Without the background mode, the run of a lost decision has no known id.
            with pytest.raises(AnswerInterrupted, match="may not be complete"):
                await read(upstream, QUESTION, on=on)
        await asyncio.gather(*tasks)
        assert (server.verdicts, server.invented) == (["allow"], 0)


async def test_a_request_that_is_gone_ends_the_answer(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    server.guarded = {"Bash"}
    server.script = says(BASH, "Done.")

    def on(event: AnswerEvent) -> None:
        if isinstance(event, ApprovalAsked):
            next(iter(server.talks.values())).asks = None
            assert upstream.can.approvals is not None
            tasks.append(asyncio.ensure_future(upstream.can.approvals.decide(event.request.ref, Decision(allow=True))))

    tasks: list[asyncio.Future[None]] = []
    with pytest.raises(AnswerInterrupted, match="did not wait"):
        await read(upstream, QUESTION, on=on)
    await asyncio.gather(*tasks)


async def test_a_request_that_is_decided_elsewhere_is_withdrawn(
    server: ScriptedLettaV1, upstream: LettaV1Upstream
) -> None:
    server.guarded = {"Bash"}
    server.script = says(BASH, "Done.")
    events: list[AnswerEvent] = []

    def on(event: AnswerEvent) -> None:
        events.append(event)
        if isinstance(event, ApprovalAsked):
            [talk] = server.talks.values()
            talk.asks = None
            talk.messages.append({"id": "message-x", "message_type": "tool_return_message", "tool_call_id": "call_1"})

    with pytest.raises(AnswerInterrupted, match="did not wait"):
        await read(upstream, QUESTION, on=on)
    assert isinstance(events[-1], ApprovalClosed)
    assert server.verdicts == []


@pytest.mark.parametrize("in_stream", [False, True])
async def test_an_undecided_request_of_an_earlier_turn_is_asked_about_first(
    server: ScriptedLettaV1, upstream: LettaV1Upstream, *, in_stream: bool
) -> None:
    server.guarded = {"Bash"}
    server.fails_in_stream = in_stream
    server.scripts.extend([says(BASH, "Done."), says("Next")])
    await leave_at_approval(upstream, QUESTION)
    text, events = await decided(upstream, NEXT)
    assert text == "Done.\n\nNext"
    assert [each.request.call.name for each in events if isinstance(each, ApprovalAsked)] == ["Bash"]
    assert (len(server.questions), server.verdicts) == (2, ["allow"])


async def test_an_undecided_request_of_an_answer_that_people_ended_is_refused(
    server: ScriptedLettaV1, upstream: LettaV1Upstream
) -> None:
    server.guarded = {"Bash"}
    server.scripts.extend([says(BASH, "Done."), says("Next")])
    refs: list[str] = []
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(QUESTION)) as events:
        async for event in events:
            if isinstance(event, ApprovalAsked):
                refs.append(event.request.ref)
                break
    text, found = await decided(upstream, replace(NEXT, withdrawn=frozenset(refs)))
    assert text == "Done.\n\nNext"
    assert not [each for each in found if isinstance(each, ApprovalAsked)]
    assert server.verdicts == ["deny"]


async def test_closing_an_answer_withdraws_its_requests(server: ScriptedLettaV1, upstream: LettaV1Upstream) -> None:
    server.guarded = {"Bash"}
    server.script = says(BASH, "Done.")
    refs: list[str] = []
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(QUESTION)) as events:
        async for event in events:
            if isinstance(event, ApprovalAsked):
                refs.append(event.request.ref)
                break
    assert upstream.can.approvals is not None
    with pytest.raises(UpstreamRefused):
        await upstream.can.approvals.decide(refs[0], Decision(allow=True))
    assert server.verdicts == []
