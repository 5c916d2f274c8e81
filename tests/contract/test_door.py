"""The door over HTTP: who may come in, what is taken, and that 200 means taken."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from agent_bridge.core.errors import SchemaTooOld, StoreError
from agent_bridge.matrix.door import MAX_BODY, Door

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from agent_bridge.matrix.events import RoomEvent

TOKEN = "hs-s3cret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
TRANSACTION, PING = "/_matrix/app/v1/transactions/1", "/_matrix/app/v1/ping"


class Recorder:
    """Takes what comes through the door, or fails as it is told."""

    def __init__(self) -> None:
        self.taken: list[list[RoomEvent]] = []
        self.fails: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def take(self, events: Sequence[RoomEvent]) -> None:
        await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        self.taken.append(list(events))

    @property
    def event_ids(self) -> list[str]:
        return [event.event_id for events in self.taken for event in events]


class Caller:
    """A homeserver, or somebody who would like to be taken for one."""

    def __init__(self, url: URL, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def ask(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] = BEARER, **query: str
    ) -> tuple[int, Any]:
        """Return the status and the JSON of the answer; *body* is bytes, or a value to send as JSON."""
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        url = URL(f"{self.url}{path}", encoded=True).extend_query(query)
        async with self._session.request(method, url, data=data, headers=headers) as answer:
            return answer.status, await answer.json()

    async def put(self, body: Any, path: str = TRANSACTION, **more: Any) -> tuple[int, Any]:
        return await self.ask("PUT", path, body, **more)


@pytest.fixture
def intake() -> Recorder:
    return Recorder()


@asynccontextmanager
async def open_door(token: str, intake: Recorder) -> AsyncIterator[Caller]:
    app = web.Application(client_max_size=MAX_BODY + 1)
    Door(token, intake).add_routes(app)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as session:
            yield Caller(URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1]), session)
    finally:
        await runner.cleanup()


@pytest.fixture
async def caller(intake: Recorder) -> AsyncIterator[Caller]:
    async with open_door(TOKEN, intake) as caller:
        yield caller


def event(event_id: str, /, **changes: Any) -> dict[str, Any]:
    values = {
        "event_id": event_id,
        "room_id": "!r:example.org",
        "type": "m.room.message",
        "sender": "@bob:example.org",
        "content": {"msgtype": "m.text", "body": "hi"},
        "origin_server_ts": 1,
        "unsigned": {"age": 5},
    }
    return values | changes


@pytest.mark.parametrize("path", [TRANSACTION, "/transactions/1", "/_matrix/app/v1/transactions/a%2Fb%20c"])
async def test_events_are_taken_in_their_order(caller: Caller, intake: Recorder, path: str) -> None:
    assert await caller.put({"events": [event("$2"), event("$1"), event("$3", state_key="")]}, path) == (200, {})
    assert intake.event_ids == ["$2", "$1", "$3"]
    assert [each.state_key for each in intake.taken[0]] == [None, None, ""]


async def test_the_same_transaction_is_handed_on_again(caller: Caller, intake: Recorder) -> None:
    """Homeservers begin to count anew: only the event id tells what is known."""
    for _ in range(2):
        assert await caller.put({"events": [event("$1")]}) == (200, {})
    assert intake.event_ids == ["$1", "$1"]


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, {}),
        ({"authorization": f"bearer  {TOKEN} "}, {}),
        ({}, {"access_token": TOKEN}),
        ({"Authorization": "Basic eDp5"}, {"access_token": TOKEN}),
        ({"Authorization": f"Bearer {TOKEN}"}, {"access_token": "another"}),
    ],
    ids=["header", "header in other words", "query", "query beside another scheme", "the header counts"],
)
async def test_who_has_the_token_comes_in(
    caller: Caller, intake: Recorder, headers: dict[str, str], query: dict[str, str]
) -> None:
    assert await caller.put({"events": [event("$1")]}, headers=headers, **query) == (200, {})
    assert intake.event_ids == ["$1"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", TRANSACTION),
        ("PUT", "/transactions/1"),
        ("GET", "/_matrix/app/v1/users/@agent_x:example.org"),
        ("GET", "/users/@agent_x:example.org"),
        ("GET", "/_matrix/app/v1/rooms/%23agent_x:example.org"),
        ("GET", "/rooms/%23agent_x:example.org"),
        ("POST", PING),
    ],
)
@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, {}),
        ({"Authorization": "Bearer"}, {}),
        ({"Authorization": "Bearer wrong"}, {}),
        ({"Authorization": f"Bearer {TOKEN}x"}, {}),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, {}),
        ({"Authorization": TOKEN}, {}),
        ({"Authorization": "Bearer wrong"}, {"access_token": TOKEN}),
        ({"Authorization": "Bearer ünï"}, {}),
        ({}, {"access_token": ""}),
        ({}, {"access_token": "wrong"}),
        ({}, {"token": TOKEN}),
    ],
    ids=lambda value: repr(value)[:50],
)
async def test_nobody_else_does(
    caller: Caller, intake: Recorder, method: str, path: str, headers: dict[str, str], query: dict[str, str]
) -> None:
    status, answer = await caller.ask(method, path, {"events": [event("$1")]}, headers=headers, **query)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert TOKEN not in json.dumps(answer)
    assert intake.taken == []


async def test_a_token_that_is_no_text(caller: Caller) -> None:
    reader, writer = await asyncio.open_connection(caller.url.host, caller.url.port)
    writer.write(f"POST {PING} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode())
    writer.write(b"Authorization: Bearer \xff\xed\xa0\x80\r\n\r\n")
    async with asyncio.timeout(10):
        assert b" 403 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_refusal_is_logged_without_the_token(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    await caller.put({"events": []}, headers={"Authorization": "Bearer guess-s3cret"})
    assert "refused a request without the right hs_token from 127.0.0.1" in caplog.text
    assert "s3cret" not in caplog.text


async def test_ping(caller: Caller, intake: Recorder) -> None:
    assert await caller.ask("POST", PING, {"transaction_id": "x"}) == (200, {})
    assert intake.taken == []


@pytest.mark.parametrize("prefix", ["", "/_matrix/app/v1"])
@pytest.mark.parametrize("what", ["users/@agent_x:example.org", "rooms/%23agent_x:example.org", "users/a%2Fb"])
async def test_nobody_is_made_on_a_query(caller: Caller, prefix: str, what: str) -> None:
    status, answer = await caller.ask("GET", f"{prefix}/{what}")
    assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"", "M_NOT_JSON"),
        (b"{", "M_NOT_JSON"),
        (b"\xff\xfe{}", "M_NOT_JSON"),
        (b"<html>", "M_NOT_JSON"),
        (b"[" * 200_000, "M_NOT_JSON"),
        ([], "M_BAD_JSON"),
        (None, "M_BAD_JSON"),
        ("events", "M_BAD_JSON"),
        (1, "M_BAD_JSON"),
        ({"events": None}, "M_BAD_JSON"),
        ({"events": {}}, "M_BAD_JSON"),
        ({"events": "x"}, "M_BAD_JSON"),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_what_is_no_transaction_is_refused(caller: Caller, intake: Recorder, body: Any, errcode: str) -> None:
    status, answer = await caller.put(body)
    assert (status, answer["errcode"]) == (400, errcode)
    assert intake.taken == []


@pytest.mark.parametrize(
    "body", [{}, {"events": []}, {"ephemeral": [{"type": "m.typing"}], "de.sorunome.msc2409.to_device": []}]
)
async def test_a_transaction_without_events_is_taken(caller: Caller, intake: Recorder, body: Any) -> None:
    assert await caller.put(body) == (200, {})
    assert intake.event_ids == []


async def test_what_is_no_event_is_passed_over(caller: Caller, intake: Recorder) -> None:
    unfit: list[dict[str, Any]] = [
        *({"content": None}, {"sender": 1}, {"type": []}, {"room_id": "\ud800"}, {"event_id": "a\0b"}),
        *({"state_key": "@agent_\0:example.org"}, {"event_id": "$" + "x" * 999}),
    ]
    junk: list[Any] = [None, 1, "x", [], {}, {"event_id": "$x"}, *(event("$x", **change) for change in unfit)]
    assert await caller.put({"events": [event("$1"), *junk, event("$2")]}) == (200, {})
    assert intake.event_ids == ["$1", "$2"]


async def test_ten_thousand_events_are_taken_at_once(caller: Caller, intake: Recorder) -> None:
    assert await caller.put({"events": [event(f"${number}") for number in range(10_000)]}) == (200, {})
    assert intake.event_ids == [f"${number}" for number in range(10_000)]
    assert len(intake.taken) == 1


async def test_a_body_of_sixty_megabytes_is_taken(caller: Caller, intake: Recorder) -> None:
    events = [event(f"${number}", content={"body": "x" * 60_000}) for number in range(1000)]
    body = json.dumps({"events": events}).encode()
    assert 60_000_000 < len(body) <= MAX_BODY
    assert await caller.put(body) == (200, {})
    assert len(intake.event_ids) == 1000


@pytest.mark.parametrize("error", [StoreError("the database failed: s3cret detail"), SchemaTooOld("too old")])
async def test_what_could_not_be_stored_is_sent_again(
    caller: Caller, intake: Recorder, error: StoreError, caplog: pytest.LogCaptureFixture
) -> None:
    intake.fails = error
    status, answer = await caller.put({"events": [event("$1")]})
    assert (status, answer["errcode"]) == (503, "M_UNKNOWN")
    assert str(error) not in json.dumps(answer)
    assert str(error) in caplog.text
    intake.fails = None
    assert await caller.put({"events": [event("$1")]}) == (200, {})
    assert intake.event_ids == ["$1"]


async def test_an_answer_comes_after_everything_is_stored(caller: Caller, intake: Recorder) -> None:
    intake.gate.clear()
    asked = asyncio.create_task(caller.put({"events": [event("$1")]}))
    # Others are let in meanwhile, and what came first has had its time.
    assert await caller.ask("POST", PING, {}) == (200, {})
    assert not asked.done()
    intake.gate.set()
    assert await asked == (200, {})


async def test_a_token_beyond_ascii(intake: Recorder) -> None:
    async with open_door("t\u00f6ken", intake) as caller:
        assert await caller.put({"events": []}, headers={}, access_token="t\u00f6ken") == (200, {})
        assert (await caller.put({"events": []}, headers={}, access_token="token"))[0] == 403
