"""Requests to the MCP server on a real PostgreSQL, without a homeserver: carried out, or refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR

from agent_bridge.api.mcp.tools import all_tools
from agent_bridge.api.problems import STATUSES
from agent_bridge.core.actors import Actor
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import Capability, random_token, token_hash
from support.api_client import Program
from support.mcp_client import AUTO, LEGACY, MODERN, tools_of
from support.mcp_scene import BOSS, OLDER, PER_MINUTE, Scene, called, mcp_scene
from support.turn_rows import BOB, add_agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_aiohttp import AiohttpClient

    from agent_bridge.store.postgres.database import Database


@pytest.fixture
async def scene(database: Database, aiohttp_client: AiohttpClient) -> AsyncIterator[Scene]:
    async with mcp_scene(database, aiohttp_client) as scene:
        yield scene


def code(answer: tuple[int, str, Any], problem: Problem) -> None:
    """Check that a response tells *problem*."""
    status, text, headers = answer
    assert (status, json.loads(text)["code"]) == (STATUSES[problem][0], problem)
    assert headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("mode", [MODERN, pytest.param(LEGACY), pytest.param(AUTO, marks=pytest.mark.long)])
async def test_the_official_client_calls_tools(scene: Scene, mode: str) -> None:
    async with tools_of(scene.program, mode) as tools:
        assert (tools.client.protocol_version == MODERN) is (mode != LEGACY)
        me = await tools.call("me")
        assert (me["user_id"], me["role"], me["is_agent"]) == (BOB, "member", False)
        # A member is no agent, and registers none.
        others = {"inbox", "reply", "register_agent"}
        assert await tools.names() == [each.name for each in all_tools() if each.name not in others]
        problem = await tools.problem("read", room="!x:x.org", limit=1000)
        assert (problem["code"], problem["errors"][0]["field"]) == ("invalid_request", "limit")
        working = await tools.call("ask", handle="h", timeout=500)
        assert (working["is_complete"], scene.functions.calls) == (False, [("h", 50.0)])
        # It would not be asked.
        assert await tools.code("ask", handle="h", text="And now?") == "invalid_request"
        assert await tools.code("send", to="#r:x.org", text="x", idempotency_key="one") == "room_not_found"
        call = scene.functions.calls[-1][0]
        assert (call.key, call.action, call.token.user_id) == ("given:one", "mcp send", BOB)
        with pytest.raises(MCPError, match="no such tool"):
            await tools.client.call_tool("delete_everything", {})


async def test_lists_and_objects_may_be_json_texts(scene: Scene) -> None:
    """Some clients pass them so, in place of the words of the model."""
    async with tools_of(scene.program, MODERN) as tools:
        assert await tools.code("send", to="#r:x.org", text="[1]", mentions='["@ann:x.org"]') == "room_not_found"
        words = scene.functions.calls[-1][2]
        assert (words.text, list(words.mentions)) == ("[1]", ["@ann:x.org"])
        for wrong in ("@ann:x.org", '{"a": 1}', "[" * 100_000, "[1]"):
            assert await tools.code("send", to="#r:x.org", text="x", mentions=wrong) == "invalid_request"


async def test_a_result_fits_the_limits_of_clients(scene: Scene) -> None:
    async with tools_of(scene.program, MODERN) as tools:
        newest = await tools.call("read", room="!r:x.org")
        assert ([each["event_id"] for each in newest["messages"]], newest["before"]) == (["$8", "$9"], "b")
        oldest = await tools.call("read", room="!r:x.org", after="$z")
        assert [each["event_id"] for each in oldest["messages"]] == ["$0", "$1"]


def test_numbers_of_schemas_are_those_that_all_clients_know() -> None:
    schemas = json.dumps([[each.input_schema(), each.output_schema()] for each in all_tools()])
    assert not re.search(r"\d{16}", schemas)


async def test_tools_are_those_of_the_identity(scene: Scene) -> None:
    agent = await add_agent(scene.database)
    programs = {
        "boss": await scene.add(Actor(BOSS)),
        "agent": await scene.add(Actor("@agent_a:x.org", agent)),
        "reader": await scene.add(capabilities=frozenset({Capability.READ})),
        "stranger": await scene.add(Actor("@stranger:x.org")),
    }
    found = {}
    for name, program in programs.items():
        async with tools_of(program, MODERN) as tools:
            found[name] = set(await tools.names())
            assert await tools.code("register_agent", name="x") == (
                "internal" if name == "boss" else "capability_missing" if name == "reader" else "role_missing"
            )
    everything = {each.name for each in all_tools()}
    assert found["boss"] == everything - {"inbox", "reply"}
    assert found["agent"] == everything - {"register_agent", "create_chat"}
    assert found["reader"] == {"me", "who", "read", "tasks", "votes"}
    assert found["stranger"] == {"read", "react", "share_file", "post_event", "votes", "vote_create", "vote"}
    await scene.database.execute("UPDATE agent SET state = 'gone'")
    async with tools_of(programs["agent"], MODERN) as tools:
        assert await tools.code("read", q="x") == "agent_at_rest"


async def test_a_request_needs_a_token_that_counts(scene: Scene) -> None:
    expired, revoked = await scene.add(seconds=0), await scene.add()
    (row,) = await scene.database.rows("SELECT id FROM token WHERE hash = %s", (token_hash(revoked.token),))
    assert (await scene.post(called(), revoked))[0] == 200
    async with scene.database.transaction() as connection:
        await scene.tokens.revoke(connection, row["id"])
    missing = await scene.post(called(), Authorization="")
    code(missing, Problem.TOKEN_MISSING)
    assert missing[2]["WWW-Authenticate"] == "Bearer"
    for wrong in (expired, revoked, Program("", random_token()), Program("", "x" * 5_000)):
        code(await scene.post(called(), wrong), Problem.TOKEN_INVALID)
    assert scene.of_programs == [True, *[False] * 5]
    with pytest.raises(Exception) as refused:  # noqa: PT011 - the client's own groups of errors
        async with tools_of(revoked) as tools:
            await tools.names()
    assert "401" in str(refused.value) or refused.group_contains(Exception)


async def test_a_token_beyond_its_rate(scene: Scene) -> None:
    async with tools_of(scene.program, MODERN) as tools:
        for _ in range(PER_MINUTE):
            with contextlib.suppress(MCPError):
                await tools.client.call_tool("me", {})
        refused = await scene.post(called())
        code(refused, Problem.TOO_MANY_REQUESTS)
        assert 1 <= int(refused[2]["Retry-After"]) <= 60
        # The API has the same limit.
        with pytest.raises(MCPError):
            await tools.client.call_tool("me", {})
    assert (await scene.post(called(), await scene.add()))[0] == 200


async def test_web_pages_and_other_methods(scene: Scene) -> None:
    for origin in (
        "https://evil.example",
        "http://127.0.0.1:1",
        "null",
        "http://[",
        "http://127.0.0.1.evil.example:29330",
    ):
        code(await scene.post(called(), Origin=origin), Problem.ORIGIN_NOT_ALLOWED)
    status, _, headers = await scene.post(called(), Origin="http://127.0.0.1:29330")
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert not [name for name in headers if name.startswith("Access-Control") or name == "Mcp-Session-Id"]
    for method in ("GET", "DELETE", "PUT", "OPTIONS"):
        answer = await scene.post(b"", method=method)
        code(answer, Problem.METHOD_NOT_ALLOWED)
        assert answer[2]["Allow"] == "POST"


BODIES: list[tuple[str, Any, int]] = [
    ("no JSON", b"{", 400),
    ("nothing", b"", 400),
    ("a batch", [called()], 400),
    ("no object", b"null", 400),
    ("a response", {"jsonrpc": "2.0", "id": 1, "result": {}}, 400),
    ("parameters by position", {**called(), "params": ["me"]}, 400),
    ("not UTF-8", b'{"method": "\xff"}', 400),
    ("deep", b'{"params": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", 400),
    ("an endless number", b'{"id": ' + b"9" * 100_000 + b"}", 400),
    ("no name", called(name=7), 400),
    ("arguments that are no object", called(arguments=[1]), 400),
    ("an unknown method", {**called(), "method": "tools/destroy"}, 404),
    ("a subscription", {**called(), "method": "subscriptions/listen"}, 400),
    ("another identity", called(arguments={"user_id": "@boss:x.org"}), 200),
    ("half a pair", called("send", arguments={"to": "x", "text": "\ud800"}), 200),
    ("NUL", called("send", arguments={"to": "x", "text": "a\0b"}), 200),
    ("a long text", called("send", arguments={"to": "x", "text": "x" * 50_001}), 200),
    ("a key that is none", called("send", arguments={"to": "x", "text": "x", "idempotency_key": "\n"}), 200),
    ("no file", called("share_file", arguments={"room": "x", "name": "x"}), 200),
    ("two files", called("share_file", arguments={"room": "x", "name": "x", "text": "x", "base64": "eA=="}), 200),
    ("no Base64", called("share_file", arguments={"room": "x", "name": "x", "base64": "%"}), 200),
    (
        "a header in a type",
        called("share_file", arguments={"room": "x", "name": "x", "text": "x", "content_type": "a/b\r\n"}),
        200,
    ),
]


@pytest.mark.parametrize(("body", "status"), [each[1:] for each in BODIES], ids=[each[0] for each in BODIES])
async def test_hostile_bodies(scene: Scene, caplog: pytest.LogCaptureFixture, body: Any, status: int) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    params = body.get("params") if isinstance(body, dict) else None
    name = params.get("name") if isinstance(params, dict) else "me"
    method = body.get("method") if isinstance(body, dict) else "tools/call"
    for protocol in ({}, OLDER):
        named: Any = protocol or {"Mcp_Name": str(name), "Mcp_Method": str(method)}
        found, text, _ = await scene.post(data, **named)
        content = json.loads(text)
        # With a handshake, the errors of methods are responses.
        is_of_method = bool(protocol) and content.get("error", {}).get("code") == METHOD_NOT_FOUND
        assert found in ({200} if is_of_method else {status, 400} if protocol else {status}), text
        assert "pydantic" not in text
        assert "x" * 100 not in text
        if found == 200 and "result" in content:
            assert content["result"]["isError"] is True
            problem = json.loads(content["result"]["content"][0]["text"])
            assert problem["code"] == "invalid_request"
        else:
            assert content["error"]["message"]
            is_no_json = isinstance(body, bytes) and body != b"null"
            if is_no_json:
                assert (content["error"]["code"], content["id"]) == (PARSE_ERROR, None)
    assert scene.functions.calls == []
    assert "Traceback" not in caplog.text


async def test_a_message_that_is_none_has_an_answer(scene: Scene) -> None:
    kinds: list[Any] = [({"id": each}, None) for each in (None, True, 1.5, [1])]
    for given, content in (*kinds, ({"jsonrpc": "1.0"}, 1), ({"method": 7}, 1)):
        for protocol in ({}, OLDER):
            headers: Any = protocol
            found, text, _ = await scene.post({**called(), **given}, **headers)
            answer = json.loads(text)
            assert (found, answer["id"], answer["error"]["code"]) == (400, content, INVALID_REQUEST)


async def test_a_refusal_is_short_whatever_the_request_names(scene: Scene) -> None:
    found, text, _ = await scene.post(called("me", {f"{number}" + "\x01" * 5_000: 1 for number in range(25)}))
    assert found == 200
    assert "Extra inputs are not permitted" in text
    assert len(text) < 100_000


async def test_clients_need_not_name_types(scene: Scene) -> None:
    for protocol in ({}, OLDER):
        for types in ("", "text/event-stream", "text/html"):
            headers: Any = {**protocol, "Accept": types}
            found, text, answered = await scene.post(called(), **headers)
            assert (found, answered.get("Content-Type")) == (200, "application/json"), text


async def test_other_faults_of_requests(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    code(await scene.post(called(), Content_Type="text/plain"), Problem.UNSUPPORTED_MEDIA_TYPE)
    zipped = gzip.compress(json.dumps(called()).encode())
    code(await scene.post(zipped, Content_Encoding="gzip"), Problem.UNSUPPORTED_MEDIA_TYPE)
    code(await scene.post(io.BytesIO(b"x" * 2_100_000)), Problem.BODY_TOO_LARGE)
    assert (await scene.post(called(), X_Name="日本"))[0] == 200
    scene.functions.error = RuntimeError("an internal detail")
    kinds: list[Any] = [{"Mcp_Name": "send"}, OLDER, OLDER | {"MCP_Protocol_Version": "2025-06-18"}]
    for headers in kinds:
        body = called("send", {"to": "#r:x.org", "text": "the secret of Bob"})
        with caplog.at_level(logging.DEBUG):
            _, text, _ = await scene.post(body, **headers)
        problem = json.loads(json.loads(text)["result"]["content"][0]["text"])
        assert problem["code"] == "internal"
        assert "internal detail" not in text
    assert "the secret of Bob" not in caplog.text
    assert scene.program.token not in caplog.text


async def test_without_the_extra(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp_types", None)
    answer = await scene.post(called(), Authorization="")
    code(answer, Problem.NOT_FOUND)
    assert 'pip install "agent-bridge[mcp]"' in json.loads(answer[1])["detail"]
