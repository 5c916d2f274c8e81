"""Requests to the API on a real PostgreSQL, without a homeserver: recognised, limited and checked, or refused."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from agent_bridge.api.endpoints import all_endpoints
from agent_bridge.api.problems import STATUSES, TYPE
from agent_bridge.api.routes import ApiRoutes
from agent_bridge.bridge.programs.answer_watch import AnswerWatch
from agent_bridge.bridge.programs.asks import Asks
from agent_bridge.bridge.programs.requests import Call, Requests
from agent_bridge.core.actors import Actor
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import ALL_CAPABILITIES, Capability, random_token, token_hash
from agent_bridge.core.roles import Mutes, Role, RoleBook, Roles
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.program_requests import ProgramRequests
from agent_bridge.store.tokens import Tokens
from support.api_client import new_secret
from support.api_services import api_services
from support.records import NAMES
from support.turn_rows import BOB, add_agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.test_utils import TestClient
    from pytest_aiohttp import AiohttpClient

    from agent_bridge.store.postgres.database import Database

PER_MINUTE = 40
JSON = {"Content-Type": "application/json"}
UTC = ZoneInfo("UTC")


class _Silent:
    """The functions of messages, which are not reached."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None

    async def addressed(self, _token: Any, to: str) -> str:
        return to

    async def end_waits(self) -> None:
        pass

    async def new_chat(self, *_: Any) -> Any:
        raise ProgramRefused(Problem.AGENT_NOT_FOUND)

    async def send(self, *arguments: Any, **_: Any) -> Any:
        self.calls.append(arguments)
        if self.error is not None:
            raise self.error
        raise ProgramRefused(Problem.ROOM_NOT_FOUND)


class Scene:
    """The routes with a token of Bob."""

    def __init__(
        self, client: TestClient[Any, Any], tokens: Tokens, database: Database, messages: _Silent, roles: Roles
    ) -> None:
        self.client = client
        self.tokens = tokens
        self.database = database
        self.messages = messages
        self.roles = roles
        self.token = ""

    async def add(
        self,
        *,
        identity: Actor | None = None,
        capabilities: frozenset[Capability] = ALL_CAPABILITIES,
        seconds: float | None = None,
    ) -> str:
        """Write a token, and return it."""
        return await new_secret(
            self.tokens,
            self.database,
            identity or Actor(BOB),
            capabilities=capabilities,
            made_by=BOB,
            seconds=seconds,
        )

    async def request(
        self, method: str, path: str, *, token: str | None = None, headers: dict[str, str] | None = None, **more: Any
    ) -> tuple[int, Any, Any]:
        """Send a request; return the status, the content and the headers of its response."""
        secret = self.token if token is None else token
        given = ({"Authorization": f"Bearer {secret}"} if secret else {}) | (headers or {})
        async with self.client.request(method, path, headers=given, **more) as response:
            assert response.content_type in {"application/json", "application/problem+json"}
            return response.status, await response.json(content_type=None), response.headers


@pytest.fixture
async def scene(database: Database, aiohttp_client: AiohttpClient) -> AsyncIterator[Scene]:
    tokens = Tokens(database, NAMES)
    async with homeserver_session() as session:
        homeserver = Homeserver("http://127.0.0.1:9", "token", NAMES, session)
        roles = Roles.fixed({BOB: Role.MEMBER}, NAMES)
        messages = _Silent()
        services = api_services(
            database,
            homeserver,
            roles,
            requests=Requests(ProgramRequests(database), homeserver),
            messages=messages,
            asks=Asks(None, None, None, AnswerWatch(ProgramRequests(database), Signals()), NAMES),  # type: ignore[arg-type]
            places=_Silent(),
            client_agents=_Silent(),
        )
        routes = ApiRoutes(
            all_endpoints(), services, requests_per_minute=PER_MINUTE, trusted_proxies=[ip_network("127.0.0.0/8")]
        )
        app = web.Application()
        routes.add_routes(app)
        scene = Scene(await aiohttp_client(app), tokens, database, messages, roles)
        scene.token = await scene.add()
        yield scene


