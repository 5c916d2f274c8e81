"""Every kind of upstream fulfils the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.upstream.capabilities import Capabilities, describe
from contract import upstream_http_suite as http_suite
from contract import upstream_suite as suite
from support.scripted_upstream import ScriptedUpstream
from support.upstream_kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from agent_bridge.upstream.base import Upstream
    from support.upstream_kinds import Kind


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture
async def server() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
def upstream(kind: Kind, server: ScriptedUpstream, session: aiohttp.ClientSession) -> Upstream:
    return kind.connect(server.url, session)


class TestAgents(suite.Agents):
    pass


class TestAnswers(suite.Answers):
    pass


class TestFailures(suite.Failures):
    pass


class TestLifetime(suite.Lifetime):
    pass


class TestTranscribing(suite.Transcribing):
    pass


class TestCompleteness(suite.Completeness):
    pass


class TestStreams(http_suite.Streams):
    pass


class TestInterruptions(http_suite.Interruptions):
    pass


class TestResponses(http_suite.Responses):
    pass


def test_capabilities_are_described_in_the_order_of_the_record() -> None:
    async def transcribe(_audio: bytes, *, name: str, content_type: str) -> str:
        return f"{name} {content_type}"

    async def cancel(_ref: str) -> None:
        return

    assert describe(Capabilities()) == ()
    assert describe(Capabilities(transcribe=transcribe, cancel=cancel)) == ("cancel", "transcribe")
