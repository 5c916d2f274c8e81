"""The endpoint over HTTP: authorization, accepted bodies, and that 200 means stored."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.core.errors import SchemaTooOld, StoreError
from agent_bridge.matrix.appservice import GAP_LOOK, MAX_BODY, GapDetector, MissingIds
from support.appservice_client import TOKEN, TRANSACTION, AppServiceClient, serve_endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from agent_bridge.matrix.events import RoomEvent

PING = "/_matrix/app/v1/ping"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
TOO_DEEP = 200_000
NO_LIST = 'not an object with a list "events"'


class Recorder:
    """Records the transactions, or raises :attr:`fails`."""

    def __init__(self) -> None:
        self.taken: list[list[RoomEvent]] = []
        self.dead_letters: list[tuple[str, str, str]] = []
        self.signs: list[str] = []
        self.compared = asyncio.Event()
        self.fails: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def take(self, _transaction_id: str, events: Sequence[RoomEvent]) -> None:
        await self._may_fail()
        self.taken.append(list(events))

    async def add_dead_letter(self, transaction_id: str, reason: str, body: str) -> None:
        await self._may_fail()
        self.dead_letters.append((transaction_id, reason, body))

    async def request_backfill(self, sign: str) -> None:
        await self._may_fail()
        self.signs.append(sign)

    async def schedule_backfill(self) -> None:
        await self._may_fail()
        self.compared.set()

    async def _may_fail(self) -> None:
        await self.gate.wait()
        if self.fails is not None:
            raise self.fails

    @property
    def event_ids(self) -> list[str]:
        return [event.event_id for events in self.taken for event in events]


@pytest.fixture
def intake() -> Recorder:
    return Recorder()


@pytest.fixture
async def client(intake: Recorder) -> AsyncIterator[AppServiceClient]:
    async with serve_endpoint(TOKEN, intake) as client:
        yield client


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
async def test_events_are_taken_in_their_order(client: AppServiceClient, intake: Recorder, path: str) -> None:
    assert await client.put({"events": [event("$2"), event("$1"), event("$3", state_key="")]}, path) == (200, {})
    assert intake.event_ids == ["$2", "$1", "$3"]
    assert [each.state_key for each in intake.taken[0]] == [None, None, ""]


async def test_the_same_transaction_is_handed_on_again(client: AppServiceClient, intake: Recorder) -> None:
    """Homeservers restart their transaction ids at 1, so only the event id identifies a known event."""
    for _ in range(2):
        assert await client.put({"events": [event("$1")]}) == (200, {})
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
async def test_requests_with_the_token_are_accepted(
    client: AppServiceClient, intake: Recorder, headers: dict[str, str], query: dict[str, str]
) -> None:
    assert await client.put({"events": [event("$1")]}, headers=headers, **query) == (200, {})
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
async def test_requests_without_the_token_are_refused(
    client: AppServiceClient, intake: Recorder, method: str, path: str, headers: dict[str, str], query: dict[str, str]
) -> None:
    status, answer = await client.ask(method, path, {"events": [event("$1")]}, headers=headers, **query)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert TOKEN not in json.dumps(answer)
    assert intake.taken == []


async def test_a_token_that_is_no_text(client: AppServiceClient) -> None:
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    writer.write(f"POST {PING} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode())
    writer.write(b"Authorization: Bearer \xff\xed\xa0\x80\r\n\r\n")
    async with asyncio.timeout(10):
        assert b" 403 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_refusal_is_logged_without_the_token(
    client: AppServiceClient, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        await client.put({"events": []}, headers={"Authorization": "Bearer guess-s3cret"})
    # Anybody can send many.
    assert caplog.text.count("request from 127.0.0.1 refused: the hs_token is missing or wrong") == 1
    assert "s3cret" not in caplog.text


async def test_ping(client: AppServiceClient, intake: Recorder) -> None:
    assert await client.ask("POST", PING, {"transaction_id": "x"}) == (200, {})
    assert intake.taken == []


@pytest.mark.parametrize("prefix", ["", "/_matrix/app/v1"])
@pytest.mark.parametrize("what", ["users/@agent_x:example.org", "rooms/%23agent_x:example.org", "users/a%2Fb"])
async def test_queries_create_no_users(client: AppServiceClient, prefix: str, what: str) -> None:
    status, answer = await client.ask("GET", f"{prefix}/{what}")
    assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON: JSONDecodeError"),
        (b"{", "not JSON: JSONDecodeError"),
        (b"\xff\xfe{}", "not JSON: UnicodeDecodeError"),
        (b"\0\x80{", "not JSON: UnicodeDecodeError"),
        (b"<html>", "not JSON: JSONDecodeError"),
        (b"[" * TOO_DEEP, "not JSON: RecursionError"),
        (b'{"events": ' + b"9" * 5000, "not JSON: ValueError"),
        ([], NO_LIST),
        (None, NO_LIST),
        ("events", NO_LIST),
        (1, NO_LIST),
        ({"events": None}, NO_LIST),
        ({"events": {}}, NO_LIST),
        ({"events": "x"}, NO_LIST),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_bodies_that_are_no_transactions_become_dead_letters(
    client: AppServiceClient, intake: Recorder, body: Any, reason: str
) -> None:
    """After a refusal the homeserver would repeat this transaction for ever and send no other one."""
    assert await client.put(body) == (200, {})
    assert intake.event_ids == []
    sent = body.decode("utf-8", "replace").replace("\0", "\ufffd") if isinstance(body, bytes) else json.dumps(body)
    assert intake.dead_letters == [("1", reason, sent)]
    assert intake.signs == ["a transaction could not be parsed"]


@pytest.mark.parametrize(
    "junk",
    [
        "[" * TOO_DEEP + "]" * TOO_DEEP,
        '{"a":' * TOO_DEEP + "1" + "}" * TOO_DEEP,
        "9" * 5000,
        "nonsense",
        "\x01",
        '"\\x"',
    ],
    ids=lambda value: value[:5],
)
async def test_good_events_beside_unreadable_ones_are_taken(
    client: AppServiceClient, intake: Recorder, junk: str
) -> None:
    spoilt = json.dumps(event("$x", content={"body": "JUNK"})).replace('"JUNK"', junk)
    good = [json.dumps(event(name, content={"body": "]}, {[ \\"})) for name in ("$1", "$2")]
    body = f'{{"ephemeral": [{{}}], "events" : [{good[0]}, {spoilt},{good[1]}]}}'
    assert await client.put(body.encode()) == (200, {})
    assert intake.event_ids == ["$1", "$2"]
    assert [reason.partition(":")[0] for _, reason, _ in intake.dead_letters] == ["not JSON"]
    assert intake.signs


@pytest.mark.parametrize("cut", [1, 3, 30])
async def test_whole_events_of_half_a_body_are_taken(client: AppServiceClient, intake: Recorder, cut: int) -> None:
    body = json.dumps({"events": [event("$1"), event("$2")]}).encode()
    assert await client.put(body[:-cut]) == (200, {})
    assert intake.event_ids == (["$1", "$2"] if cut == 1 else ["$1"])
    assert len(intake.dead_letters) == len(intake.signs) == 1


@pytest.mark.parametrize(
    "hidden",
    [
        {"x": {"events": [event("$forged")]}, "events": []},
        {
            "ephemeral": [{"events": [event("$forged")]}],
            "events": [event("$1", content={"events": [event("$forged")]})],
        },
        {"events": [event("$1", content={"body": json.dumps({"events": [event("$forged")]})})]},
        [{"events": [event("$forged")]}],
    ],
)
async def test_events_inside_the_content_of_events_are_not_taken(
    client: AppServiceClient, intake: Recorder, hidden: Any
) -> None:
    body = json.dumps(hidden)
    for cut in range(1, len(body)):
        assert await client.put(body[:cut].encode()) == (200, {})
    assert set(intake.event_ids) <= {"$1"}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "nonsense"])
@pytest.mark.parametrize(
    "body",
    [b"{}", b"no gzip", gzip.compress(b"{}"), gzip.compress(b"{}")[:12], zlib.compress(b"{}")[:5], b""],
    ids=["plain", "nonsense", "gzip", "half a gzip", "half a deflate", "nothing"],
)
async def test_nothing_is_unpacked(client: AppServiceClient, intake: Recorder, encoding: str, body: bytes) -> None:
    assert (await client.put(body, headers=BEARER | {"Content-Encoding": encoding})) == (200, {})
    assert len(intake.dead_letters) == (body != b"{}")


async def test_a_bomb_is_a_handful_of_bytes(intake: Recorder) -> None:
    async with serve_endpoint(TOKEN, intake, max_size=1_000_000) as client:
        bomb = gzip.compress(b"0" * 100_000_000, 9)
        assert (await client.put(bomb, headers=BEARER | {"Content-Encoding": "gzip"})) == (200, {})
    assert len(intake.dead_letters) == 1
    assert len(intake.dead_letters[0][2]) <= len(bomb) < 1_000_000


async def test_a_body_that_is_too_large_is_a_dead_letter(intake: Recorder) -> None:
    async with serve_endpoint(TOKEN, intake, max_size=10_000) as client:
        assert await client.put({"events": [event("$1", content={"body": "x" * 1_000_000})]}) == (200, {})
        assert await client.put({"events": [event("$2")]}) == (200, {})
    assert intake.event_ids == ["$2"]
    assert [(txn, reason) for txn, reason, _ in intake.dead_letters] == [("1", "too large")]
    assert intake.signs == ["a transaction could not be parsed"]


@pytest.mark.parametrize(
    ("path", "txn_id"),
    [
        ("", ""),
        ("%00", "\ufffd"),
        ("%20", " "),
        ("{a}", "{a}"),
        ("a%2Fb", "a/b"),
        ("a/b", "a/b"),
        ("9" * 7000, "9" * 7000),
        ("-1", "-1"),
        ("%D9%A3", "\u0663"),
        ("%ff", "%ff"),
        ("%ED%A0%80", "%ED%A0%80"),
    ],
    ids=lambda value: value[:9],
)
async def test_any_transaction_id_will_do(client: AppServiceClient, intake: Recorder, path: str, txn_id: str) -> None:
    for prefix in ("", "/_matrix/app/v1"):
        assert await client.put({"events": [event("$1"), 1]}, f"{prefix}/transactions/{path}") == (200, {})
    assert intake.event_ids == ["$1", "$1"]
    assert [txn for txn, _, _ in intake.dead_letters] == [txn_id] * 2
    assert intake.signs == []


async def test_transaction_ids_that_restart_are_a_sign_of_a_gap(client: AppServiceClient, intake: Recorder) -> None:
    paths = ["7", "8", "8", "x", "9" * 30, "-1", "9", "3", "4"]
    for path in paths:
        await client.put({}, f"/transactions/{path}")
    assert intake.signs == ["the homeserver's transaction ids restarted"]


async def test_a_sign_that_could_not_be_noted_is_seen_again(client: AppServiceClient, intake: Recorder) -> None:
    assert await client.put({}, "/transactions/7") == (200, {})
    intake.fails = StoreError("away")
    assert (await client.put({}, "/transactions/1"))[0] == 503
    intake.fails = None
    assert await client.put({}, "/transactions/1") == (200, {})
    assert len(intake.signs) == 1


@pytest.mark.parametrize(
    "body", [{}, {"events": []}, {"ephemeral": [{"type": "m.typing"}], "de.sorunome.msc2409.to_device": []}]
)
async def test_a_transaction_without_events_is_taken(client: AppServiceClient, intake: Recorder, body: Any) -> None:
    assert await client.put(body) == (200, {})
    assert intake.event_ids == []


async def test_values_that_are_no_events_become_dead_letters(client: AppServiceClient, intake: Recorder) -> None:
    unfit: list[dict[str, Any]] = [
        *({"content": None}, {"sender": 1}, {"type": []}, {"room_id": "\ud800"}, {"event_id": "a\0b"}),
        *({"state_key": "@agent_\0:example.org"}, {"event_id": "$" + "x" * 999}),
    ]
    junk: list[Any] = [None, 1, "x", [], {}, {"event_id": "$x"}, *(event("$x", **change) for change in unfit)]
    assert await client.put({"events": [event("$1"), *junk, event("$2")]}) == (200, {})
    assert intake.event_ids == ["$1", "$2"]
    assert intake.dead_letters == [("1", f"{len(junk)} elements that are not room events", repr(junk))]
    # The dead letter has every rejected element, so no backfill is needed.
    assert intake.signs == []


@pytest.mark.parametrize("depth", range(100, 1100, 25))
async def test_every_readable_body_can_become_a_dead_letter(
    client: AppServiceClient, intake: Recorder, depth: int
) -> None:
    assert await client.put(b'{"events": [' + b"[" * depth + b"]" * depth + b"]}") == (200, {})
    assert len(intake.dead_letters) == 1


async def test_ten_thousand_events_are_taken_at_once(client: AppServiceClient, intake: Recorder) -> None:
    assert await client.put({"events": [event(f"${number}") for number in range(10_000)]}) == (200, {})
    assert intake.event_ids == [f"${number}" for number in range(10_000)]
    assert len(intake.taken) == 1


async def test_a_body_of_sixty_megabytes_is_taken(client: AppServiceClient, intake: Recorder) -> None:
    events = [event(f"${number}", content={"body": "x" * 60_000}) for number in range(1000)]
    body = json.dumps({"events": events}).encode()
    assert 60_000_000 < len(body) <= MAX_BODY
    assert await client.put(body) == (200, {})
    assert len(intake.event_ids) == 1000


@pytest.mark.parametrize("error", [StoreError("the database failed: s3cret detail"), SchemaTooOld("too old")])
async def test_a_transaction_that_could_not_be_stored_is_sent_again(
    client: AppServiceClient, intake: Recorder, error: StoreError, caplog: pytest.LogCaptureFixture
) -> None:
    intake.fails = error
    status, answer = await client.put({"events": [event("$1")]})
    assert (status, answer["errcode"]) == (503, "M_UNKNOWN")
    assert str(error) not in json.dumps(answer)
    assert str(error) in caplog.text
    intake.fails = None
    assert await client.put({"events": [event("$1")]}) == (200, {})
    assert intake.event_ids == ["$1"]


async def test_an_answer_comes_after_everything_is_stored(client: AppServiceClient, intake: Recorder) -> None:
    intake.gate.clear()
    asked = asyncio.create_task(client.put({"events": [event("$1")]}))
    # The endpoint answers another request, and so had time for the first one.
    assert await client.ask("POST", PING, {}) == (200, {})
    assert not asked.done()
    intake.gate.set()
    assert await asked == (200, {})


async def test_a_token_beyond_ascii(intake: Recorder) -> None:
    async with serve_endpoint("t\u00f6ken", intake) as client:
        assert await client.put({"events": []}, headers={}, access_token="t\u00f6ken") == (200, {})
        assert (await client.put({"events": []}, headers={}, access_token="token"))[0] == 403


async def test_an_id_that_is_left_out_is_a_sign_once(client: AppServiceClient, intake: Recorder) -> None:
    """Other bridges and other application services use ids too, so most ids may be missing here."""
    for number in (3, 5, 7, 9):
        assert await client.put({"events": [event(f"${number}")]}, f"/transactions/{number}") == (200, {})
    assert intake.signs == ["the homeserver's transaction ids have a gap"]


async def test_each_restart_of_the_ids_is_a_sign_of_a_gap(client: AppServiceClient, intake: Recorder) -> None:
    for number in (7, 1, 2, 1):
        assert await client.put({"events": []}, f"/transactions/{number}") == (200, {})
    assert intake.signs == ["the homeserver's transaction ids restarted"] * 2


@pytest.mark.parametrize(
    ("came", "now", "over"),
    [
        pytest.param([], 1000, False, id="nothing came yet"),
        pytest.param([10], 12, False, id="perhaps more comes"),
        pytest.param([10], 14, True, id="it is quiet"),
        pytest.param([10, 12, 14], 16, False, id="more came"),
        pytest.param(range(10, 50, 2), 49, True, id="it is never quiet"),
    ],
)
def test_gap_detection_ends(came: Sequence[float], now: float, *, over: bool) -> None:
    gaps = GapDetector()
    for moment in came:
        gaps.saw(moment)
    assert gaps.is_over(now) is over
    gaps.settled = True
    assert gaps.is_over(now) is False


def test_missing_ids_indicate_a_stranded_transaction_unless_they_are_usual() -> None:
    missing = MissingIds(transactions=1)
    assert missing.indicate(now=0)
    missing.transactions = 100
    # Not again at once.
    assert [missing.indicate(now=moment) for moment in (1, 4, 6)] == [False, False, True]
    missing.transactions = 79
    assert not missing.indicate(now=1000)


async def until_compared(client: AppServiceClient, intake: Recorder) -> None:
    """Search for stranded transactions until the rooms are compared."""
    running = asyncio.create_task(every(GAP_LOOK, client.endpoint.look_for_gap, name="search"))
    try:
        async with asyncio.timeout(15):
            await intake.compared.wait()
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_a_transaction_that_is_stranded_late_is_searched(client: AppServiceClient, intake: Recorder) -> None:
    """The homeserver's repeats took so long that they seemed over."""
    assert await client.put({"events": []}, "/transactions/4") == (200, {})
    await until_compared(client, intake)
    assert await client.put({"events": []}, "/transactions/6") == (200, {})
    assert intake.signs == ["the homeserver's transaction ids have a gap"]


@pytest.mark.parametrize("ids", [["4", "4"], ["4", "1"]], ids=["repeat", "from one again"])
async def test_gap_detection_counts_from_the_transaction_that_it_begins_with(
    client: AppServiceClient, intake: Recorder, ids: list[str]
) -> None:
    """A repeated transaction may be the last one that the homeserver sends for a long time."""
    for txn_id in ids:
        assert await client.put({"events": []}, f"/transactions/{txn_id}") == (200, {})
    await until_compared(client, intake)
