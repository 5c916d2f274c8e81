"""Triggers over HTTP, on a real PostgreSQL: the requests that wake an agent, once, and those that do not."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent_bridge.bridge.inbound.trigger_intake import TriggerIntake
from agent_bridge.core.payloads import TriggerPayload
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.triggers import MOST_PER_MINUTE, TriggerKind, digest, signature_of
from agent_bridge.demo.agents.openai_server import LocalServer
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.prune import prune
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.triggers import NewTrigger, Triggers
from agent_bridge.web.trigger_routes import MAX_TRIGGER_BODY, TriggerRoutes
from support.jobs import idle_lanes, woken
from support.records import NAMES
from support.turn_rows import BOB, ROOM, add_agent, content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.test_utils import TestClient
    from pytest_aiohttp import AiohttpClient

    from agent_bridge.store.postgres.database import Database

KEY, TOKEN = "the-key-of-signatures", "the-token-of-a-callback"
SIGNED, CALLBACK = "/v1/triggers/signed-id", f"/v1/triggers/callback/{TOKEN}"
BODY = json.dumps({"text": "The job is done."}).encode()
JSON, PLAIN = {"Content-Type": "application/json"}, {"Content-Type": "text/plain; charset=utf-8"}
LIMIT = 2


class Members(LocalServer):
    """A server in the homeserver's place that tells the membership of the owner."""

    def __init__(self) -> None:
        self.membership = "join"
        self.status = 200
        app = web.Application()
        app.router.add_get("/_matrix/client/v3/rooms/{room}/state/m.room.member/{user}", self._member)
        super().__init__(app)

    async def _member(self, _request: web.Request) -> web.Response:
        if self.status != 200:
            return web.json_response({"errcode": "M_FORBIDDEN", "error": "no"}, status=self.status)
        return web.json_response({"content": {"membership": self.membership}})


