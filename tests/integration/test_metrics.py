"""A scrape shows what the bridge has done, with labels of a limited number of values, and costs others nothing."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import aiohttp
import psycopg
import pytest

from agent_bridge.core.errors import CannotListen
from agent_bridge.demo.synapse import free_port
from agent_bridge.metrics.catalogue import METRICS, OF_PROCESS, Kind
from agent_bridge.metrics.page import MetricsPage
from support.api_client import program_of
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.scrapes import OPENMETRICS, Scrape, scrape
from support.scripted_upstream import ScriptedUpstream, says, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

TOKEN = "scrape-token"
USAGE = {"prompt_tokens": 100, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 20}}
PRICES = {"currency": "EUR", "models": [{"match": "Ada*", "input": 10, "output": 20}]}
#: Methods that no endpoint has; the parser of HTTP refuses all others.
ODD = ("PROPFIND", "REPORT", "MKCOL", "LOCK", "PURGE")
#: A part of the statement that reads the values of the database.
STATEMENT = "state_of_turns"


@dataclass(frozen=True)
class Measured:
    """A bridge with metrics."""

    running: Running
    upstream: ScriptedUpstream
    config: Config

    async def scrape(self, accept: str = "") -> Scrape:
        """Return the present metrics."""
        found = await scrape(f"http://127.0.0.1:{self.config.metrics.port}", TOKEN, accept)
        assert found.status == 200
        return found


@pytest.fixture(scope="module")
async def measured(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Measured]:
    async with ScriptedUpstream("Ada") as upstream:
        upstream.usage = lambda _: USAGE
        with postgres.migrated() as url:
            config = harness.config(
                url,
                [{"name": "scripted", "url": upstream.url}],
                service=SHARED,
                metrics={"port": free_port(), "token": TOKEN},
                prices=PRICES,
                answers={"edits_per_second": 1000},
            )
            async with harness.bridge(config) as running:
                # Scrapes that share nothing show the present values.
                page_of(running)._shared_text = page_of(running)._shared_figures = 0.0
                yield Measured(running, upstream, config)


def page_of(running: Running) -> MetricsPage:
    """Return the page of the metrics."""
    app = running.bridge.listeners.metrics
    assert app is not None
    (page,) = {route.handler.__self__ for route in app.router.routes()}  # type: ignore[attr-defined]
    assert isinstance(page, MetricsPage)
    return page


async def test_a_scrape_tells_of_a_message_and_its_answer(measured: Measured, harness: BridgeHarness) -> None:
    upstream, gate = measured.upstream, asyncio.Event()
    upstream.scripts.append(waits_for(gate, "The first sentence of the answer. ", "And its end."))
    async with harness.person() as person:
        talk = await measured.running.join(person, upstream.names[0])
        before = await measured.scrape()
        await talk.say("Hello")
        await person.wait_for(lambda: bool(talk.answers))
        busy = await measured.scrape()
        gate.set()
        await talk.wait_for_answers(1)

        async def counted() -> Scrape | None:
            """Return the metrics with the answer: the bridge counts it after it has closed the turn."""
            found = await measured.scrape()
            name = "whole_answer_seconds_count"
            return found if found.value(name) > before.value(name) else None

        after = await eventually(counted, "the answer is counted")

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert (busy.value("busy_lanes"), busy.value("open_turns", state="running")) == (1, 1)
    assert busy.value("oldest_waiting_turn_seconds") == 0
    assert grown("turns_total", kind="message", outcome="done") == 1
    for name in ("first_words_seconds", "whole_answer_seconds"):
        assert grown(f"{name}_count", upstream="scripted") == 1
    words, whole = (grown(f"{name}_sum") for name in ("first_words_seconds", "whole_answer_seconds"))
    assert 0 < words < whole < 60
    assert grown("edits_total", result="sent") >= 1
    assert grown("transactions_total", result="accepted") >= 1
    assert grown("transaction_events_total") >= 1
    assert grown("homeserver_requests_total", method="PUT", result="ok") >= 2
    assert grown("homeserver_request_seconds_count", method="PUT") >= 2
    assert grown("upstream_requests_total", upstream="scripted", operation="answer", result="ok") == 1
    assert grown("upstream_requests_total", upstream="scripted", operation="agents", result="ok") >= 1
    assert grown("tokens_total", upstream="scripted", direction="input", source="reported") == 100
    assert grown("tokens_total", upstream="scripted", direction="output", source="reported") == 50
    assert grown("cached_tokens_total", upstream="scripted") == 20
    assert grown("cost_total", upstream="scripted", currency="EUR") == pytest.approx(0.002)
    assert after.value("upstream_up", upstream="scripted") == 1
    assert (after.value("leader"), after.value("database_up"), after.value("agents", state="active")) == (1, 1, 1)
    assert after.value("database_pool_connections", pool="statements") >= 1
    assert grown("database_pool_requests_total", pool="statements") > 0
    assert after.value("max_active_lanes") == measured.config.lanes.max_active_lanes


async def test_both_formats_have_exactly_the_metrics_of_the_catalogue(measured: Measured) -> None:
    plain, openmetrics = await measured.scrape(), await measured.scrape(OPENMETRICS)
    assert openmetrics.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert plain.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert openmetrics.text.endswith("# EOF\n")
    known = {each.full_name: each for each in (*METRICS, *OF_PROCESS)}
    for found in (plain, openmetrics):
        seen = set()
        for name, samples in found.samples.items():
            metric = known.get(name) or known[name.rpartition("_")[0]]
            bucket = {"le"} if metric.kind is Kind.HISTOGRAM and name.endswith("_bucket") else set()
            for sample in samples:
                assert sample.labels.keys() == {each.name for each in metric.labels} | bucket
                for label in metric.labels:
                    assert not label.values or sample.labels[label.name] in label.values
            seen.add(metric.full_name)
        # The others begin with their first event.
        assert known.keys() - seen <= {each.full_name for each in METRICS if each.labels and not each.begins_at_zero}


async def test_no_label_names_a_room_a_person_or_an_event(measured: Measured) -> None:
    found = await measured.scrape()
    values = [value for samples in found.samples.values() for each in samples for value in each.labels.values()]
    assert values
    assert not [each for each in values if each[:1] in {"!", "$", "@", "#"} or DOMAIN in each]


async def test_paths_and_methods_of_strangers_add_no_series(measured: Measured) -> None:
    url = measured.config.appservice.url
    program = await program_of(measured.running, f"@person:{DOMAIN}")
    assert (await program.get("/v1/rooms")).status == 200
    async with aiohttp.ClientSession() as session:
        for number in range(20):
            for method, path in (
                ("GET", f"/v1/nothing-{number}"),
                (ODD[number % len(ODD)], f"/v1/rooms/!{number}:x/messages"),
                ("POST", f"/v1/triggers/{number}"),
                ("GET", f"/a2a/agent{number}/.well-known/agent-card.json"),
                ("GET", f"/a2a/{number}/{number}"),
                ("PUT", f"/elsewhere/{number}"),
            ):
                async with session.request(method, url + path) as response:
                    assert response.status >= 400, path
    found = await measured.scrape()
    assert found.labels("api_requests_total", "route") == {
        "/v1/rooms",
        "/v1/rooms/{room}/messages",
        "/v1/triggers/{id}",
        "/a2a/{agent}/.well-known/agent-card.json",
        "unknown",
    }
    assert found.value("api_requests_total", route="/v1/rooms", method="GET", code="2xx") == 1
    assert found.value("api_requests_total", route="unknown", code="4xx") == 40
    assert found.value("api_requests_total", route="/v1/rooms/{room}/messages", method="other", code="4xx") == 20
    assert len(found.samples["agent_bridge_api_requests_total"]) == 5


async def test_open_streams_are_counted(measured: Measured) -> None:
    program = await program_of(measured.running, f"@person:{DOMAIN}")
    headers = {"Authorization": f"Bearer {program.token}"}
    assert (await measured.scrape()).value("subscriptions") == 0
    async with aiohttp.request("GET", f"{program.url}/v1/events", headers=headers) as response:
        assert response.status == 200
        assert (await measured.scrape()).value("subscriptions") == 1
    await eventually(lambda: _is_zero(measured, "subscriptions"), "the stream has ended")
    # It took seconds, as its client wanted.
    found = await measured.scrape()
    assert found.value("api_requests_total", route="/v1/events") == 1
    assert found.value("api_request_seconds_sum") < 1


async def test_failures_have_results_of_their_own(measured: Measured, harness: BridgeHarness) -> None:
    before = await measured.scrape()
    measured.upstream.scripts.append(says("It begins", None))

    async def failed() -> Scrape | None:
        found = await measured.scrape()
        labels = {"kind": "message", "outcome": "failed"}
        return found if found.value("turns_total", **labels) > before.value("turns_total", **labels) else None

    async with harness.person() as person:
        talk = await measured.running.join(person, measured.upstream.names[0])
        await talk.say("Hello")
        after = await eventually(failed, "the turn has failed")
    broken = {"upstream": "scripted", "operation": "answer", "result": "interrupted"}
    name = "upstream_requests_total"
    assert after.value(name, **broken) - before.value(name, **broken) == 1
    assert after.value("whole_answer_seconds_count") == before.value("whole_answer_seconds_count")


async def test_only_scrapes_read_the_database(
    measured: Measured, harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: Counter[str] = Counter()
    execute = psycopg.AsyncCursor.execute

    async def executed(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        statements["of metrics" if STATEMENT in str(query) else "others"] += 1
        return await execute(self, query, *arguments, **named)

    monkeypatch.setattr(page_of(measured.running), "_shared_figures", 60.0)
    monkeypatch.setattr(psycopg.AsyncCursor, "execute", executed)
    async with harness.person() as person:
        talk = await measured.running.join(person, measured.upstream.names[0])
        await talk.say("This is measured by nothing")
        await person.wait_for(lambda: any("by nothing" in each.body for each in talk.answers))
    assert statements["others"]
    assert statements["of metrics"] == 0
    page_of(measured.running)._reading = None
    await asyncio.gather(*(measured.scrape() for _ in range(20)))
    await measured.scrape(OPENMETRICS)
    assert statements["of metrics"] == 1


async def test_a_port_that_is_taken_is_named_by_its_key(measured: Measured) -> None:
    taken = {"port": measured.config.metrics.port, "hostname": "127.0.0.1"}
    for section, why in ((taken, "address already in use"), ({"port": free_port(), "hostname": "a..b"}, "")):
        metrics = measured.config.metrics.model_copy(update=section)
        bridge = replace(measured.running.bridge, config=measured.config.model_copy(update={"metrics": metrics}))
        with pytest.raises(CannotListen, match=rf"metrics\.hostname, port.*{why}"):
            await bridge.work_only()


async def test_with_a_token_alone_they_are_on_the_port_of_the_homeserver(
    harness: BridgeHarness, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    config = harness.config(database_url, [], metrics={"token": TOKEN})
    url = config.appservice.url
    async with harness.bridge(config) as running:
        assert (await scrape(url, TOKEN)).value("build_info") == 1
        for wrong in ("", "other", TOKEN[:-1], f"{TOKEN}x", "ÿ", "x" * 6000, None):
            assert (await scrape(url, wrong)).status == 401
        assert (await program_of(running, f"@person:{DOMAIN}")).url == url
    # One line for all of them: anybody can make many.
    assert caplog.text.count("metrics.token is missing or wrong") == 1
    assert TOKEN[:-1] not in caplog.text


async def _is_zero(measured: Measured, name: str) -> bool:
    return (await measured.scrape()).value(name) == 0
