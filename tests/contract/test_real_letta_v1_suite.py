"""The real, retired server of Letta fulfils the contract of upstreams, and serves the whole bridge.

Its language model follows the script. The suite's agent has another id on the server.
"""

from __future__ import annotations

import uuid
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from contract import upstream_suite as suite
from support.answer_chunks import ScriptedChatFormat
from support.upstream_kinds import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from typing import Literal

    import aiohttp

    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest
    from agent_bridge.upstream.base import AgentInfo, Traits, Unchanged, Upstream
    from agent_bridge.upstream.capabilities import Capabilities
    from support.harness import BridgeHarness
    from support.letta_v1_questions import Dora
    from support.scripted_upstream import ScriptedUpstream

pytestmark = pytest.mark.letta_v1


class Renamed:
    """An upstream, each of whose questions is a new one to the agent *model*."""

    def __init__(self, upstream: Upstream, model: str) -> None:
        self._upstream = upstream
        self._model = model

    @property
    def name(self) -> str:
        return self._upstream.name

    @property
    def traits(self) -> Traits:
        return self._upstream.traits

    @property
    def can(self) -> Capabilities:
        return self._upstream.can

    async def agents(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        return await self._upstream.agents()

    def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        return self._upstream.answer(replace(request, model=self._model, idempotency_key=uuid.uuid4().hex))

    async def aclose(self) -> None:
        await self._upstream.aclose()


@pytest.fixture
def kind() -> Kind:
    return Kind("letta_v1", lambda: ScriptedChatFormat("Dora"), {"kind": "letta_v1"}, files=False, loses=False)


@pytest.fixture
def server(dora: Dora) -> ScriptedUpstream:
    return dora.server.llm


@pytest.fixture
async def upstream(kind: Kind, dora: Dora, session: aiohttp.ClientSession) -> AsyncIterator[Upstream]:
    async with aclosing(Renamed(kind.connect(dora.url, session), dora.id)) as connected:
        yield connected


class TestAnswers(suite.Answers):
    pass


class TestFailures(suite.Failures):
    pass


class TestLifetime(suite.Lifetime):
    pass


class TestCancelling(suite.Cancelling):
    pass


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
        await person.wait_for(lambda: alice.room.name == "Theodora")
        await alice.say("and now?")
        answers = await alice.wait_for_answers(2)
        assert [each.body for each in answers] == ["Echo: hello", "Echo: and now?"]
        [conversation] = await dora.conversations()
        assert "Dora" in conversation["summary"]
