"""The contract of an upstream: every kind passes these tests, with a server that follows a script in its protocol.

A test module subclasses the classes, and gives the fixtures *kind*, *server* (a :class:`ScriptedUpstream` or a similar
one), *upstream* (connected to it) and *wire* (a server that replies with any bytes). The class of a capability is for
the kinds that have the capability: :attr:`Kind.abilities` names those of each kind.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import (
    AnswerEmpty,
    AnswerInterrupted,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamUnreachable,
)
from agent_bridge.core.usage import Usage
from agent_bridge.upstream.answer import (
    ApprovalAsked,
    End,
    FileDelta,
    ReasoningDelta,
    RunStarted,
    TextDelta,
    ToolCall,
    ToolResult,
)
from agent_bridge.upstream.base import UNCHANGED
from agent_bridge.upstream.capabilities import Decision, describe
from contract import upstream_memory_suite as memory_suite
from contract import upstream_runs_suite as runs_suite
from contract.upstream_extras_suite import Commanding, Picturing
from support.scripted_app_server import ScriptedAppServer
from support.scripted_letta_v1 import ScriptedLettaV1
from support.scripted_upstream import File, Reasoning, ScriptedUpstream, Tool, says, until_cancelled, waits_for
from support.upstream_kinds import DEADLINE, QUESTION, ask

if TYPE_CHECKING:
    import aiohttp

    from agent_bridge.upstream.answer import ApprovalRequest
    from agent_bridge.upstream.base import Upstream
    from agent_bridge.upstream.capabilities import Approvals, Speak, Transcribe
    from support.scripted_upstream import Piece
    from support.upstream_kinds import Kind


class Agents:
    async def test_they_are_listed_in_the_order_of_the_server(
        self, server: ScriptedUpstream, upstream: Upstream
    ) -> None:
        server.models = [{"id": "b", "name": "Bob"}, {"id": "a", "name": "Ada"}]
        agents = await upstream.agents()
        assert agents is not UNCHANGED
        assert [(agent.model, agent.name) for agent in agents] == [("b", "Bob"), ("a", "Ada")]

    async def test_only_a_change_is_reported(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        server.models = [{"id": "a"}]
        first = await upstream.agents()
        assert first is not UNCHANGED
        assert await upstream.agents() is UNCHANGED
        server.models.append({"id": "b"})
        more = await upstream.agents()
        assert more is not UNCHANGED
        assert len(more) == 2
        server.models.pop()
        assert await upstream.agents() == first
        assert await upstream.agents() is UNCHANGED

    async def test_an_empty_list_is_a_list(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        server.models = []
        assert await upstream.agents() == ()
        assert await upstream.agents() is UNCHANGED

    async def test_a_failure_is_not_a_change(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        server.models = [{"id": "a"}]
        await upstream.agents()
        server.status = 500
        with pytest.raises(UpstreamFailed):
            await upstream.agents()
        server.status = 200
        assert await upstream.agents() is UNCHANGED

    async def test_a_first_failure_leaves_the_list_unknown(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        server.models = [{"id": "a"}]
        server.status = 500
        with pytest.raises(UpstreamFailed):
            await upstream.agents()
        server.status = 200
        assert await upstream.agents() is not UNCHANGED


class Answers:
    async def test_text(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        server.script = says("Hello", " ", "there")
        answer = await ask(upstream)
        assert answer.events == [TextDelta("Hello there"), End("stop")]
        assert server.questions == ["three"]

    async def test_everything_an_agent_does_is_reported_in_its_order(
        self, kind: Kind, server: ScriptedUpstream, upstream: Upstream
    ) -> None:
        files = (File("data:image/png,x"), File("https://a/b.pdf", "b.pdf", "application/pdf")) if kind.files else ()
        tools = (Tool("look", '{"a": 1}'),) if kind.tools else ()
        server.script = says(Reasoning("hm"), *tools, "so", *files)
        answer = await ask(upstream)
        *rest, end = (each for each in answer.events if not isinstance(each, ToolResult))
        if kind.reasons:
            thought, *rest = rest
            assert isinstance(thought, ReasoningDelta)
            assert thought.text.strip() == "hm"
        calls, rest = rest[: len(tools)], rest[len(tools) :]
        assert all(isinstance(call, ToolCall) for call in calls)
        assert [(call.name, call.arguments) for call in calls if isinstance(call, ToolCall)] == [
            (tool.name, tool.arguments) for tool in tools
        ]
        expected = [
            TextDelta("so"),
            FileDelta("data:image/png,x", None, "image/png"),
            FileDelta("https://a/b.pdf", "b.pdf", "application/pdf"),
        ]
        assert rest == expected[: 1 + len(files)]
        assert isinstance(end, End)

    async def test_the_run_is_named_first(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        server.script = says(Reasoning("hm"), "so", "so")
        starts = [(await ask(upstream)).raw[0] for _ in range(2)]
        refs = {start.ref for start in starts if isinstance(start, RunStarted)}
        assert len(refs) == 2
        assert all(refs)

    async def test_text_arrives_while_the_agent_is_still_talking(
        self, server: ScriptedUpstream, upstream: Upstream
    ) -> None:
        gate = asyncio.Event()
        server.script = waits_for(gate, "Hello", " there")
        async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(QUESTION)) as events:
            assert isinstance(await anext(events), RunStarted)
            assert await anext(events) == TextDelta("Hello")
            gate.set()
            rest = [event async for event in events if not isinstance(event, Usage)]
            assert rest == [TextDelta(" there"), End("stop")]

    async def test_closing_ends_the_request(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        over = asyncio.Event()
        server.script = until_cancelled(over, "Hello")
        events = upstream.answer(QUESTION)
        while not isinstance(await anext(events), TextDelta):
            pass
        assert not over.is_set()
        await events.aclose()
        await asyncio.wait_for(over.wait(), DEADLINE)

    async def test_cancelling_ends_the_request(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        asked, over = asyncio.Event(), asyncio.Event()
        server.script = until_cancelled(over, asked=asked)
        task = asyncio.create_task(ask(upstream))
        async with asyncio.timeout(DEADLINE):
            await asked.wait()
            task.cancel()
            await over.wait()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_answers_at_the_same_time_stay_apart(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        gates = [asyncio.Event(), asyncio.Event()]
        server.scripts.extend(waits_for(gate, f"{number}", f" and {number}") for number, gate in enumerate(gates))
        rooms = [replace(QUESTION, session=f"!room{number}:example.org") for number in range(len(gates))]
        tasks = [asyncio.create_task(ask(upstream, room)) for room in rooms]
        for gate in gates:
            gate.set()
        texts = {(await task).text for task in tasks}
        assert texts == {"0 and 0", "1 and 1"}


class Failures:
    @pytest.mark.parametrize(
        ("pieces", "error"),
        [
            pytest.param([429], UpstreamBusy, id="busy"),
            pytest.param([503], UpstreamBusy, id="unavailable"),
            pytest.param([400], UpstreamRefused, id="refused"),
            pytest.param([500], UpstreamFailed, id="failed"),
            pytest.param([Reasoning("hm"), RuntimeError("no")], AnswerInterrupted, id="reported"),
            pytest.param([Reasoning("hm")], AnswerEmpty, id="reasoning only"),
            pytest.param([Tool("look")], AnswerEmpty, id="a tool call only"),
            pytest.param([" \n"], AnswerEmpty, id="blank"),
            pytest.param([], AnswerEmpty, id="nothing"),
        ],
    )
    async def test_errors(
        self,
        request: pytest.FixtureRequest,
        kind: Kind,
        server: ScriptedUpstream,
        upstream: Upstream,
        pieces: list[Piece],
        error: type[UpstreamError],
    ) -> None:
        server.script = says(*pieces)
        answer = await ask(upstream)
        name = request.node.callspec.id.partition("-")[0]
        assert type(answer.error) is kind.errors.get(name, error)
        assert not any(isinstance(event, End) for event in answer.raw)
        # The server got the question once; a refusal without a cause may be one of the wish for a report of tokens.
        is_unclear = pieces == [400] and kind.name.startswith("openai-chat")
        assert len(server.questions) == (2 if is_unclear else 1)

    async def test_the_text_before_a_failure_is_reported(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        server.script = says("Half", RuntimeError("out of memory"))
        answer = await ask(upstream)
        assert answer.events == [TextDelta("Half")]
        assert isinstance(answer.error, AnswerInterrupted)
        assert answer.error.detail == "out of memory"

    async def test_an_error_before_the_answer_comes_before_any_event(
        self, server: ScriptedUpstream, upstream: Upstream
    ) -> None:
        for status in (429, 500, 503):
            server.script = says(status)
            assert not [each for each in (await ask(upstream)).raw if not isinstance(each, RunStarted)]

    async def test_after_a_failure_the_next_question_is_answered(
        self, server: ScriptedUpstream, upstream: Upstream
    ) -> None:
        server.scripts.extend([says(500), says("Half", RuntimeError("no")), says("Whole")])
        assert isinstance((await ask(upstream)).error, UpstreamError)
        assert isinstance((await ask(upstream)).error, AnswerInterrupted)
        assert (await ask(upstream)).events == [TextDelta("Whole"), End("stop")]

    async def test_a_server_that_is_away(self, kind: Kind, session: aiohttp.ClientSession) -> None:
        async with ScriptedUpstream() as server:
            upstream = kind.connect(server.url, session)
        async with aclosing(upstream):
            answer = await ask(upstream)
            assert type(answer.error) is UpstreamUnreachable
            assert answer.error.retryable
            assert answer.raw == []
            with pytest.raises(UpstreamUnreachable):
                await upstream.agents()


class Losses:
    """A kind whose answer ends with its connection."""

    async def test_an_answer_that_is_cut(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        server.script = says(Reasoning("hm"), None)
        answer = await ask(upstream)
        assert type(answer.error) is AnswerInterrupted
        assert not any(isinstance(event, End) for event in answer.raw)
        assert len(server.questions) == 1


class Lifetime:
    async def test_closing_an_upstream_that_was_never_used(self, upstream: Upstream) -> None:
        await upstream.aclose()

    async def test_closing_an_upstream_that_was_used(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        server.script = says("Hello")
        assert (await ask(upstream)).error is None
        await upstream.agents()
        await upstream.aclose()


class Transcribing:
    """The capability ``transcribe``."""

    @pytest.fixture
    def transcribe(self, upstream: Upstream) -> Transcribe:
        assert upstream.can.transcribe is not None
        return upstream.can.transcribe

    async def test_speech_becomes_text(self, server: ScriptedUpstream, transcribe: Transcribe) -> None:
        server.transcript = " Good morning.\n"
        assert await transcribe(b"OggS", name="a.ogg", content_type="audio/ogg") == "Good morning."
        assert server.heard == [b"OggS"]

    async def test_silence_becomes_no_text(self, server: ScriptedUpstream, transcribe: Transcribe) -> None:
        server.transcript = ""
        assert await transcribe(b"OggS", name="a.ogg", content_type="audio/ogg") == ""


class Speaking:
    """The capability ``speak``."""

    @pytest.fixture
    def speak(self, upstream: Upstream) -> Speak:
        assert upstream.can.speak is not None
        return upstream.can.speak

    async def test_text_becomes_speech(self, server: ScriptedUpstream, speak: Speak) -> None:
        server.recording = b"OggS"
        assert await speak("Good morning") == b"OggS"
        assert server.spoken[0]["input"] == "Good morning"
        assert speak.longest >= 1_000

    @pytest.mark.parametrize(
        "recording", [b"", 404, 500, bytes(33 * 1024**2)], ids=["nothing", "no path", "an error", "too large"]
    )
    async def test_without_a_recording_there_is_an_error(
        self, server: ScriptedUpstream, speak: Speak, recording: bytes | int
    ) -> None:
        server.recording = recording
        with pytest.raises(UpstreamError):
            await speak("Good morning")


class Approving:
    """The capability ``approvals``."""

    @pytest.fixture
    def approvals(self, upstream: Upstream) -> Approvals:
        assert upstream.can.approvals is not None
        return upstream.can.approvals

    @pytest.mark.parametrize(
        "decision", [Decision(allow=True), Decision(allow=True, always=True), Decision(allow=False)]
    )
    async def test_a_decision_counts_once(
        self, server: ScriptedUpstream, upstream: Upstream, approvals: Approvals, decision: Decision
    ) -> None:
        tools = server if isinstance(server, ScriptedAppServer | ScriptedLettaV1) else server.mcp
        tools.guarded.add("Bash")
        server.script = says("I look. ", Tool("Bash"), "Done.")
        asked: list[ApprovalRequest] = []
        async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(QUESTION)) as events:
            async for event in events:
                if isinstance(event, ApprovalAsked):
                    asked.append(event.request)
                    await approvals.decide(event.request.ref, decision)
                    with pytest.raises(UpstreamRefused):
                        await approvals.decide(event.request.ref, Decision(allow=not decision.allow))
        assert [(each.call.name, bool(each.always)) for each in asked] == [("Bash", tools.offers_always)]
        assert tools.verdicts == ["allow" if decision.allow else "deny"]
        is_kept = decision.always and tools.offers_always
        assert ("selected_permission_suggestion_ids" in tools.decisions[0]) == is_kept


#: The class of each capability.
CAPABILITIES = {
    "cancel": runs_suite.Cancelling,
    "resume": runs_suite.Resuming,
    "approvals": Approving,
    "conversations": memory_suite.Conversing,
    "branches": memory_suite.Branching,
    "archive": memory_suite.Archiving,
    "deletion": memory_suite.Deleting,
    "history": memory_suite.Remembering,
    "schedules": memory_suite.Scheduling,
    "transcribe": Transcribing,
    "speak": Speaking,
    "commands": Commanding,
    "pictures": Picturing,
}


class Completeness:
    async def test_no_capability_is_lost_or_untested(self, kind: Kind, upstream: Upstream) -> None:
        """A kind that gains a capability needs a class for it above."""
        assert describe(upstream.can) == kind.abilities
        assert set(kind.abilities) <= set(CAPABILITIES)
