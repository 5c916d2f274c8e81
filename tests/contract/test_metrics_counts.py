"""The parts of the bridge tell the observer of each end of their work once."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from agent_bridge.bridge.answering.answer_buffer import AnswerBuffer
from agent_bridge.bridge.answering.streaming import AnswerStreamer
from agent_bridge.bridge.delivery.edit_budget import EditBudget
from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.core.errors import StoreError
from agent_bridge.core.rooms import Show
from agent_bridge.core.turns import IgnoreReason, TurnState
from agent_bridge.core.usage import Usage, UsageEntry
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.metrics.observer import CountingObserver
from agent_bridge.render.activity import Activity
from agent_bridge.render.rendition import Pace, Rendition
from agent_bridge.store.turns import Turns
from agent_bridge.upstream.answer import TextDelta
from contract.test_appservice import Recorder, event
from support.appservice_client import TOKEN, serve_endpoint
from support.conditions import eventually
from support.fault_server import FaultServer, Reply, sent
from support.records import NAMES
from support.turn_rows import ROOM, accept, new, take

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

LIMITED = Reply(429, {"Content-Type": "application/json"}, (b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 100}',))
FAILED = Reply(502, {"Content-Type": "text/html"}, (b"no",))
REFUSED = Reply(403, {"Content-Type": "application/json"}, (b'{"errcode": "M_FORBIDDEN", "error": "no"}',))


@dataclass(frozen=True)
class Counts:
    """An observer, and its counters."""

    observer: CountingObserver = field(default_factory=lambda: CountingObserver(CollectorRegistry(), ["up"], "EUR"))

    def __call__(self, name: str, **labels: str) -> float:
        """Return the value of a series; 0 if there is none."""
        return self.observer.registry.get_sample_value(f"agent_bridge_{name}", labels) or 0.0


@pytest.fixture
def counts() -> Counts:
    return Counts()


def test_the_counters_of_alerts_and_sums_begin_at_zero(counts: Counts) -> None:
    # Of a series that begins with 20 failures, the increase is 0.
    registry = counts.observer.registry
    for name, labels in (
        ("turns_total", {"kind": "message", "outcome": "failed"}),
        ("tokens_total", {"upstream": "up", "direction": "input", "source": "reported"}),
        ("cost_total", {"upstream": "up", "currency": "EUR"}),
    ):
        assert registry.get_sample_value(f"agent_bridge_{name}", labels) == 0, name


async def test_each_turn_that_a_worker_closes_counts_once(database: Database, counts: Counts) -> None:
    turns = Turns(database, counts.observer)
    (lane,) = await accept(database, *(new(f"${number}") for number in range(5)))
    turn = await take(database, lane)
    behind = await turns.behind(turn)
    await turns.collect(turn, behind[:2])
    # A repeat finds nothing that waits.
    await turns.collect(turn, behind[:2])
    await turns.commit(turn, "answer", error=None, parts=[0])
    await turns.finish(turn, TurnState.DONE, {0: "$a"})
    with pytest.raises(StoreError):
        await turns.finish(turn, TurnState.DONE, {0: "$a"})
    other = await take(database, lane)
    for _ in range(2):
        await turns.dismiss(other, IgnoreReason.NOTICE)
    outcomes = {each: counts("turns_total", kind="message", outcome=each) for each in (*TurnState, "dismissed")}
    assert {each: count for each, count in outcomes.items() if count} == {"done": 1, "collected": 2, "dismissed": 1}


async def test_transactions_by_their_result(counts: Counts) -> None:
    intake = Recorder()
    async with serve_endpoint(TOKEN, intake, observer=counts.observer) as client:
        await client.put({"events": [event("$1"), event("$2")]})
        await client.put({"events": [event("$3"), "no event"]})
        await client.put({"events": [event("$4")]}, headers={"Authorization": "Bearer wrong"})
        intake.fails = StoreError("away")
        await client.put({"events": [event("$5")]})
    results = {each: counts("transactions_total", result=each) for each in ("accepted", "dead_letter", "unavailable")}
    assert results == {"accepted": 1, "dead_letter": 1, "unavailable": 1}
    assert (counts("transaction_events_total"), counts("transaction_seconds_count")) == (3, 3)


async def test_each_repetition_of_a_request_to_the_homeserver_counts(counts: Counts, wire: FaultServer) -> None:
    # aiohttp itself repeats a request whose connection of the pool has ended.
    wire.script(LIMITED, sent("$e"), FAILED, REFUSED, *[Reply(then="cut", head=False)] * 2)
    async with homeserver_session(observer=counts.observer) as session:
        homeserver = Homeserver(wire.url.removesuffix("/v1"), "token", NAMES, session)
        await homeserver.send(ROOM, {"body": "Hello"}, txn_id="1")
        for number in range(3):
            with pytest.raises(Exception, match="homeserver"):
                await homeserver.send(ROOM, {"body": "Hello"}, txn_id=f"other {number}")
    expected = {"limited": 1, "ok": 1, "failed": 1, "refused": 1, "no_response": 2}
    assert {each: counts("homeserver_requests_total", method="PUT", result=each) for each in expected} == expected
    assert counts("homeserver_request_seconds_count", method="PUT") == 6


async def test_edits_that_the_budget_leaves_out_are_counted(
    database: Database, counts: Counts, wire: FaultServer
) -> None:
    wire.script(sent("$answer"), sent("$edit"))
    (lane,) = await accept(database, new("$1"))
    answer = AnswerBuffer(
        Rendition(Pace(first=0.01, floor=0.01, enough=1), max_parts=4),
        Activity(ENGLISH, reasoning=Show.HIDDEN, tools=Show.HIDDEN),
    )
    # One edit at once, and the next one after a long time.
    budget = EditBudget(0.001)
    budget._next = -1000.0
    async with homeserver_session() as session:
        homeserver = Homeserver(wire.url.removesuffix("/v1"), "token", NAMES, session)
        turn = await take(database, lane)
        outbox = Outbox(homeserver, Turns(database), turn, NAMES.user_id("agent_frida"), counts.observer)
        async with AnswerStreamer(outbox, answer, budget, _verify, enabled=True, observer=counts.observer) as streamer:
            for number, text in enumerate(("Once ", "upon ", "a time"), 1):
                answer.feed(TextDelta(text), time.monotonic())
                streamer.changed()

                async def arrived(count: int = min(number, 2)) -> bool:
                    return len(wire.requests) == count

                await eventually(arrived, "the homeserver gets a request")
            await eventually(_is_waiting(budget), "the streamer waits for the budget")
    assert outbox.first_words_at is not None
    assert (counts("edits_total", result="sent"), counts("edits_total", result="skipped")) == (1, 1)


async def test_reports_of_servers_never_lower_a_counter(counts: Counts) -> None:
    for usage, estimated in ((Usage(10, 5, 4), False), (Usage(-10, -5, -4), False), (Usage(7, 1), True)):
        counts.observer.used(_entry(usage, is_estimated=estimated))
    series: dict[str, Any] = {"upstream": "up", "direction": "input"}
    assert counts("tokens_total", **series, source="reported") == 10
    assert counts("tokens_total", **series, source="estimated") == 7
    assert counts("cached_tokens_total", upstream="up") == 4
    assert counts("cost_total", upstream="up", currency="EUR") == pytest.approx(0.3)


async def test_times_that_a_sender_made_up_are_limited(counts: Counts) -> None:
    counts.observer.answered("up", whole=2e9, first_words=-5.0)
    assert counts("whole_answer_seconds_sum", upstream="up") == 86_400
    assert counts("first_words_seconds_sum", upstream="up") == 0
    counts.observer.answered("not in the configuration", whole=1.0, first_words=None)
    assert counts("whole_answer_seconds_count", upstream="other") == 1
    assert counts("first_words_seconds_count", upstream="other") == 0


async def _verify() -> None:
    """The worker is well."""


def _is_waiting(budget: EditBudget) -> Any:
    async def is_waiting() -> bool:
        return budget._queue.locked()

    return is_waiting


def _entry(usage: Usage, *, is_estimated: bool) -> UsageEntry:
    return UsageEntry(
        key="k",
        turn=None,
        user="@bob:example.org",
        role="member",
        room_id=ROOM,
        agent=1,
        upstream="up",
        model="m",
        usage=usage,
        is_estimated=is_estimated,
        cost=Decimal("0.1"),
    )