class Scene:
    """A bridge with a signed trigger and a callback URL, both of Bob."""

    def __init__(
        self, database: Database, client: TestClient[Any, Any], members: Members, roles: dict[str, Role]
    ) -> None:
        self.database = database
        self.client = client
        self.members = members
        #: The roles that count, by user id.
        self.roles = roles

    async def post(
        self, path: str, body: bytes = BODY, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Send a request; return its status, and the answer or the error in it."""
        async with self.client.post(path, data=body, headers=JSON | (headers or {})) as response:
            answer = await response.json()
            return response.status, answer.get("error", answer)

    async def sign(
        self, body: bytes = BODY, headers: dict[str, str] | None = None, *, at: float = 0, key: str = KEY
    ) -> tuple[int, dict[str, Any]]:
        """Send a signed request *at* seconds from now, with other *headers* in place of the right ones."""
        timestamp = str(int(time.time() + at))
        signature = f"sha256={signature_of(key, timestamp, body)}"
        signed = {"X-Agent-Bridge-Timestamp": timestamp, "X-Agent-Bridge-Signature": signature}
        return await self.post(SIGNED, body, signed | (headers or {}))

    async def turns(self) -> list[dict[str, Any]]:
        """Return the turns of requests, in their order."""
        query = "SELECT * FROM turn WHERE kind = 'trigger' ORDER BY position"
        return [dict(row) for row in await self.database.rows(query)]


@pytest.fixture
async def members() -> AsyncIterator[Members]:
    async with Members() as running:
        yield running


@pytest.fixture
async def scene(database: Database, members: Members, aiohttp_client: AiohttpClient) -> AsyncIterator[Scene]:
    agent = await add_agent(database)
    triggers, roles = Triggers(database), {"example.org": Role.MEMBER}
    async with homeserver_session() as session:
        intake = TriggerIntake(
            database,
            triggers,
            Rooms(database),
            IntakeStore(database),
            idle_lanes(database),
            Homeserver(members.root_url, "token", NAMES, session),
            Roles.fixed(roles, NAMES),
            max_queued=LIMIT,
        )
        async with database.transaction() as connection:
            given: dict[str, Any] = {"owner": BOB, "agent": agent, "room_id": ROOM}
            await triggers.add(
                connection,
                NewTrigger(public_id="signed-id", kind=TriggerKind.SIGNED, name="nightly", signing_key=KEY, **given),
            )
            await triggers.add(
                connection,
                NewTrigger(
                    public_id="callback-id",
                    kind=TriggerKind.CALLBACK,
                    name="once",
                    token_hash=digest(TOKEN),
                    seconds=60,
                    **given,
                ),
            )
        app = web.Application()
        TriggerRoutes(triggers, intake.wake).add_routes(app)
        yield Scene(database, await aiohttp_client(app), members, roles)


async def test_a_signed_request_is_a_turn_when_it_is_accepted(scene: Scene) -> None:
    status, answer = await scene.sign()
    assert (status, answer["status"]) == (202, "accepted")
    (turn,) = await scene.turns()
    assert turn["event_id"] == f"trigger:{answer['id']}"
    assert turn["sender"] == BOB
    payload = content(turn)
    assert isinstance(payload, TriggerPayload)
    assert (payload.trigger, payload.text, payload.ghost) == ("nightly", "The job is done.", "agent_frida")
    assert await woken(scene.database) == [turn["conversation"]]


async def test_plain_text_is_accepted(scene: Scene) -> None:
    assert (await scene.sign("Fertig: ü\x00".encode(), PLAIN))[0] == 202
    payload = content((await scene.turns())[0])
    assert isinstance(payload, TriggerPayload)
    assert payload.text == "Fertig: ü\ufffd"


async def test_a_repeated_request_has_no_second_effect(scene: Scene) -> None:
    timestamp = str(int(time.time()))
    headers = {
        "X-Agent-Bridge-Timestamp": timestamp,
        "X-Agent-Bridge-Signature": f"sha256={signature_of(KEY, timestamp, BODY)}",
    }
    answers = await asyncio.gather(*(scene.post(SIGNED, BODY, headers) for _ in range(8)))
    # A signature in capitals is the same one.
    answers.append(
        await scene.post(
            SIGNED, BODY, headers | {"X-Agent-Bridge-Signature": headers["X-Agent-Bridge-Signature"].upper()}
        )
    )
    assert {status for status, _ in answers} == {202}
    assert len({answer["id"] for _, answer in answers}) == 1
    assert len(await scene.turns()) == 1
    # Also when the owner could not use it any more.
    scene.members.membership = "leave"
    assert await scene.post(SIGNED, BODY, headers) == answers[0]


async def test_requests_with_the_same_name_are_one(scene: Scene) -> None:
    bodies = [json.dumps({"text": text, "id": "build 7"}).encode() for text in ("begun", "done")]
    first, second = [await scene.sign(body) for body in bodies]
    assert first == second
    (turn,) = await scene.turns()
    payload = content(turn)
    assert isinstance(payload, TriggerPayload)
    assert payload.text == "begun"
    assert (await scene.sign(json.dumps({"text": "begun", "id": "build 8"}).encode()))[0] == 202
    assert len(await scene.turns()) == 2


@pytest.mark.parametrize("at", [-310.0, 310.0])
async def test_an_old_or_future_time_is_refused(scene: Scene, at: float) -> None:
    status, error = await scene.sign(at=at)
    assert (status, error["code"]) == (401, "invalid_timestamp")
    assert await scene.turns() == []


@pytest.mark.parametrize("at", [-290.0, 290.0])
async def test_a_clock_may_differ(scene: Scene, at: float) -> None:
    assert (await scene.sign(at=at))[0] == 202


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Agent-Bridge-Signature": ""}, (401, "invalid_signature")),
        ({"X-Agent-Bridge-Signature": "sha256="}, (401, "invalid_signature")),
        ({"X-Agent-Bridge-Signature": "sha256=" + "0" * 64}, (401, "invalid_signature")),
        ({"X-Agent-Bridge-Signature": "sha1=\udce9"}, (401, "invalid_signature")),
        ({"X-Agent-Bridge-Timestamp": ""}, (401, "invalid_timestamp")),
        ({"X-Agent-Bridge-Timestamp": "1700000000"}, (401, "invalid_timestamp")),
        ({"Content-Type": "application/x-www-form-urlencoded"}, (415, "unsupported_media_type")),
        ({"Content-Type": ""}, (415, "unsupported_media_type")),
        ({"Content-Type": "text/plain; charset=utf-16"}, (415, "unsupported_media_type")),
    ],
)
async def test_wrong_headers_are_refused(scene: Scene, headers: dict[str, str], expected: tuple[int, str]) -> None:
    status, error = await scene.sign(BODY, headers)
    assert (status, error["code"]) == expected
    assert await scene.turns() == []


async def test_the_time_is_a_part_of_the_signature(scene: Scene) -> None:
    status, error = await scene.sign(BODY, {"X-Agent-Bridge-Timestamp": str(int(time.time()) + 60)})
    assert (status, error["code"]) == (401, "invalid_signature")
    assert await scene.turns() == []


async def test_missing_headers_are_refused(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    status, error = await scene.post(SIGNED)
    assert (status, error["code"]) == (401, "invalid_signature")
    status, error = await scene.sign(key="another key")
    assert (status, error["code"]) == (401, "invalid_signature")
    # Anybody can send many.
    assert caplog.text.count("wrong signature for trigger") == 1
    assert await scene.turns() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"{}",
        b'{"text": ""}',
        b'{"text": " \\n "}',
        '{"text": "\u200b\u2060\u3164"}'.encode(),
        b'{"text": 7}',
        b'{"text": "x", "id": 7}',
        b'{"text": "x", "id": ""}',
        b'{"text": "x", "id": "' + b"x" * 201 + b'"}',
        b'{"text": "\xff"}',
        b"[" * 30_000,
    ],
)
async def test_a_body_without_a_text_is_refused(scene: Scene, body: bytes) -> None:
    status, error = await scene.sign(body)
    assert (status, error["code"]) == (400, "invalid_body")
    status, error = await scene.post(CALLBACK, body)
    assert (status, error["code"]) == (400, "invalid_body")
    assert await scene.turns() == []


async def test_a_body_may_have_64_kib(scene: Scene) -> None:
    assert (await scene.sign(b"x" * MAX_TRIGGER_BODY, PLAIN))[0] == 202
    assert (await scene.sign(b"x" * (MAX_TRIGGER_BODY + 1), PLAIN))[1]["code"] == "body_too_large"

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"x" * 8192

    async with scene.client.post(CALLBACK, data=pieces(), headers=PLAIN) as response:
        assert response.status == 413
    assert len(await scene.turns()) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/v1/triggers/callback-id",
        "/v1/triggers/signed-ie",
        "/v1/triggers/callback",
        "/v1/triggers/%00%F0%9F",
        "/v1/triggers/callback/signed-id",
        f"/v1/triggers/callback/{TOKEN}x",
        f"/v1/triggers/callback/{'x' * 400}",
        f"/v1/triggers/callback/{digest(TOKEN)}",
    ],
)
async def test_an_unknown_trigger_is_not_found(scene: Scene, path: str) -> None:
    timestamp = str(int(time.time()))
    headers = {
        "X-Agent-Bridge-Timestamp": timestamp,
        "X-Agent-Bridge-Signature": f"sha256={signature_of(KEY, timestamp, BODY)}",
    }
    status, error = await scene.post(path, BODY, headers)
    assert (status, error["code"]) == (404, "trigger_not_found")
    assert await scene.turns() == []


@pytest.mark.parametrize("path", [SIGNED, CALLBACK])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_post_wakes(scene: Scene, method: str, path: str) -> None:
    async with scene.client.request(method, path) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert (await response.json())["error"]["code"] == "method_not_allowed"


async def test_a_percent_encoded_path_is_the_path(scene: Scene) -> None:
    assert (await scene.post(f"/v1/triggers/callback/%74{TOKEN[1:]}"))[0] == 202


async def test_a_callback_url_works_once(scene: Scene) -> None:
    answers = await asyncio.gather(*(scene.post(CALLBACK) for _ in range(8)))
    assert {status for status, _ in answers} == {202}
    assert len({answer["id"] for _, answer in answers}) == 1
    assert len(await scene.turns()) == 1
    status, error = await scene.post(CALLBACK, b'{"text": "Another text."}')
    assert (status, error["code"]) == (410, "callback_used")
    await scene.database.execute("UPDATE trigger SET last_used_at = now() - interval '301 seconds'")
    status, error = await scene.post(CALLBACK)
    assert (status, error["code"]) == (410, "callback_used")
    assert len(await scene.turns()) == 1


async def test_of_different_requests_at_once_one_is_accepted(scene: Scene) -> None:
    bodies = [json.dumps({"text": f"text {number}"}).encode() for number in range(8)]
    statuses = [status for status, _ in await asyncio.gather(*(scene.post(CALLBACK, body) for body in bodies))]
    assert sorted(statuses) == [202] + [410] * 7
    assert len(await scene.turns()) == 1


async def test_an_expired_callback_url_wakes_nobody(scene: Scene) -> None:
    await scene.database.execute("UPDATE trigger SET expires_at = now() WHERE kind = 'callback'")
    status, error = await scene.post(CALLBACK)
    assert (status, error["code"]) == (410, "callback_expired")


async def test_an_owner_without_a_role_wakes_nobody(scene: Scene) -> None:
    for role in (Role.NONE, Role.AGENT):
        scene.roles["example.org"] = role
        for status, error in (await scene.sign(), await scene.post(CALLBACK)):
            assert (status, error["code"]) == (403, "owner_has_no_role")
    scene.roles["example.org"] = Role.MEMBER
    assert (await scene.post(CALLBACK))[0] == 202


@pytest.mark.parametrize("membership", ["leave", "ban", "invite", ""])
async def test_an_owner_outside_of_the_room_wakes_nobody(scene: Scene, membership: str) -> None:
    scene.members.membership = membership
    status, error = await scene.sign()
    assert (status, error["code"]) == (403, "owner_not_in_room")
    assert await scene.turns() == []


async def test_an_agent_that_is_away_is_not_woken(scene: Scene) -> None:
    for statement in (
        "UPDATE agent SET state = 'gone'",
        "UPDATE agent SET state = 'retired'",
        "UPDATE participant SET state = 'left'",
    ):
        await scene.database.execute(statement)
        status, error = await scene.sign()
        assert (status, error["code"]) == (409, "agent_not_available")
    await scene.database.execute("UPDATE agent SET state = 'active'")
    await scene.database.execute("UPDATE participant SET state = 'joined'")
    scene.members.status = 403
    status, error = await scene.sign()
    assert (status, error["code"]) == (409, "agent_not_available")


async def test_without_the_homeserver_the_sender_may_try_again(scene: Scene) -> None:
    scene.members.status = 502
    status, error = await scene.sign()
    assert (status, error["code"]) == (503, "homeserver_unavailable")
    assert await scene.turns() == []


async def test_a_deleted_room_revokes_its_triggers(scene: Scene) -> None:
    await scene.database.execute("UPDATE room SET status = 'deleting'")
    assert (await scene.sign())[0] == 404
    await scene.database.execute("DELETE FROM room")
    assert await scene.database.rows("SELECT 1 FROM trigger") == []


async def test_a_full_room_and_a_busy_trigger_are_refused(scene: Scene) -> None:
    for number in range(LIMIT):
        assert (await scene.sign(json.dumps({"text": f"{number}"}).encode()))[0] == 202
    status, error = await scene.sign()
    assert (status, error["code"]) == (429, "room_full")
    await scene.database.execute("UPDATE turn SET state = 'done', finished_at = now()")
    await scene.database.execute(
        "INSERT INTO trigger_request (trigger, key) SELECT id, n::text FROM trigger, generate_series(1, %s) AS n",
        (MOST_PER_MINUTE - LIMIT - 1,),
    )
    assert (await scene.sign(b"last", PLAIN))[0] == 202
    status, error = await scene.sign()
    assert (status, error["code"]) == (429, "too_many_requests")


async def test_requests_of_triggers_are_no_commands_of_their_owner(scene: Scene) -> None:
    await scene.sign()
    room = (await Rooms(scene.database).contexts([ROOM]))[ROOM]
    assert (room.waiting, dict(room.commands)) == (1, {})


async def test_spent_urls_and_old_requests_are_deleted(scene: Scene) -> None:
    await scene.sign()
    await scene.post(CALLBACK)
    await scene.database.execute("UPDATE trigger_request SET created_at = now() - interval '2 days'")
    await scene.database.execute("UPDATE trigger SET last_used_at = now() - interval '2 days'")
    await prune(scene.database, turns_days=1, transcript_days=1)
    assert [row["kind"] for row in await scene.database.rows("SELECT kind FROM trigger")] == ["signed"]
    assert await scene.database.rows("SELECT 1 FROM trigger_request") == []


async def test_secrets_are_neither_logged_nor_stored(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    await scene.sign()
    await scene.sign(key="another key")
    await scene.post(CALLBACK)
    await scene.post(CALLBACK, b'{"text": "Another text."}')
    assert TOKEN not in caplog.text
    assert KEY not in caplog.text
    rows = await scene.database.rows(
        "SELECT to_jsonb(t)::text AS row FROM trigger t UNION SELECT to_jsonb(t)::text FROM turn t"
    )
    assert not any(TOKEN in row["row"] for row in rows)
