"""The real, retired server of Letta fulfils the contract of upstreams, and serves the whole bridge.

Its language model follows the script. The suite's agent has another id on the server.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import AnswerInterrupted
from agent_bridge.core.observer import Observer
from agent_bridge.upstream.answer import RunStarted, TextDelta
from agent_bridge.upstream.observed import ObservedUpstream
from contract import upstream_suite as suite
from support.conditions import eventually
from support.questions import DEADLINE
from support.scripted_upstream import says, waits_for
from support.upstream_kinds import ALL_KINDS, QUESTION, ask

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import aiohttp

    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest
    from agent_bridge.upstream.base import Upstream
    from support.harness import BridgeHarness
    from support.letta_v1_questions import Dora
    from support.scripted_upstream import Piece, ScriptedUpstream
    from support.upstream_kinds import Kind

pytestmark = pytest.mark.letta_v1


class Renamed(ObservedUpstream):
    """An upstream, each of whose questions is a new one to *dora*."""

    def __init__(self, upstream: Upstream, dora: Dora) -> None:
        super().__init__(upstream, Observer())
        self.dora = dora

    def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        return super().answer(replace(request, model=self.dora.id, idempotency_key=uuid.uuid4().hex))


@pytest.fixture
def kind() -> Kind:
    # The server reports failures of its language model inside the stream, after some repeats.
    errors = dict.fromkeys(("unavailable", "refused", "failed"), AnswerInterrupted)
    return replace(next(kind for kind in ALL_KINDS if kind.name == "letta_v1"), errors=errors)


async def talks_on(_question: str) -> AsyncIterator[Piece]:
    """Never end."""
    while True:
        yield "word "
        await asyncio.sleep(0.1)


@pytest.fixture
def server(dora: Dora) -> ScriptedUpstream:
    return dora.server.llm


@pytest.fixture
async def upstream(kind: Kind, dora: Dora, session: aiohttp.ClientSession) -> AsyncIterator[Upstream]:
    async with aclosing(Renamed(kind.connect(dora.url, session), dora)) as connected:
        yield connected


class TestAnswers(suite.Answers):
    # The server ends its run. It forgets the request to its language model, which may go on for a while.

    async def test_closing_ends_the_request(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        assert isinstance(upstream, Renamed)
        server.script = talks_on
        events = upstream.answer(QUESTION)
        while not isinstance(await anext(events), TextDelta):
            pass
        assert await upstream.dora.runs() == ["running"]
        await events.aclose()
        assert await upstream.dora.runs() == ["cancelled"]

    async def test_cancelling_ends_the_request(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        assert isinstance(upstream, Renamed)
        server.script = talks_on
        task = asyncio.create_task(ask(upstream))

        async def asked() -> bool:
            return bool(server.asked)

        await eventually(asked, "the language model was asked")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await upstream.dora.runs() == ["cancelled"]


class TestFailures(suite.Failures):
    async def test_the_text_before_a_failure_is_reported(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        server.script = says("Half", RuntimeError("out of memory"))
        answer = await ask(upstream)
        assert answer.events == [TextDelta("Half")]
        assert isinstance(answer.error, AnswerInterrupted)
        assert answer.error.detail == "INVALID_ARGUMENT: OpenAI API error: out of memory"


class TestLifetime(suite.Lifetime):
    pass


class TestCancelling:
    async def test_a_run_ends(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        cancel = upstream.can.cancel
        assert cancel is not None
        # While the language model is silent, the server says every 20 s that it is there.
        server.script = waits_for(asyncio.Event(), "Hello", "never")
        async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(QUESTION)) as events:
            start = await anext(events)
            assert isinstance(start, RunStarted)
            assert await anext(events) == TextDelta("Hello")
            await cancel(start.ref)
            with pytest.raises(AnswerInterrupted):
                await anext(events)
            await cancel(start.ref)


class TestCompleteness(suite.Completeness):
    pass


async def test_the_whole_bridge_talks(harness: BridgeHarness, database_url: str, dora: Dora) -> None:
    upstream = {"name": "letta", "kind": "letta_v1", "url": dora.url}
    config = harness.config(database_url, [upstream])
    async with harness.person() as person, harness.bridge(config) as running:
        alice = await running.join(person, "Dora")
        await alice.say("hello")
        await alice.wait_for_answers(1)
        await dora.server.rename_agent(dora.id, "Theodora")
        await person.wait_for(lambda: alice.room.name == "Theodora - Letta Agent Chat")
        await alice.say("and now?")
        answers = await alice.wait_for_answers(2)
        assert [each.body for each in answers] == ["Echo: hello", "Echo: and now?"]
        [conversation] = await dora.conversations()
        assert conversation["summary"] == "hello"
