"""The kind ``letta``: messages that are too large for the server's limit of an event, or for a frame."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agent_bridge.core.errors import AnswerInterrupted, UpstreamProtocolError
from agent_bridge.upstream.letta.frames import MAX_EVENT
from support.letta_questions import BASH, NEXT, QUESTION, at_text, connected
from support.questions import read
from support.scripted_upstream import says, waits_for

if TYPE_CHECKING:
    from agent_bridge.upstream.letta.upstream import LettaUpstream
    from support.letta_questions import Store
    from support.scripted_app_server import ScriptedAppServer

FRAME = 1_000_000


async def test_arguments_beyond_the_limit_of_the_server_end_the_answer_with_a_report(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    await read(letta_upstream, QUESTION)
    app_server.guarded = {"Bash"}
    app_server.script = says(replace(BASH, arguments="x" * (MAX_EVENT + 10**6)))
    with pytest.raises(AnswerInterrupted, match="more than 16 MB of arguments") as caught:
        await read(letta_upstream, NEXT)
    assert not caught.value.retryable
    app_server.script = says("Next")
    text, _ = await read(letta_upstream, replace(QUESTION, idempotency_key="later"))
    assert text == "Next"
    assert len(app_server.questions) == 3
    assert [each.archived for each in app_server.talks.values()] == [True, False]


async def test_after_a_message_that_cannot_be_read_the_conversation_goes_on_without_it(
    app_server: ScriptedAppServer, letta_store: Store
) -> None:
    async with connected(app_server, letta_store, max_frame=FRAME) as upstream:
        await read(upstream, QUESTION)
        app_server.guarded, app_server.max_event = {"Bash"}, FRAME
        app_server.script = says(replace(BASH, arguments="x" * 2 * FRAME))
        with pytest.raises(AnswerInterrupted, match="more than 16 MB of arguments"):
            await read(upstream, NEXT)
        app_server.script = says("Next")
        text, _ = await read(upstream, replace(QUESTION, idempotency_key="later"))
    assert text == "Next"
    assert len(app_server.questions) == 3
    old, copy = app_server.talks.values()
    assert (old.archived, copy.archived) == (True, False)
    assert [each["message_type"].partition("_")[0] for each in copy.messages[:3]] == ["user", "assistant", "user"]


async def test_a_page_that_is_too_large_is_read_in_pieces_and_disturbs_no_answer(
    app_server: ScriptedAppServer, letta_store: Store
) -> None:
    async with connected(app_server, letta_store, max_frame=FRAME) as upstream:
        await read(upstream, QUESTION)
        [ref] = app_server.talks
        for _ in range(5):
            app_server.remember(ref, "q" * (FRAME // 3), "an answer")
        gate, begun = asyncio.Event(), asyncio.Event()
        app_server.script = waits_for(gate, "Half", " whole")
        elsewhere = replace(NEXT, session="!other:x")
        running = asyncio.create_task(read(upstream, elsewhere, at_text(begun.set)))
        await begun.wait()
        assert upstream.can.history is not None
        with capture_logs() as logs:
            found = [each async for page in upstream.can.history("Dora", ref) for each in page]
            gate.set()
            text, _ = await running
    assert [each.message.role for each in found] == ["user", "assistant"] * 6
    assert text == "Half whole"
    assert len(app_server.questions) == 2
    assert logs == []


async def test_an_answer_is_found_in_a_page_that_is_too_large(
    app_server: ScriptedAppServer, letta_store: Store
) -> None:
    async with connected(app_server, letta_store, max_frame=FRAME) as upstream:
        await read(upstream, QUESTION)
        [ref] = app_server.talks
        for _ in range(5):
            app_server.remember(ref, "q" * (FRAME // 3), "an answer")
        app_server.scripts.extend([waits_for(asyncio.Event(), "Half"), says("Whole")])
        text, _ = await read(upstream, NEXT, at_text(app_server.cut))
    assert text == "Whole"
    assert [len(each.messages) for each in app_server.talks.values()] == [14, 14]


async def test_a_response_that_is_too_large_is_an_error_and_is_not_read_again_and_again(
    app_server: ScriptedAppServer, letta_store: Store
) -> None:
    app_server.models = [{"id": "Dora", "description": "x" * 2 * FRAME}]
    async with connected(app_server, letta_store, max_frame=FRAME) as upstream:
        with capture_logs() as logs, pytest.raises(UpstreamProtocolError, match="larger than 1000000 bytes"):
            await upstream.agents()
    assert [each["type"] for each in app_server.commands].count("agent_list") == 2
    assert {each["reason"] for each in logs} == {"a frame is too large"}
