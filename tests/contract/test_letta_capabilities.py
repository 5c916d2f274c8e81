"""Rare cases of the capabilities of Letta's servers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import AnswerInterrupted, UpstreamError, UpstreamUnreachable
from agent_bridge.core.upstreams import StoredConversation
from agent_bridge.upstream.answer import ApprovalAsked, RunStarted, TextDelta
from agent_bridge.upstream.capabilities import Decision
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream
from support.scripted_app_server import ScriptedAppServer
from support.scripted_letta_v1 import ScriptedLettaV1
from support.scripted_upstream import Tool, says, until_cancelled
from support.upstream_kinds import DEADLINE, QUESTION, ask, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.base import Upstream
    from agent_bridge.upstream.capabilities import Approvals

BASH = Tool("Bash", call_id="call_1")


@pytest.fixture
async def app_server() -> AsyncIterator[ScriptedAppServer]:
    async with ScriptedAppServer() as running:
        yield running


@pytest.fixture
async def rest_server() -> AsyncIterator[ScriptedLettaV1]:
    async with ScriptedLettaV1() as running:
        yield running


@pytest.fixture
async def letta(app_server: ScriptedAppServer, session: aiohttp.ClientSession) -> AsyncIterator[Upstream]:
    async with aclosing(connect(app_server.url, session, kind="letta")) as upstream:
        yield upstream


@pytest.fixture
async def letta_v1(rest_server: ScriptedLettaV1, session: aiohttp.ClientSession) -> AsyncIterator[Upstream]:
    async with aclosing(connect(rest_server.url, session, kind="letta_v1")) as upstream:
        yield upstream


async def reach(
    events: AsyncIterator[AnswerEvent], words: str, refs: list[str], approvals: Approvals | None = None
) -> None:
    """Read up to the text *words*; add the references of runs to *refs*, and allow all calls."""
    async for event in events:
        if isinstance(event, RunStarted):
            refs.append(event.ref)
        elif isinstance(event, ApprovalAsked):
            assert approvals is not None
            await approvals.decide(event.request.ref, Decision(allow=True))
        elif event == TextDelta(words):
            return


async def test_a_step_that_ends_at_the_same_time_does_not_save_its_turn(
    app_server: ScriptedAppServer, letta: Upstream
) -> None:
    assert letta.can.cancel is not None
    over = asyncio.Event()
    app_server.script = until_cancelled(over, "Hello")
    async with asyncio.timeout(DEADLINE), aclosing(letta.answer(QUESTION)) as events:
        start = await anext(events)
        assert isinstance(start, RunStarted)
        app_server.next_steps = 2
        await letta.can.cancel(start.ref)
        assert over.is_set()
        aborts = [each["run_id"] for each in app_server.commands if each["type"] == "abort_message"]
    assert len(aborts) == 3
    assert all(aborts)


async def test_the_copy_in_which_a_question_is_asked_again_is_named(
    app_server: ScriptedAppServer, letta: Upstream
) -> None:
    assert letta.can.cancel is not None
    over = asyncio.Event()
    app_server.scripts.extend([until_cancelled(asyncio.Event(), "Half"), until_cancelled(over, "Hello")])
    refs: list[str] = []
    async with asyncio.timeout(DEADLINE), aclosing(letta.answer(QUESTION)) as events:
        await reach(events, "Half", refs)
        app_server.cut()
        await reach(events, "Hello", refs)
        await letta.can.cancel(refs[0])
        assert not over.is_set()
        await letta.can.cancel(refs[1])
        with pytest.raises(AnswerInterrupted):
            await anext(events)
    assert over.is_set()
    assert len(refs) == 2


async def test_a_run_after_a_decision_is_named(rest_server: ScriptedLettaV1, letta_v1: Upstream) -> None:
    assert letta_v1.can.cancel is not None
    assert letta_v1.can.approvals is not None
    over = asyncio.Event()
    rest_server.guarded.add("Bash")

    async def script(question: str) -> AsyncIterator[object]:
        yield BASH
        async for piece in until_cancelled(over, "Hello")(question):
            yield piece

    rest_server.script = script  # type: ignore[assignment]  # the pieces are those of a script
    refs: list[str] = []
    async with asyncio.timeout(DEADLINE), aclosing(letta_v1.answer(QUESTION)) as events:
        await reach(events, "Hello", refs, letta_v1.can.approvals)
        await letta_v1.can.cancel(refs[0])
        assert not over.is_set()
        await letta_v1.can.cancel(refs[1])
        with pytest.raises(AnswerInterrupted):
            await anext(events)
    assert over.is_set()
    assert len(refs) == 2


async def test_a_resumed_run_asks_for_decisions(
    rest_server: ScriptedLettaV1, letta_v1: Upstream, session: aiohttp.ClientSession
) -> None:
    assert letta_v1.can.resume is not None
    assert letta_v1.can.approvals is not None
    rest_server.guarded.add("Bash")
    rest_server.script = says("I look. ", BASH, "Done.")
    refs: list[str] = []
    async with (
        asyncio.timeout(DEADLINE),
        aclosing(connect(rest_server.url, session, kind="letta_v1")) as other,
        aclosing(other.answer(QUESTION)) as events,
    ):
        async for event in events:
            if isinstance(event, RunStarted):
                refs.append(event.ref)
            elif isinstance(event, ApprovalAsked):
                break
        text = ""
        async for event in letta_v1.can.resume(refs[0]):
            if isinstance(event, ApprovalAsked):
                await letta_v1.can.approvals.decide(event.request.ref, Decision(allow=True))
            text += event.text if isinstance(event, TextDelta) else ""
    assert text == "I look. \n\nDone."
    assert rest_server.verdicts == ["allow"]
    assert len(rest_server.questions) == 1


async def test_a_run_whose_events_are_gone_is_resumed_from_its_messages(
    rest_server: ScriptedLettaV1, letta_v1: Upstream
) -> None:
    assert letta_v1.can.resume is not None
    answer = await ask(letta_v1)
    [start] = [each for each in answer.raw if isinstance(each, RunStarted)]
    for run in rest_server.runs.values():
        run.background = False
    assert "".join([each.text async for each in letta_v1.can.resume(start.ref) if isinstance(each, TextDelta)]) == (
        answer.text
    )


@pytest.mark.parametrize("kind", ["letta", "letta_v1"])
async def test_a_selection_leaves_nothing_of_an_interrupted_replacement(
    app_server: ScriptedAppServer, rest_server: ScriptedLettaV1, session: aiohttp.ClientSession, kind: str
) -> None:
    server = app_server if kind == "letta" else rest_server
    store = MemoryConversations()
    config = UpstreamConfig.model_validate({"name": "up", "kind": kind, "url": server.url})
    async with aclosing(make_upstream(config, session, store)) as upstream:
        conversations = upstream.can.conversations
        assert conversations is not None
        kept = await conversations.open("Dora", "Kept")
        await conversations.open("Dora", "ab-123456789abc")
        await store.put("Dora", QUESTION.session, StoredConversation("", "ab-123456789abc"))
        assert await conversations.current("Dora", QUESTION.session) is None
        await conversations.select("Dora", QUESTION.session, kept.ref)
        assert await conversations.current("Dora", QUESTION.session) == kept.ref
        assert [each for each in await conversations.list("Dora") if not each.is_archived] == [kept]
        assert (await ask(upstream, replace(QUESTION, title="Another"))).error is None
        assert await store.get("Dora", QUESTION.session) == StoredConversation(kept.ref)


@pytest.mark.parametrize("command", ["conversation_fork", "conversation_create"])
async def test_a_conversation_whose_response_was_lost_is_not_made_twice(
    app_server: ScriptedAppServer, letta: Upstream, command: str
) -> None:
    conversations = letta.can.conversations
    assert conversations is not None
    made = await conversations.open("Dora", "First")
    app_server.cut_at.add(command)
    is_fork = command == "conversation_fork"
    make = conversations.fork("Dora", made.ref, "Second") if is_fork else conversations.open("Dora", "Second")
    with pytest.raises(UpstreamUnreachable) as caught:
        await make
    assert not caught.value.retryable
    assert [each["type"] for each in app_server.commands].count(command) == (1 if is_fork else 2)


async def test_a_kill_while_a_conversation_is_copied_leaves_no_second_copy(letta: Upstream) -> None:
    conversations = letta.can.conversations
    assert conversations is not None
    made = await conversations.open("Dora", "Original")
    copy = await conversations.fork("Dora", made.ref, "ab-1")
    # Killed when the copy was made, and the original had still the name with the marker.
    await conversations.rename(made.ref, "Original ab-1")
    assert await conversations.fork("Dora", made.ref, "ab-1") == copy
    # Killed before the copy was made.
    await conversations.rename(made.ref, "Original ab-2")
    second = await conversations.fork("Dora", made.ref, "ab-2")
    names = {each.ref: each.name for each in await conversations.list("Dora")}
    assert names == {made.ref: "Original", copy.ref: "Original ab-1", second.ref: "Original ab-2"}


async def test_a_server_that_is_away_ends_nothing(session: aiohttp.ClientSession) -> None:
    for kind, ref in (("letta", "Dora local-conv-1 otid run-1"), ("letta_v1", "conv-1 run-1 key Dora")):
        async with ScriptedAppServer() as server:
            url = server.url
        async with asyncio.timeout(DEADLINE), aclosing(connect(url, session, kind=kind)) as upstream:
            assert upstream.can.cancel is not None
            with pytest.raises(UpstreamError):
                await upstream.can.cancel(ref)
