"""Every kind of upstream fulfils the contract."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from agent_bridge.upstream.capabilities import Capabilities, describe
from contract import upstream_extras_suite as extras
from contract import upstream_http_suite as http_suite
from contract import upstream_memory_suite as memory_suite
from contract import upstream_runs_suite as runs_suite
from contract import upstream_suite as suite
from support.upstream_kinds import ALL_KINDS, KINDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from agent_bridge.upstream.base import Upstream
    from support.scripted_upstream import ScriptedUpstream
    from support.upstream_kinds import Kind


def kinds(*chosen: Kind) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", chosen, ids=lambda kind: kind.name)


def having(ability: str) -> pytest.MarkDecorator:
    """Choose the kinds with an ability."""
    return kinds(*(kind for kind in ALL_KINDS if ability in kind.abilities))


EVERY_KIND, EVERY_OPENAI_KIND = kinds(*ALL_KINDS), kinds(*KINDS)


@pytest.fixture
async def server(kind: Kind) -> AsyncIterator[ScriptedUpstream]:
    async with kind.server() as running:
        yield running


@pytest.fixture
async def upstream(kind: Kind, server: ScriptedUpstream, session: aiohttp.ClientSession) -> AsyncIterator[Upstream]:
    async with aclosing(kind.connect(server.url, session)) as connected:
        yield connected


@kinds(*(kind for kind in ALL_KINDS if kind.lists))
class TestAgents(suite.Agents):
    pass


@EVERY_KIND
class TestAnswers(suite.Answers):
    pass


@EVERY_KIND
class TestFailures(suite.Failures):
    pass


@kinds(*(kind for kind in ALL_KINDS if kind.loses))
class TestLosses(suite.Losses):
    pass


@EVERY_KIND
class TestLifetime(suite.Lifetime):
    pass


@having("transcribe")
class TestTranscribing(suite.Transcribing):
    pass


@having("approvals")
class TestApproving(suite.Approving):
    pass


@having("commands")
class TestCommanding(extras.Commanding):
    pass


@having("pictures")
class TestPicturing(extras.Picturing):
    pass


@having("cancel")
class TestCancelling(runs_suite.Cancelling):
    pass


@having("resume")
class TestResuming(runs_suite.Resuming):
    pass


@having("conversations")
class TestConversing(memory_suite.Conversing):
    pass


@having("branches")
class TestBranching(memory_suite.Branching):
    pass


@having("archive")
class TestArchiving(memory_suite.Archiving):
    pass


@having("deletion")
class TestDeleting(memory_suite.Deleting):
    pass


@having("history")
class TestRemembering(memory_suite.Remembering):
    pass


@having("schedules")
class TestScheduling(memory_suite.Scheduling):
    pass


@EVERY_KIND
class TestCompleteness(suite.Completeness):
    pass


@EVERY_OPENAI_KIND
class TestStreams(http_suite.Streams):
    pass


@EVERY_OPENAI_KIND
class TestInterruptions(http_suite.Interruptions):
    pass


@EVERY_OPENAI_KIND
class TestResponses(http_suite.Responses):
    pass


def test_capabilities_are_described_in_the_order_of_the_record() -> None:
    async def transcribe(_audio: bytes, *, name: str, content_type: str) -> str:
        return f"{name} {content_type}"

    async def cancel(_ref: str) -> None:
        return

    assert describe(Capabilities()) == ()
    assert describe(Capabilities(transcribe=transcribe, cancel=cancel)) == ("cancel", "transcribe")