def checked(answer: tuple[int, Any, Any], problem: Problem) -> Any:
    """Check that *answer* tells *problem*, and return its content."""
    status, content, headers = answer
    assert (status, content["code"]) == (STATUSES[problem][0], problem)
    assert content["type"] == f"{TYPE}{problem}"
    assert content["status"] == status
    assert content["title"]
    assert headers["Content-Type"].startswith("application/problem+json")
    return content


async def test_a_request_needs_a_token_that_counts(scene: Scene) -> None:
    expired, revoked = await scene.add(seconds=0), await scene.add()
    (row,) = await scene.database.rows("SELECT id FROM token WHERE hash = %s", (token_hash(revoked),))
    assert (await scene.request("GET", "/v1/me", token=revoked))[0] == 200
    async with scene.database.transaction() as connection:
        await scene.tokens.revoke(connection, row["id"])
    answer = await scene.request("GET", "/v1/me", token="")
    checked(answer, Problem.TOKEN_MISSING)
    assert answer[2]["WWW-Authenticate"] == "Bearer"
    for wrong in (expired, revoked, random_token(), "ab_", "x" * 5_000, scene.token[:-1]):
        checked(await scene.request("GET", "/v1/me", token=wrong), Problem.TOKEN_INVALID)
    status, content, headers = await scene.request("GET", "/v1/me")
    assert (status, content["user_id"], content["role"], content["rooms"]) == (200, BOB, "member", None)
    assert headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in headers
    (row,) = await scene.database.rows(
        "SELECT last_used_at IS NOT NULL AS used, hash FROM token WHERE hash = %s", (token_hash(scene.token),)
    )
    assert row["used"]


async def test_paths_and_methods_that_do_not_exist(scene: Scene) -> None:
    checked(await scene.request("GET", "/v1/nothing"), Problem.NOT_FOUND)
    answer = await scene.request("DELETE", "/v1/me")
    checked(answer, Problem.METHOD_NOT_ALLOWED)
    assert answer[2]["Allow"] == "GET, PATCH"
    answer = await scene.request("OPTIONS", "/v1/send", headers={"Origin": "https://evil.example"})
    checked(answer, Problem.METHOD_NOT_ALLOWED)


