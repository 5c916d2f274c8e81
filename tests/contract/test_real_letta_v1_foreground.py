"""The kind ``letta_v1`` against the real, retired server without Redis: it has no background mode and no locks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import UpstreamBusy
from agent_bridge.upstream.answer import ToolCall
from support.letta_v1_questions import connected, decided
from support.questions import DEADLINE, read
from support.scripted_upstream import Tool, says, waits_for
from support.severable_proxy import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.letta_v1.upstream import LettaV1Upstream
    from support.letta_v1_questions import Dora
    from support.letta_v1_server import LettaV1Server

pytestmark = pytest.mark.letta_v1


@pytest.fixture(scope="module")
async def bare(letta_v1: LettaV1Server) -> AsyncIterator[int]:
    """The port of the server without Redis."""
    async with letta_v1.without_redis() as port:
        yield port


@pytest.fixture
async def local(dora: Dora, bare: int) -> AsyncIterator[Dora]:
    """The agent, on that server."""
    async with Line(bare) as line:
        yield replace(dora, line=line)


@pytest.fixture
async def upstream(local: Dora) -> AsyncIterator[LettaV1Upstream]:
    async with connected(local.url, local.store) as found:
        yield found


async def test_it_answers_and_remembers(upstream: LettaV1Upstream, local: Dora) -> None:
    assert (await read(upstream, local.question("one")))[0] == "Echo: one"
    assert (await read(upstream, local.question("two")))[0] == "Echo: two"
    assert local.asked == ["one", "two"]


async def test_a_lost_answer_is_read_at_its_end(upstream: LettaV1Upstream, local: Dora) -> None:
    gate = asyncio.Event()
    local.server.llm.script = waits_for(gate, "Half", Tool("look"), "whole")

    def on(_event: AnswerEvent) -> None:
        if not gate.is_set():
            local.line.reset()
            gate.set()

    text, events = await read(upstream, local.question(), on)
    assert text == "Half\n\nwhole"
    assert [type(each) for each in events].count(ToolCall) == 1
    assert len(local.asked) == 1


async def test_a_repeat_finds_the_question_in_the_history(upstream: LettaV1Upstream, local: Dora) -> None:
    question = local.question()
    first = await read(upstream, question)
    async with connected(local.url, local.store) as other:
        assert (await read(other, replace(question, attempt=2)))[0] == first[0]
    assert len(local.asked) == 1


async def test_a_repeat_waits_for_a_run_that_goes_on(upstream: LettaV1Upstream, local: Dora) -> None:
    gate = asyncio.Event()
    local.server.llm.script = waits_for(gate, "Half", " whole")
    started = asyncio.Event()
    question = local.question()
    first = asyncio.create_task(read(upstream, question, lambda _event: started.set()))
    await asyncio.wait_for(started.wait(), DEADLINE)
    async with connected(local.url, local.store) as other:
        with pytest.raises(UpstreamBusy) as busy:
            await read(other, replace(question, attempt=2))
    assert busy.value.not_begun
    gate.set()
    assert (await first)[0] == "Half whole"
    assert len(local.asked) == 1


async def test_a_person_decides(upstream: LettaV1Upstream, local: Dora) -> None:
    before = local.server.runs("Bash")
    local.server.llm.script = says(Tool("Bash"), "Done.")
    assert (await decided(upstream, local.question()))[0] == "Done."
    assert local.server.runs("Bash") == before + 1
