"""An upstream is away, silent, busy or sends nonsense: the room gets one notice with the cause, and goes on."""

from __future__ import annotations

import itertools
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from yarl import URL

from support.conditions import eventually
from support.fault_server import FaultServer, Reply, sse
from support.people import conversations, events_of, expect_answers, say
from support.scripted_upstream import ScriptedUpstream
from support.severable_proxy import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Conversation

_numbers = itertools.count(1)

WELL = sse('{"choices": [{"delta": {"content": "All well."}, "finish_reason": "stop"}]}', "[DONE]")
HALF = sse('{"choices": [{"delta": {"content": "Half an"}}]}')
JSON, HTML = {"Content-Type": "application/json"}, {"Content-Type": "text/html"}
IMPATIENT = {"idle_timeout": 0.5}
REPEATABLE = {"idempotency_header": "Idempotency-Key"}


class FaultyUpstream(FaultServer):
    """Has one agent, and answers its questions as scripted."""

    def __init__(self) -> None:
        super().__init__()
        # The homeserver keeps the rooms of all such upstreams.
        self.agent = f"faulty{next(_numbers)}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/models"):
            return web.json_response({"object": "list", "data": [{"id": self.agent, "object": "model"}]})
        return await super()._handle(request)


@pytest.fixture
async def upstream() -> AsyncIterator[FaultyUpstream]:
    async with FaultyUpstream() as server:
        yield server


@asynccontextmanager
async def talking(
    harness: BridgeHarness, database_url: str, url: str, agent: str, **options: Any
) -> AsyncIterator[Conversation]:
    """Put a person into the room of *agent*. The bridge tries each message twice."""
    config = harness.config(
        database_url,
        [{"name": "faulty", "url": url, **options}],
        lanes={"drain_timeout": 2, "max_attempts": 2, "upstream_wait": 0},
    )
    async with harness.bridge(config) as running, conversations(harness, running, [agent]) as (talk,):
        yield talk


@pytest.mark.parametrize(
    ("options", "reply", "told"),
    [
        pytest.param(IMPATIENT, Reply(head=False, then="hang"), ["sent nothing for 0.5 s"], id="silent"),
        pytest.param(
            IMPATIENT,
            replace(HALF, then="hang"),
            ["Half an", "sent nothing for 0.5 s"],
            id="silent in mid-answer",
            marks=pytest.mark.long,
        ),
        pytest.param(
            {},
            Reply(head=False, then="cut"),
            ["closed the connection"],
            id="cut before the answer",
            marks=pytest.mark.long,
        ),
        pytest.param({}, Reply(500, JSON, (b'{"error": {"message": "out of memory"}}',)), ["out of memory"], id="500"),
        pytest.param(
            {}, Reply(200, HTML, (b"<html>Welcome</html>",)), ["web page"], id="a web page", marks=pytest.mark.long
        ),
        pytest.param(
            {},
            Reply(head=False, pieces=(b"SSH-2.0-OpenSSH_9.7\r\n",), then="cut"),
            ["does not speak HTTP"],
            id="no HTTP",
            marks=pytest.mark.long,
        ),
    ],
)
async def test_permanent_failures_are_reported_at_once(
    harness: BridgeHarness,
    database_url: str,
    upstream: FaultyUpstream,
    options: dict[str, Any],
    reply: Reply,
    told: list[str],
) -> None:
    """The agent may have acted on the question, so it is not asked again; the next question is."""
    upstream.script(reply, WELL)
    async with talking(harness, database_url, upstream.url, upstream.agent, **options) as talk:
        await say([talk], "try")
        await talk.person.wait_for(lambda: len(talk.answers) == len(told))
        await talk.wait_until_idle()
        seen = [answer.body for answer in talk.answers]
        shown = [answer.body + (answer.html or "") for answer in talk.answers]
        assert all(part in text for part, text in zip(told, shown, strict=True))
        assert talk.answers[-1].content["msgtype"] == "m.notice"
        await say([talk], "again")
        await expect_answers([talk], *seen, "All well.")
        assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("options", "reply", "wait"),
    [
        pytest.param({}, Reply(429, {"Retry-After": "2"}), 2, id="429 with a time"),
        pytest.param({}, Reply(502, HTML, (b"<html>bad gateway</html>",)), 1, id="502", marks=pytest.mark.long),
        pytest.param(REPEATABLE, replace(HALF, then="cut"), 1, id="cut in mid-answer", marks=pytest.mark.long),
    ],
)
async def test_temporary_failures_are_retried_after_a_delay(
    harness: BridgeHarness,
    database_url: str,
    upstream: FaultyUpstream,
    options: dict[str, Any],
    reply: Reply,
    wait: float,
) -> None:
    upstream.script(reply, WELL, WELL)
    async with talking(harness, database_url, upstream.url, upstream.agent, **options) as talk:
        began = time.monotonic()
        await say([talk], "try", "and this")
        await talk.person.wait_for(lambda: talk.answers and talk.answers[0].body == "All well.")
        assert time.monotonic() - began > wait
        await expect_answers([talk], "All well.", "All well.")
        asked = [request.json["messages"][-1]["content"] for request in upstream.requests]
        assert asked == ["try", "try", "and this"]


async def test_an_upstream_that_comes_back_answers_waiting_messages(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("ada") as upstream, Line(URL(upstream.url).port or 0) as line:
        url = f"http://127.0.0.1:{line.port}/v1"
        async with talking(harness, database_url, url, upstream.names[0]) as talk:
            await line.cut()
            await say([talk], "one", "two")

            async def tried() -> bool:
                return bool(await talk.running.database.rows("SELECT 1 FROM turn WHERE upstream_waits = 1"))

            await eventually(tried, "the bridge has tried once")
            await line.mend()
            await expect_answers([talk], "Echo: one", "Echo: two")
            assert upstream.questions == ["one", "two"]


@pytest.mark.long
async def test_an_upstream_that_stays_away_is_told_of_each_time(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("ada") as upstream, Line(URL(upstream.url).port or 0) as line:
        url = f"http://127.0.0.1:{line.port}/v1"
        async with talking(harness, database_url, url, upstream.names[0]) as talk:
            await line.cut()
            await say([talk], "one", "two")
            await talk.wait_until_idle(30)
            failed = [event["event_id"] for event in await events_of(talk)]
            await talk.person.wait_for(lambda: all("⚠️" in talk.room.reactions_to(event) for event in failed))
            cause = f"the server of {upstream.names[0]} could not be reached"
            told = f"⚠️ No answer: {cause}. To try again, react with 🔁."
            seen = [told, "⚠️ No answer, for the same reason as above."]
            await expect_answers([talk], *seen)
            assert "Connection refused" in (talk.answers[0].html or "")
            await line.mend()
            await say([talk], "three")
            await expect_answers([talk], *seen, "Echo: three")
            assert upstream.questions == ["three"]
            # The notices of the room are no part of the conversation.
            assert len(upstream.asked[0]["messages"]) == 1
