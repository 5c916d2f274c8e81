"""The contract of the capabilities that concern runs; see ``upstream_suite.py``."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import AnswerInterrupted, UpstreamError, UpstreamRefused
from agent_bridge.upstream.answer import End, RunStarted, TextDelta
from support.answers import joined
from support.scripted_upstream import says, until_cancelled, waits_for
from support.upstream_kinds import DEADLINE, QUESTION, ask

if TYPE_CHECKING:
    import aiohttp

    from agent_bridge.upstream.base import Upstream
    from agent_bridge.upstream.capabilities import Cancel, Resume
    from support.scripted_upstream import ScriptedUpstream
    from support.upstream_kinds import Kind


class Cancelling:
    """The capability ``cancel``."""

    @pytest.fixture
    def cancel(self, upstream: Upstream) -> Cancel:
        assert upstream.can.cancel is not None
        return upstream.can.cancel

    async def test_a_run_ends(self, server: ScriptedUpstream, upstream: Upstream, cancel: Cancel) -> None:
        over = asyncio.Event()
        server.script = until_cancelled(over, "Hello")
        async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(QUESTION)) as events:
            start = await anext(events)
            assert isinstance(start, RunStarted)
            assert await anext(events) == TextDelta("Hello")
            await cancel(start.ref)
            await over.wait()
            with pytest.raises(AnswerInterrupted):
                await anext(events)
            await cancel(start.ref)

    async def test_no_later_run_ends(self, server: ScriptedUpstream, upstream: Upstream, cancel: Cancel) -> None:
        gate, over = asyncio.Event(), asyncio.Event()
        server.scripts.extend([until_cancelled(over, "Hello"), waits_for(gate, "Half", " whole")])
        async with asyncio.timeout(DEADLINE):
            async with aclosing(upstream.answer(QUESTION)) as events:
                start = await anext(events)
            assert isinstance(start, RunStarted)
            await over.wait()
            later = replace(QUESTION, idempotency_key="later")
            async with aclosing(upstream.answer(later)) as events:
                while await anext(events) != TextDelta("Half"):
                    pass
                await cancel(start.ref)
                gate.set()
                first, *_, last = [event async for event in events]
                assert (first, last) == (TextDelta(" whole"), End("stop"))

    async def test_another_process_ends_a_run(
        self, kind: Kind, server: ScriptedUpstream, cancel: Cancel, session: aiohttp.ClientSession
    ) -> None:
        over = asyncio.Event()
        server.script = until_cancelled(over, "Hello")
        async with aclosing(kind.connect(server.url, session)) as other:
            async with asyncio.timeout(DEADLINE), aclosing(other.answer(QUESTION)) as events:
                start = await anext(events)
                assert isinstance(start, RunStarted)
                await cancel(start.ref)
                await over.wait()
            server.script = says("Next")
            assert (await ask(other, replace(QUESTION, idempotency_key="next"))).text == "Next"

    async def test_a_run_of_another_kind_of_upstream_is_refused(self, cancel: Cancel) -> None:
        with pytest.raises(UpstreamRefused):
            await cancel("chatcmpl-1")


class Resuming:
    """The capability ``resume``."""

    @pytest.fixture
    def resume(self, upstream: Upstream) -> Resume:
        assert upstream.can.resume is not None
        return upstream.can.resume

    async def test_a_run_is_read_from_its_beginning(
        self, kind: Kind, server: ScriptedUpstream, resume: Resume, session: aiohttp.ClientSession
    ) -> None:
        gate = asyncio.Event()
        server.script = waits_for(gate, "Half", " whole")
        async with (
            asyncio.timeout(DEADLINE),
            aclosing(kind.connect(server.url, session)) as other,
            aclosing(other.answer(QUESTION)) as events,
        ):
            start = await anext(events)
            assert isinstance(start, RunStarted)
            asyncio.get_running_loop().call_later(0.2, gate.set)
            for _ in range(2):
                again = [each async for each in resume(start.ref)]
                assert joined(again) == [TextDelta("Half whole"), End("stop")]
        assert len(server.questions) == 1

    async def test_an_unknown_run_is_an_error(self, resume: Resume) -> None:
        for ref in ("chatcmpl-1", "conv-1 run-1 key Dora"):
            with pytest.raises(UpstreamError):
                await anext(resume(ref))
