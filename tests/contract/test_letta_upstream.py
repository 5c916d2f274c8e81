"""The kind ``letta``: questions and answers while connections are lost, with a server that fails like an App Server."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agent_bridge.core.errors import AnswerInterrupted
from agent_bridge.core.transcript import ChatMessage, Image
from agent_bridge.upstream.answer import (
    ApprovalAsked,
    ApprovalClosed,
    TextDelta,
    TextWithdrawn,
    ToolResult,
)
from agent_bridge.upstream.capabilities import Decision
from agent_bridge.upstream.letta.frames import Runtime
from support.conditions import eventually
from support.letta_questions import BASH, NEXT, QUESTION, at_text, connected
from support.questions import DEADLINE, read
from support.scripted_upstream import Tool, says, waits_for
from support.severable_proxy import Line

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.letta.upstream import LettaUpstream
    from support.letta_questions import Store
    from support.scripted_app_server import ScriptedAppServer

END_EVENT = "connection to the App Server ended"


async def test_conversations_are_followed_on_both_connections(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    await read(letta_upstream, QUESTION)
    [talk] = app_server.talks.values()
    assert len(talk.followers) == 2
    assert (talk.summary, talk.archived) == ("A title", False)
    await read(letta_upstream, NEXT)
    assert list(app_server.talks.values()) == [talk]


async def test_an_answer_survives_the_end_of_one_connection(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    gate = asyncio.Event()
    app_server.script = waits_for(gate, "Half", " whole")

    def end_one() -> None:
        app_server.cut_one()
        asyncio.get_running_loop().call_later(0.2, gate.set)

    text, events = await read(letta_upstream, QUESTION, at_text(end_one))
    assert text == "Half whole"
    assert not [each for each in events if isinstance(each, TextWithdrawn)]
    assert len(app_server.questions) == 1

    async def two() -> bool:
        return len(app_server.sockets) == 2

    await eventually(two, "there are two connections again")


async def test_a_question_is_asked_again_in_a_copy_without_it(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    await read(letta_upstream, QUESTION)
    app_server.scripts.extend([waits_for(asyncio.Event(), "Half"), says("Whole")])
    text, _ = await read(letta_upstream, NEXT, at_text(app_server.cut))
    assert text == "Whole"
    old, new = app_server.talks.values()
    assert (old.archived, new.archived, new.summary) == (True, False, "A title")
    asked = [each["otid"] for each in new.messages if each["message_type"] == "user_message"]
    assert len(asked) == len(set(asked)) == 2
    assert asked[-1] != old.messages[-2]["otid"]


async def test_a_question_is_not_asked_again_after_a_tool(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    app_server.script = waits_for(asyncio.Event(), BASH)
    shown: list[AnswerEvent] = []

    def on(event: AnswerEvent) -> None:
        shown.append(event)
        if isinstance(event, ToolResult) and len(shown) < 4:
            app_server.cut()

    with pytest.raises(AnswerInterrupted, match="after the agent had used a tool"):
        await read(letta_upstream, QUESTION, on)
    assert len(app_server.questions) == 1
    # The next question does not wait until the server refuses it.
    assert [talk.archived for talk in app_server.talks.values()] == [True, False]
    app_server.script = says("Next")
    text, _ = await read(letta_upstream, NEXT)
    assert text == "Next"
    assert len(app_server.talks) == 2


async def test_a_call_that_nobody_allowed_does_not_count(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    app_server.guarded.add("Bash")
    app_server.scripts.extend([says(BASH, "Never"), says("Whole")])
    calls: list[str] = []

    def on(event: AnswerEvent) -> None:
        if isinstance(event, ApprovalAsked):
            calls.append(event.request.call.call_id)
            app_server.cut()

    with pytest.raises(AnswerInterrupted):
        await read(letta_upstream, QUESTION, on)
    text, _ = await read(letta_upstream, replace(QUESTION, attempt=2, never_ran=frozenset(calls)))
    assert text == "Whole"


async def test_a_turn_of_another_client_does_not_answer_the_question(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    await read(letta_upstream, QUESTION)
    [talk] = app_server.talks.values()
    gate = asyncio.Event()
    app_server.scripts.extend([waits_for(gate, "For another", " client"), says("For us")])
    app_server.begin(talk, "a question of another client")
    asyncio.get_running_loop().call_later(0.3, gate.set)
    # The second attempt attends the turn that goes on, and finds no question of its own.
    for attempt in (1, 2):
        question = replace(QUESTION, idempotency_key=f"next {attempt}", attempt=attempt)
        text, events = await read(letta_upstream, question)
        assert text == "For us"
        assert not any(isinstance(each, TextWithdrawn) for each in events)
        gate.clear()
        app_server.scripts.extend([waits_for(gate, "For another", " client"), says("For us")])
        app_server.begin(talk, "a further question of another client")
        asyncio.get_running_loop().call_later(0.3, gate.set)
    gate.set()


async def test_a_call_that_this_attempt_asked_about_may_have_run(
    app_server: ScriptedAppServer, letta_store: Store
) -> None:
    app_server.guarded.add("Bash")
    app_server.script = waits_for(asyncio.Event(), BASH)
    asked = asyncio.Event()
    async with connected(app_server, letta_store) as killed:
        first = asyncio.create_task(
            read(killed, QUESTION, lambda each: asked.set() if isinstance(each, ApprovalAsked) else None)
        )
        await asked.wait()
        async with connected(app_server, letta_store) as upstream:
            deciding: list[asyncio.Task[None]] = []

            def on(event: AnswerEvent) -> None:
                if isinstance(event, ApprovalAsked):
                    allow = upstream._approvals.decide(event.request.ref, Decision(allow=True))
                    deciding.append(asyncio.create_task(allow))
                elif isinstance(event, ApprovalClosed):
                    app_server.cut()

            question = replace(QUESTION, attempt=2, never_ran=frozenset({"call_1"}))
            with pytest.raises(AnswerInterrupted, match="after the agent had used a tool"):
                await read(upstream, question, on)
        first.cancel()
        await asyncio.wait([first])
    assert len(app_server.questions) == 1


async def test_a_late_stop_ends_no_later_turn(app_server: ScriptedAppServer, letta_upstream: LettaUpstream) -> None:
    gate = asyncio.Event()
    app_server.scripts.extend([waits_for(asyncio.Event(), "Half"), waits_for(gate, "Of another", " client")])
    answer = letta_upstream.answer(QUESTION)
    async for event in answer:
        if isinstance(event, TextDelta):
            break
    [talk] = app_server.talks.values()
    assert talk.task is not None
    talk.task.cancel()
    await asyncio.wait([talk.task])
    await app_server.finish(talk, "cancelled")
    app_server.begin(talk, "a question of another client")
    await eventually(lambda: _runs(app_server, 2), "the other turn has begun")
    await answer.aclose()
    assert talk.is_running
    gate.set()


async def _runs(app_server: ScriptedAppServer, number: int) -> bool:
    return len(app_server.questions) == number


@pytest.mark.parametrize(
    ("lose", "reason"),
    [
        (lambda line, _server: line.reset(), "reset"),
        (lambda _line, app_server: app_server.say_goodbye(), "the server closed it"),
    ],
    ids=["reset", "goodbye"],
)
async def test_the_end_of_all_connections_is_named(
    app_server: ScriptedAppServer, letta_store: Store, lose: Callable[[Line, ScriptedAppServer], None], reason: str
) -> None:
    app_server.scripts.extend([waits_for(asyncio.Event(), "Half"), says("Whole")])
    async with (
        Line(int(app_server.url.rpartition(":")[2])) as line,
        connected(app_server, letta_store, port=line.port) as upstream,
    ):
        with capture_logs() as logs:
            text, _ = await read(upstream, QUESTION, at_text(lambda: lose(line, app_server)))
    assert text == "Whole"
    assert [each["reason"] for each in logs if each["event"] == END_EVENT] == [reason] * 2


async def test_half_open_connections_are_noticed_and_the_answer_goes_on(
    app_server: ScriptedAppServer, letta_store: Store
) -> None:
    gate = asyncio.Event()
    app_server.script = waits_for(gate, "Half", " whole")
    async with (
        Line(int(app_server.url.rpartition(":")[2])) as line,
        connected(app_server, letta_store, port=line.port, heartbeat=0.4) as upstream,
    ):
        with capture_logs() as logs:
            answer = asyncio.create_task(read(upstream, QUESTION, at_text(line.silence)))

            async def followed_again() -> bool:
                return any(len(talk.followers) > 2 for talk in app_server.talks.values())

            await eventually(followed_again, "a further connection follows the conversation")
            gate.set()
            text, _ = await answer
    assert text == "Half whole"
    assert len(app_server.questions) == 1
    assert {each["reason"] for each in logs if each["event"] == END_EVENT} == {"half-open: no response to a ping"}


async def test_a_lost_question_is_sent_again(app_server: ScriptedAppServer, letta_upstream: LettaUpstream) -> None:
    app_server.cut_at.add("input")
    text, _ = await read(letta_upstream, QUESTION)
    assert text == "Echo: hello"
    assert len(app_server.questions) == 1


async def test_an_answer_that_another_process_kept_alive_is_adopted(
    app_server: ScriptedAppServer, letta_store: Store
) -> None:
    gate, begun = asyncio.Event(), asyncio.Event()
    app_server.script = waits_for(gate, "Half", " whole")
    async with connected(app_server, letta_store) as other, connected(app_server, letta_store) as upstream:
        first = asyncio.create_task(read(upstream, QUESTION, at_text(begun.set)))
        await begun.wait()
        [talk] = app_server.talks.values()
        with other._link.feed(Runtime("Dora", talk.id), {}, None) as feed:
            await other._link.follow(feed, state=True)
        # The first process dies, without a goodbye to the turn; the second one takes the turn up.
        upstream._link.request = _never  # type: ignore[method-assign]
        await upstream._link.aclose()
        first.cancel()
        await asyncio.wait([first])
        asyncio.get_running_loop().call_later(0.2, gate.set)
        text, _ = await read(other, replace(QUESTION, attempt=2))
    assert text == "Half whole"
    assert len(app_server.questions) == 1


async def _never(*_: object, **__: object) -> dict[str, object]:
    return {}


async def test_a_request_that_is_still_undecided_is_asked_again(
    app_server: ScriptedAppServer, letta_store: Store
) -> None:
    app_server.guarded.add("Bash")
    app_server.script = says(BASH, "Done.")
    async with connected(app_server, letta_store) as upstream:
        decided: list[str] = []

        async def decide(event: AnswerEvent) -> None:
            if isinstance(event, ApprovalAsked) and len(decided) < 2:
                decided.append(event.request.ref)
                await upstream._approvals.decide(event.request.ref, Decision(allow=True))

        tasks: list[asyncio.Task[None]] = []
        text, events = await read(upstream, QUESTION, lambda event: tasks.append(asyncio.create_task(decide(event))))
        await asyncio.gather(*tasks)
    assert text == "Done."
    closed = [each.ref for each in events if isinstance(each, ApprovalClosed)]
    assert closed == decided
    assert len(decided) == 1


async def test_the_end_of_an_answer_ends_the_turn(app_server: ScriptedAppServer, letta_upstream: LettaUpstream) -> None:
    app_server.script = waits_for(asyncio.Event(), "Half")
    answer = letta_upstream.answer(QUESTION)
    async for event in answer:
        if isinstance(event, TextDelta):
            break
    await answer.aclose()
    assert [each["type"] for each in app_server.commands].count("abort_message") == 1
    app_server.script = says("Next")
    text, _ = await read(letta_upstream, NEXT)
    assert text == "Next"


@pytest.mark.parametrize("piece", ["Half", BASH])
async def test_after_a_stop_the_next_message_is_answered_in_the_same_conversation(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream, piece: str | Tool
) -> None:
    app_server.guarded = {"Bash"}
    app_server.late_ends = 0.2
    app_server.script = waits_for(asyncio.Event(), piece)
    async with asyncio.timeout(DEADLINE), aclosing(letta_upstream.answer(QUESTION)) as answer:
        async for event in answer:
            if isinstance(event, TextDelta | ApprovalAsked):
                break
    assert app_server.verdicts == (["deny"] if piece is BASH else [])
    gate = asyncio.Event()
    app_server.script = waits_for(gate, "Next", " one")
    asyncio.get_running_loop().call_later(0.5, gate.set)
    text, _ = await read(letta_upstream, NEXT)
    assert text == "Next one"
    assert len(app_server.talks) == 1


async def test_a_message_has_an_otid_and_no_client_message_id(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    image = Image(b"png", "image/png")
    await read(letta_upstream, replace(QUESTION, messages=(ChatMessage("user", "look", (image,)),)))
    [said] = next(each for each in app_server.commands if each["type"] == "input")["payload"]["messages"]
    assert said["otid"]
    assert "client_message_id" not in said
    assert [part["type"] for part in said["content"]] == ["text", "image"]
    assert said["content"][1]["source"] == {"type": "base64", "media_type": "image/png", "data": "cG5n"}


async def test_a_server_that_started_again_gives_the_same_numbers_to_other_runs(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    for key in ("one", "two"):
        app_server.runs = itertools.count(1)
        text, _ = await read(letta_upstream, replace(QUESTION, idempotency_key=key))
        assert text == "Echo: hello"
        app_server.cut()


@pytest.mark.parametrize("turns", [1, 2], ids=["in one answer", "in two answers"])
async def test_a_call_with_the_id_of_an_earlier_one_has_a_request_of_its_own(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream, turns: int
) -> None:
    """Some language models number their calls from 0 in each step, and the server names requests by these numbers."""
    app_server.guarded = {"Bash"}
    app_server.script = says(*[BASH] * (3 - turns), "Done.")
    asked: list[str] = []

    def allow(event: AnswerEvent) -> None:
        if isinstance(event, ApprovalAsked):
            asked.append(event.request.ref)
            tasks.append(
                asyncio.ensure_future(letta_upstream._approvals.decide(event.request.ref, Decision(allow=True)))
            )

    tasks: list[asyncio.Future[None]] = []
    results = 0
    for turn in range(turns):
        _, events = await read(letta_upstream, replace(QUESTION, idempotency_key=f"key-{turn}"), allow)
        results += sum(isinstance(each, ToolResult) for each in events)
    assert (len(asked), app_server.verdicts, results) == (2, ["allow", "allow"], 2)
    assert len(set(asked)) == 3 - turns
