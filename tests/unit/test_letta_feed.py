"""Events of a conversation with an App Server, from two connections: each once, and none of an earlier turn."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from agent_bridge.upstream.letta.connection import Connection
from agent_bridge.upstream.letta.feed import Feed
from agent_bridge.upstream.letta.frames import Runtime


def delta(run: str, number: int) -> dict[str, object]:
    return {"type": "stream_delta", "delta": {"run_id": run, "seq_id": number}}


def end(turn: int) -> dict[str, object]:
    return {"type": "turn_finished", "turn_id": f"turn-{turn}", "run_id": f"run-{turn}"}


def requests(*ids: str) -> dict[str, object]:
    pending = [{"request_id": each} for each in ids]
    return {"type": "update_device_status", "device_status": {"pending_control_requests": pending}}


ASKED: dict[str, object] = {"type": "control_request", "request_id": "perm-1"}


async def events_of(feed: Feed) -> list[Any]:
    """Return the events that *feed* has now."""
    found = []
    with suppress(TimeoutError):
        while True:
            found.append(await feed.next(0.01))
    return found


async def test_late_events_of_an_earlier_turn_belong_to_no_later_one(ends: tuple[Connection, Connection]) -> None:
    one, other = ends
    runtime = Runtime("Dora", "talk")
    first = Feed(runtime, {}, None)
    first.begin(one)
    for event in (delta("run-1", 1), ASKED):
        first.put(one, event)
        first.put(other, event)
    first.put(one, end(1))
    assert await events_of(first) == [delta("run-1", 1), ASKED, end(1)]
    for each in ends:
        each.remember("talk", first.ended(each))
    second = Feed(runtime, {}, None)
    second.begin(one)
    for event in (delta("run-1", 2), ASKED, requests("perm-1", "perm-2"), end(1)):
        second.put(other, event)
    second.put(one, delta("run-2", 1))
    assert await events_of(second) == [requests("perm-2"), delta("run-2", 1)]


async def test_a_request_of_the_next_turn_may_have_the_id_of_an_earlier_one(
    ends: tuple[Connection, Connection],
) -> None:
    one, other = ends
    runtime = Runtime("Dora", "talk")
    first = Feed(runtime, {}, None)
    first.begin(one)
    for event in (ASKED, end(1)):
        first.put(one, event)
    first.put(other, ASKED)
    for each in ends:
        each.remember("talk", first.ended(each))
    second = Feed(runtime, {}, None)
    second.begin(one)
    second.put(other, requests("perm-1"))
    second.put(one, ASKED)
    second.put(other, end(1))
    second.put(other, ASKED)
    assert await events_of(second) == [requests(), ASKED]


async def test_a_request_may_have_the_id_of_a_call_that_has_run(ends: tuple[Connection, Connection]) -> None:
    one, other = ends
    feed = Feed(Runtime("Dora", "talk"), {}, None)
    feed.begin(one)
    request = {"type": "control_request", "request_id": "perm-1", "request": {"tool_call_id": "1"}}
    ran = {
        "type": "stream_delta",
        "delta": {"message_type": "client_tool_start", "tool_call_id": "1", "run_id": "run-1"},
    }
    for event in (request, ran, request):
        feed.put(one, event)
    for event in (request, ran, request):
        feed.put(other, event)
    assert await events_of(feed) == [request, ran, {**request, "times": 1}]


async def test_events_before_a_question_is_accepted_belong_to_an_earlier_turn(
    ends: tuple[Connection, Connection],
) -> None:
    one, other = ends
    feed = Feed(Runtime("Dora", "talk"), {}, None)
    # The other connection is behind with the old turn, and ahead with the new one.
    feed.put(other, delta("run-1", 1))
    feed.put(other, requests("perm-1"))
    for event in (delta("run-1", 1), ASKED, delta("run-1", 2), end(1)):
        feed.put(one, event)
    feed.put(other, delta("run-2", 1))
    feed.lose()
    feed.begin(one)
    for event in (delta("run-1", 2), requests("perm-1"), end(1)):
        feed.put(other, event)
    feed.put(one, delta("run-2", 1))
    feed.put(one, delta("run-2", 2))
    assert await events_of(feed) == [requests(), delta("run-2", 1), None, requests(), delta("run-2", 2)]
    assert feed.run == "run-2"


@pytest.fixture
async def ends() -> tuple[Connection, Connection]:
    """Two connections that no test uses."""
    socket: Any = None
    one, other = (Connection(socket, lambda _connection, _event: None, lambda: False) for _ in range(2))
    return one, other


async def test_an_event_whose_names_are_no_texts_does_not_end_the_connection(
    ends: tuple[Connection, Connection],
) -> None:
    feed = Feed(Runtime("Dora", "talk"), {}, None)
    strange: list[dict[str, Any]] = [
        {"type": "turn_finished", "turn_id": ["turn"]},
        {"type": "control_request", "request_id": {}},
        {"type": "stream_delta", "delta": {"run_id": [], "seq_id": {}, "id": {}, "tool_call_id": []}},
        {"type": "stream_delta", "delta": {"run_id": "run", "seq_id": [1]}},
    ]
    for event in strange:
        feed.put(ends[0], event)
    assert await events_of(feed) == strange