async def test_a_token_beyond_its_rate(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    other = await scene.add()
    statuses = [(await scene.request("GET", "/v1/me"))[0] for _ in range(PER_MINUTE)]
    assert set(statuses) == {200}
    answer = await scene.request("GET", "/v1/me")
    checked(answer, Problem.TOO_MANY_REQUESTS)
    assert 1 <= int(answer[2]["Retry-After"]) <= 60
    assert (await scene.request("GET", "/v1/me", token=other))[0] == 200
    # Wrong tokens count for the address that a trusted proxy tells, and none of them is in the log.
    wrong = random_token()
    with caplog.at_level(logging.DEBUG):
        forwarded = {"X-Forwarded-For": "203.0.113.7, 127.0.0.5"}
        found = [(await scene.request("GET", "/v1/me", token=wrong, headers=forwarded))[0] for _ in range(31)]
    assert found == [401] * 30 + [429]
    assert (await scene.request("GET", "/v1/me", token=wrong))[0] == 401
    assert "203.0.113.7" in caplog.text
    assert wrong not in caplog.text
    assert scene.token not in caplog.text


BODIES: list[tuple[str, bytes, str]] = [
    ("no JSON", b"{", "body"),
    ("no object", b"[]", "body"),
    ("nothing", b"", "body"),
    ("without a text", b"{}", "text"),
    ("a number", b'{"text": 7}', "text"),
    ("an empty text", b'{"text": ""}', "text"),
    ("a long text", json.dumps({"text": "x" * 50_001}).encode(), "text"),
    ("an unknown field", b'{"text": "x", "org.agent_bridge.said_by": "@boss:x.org"}', "org.agent_bridge.said_by"),
    ("NUL", b'{"text": "a\\u0000b"}', "text"),
    ("half a pair", b'{"text": "a\\ud800b"}', "body"),
    ("no event id", b'{"text": "x", "thread": "root"}', "thread"),
    ("many mentions", json.dumps({"text": "x", "mentions": ["a"] * 21}).encode(), "mentions"),
    ("a number among mentions", b'{"text": "x", "mentions": ["a", 7]}', "mentions.1"),
    ("not a number", b'{"text": NaN}', "text"),
    ("not UTF-8", b'{"text": "\xff"}', "body"),
    ("deep", b'{"text": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "body"),
]


@pytest.mark.parametrize(("body", "field"), [each[1:] for each in BODIES], ids=[each[0] for each in BODIES])
async def test_a_body_of_another_form_names_the_field(scene: Scene, body: bytes, field: str) -> None:
    content = checked(
        await scene.request("POST", "/v1/rooms/x/messages", data=body, headers=JSON), Problem.INVALID_REQUEST
    )
    assert content["errors"][0]["field"] in {field, "body"}
    assert "x" * 100 not in json.dumps(content)
    assert scene.messages.calls == []


async def test_other_faults_of_requests(scene: Scene) -> None:
    path, body = "/v1/rooms/x/messages", b'{"text": "x"}'
    plain = await scene.request("POST", path, data=body, headers={"Content-Type": "text/plain"})
    checked(plain, Problem.UNSUPPORTED_MEDIA_TYPE)
    latin = await scene.request("POST", path, data=body, headers={"Content-Type": "application/json; charset=latin-1"})
    checked(latin, Problem.UNSUPPORTED_MEDIA_TYPE)
    for charset in ("klingon", "utf-16"):
        kind = {"Content-Type": f"application/json; charset={charset}"}
        checked(await scene.request("POST", path, data=body, headers=kind), Problem.UNSUPPORTED_MEDIA_TYPE)
    zipped = await scene.request("POST", path, data=gzip.compress(body), headers=JSON | {"Content-Encoding": "gzip"})
    checked(zipped, Problem.UNSUPPORTED_MEDIA_TYPE)
    checked(await scene.request("POST", path, data=b"x" * 300_000, headers=JSON), Problem.BODY_TOO_LARGE)
    for query in ("limit=0", "limit=x", "limit=101", "nothing=1", "after=x"):
        checked(await scene.request("GET", f"{path}?{query}"), Problem.INVALID_REQUEST)
    for blank in ("", "%20", "%09%E2%80%8B"):
        refused = checked(await scene.request("GET", f"/v1/search?q={blank}"), Problem.INVALID_REQUEST)
        assert refused["errors"][0]["field"] == "q"
    for key in ("", "x" * 201, "schön"):
        answer = await scene.request("POST", path, data=body, headers=JSON | {"Idempotency-Key": key})
        checked(answer, Problem.INVALID_REQUEST)
    checked(await scene.request("GET", f"/v1/rooms/{'x' * 300}/messages"), Problem.INVALID_REQUEST)
    checked(await scene.request("GET", "/v1/rooms/%00/messages"), Problem.INVALID_REQUEST)


async def test_capabilities_roles_and_failures(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    reader = await scene.add(capabilities=frozenset({Capability.READ}))
    nobody = await scene.add(identity=Actor("@nobody:x.org"))
    body: dict[str, Any] = {"data": b'{"text": "the secret of Bob"}', "headers": JSON}
    checked(await scene.request("POST", "/v1/rooms/x/messages", token=reader, **body), Problem.CAPABILITY_MISSING)
    send: dict[str, Any] = {"data": b'{"text": "x", "to": "Ada"}', "headers": JSON}
    checked(await scene.request("POST", "/v1/send", token=nobody, **send), Problem.ROLE_MISSING)
    checked(await scene.request("POST", "/v1/rooms/x/messages", **body), Problem.ROOM_NOT_FOUND)
    scene.messages.error = HomeserverUnavailable(Text("homeserver_away", said="10.0.0.1"))
    answer = await scene.request("POST", "/v1/rooms/x/messages", **body)
    assert "10.0.0.1" not in json.dumps(checked(answer, Problem.UNAVAILABLE))
    assert answer[2]["Retry-After"] == "5"
    scene.messages.error = RuntimeError("an internal detail")
    answer = await scene.request("POST", "/v1/rooms/x/messages", **body)
    assert "internal detail" not in json.dumps(checked(answer, Problem.INTERNAL))
    assert "the secret of Bob" not in caplog.text
    assert scene.token not in caplog.text


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_has_its_functions(scene: Scene, role: Role) -> None:
    scene.roles.replace(RoleBook({BOB: role}), Mutes())
    me = (await scene.request("GET", "/v1/me"))[:2]
    if role is Role.NONE:
        assert (me[0], me[1]["code"]) == (403, "role_missing")
    else:
        assert (me[0], me[1]["role"]) == (200, role.name.lower())
    chat = await scene.request("POST", "/v1/chats", data=b'{"agent": "Ada"}', headers=JSON)
    assert (chat[1]["code"] == Problem.ROLE_MISSING) == (role < Role.MEMBER)
    send = await scene.request("POST", "/v1/send", data=b'{"to": "Ada", "text": "x"}', headers=JSON)
    assert (send[1]["code"] == Problem.ROLE_MISSING) == (role < Role.AGENT)


async def test_an_agent_never_has_a_higher_role_than_agent(scene: Scene) -> None:
    agent = await add_agent(scene.database)
    (row,) = await scene.database.rows("SELECT ghost FROM agent WHERE id = %s", (agent,))
    machine = await scene.add(identity=Actor("ignored", agent))
    scene.roles.replace(RoleBook({NAMES.user_id(row["ghost"]): Role.OWNER}), Mutes())
    assert (await scene.request("GET", "/v1/me", token=machine))[1]["role"] == "agent"
    body: dict[str, Any] = {"data": b'{"agent": "Ada"}', "headers": JSON}
    checked(await scene.request("POST", "/v1/chats", token=machine, **body), Problem.ROLE_MISSING)


async def test_an_agent_at_rest_does_nothing(scene: Scene) -> None:
    agent = await add_agent(scene.database)
    machine = await scene.add(identity=Actor("@agent_a:x.org", agent))
    assert (await scene.request("GET", "/v1/me", token=machine))[1]["is_agent"] is True
    await scene.database.execute("UPDATE agent SET state = 'gone'")
    checked(await scene.request("GET", "/v1/rooms", token=machine), Problem.AGENT_AT_REST)


async def test_the_openapi_document_describes_every_endpoint(scene: Scene) -> None:
    status, document, _ = await scene.request("GET", "/v1/openapi.json", token="")
    assert status == 200
    assert document["openapi"] == "3.1.0"
    found = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert found == {(each.method, each.path) for each in all_endpoints()}
    known = set(document["components"]["schemas"])
    text = json.dumps(document)
    used = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= known
    for each in all_endpoints():
        operation = document["paths"][each.path][each.method.lower()]
        assert operation["summary"]
        assert ("Idempotency-Key" in [one["name"] for one in operation["parameters"]]) == each.writes


async def test_calls_with_the_same_key_act_once(scene: Scene) -> None:
    token = await scene.tokens.find(token_hash(scene.token))
    assert token is not None
    requests = Requests(ProgramRequests(scene.database), None)  # type: ignore[arg-type]
    acts: list[int] = []

    async def act(request: Any) -> dict[str, Any]:
        acts.append(request.id)
        await asyncio.sleep(0)
        return {"number": len(acts)}

    async def refuse(_request: Any) -> dict[str, Any]:
        raise ProgramRefused(Problem.MUTED)

    call = Call(token, "given:one", "digest", "test")
    with pytest.raises(ProgramRefused):
        await requests.once(call, refuse)
    # A refused call had no effect: a repeat with another content is a call.
    first = await requests.once(Call(token, "given:one", "other", "test"), act, status=201)
    again = await requests.once(Call(token, "given:one", "other", "test"), act)
    assert (first.status, first.content, first.is_repeat) == (201, {"number": 1}, False)
    assert (again.status, again.content, again.is_repeat) == (201, {"number": 1}, True)
    with pytest.raises(ProgramRefused) as reused:
        await requests.once(call, act)
    assert reused.value.problem is Problem.KEY_REUSED
    both = await asyncio.gather(*(requests.once(Call(token, "given:two", "x", "test"), act) for _ in range(4)))
    # The calls may run at the same time, and have the same result.
    assert len({each.content["number"] for each in both}) == 1
    rows = await scene.database.rows("SELECT action, status, key FROM api_request ORDER BY id")
    assert [row["key"] for row in rows] == ["given:one", "given:two"]
    assert {row["action"] for row in rows} == {"test"}
