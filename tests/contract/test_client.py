"""The homeserver's API against a server that sends correct responses and every kind of fault."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from mautrix.api import Method, Path

from agent_bridge.core.errors import (
    HomeserverError,
    HomeserverRefused,
    HomeserverUnavailable,
    RegistrationRejected,
    ServerOutOfReach,
    TokenRejected,
    UserNotRegistered,
)
from agent_bridge.matrix.client import CreatedRoom, Homeserver
from agent_bridge.matrix.session import PATIENCE, homeserver_session
from support.fault_server import FaultServer, Reply
from support.records import NAMES
from support.severable_proxy import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Call = Callable[[Homeserver], Awaitable[object]]

TOKEN = "as-s3cret"
ROOM, GHOST, BOB = "!room/1:example.org", "@agent_frida:example.org", "@bob:hs"
CLIENT = "/_matrix/client/v3"
UNREGISTERED = "Application service has not registered this user (@agent_frida:example.org)"
NOT_OURS = "Application service cannot masquerade as this user (@agent_frida:example.org)."
IN_ROOM = f"{CLIENT}/rooms/{ROOM}"

_EVENT = {"event_id": "$e", "content": {}}
_DENSE = {"event_id": "$e", "content": {"body": "hi", "x": [[0]] * 15_000}}


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        yield server


@pytest.fixture
async def homeserver(server: FaultServer) -> AsyncIterator[Homeserver]:
    async with homeserver_session() as session:
        yield Homeserver(server.url.removesuffix("/v1"), TOKEN, NAMES, session)


def says(body: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, {"Content-Type": "application/json"} | headers, (json.dumps(body).encode(),))


def refuses(status: int, errcode: str, message: str = "no", **more: Any) -> Reply:
    return says({"errcode": errcode, "error": message, **more}, status)


def is_json(body: bytes, status: int = 200) -> Reply:
    """Return a response whose body is declared as JSON."""
    return Reply(status, {"Content-Type": "application/json"}, (body,))


AWAY, REFUSED = HomeserverUnavailable, HomeserverRefused
HTML = {"Content-Type": "text/html"}
LIMITED = refuses(429, "M_LIMIT_EXCEEDED", retry_after_ms=150)


@pytest.mark.parametrize(
    ("call", "answer", "request_", "result"),
    [
        pytest.param(
            lambda h: h.versions(), {"versions": ["v1.11"]}, ("GET", "/_matrix/client/versions", None, NAMES.bot),
            {"versions": ["v1.11"]}, id="versions",
        ),
        pytest.param(
            lambda h: h.whoami(GHOST), {"user_id": GHOST}, ("GET", f"{CLIENT}/account/whoami", None, GHOST), GHOST,
            id="whoami",
        ),
        pytest.param(
            lambda h: h.ping("my bridge"), {"duration_ms": 7},
            ("POST", "/_matrix/client/v1/appservice/my bridge/ping", {}, NAMES.bot), 7.0, id="ping",
        ),
        pytest.param(
            lambda h: h.register("agent_frida"), {"user_id": GHOST},
            ("POST", f"{CLIENT}/register",
             {"type": "m.login.application_service", "username": "agent_frida", "inhibit_login": True}, NAMES.bot),
            None, id="register",
        ),
        pytest.param(
            lambda h: h.set_displayname(GHOST, "Frida"), {},
            ("PUT", f"{CLIENT}/profile/{GHOST}/displayname", {"displayname": "Frida"}, GHOST), None,
            id="set displayname",
        ),
        pytest.param(
            lambda h: h.displayname(GHOST), {"displayname": "Frida"},
            ("GET", f"{CLIENT}/profile/{GHOST}/displayname", None, NAMES.bot), "Frida", id="displayname of a user",
        ),
        pytest.param(
            lambda h: h.create_room({"room_alias_name": "agent_frida"}, GHOST), {"room_id": ROOM},
            ("POST", f"{CLIENT}/createRoom", {"room_alias_name": "agent_frida"}, GHOST), CreatedRoom(ROOM, fresh=True),
            id="createRoom",
        ),
        pytest.param(
            lambda h: h.resolve_alias("#a b:example.org"), {"room_id": ROOM, "servers": []},
            ("GET", f"{CLIENT}/directory/room/#a b:example.org", None, NAMES.bot), ROOM, id="alias",
        ),
        pytest.param(
            lambda h: h.remove_alias("#a:example.org"), {},
            ("DELETE", f"{CLIENT}/directory/room/#a:example.org", {}, NAMES.bot), None, id="remove alias",
        ),
        pytest.param(
            lambda h: h.join(ROOM, GHOST), {"room_id": ROOM}, ("POST", f"{IN_ROOM}/join", {}, GHOST), None, id="join"
        ),
        pytest.param(
            lambda h: h.leave(ROOM, "bye"), {}, ("POST", f"{IN_ROOM}/leave", {"reason": "bye"}, NAMES.bot), None,
            id="leave",
        ),
        pytest.param(
            lambda h: h.invite(ROOM, BOB, GHOST), {}, ("POST", f"{IN_ROOM}/invite", {"user_id": BOB}, GHOST),
            True, id="invite",
        ),
        pytest.param(
            lambda h: h.membership(ROOM, BOB), {"content": {"membership": "invite"}},
            ("GET", f"{IN_ROOM}/state/m.room.member/{BOB}", None, NAMES.bot), "invite", id="membership",
        ),
        pytest.param(
            lambda h: h.joined_rooms(GHOST), {"joined_rooms": [ROOM]}, ("GET", f"{CLIENT}/joined_rooms", None, GHOST),
            [ROOM], id="joined rooms",
        ),
        pytest.param(
            lambda h: h.add_alias("#a:hs", ROOM, GHOST), {},
            ("PUT", f"{CLIENT}/directory/room/#a:hs", {"room_id": ROOM}, GHOST), None, id="add an alias",
        ),
        pytest.param(
            lambda h: h.forget(ROOM, GHOST), {}, ("POST", f"{IN_ROOM}/forget", None, GHOST), None, id="forget a room",
        ),
        pytest.param(
            lambda h: h.count_members(ROOM),
            {"chunk": [{"content": {"membership": each}} for each in ("join", "invite", "ban", "knock", "join")]},
            ("GET", f"{IN_ROOM}/members", None, NAMES.bot), 3, id="members",
        ),
        pytest.param(
            lambda h: h.state(ROOM, "m.room.name"), {"content": {"name": "Frida"}},
            ("GET", f"{IN_ROOM}/state/m.room.name", None, NAMES.bot), {"content": {"name": "Frida"}}, id="state",
        ),
        pytest.param(
            lambda h: h.set_state(ROOM, "m.space.child", {"via": []}, key="!x"), {"event_id": "$e"},
            ("PUT", f"{IN_ROOM}/state/m.space.child/!x", {"via": []}, NAMES.bot), None, id="set state",
        ),
        pytest.param(
            lambda h: h.send(ROOM, {"body": "hi"}, txn_id="ab.1/2.0", as_user=GHOST), {"event_id": "$e"},
            ("PUT", f"{IN_ROOM}/send/m.room.message/ab.1/2.0", {"body": "hi"}, GHOST), "$e", id="send",
        ),
        pytest.param(
            lambda h: h.redact(ROOM, "$e", txn_id="t"), {"event_id": "$r"},
            ("PUT", f"{IN_ROOM}/redact/$e/t", {}, NAMES.bot), None, id="redact",
        ),
        pytest.param(
            lambda h: h.messages(ROOM, limit=5, start="t1"), {"chunk": [_EVENT, {"event_id": 1}, None], "end": "t2"},
            ("GET", f"{IN_ROOM}/messages", None, NAMES.bot), ([_EVENT], "t2"), id="messages",
        ),
        pytest.param(
            lambda h: h.messages(ROOM, limit=5), {"chunk": []},
            ("GET", f"{IN_ROOM}/messages", None, NAMES.bot), ([], None), id="the last messages",
        ),
        pytest.param(
            lambda h: h.messages(ROOM, limit=5), {"chunk": [_DENSE]},
            ("GET", f"{IN_ROOM}/messages", None, NAMES.bot),
            ([{"event_id": "$e", "content": {"body": "hi", "x": []}}], None), id="a message of many lists",
        ),
        pytest.param(
            lambda h: h.presence(GHOST, "unavailable", "away"), {},
            ("PUT", f"{CLIENT}/presence/{GHOST}/status", {"presence": "unavailable", "status_msg": "away"}, GHOST),
            None, id="presence",
        ),
        pytest.param(
            lambda h: h.presence(GHOST, "offline"), {},
            ("PUT", f"{CLIENT}/presence/{GHOST}/status", {"presence": "offline"}, GHOST), None, id="offline",
        ),
        pytest.param(
            lambda h: h.status_message(GHOST), {"presence": "offline", "status_msg": "Ready"},
            ("GET", f"{CLIENT}/presence/{GHOST}/status", None, GHOST), "Ready", id="status message",
        ),
        pytest.param(
            lambda h: h.status_message(GHOST), {"presence": "offline"},
            ("GET", f"{CLIENT}/presence/{GHOST}/status", None, GHOST), None, id="no status message",
        ),
        pytest.param(
            lambda h: h.typing(ROOM, GHOST, 1.5), {},
            ("PUT", f"{IN_ROOM}/typing/{GHOST}", {"typing": True, "timeout": 1500}, GHOST), None, id="typing",
        ),
        pytest.param(
            lambda h: h.typing(ROOM, GHOST, 0), {},
            ("PUT", f"{IN_ROOM}/typing/{GHOST}", {"typing": False}, GHOST), None, id="not typing",
        ),
        pytest.param(
            lambda h: h.read(ROOM, "$e", GHOST), {},
            ("POST", f"{IN_ROOM}/receipt/m.read/$e", {}, GHOST), None, id="read",
        ),
    ],
)  # fmt: skip
async def test_requests(
    homeserver: Homeserver,
    server: FaultServer,
    call: Call,
    answer: Any,
    request_: tuple[str, str, Any, str],
    result: object,
) -> None:
    server.script(says(answer))
    assert await call(homeserver) == result
    (request,) = server.requests
    method, path, body, user = request_
    assert (request.method, request.path) == (method, path)
    assert (request.json or {}) == (body or {})
    assert request.query["user_id"] == user
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert "access_token" not in request.query


async def test_pages_and_whole_events_are_asked_for(homeserver: Homeserver, server: FaultServer) -> None:
    server.script(says({"chunk": []}), says({"content": {}}), says({"chunk": []}))
    await homeserver.messages(ROOM, limit=5, start="t1")
    await homeserver.state(ROOM, "m.room.name")
    await homeserver.count_members(ROOM)
    messages, state, members = (request.query for request in server.requests)
    assert (messages["dir"], messages["limit"], messages["from"]) == ("b", "5", "t1")
    assert state["format"] == "event"
    assert members["not_membership"] == "leave"


@pytest.mark.parametrize(
    ("version", "default", "lists"),
    [("11", None, True), ("12", None, False), ("1", None, True), ("org.example.new", None, False),
     (None, {"m.room_versions": {"default": "10"}}, True), (None, {"m.room_versions": {"default": "12"}}, False),
     (None, {}, True)],
)  # fmt: skip
async def test_whether_power_levels_list_the_creator(
    homeserver: Homeserver,
    server: FaultServer,
    version: str | None,
    default: Any,
    lists: bool,  # noqa: FBT001
) -> None:
    server.script(says({"capabilities": default}))
    assert await homeserver.lists_creator(version) is lists
    assert [request.path for request in server.requests] == ([] if version else [f"{CLIENT}/capabilities"])


@pytest.mark.parametrize(
    ("reply", "kind", "status", "errcode", "says_"),
    [
        (refuses(403, "M_FORBIDDEN", "you may not"), REFUSED, 403, "M_FORBIDDEN", "M_FORBIDDEN: you may not"),
        (refuses(401, "M_UNKNOWN_TOKEN"), TokenRejected, 401, "M_UNKNOWN_TOKEN", "as_token: M_UNKNOWN_TOKEN: no"),
        (refuses(401, "M_MISSING_TOKEN"), TokenRejected, 401, "M_MISSING_TOKEN", "as_token: M_MISSING_TOKEN: no"),
        (refuses(403, "M_FORBIDDEN", UNREGISTERED), UserNotRegistered, 403, "M_FORBIDDEN", UNREGISTERED),
        (refuses(403, "M_FORBIDDEN", NOT_OURS), RegistrationRejected, 403, "M_FORBIDDEN", NOT_OURS),
        (refuses(413, "M_TOO_LARGE"), REFUSED, 413, "M_TOO_LARGE", "M_TOO_LARGE: no"),
        (refuses(400, "ORG.EXAMPLE.OWN"), REFUSED, 400, "ORG.EXAMPLE.OWN", "ORG.EXAMPLE.OWN: no"),
        *((Reply(status, HTML, (b"no",)), AWAY, status, None, f"HTTP {status}") for status in (400, 401, 407, 413)),
        (says({"errcode": "M_X"}, 400), REFUSED, 400, "M_X", "M_X"),
        (refuses(500, "M_UNKNOWN", "Internal"), AWAY, 500, "M_UNKNOWN", "M_UNKNOWN: Internal"),
        (Reply(502, HTML, (b"<h1>Bad Gateway</h1>",)), AWAY, 502, None, "502"),
        (Reply(503), AWAY, 503, None, "HTTP 503"),
        (is_json(b"[]", 504), AWAY, None, None, "is the address correct"),
        (is_json(b"{", 502), AWAY, 502, None, "HTTP 502"),
        (Reply(200, HTML, (b"<html>",)), AWAY, None, None, "cannot be reached"),
        (is_json(b'{"room'), AWAY, None, None, "is the address correct"),
        (is_json(b"\xff\xfe\x00"), AWAY, None, None, "is the address correct"),
        (says([]), AWAY, None, None, "is not valid: is the address correct?"),
        (says(None), AWAY, None, None, "response is not valid"),
        (says("ok"), AWAY, None, None, "response is not valid"),
        (Reply(200, {"Content-Length": "99"}, (b"{",), then="cut"), AWAY, None, None, "cannot be reached"),
        (Reply(head=False, then="cut"), AWAY, None, None, "cannot be reached"),
        (Reply(head=False, pieces=(b"SSH-2.0\r\n",), then="cut"), AWAY, None, None, "cannot be reached"),
    ],
    ids=str,
)  # fmt: skip
async def test_failures(
    homeserver: Homeserver,
    server: FaultServer,
    reply: Reply,
    kind: type[HomeserverError],
    status: int | None,
    errcode: str | None,
    says_: str,
) -> None:
    server.script(reply)
    with pytest.raises(HomeserverError) as caught:
        await homeserver.join(ROOM)
    error = caught.value
    assert (type(error), error.status, error.errcode) == (kind, status, errcode)
    assert says_ in str(error)
    assert error.retryable is issubclass(kind, HomeserverUnavailable)
    assert TOKEN not in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda h: h.whoami(),
        lambda h: h.lists_creator(None),
        lambda h: h.create_room({"room_alias_name": "a"}),
        lambda h: h.resolve_alias("#a:hs"),
        lambda h: h.membership(ROOM, BOB),
        lambda h: h.joined_rooms(),
        lambda h: h.count_members(ROOM),
        lambda h: h.send(ROOM, {}, txn_id="t"),
        lambda h: h.messages(ROOM, limit=1),
    ],
    ids=["whoami", "capabilities", "create", "alias", "membership", "joined rooms", "members", "send", "messages"],
)
@pytest.mark.parametrize("answer", [{}, {"user_id": 1, "room_id": None, "event_id": [], "chunk": {}, "content": "x"}])
async def test_responses_without_the_expected_fields_are_errors(
    homeserver: Homeserver, server: FaultServer, call: Call, answer: Any
) -> None:
    server.script(says(answer))
    with pytest.raises(HomeserverUnavailable, match="response is not valid"):
        await call(homeserver)


async def test_the_name_of_the_homeserver(homeserver: Homeserver, server: FaultServer) -> None:
    server.script(says({"user_id": "@agentbridge:another.org"}))
    assert await homeserver.server_name() == "another.org"
    # A wrong domain in the configuration would be refused as a user.
    assert "user_id" not in server.requests[0].query


async def test_the_state_of_a_room(homeserver: Homeserver, server: FaultServer) -> None:
    name = {"type": "m.room.name", "state_key": "", "content": {"name": "Frida"}}

    def member(membership: str) -> dict[str, Any]:
        return {"type": "m.room.member", "state_key": GHOST, "content": {"membership": membership}}

    server.script(
        says([name, member("join")]),
        says([name, member("leave")]),
        refuses(403, "M_FORBIDDEN"),
        refuses(404, "M_NOT_FOUND"),
        refuses(403, "M_FORBIDDEN", UNREGISTERED),
        refuses(400, "M_INVALID_PARAM"),
        # A request that took a wrong route does not show that the room is gone.
        refuses(404, "M_UNRECOGNIZED"),
        says({}),
    )
    state = await homeserver.room_state(ROOM, GHOST)
    assert state is not None
    assert state.content("m.room.name") == {"name": "Frida"}
    assert [await homeserver.room_state(ROOM, GHOST) for _ in range(3)] == [None] * 3
    for error in (UserNotRegistered, HomeserverRefused, HomeserverRefused, HomeserverUnavailable):
        with pytest.raises(error):
            await homeserver.room_state(ROOM, GHOST)


async def test_no_server_at_the_address() -> None:
    async with homeserver_session() as session:
        with pytest.raises(HomeserverUnavailable, match=r"^the homeserver cannot be reached: .*127\.0\.0\.1"):
            await Homeserver("http://127.0.0.1:9", TOKEN, NAMES, session).versions()


@pytest.mark.parametrize(
    "reply", [Reply(head=False, then="hang"), Reply(200, {}, (b"{",), then="hang")], ids=["silent", "half"]
)
async def test_a_silent_homeserver_is_unavailable(server: FaultServer, reply: Reply) -> None:
    server.script(reply)
    async with homeserver_session(read_timeout=0.3) as session, asyncio.timeout(10):
        homeserver = Homeserver(server.url.removesuffix("/v1"), TOKEN, NAMES, session)
        with pytest.raises(HomeserverUnavailable, match="cannot be reached"):
            await homeserver.versions()


async def test_a_request_on_a_connection_that_fell_silent_is_repeated_on_a_new_one(server: FaultServer) -> None:
    """A firewall dropped the connections of the pool without a word."""
    versions = Reply(200, {"Content-Type": "application/json"}, (b"{}",), pause=0.1)
    server.script(*[versions] * 4, *[says({"event_id": "$e"})] * 2)
    port = int(server.url.removesuffix("/v1").rpartition(":")[2])
    async with Line(port) as line, homeserver_session(silence=0.5) as session, asyncio.timeout(10):
        homeserver = Homeserver(f"http://127.0.0.1:{line.port}", TOKEN, NAMES, session)
        await asyncio.gather(*(homeserver.versions() for _ in range(4)))
        line.silence()
        assert await homeserver.send(ROOM, {"body": "hi"}, txn_id="t") == "$e"
        # The other connections of the pool are gone too: this request cannot be repeated.
        await homeserver.join(ROOM)
    assert [request.path.rpartition("/")[2] for request in server.requests[4:]] == ["t", "join"]


async def test_a_repeated_request_has_the_same_transaction_id(server: FaultServer) -> None:
    server.script(*[Reply(head=False, then="hang")] * 4, says({"event_id": "$e"}))
    async with homeserver_session(silence=0.1, read_timeout=1) as session, asyncio.timeout(10):
        homeserver = Homeserver(server.url.removesuffix("/v1"), TOKEN, NAMES, session)
        with pytest.raises(HomeserverUnavailable):
            # A repetition of this request could come after a later change.
            await homeserver.set_state(ROOM, "m.room.name", {"name": "Frida"})
        assert await homeserver.send(ROOM, {"body": "hi"}, txn_id="t") == "$e"
    assert len(server.requests) == 5
    assert len({(request.path, str(request.json)) for request in server.requests[1:]}) == 1


@pytest.mark.parametrize("what", ["query", "upload", "claim"])
async def test_a_request_about_keys_is_repeated(server: FaultServer, what: str) -> None:
    """The opener of encrypted events waits for it, and people wait for the opener."""
    server.script(Reply(head=False, then="hang"), says({}))
    async with homeserver_session(silence=0.1) as session, asyncio.timeout(10):
        homeserver = Homeserver(server.url.removesuffix("/v1"), TOKEN, NAMES, session)
        await homeserver.request(Method.POST, Path.v3.keys[what], {})
    assert len(server.requests) == 2


async def test_a_message_to_devices_is_repeated(server: FaultServer) -> None:
    server.script(Reply(head=False, then="hang"), says({}))
    async with homeserver_session(silence=0.1) as session, asyncio.timeout(10):
        homeserver = Homeserver(server.url.removesuffix("/v1"), TOKEN, NAMES, session)
        await homeserver.send_to_devices(GHOST, "m.dummy", "t", {})
    assert len(server.requests) == 2


async def test_a_base_path_is_kept(server: FaultServer) -> None:
    server.script(says({}))
    async with homeserver_session() as session:
        await Homeserver(server.url, TOKEN, NAMES, session).versions()
    assert server.requests[0].path == "/v1/_matrix/client/versions"


async def test_a_limited_request_waits_and_is_repeated(homeserver: Homeserver, server: FaultServer) -> None:
    server.script(
        LIMITED, says({"errcode": "M_LIMIT_EXCEEDED"}, 429, **{"Retry-After": "0.15"}), says({"event_id": "$e"})
    )
    started = time.monotonic()
    assert await homeserver.send(ROOM, {"body": "hi"}, txn_id="t", as_user=GHOST) == "$e"
    assert time.monotonic() - started >= 0.3
    assert len(server.requests) == 3
    assert all(request.json == {"body": "hi"} for request in server.requests)
    assert {(request.path, request.query["user_id"]) for request in server.requests} == {
        (f"{IN_ROOM}/send/m.room.message/t", GHOST)
    }


async def test_a_limit_that_asks_for_too_much_is_an_error_at_once(homeserver: Homeserver, server: FaultServer) -> None:
    server.script(refuses(429, "M_LIMIT_EXCEEDED", "slow down", retry_after_ms=1000 * (PATIENCE + 1)))
    started = time.monotonic()
    with pytest.raises(HomeserverUnavailable, match="M_LIMIT_EXCEEDED: slow down") as caught:
        await homeserver.join(ROOM)
    assert caught.value.status == 429
    assert time.monotonic() - started < 10
    assert len(server.requests) == 1


async def test_patience_bounds_the_sum_of_all_waits(server: FaultServer) -> None:
    server.script(*[LIMITED] * 5)
    async with homeserver_session(patience=0.4) as session:
        with pytest.raises(HomeserverUnavailable, match="M_LIMIT_EXCEEDED"):
            await Homeserver(server.url.removesuffix("/v1"), TOKEN, NAMES, session).join(ROOM)
    assert len(server.requests) == 3


async def test_waits_do_not_count_as_silence(server: FaultServer) -> None:
    server.script(*[refuses(429, "M_LIMIT_EXCEEDED", retry_after_ms=400)] * 2, says({"versions": []}))
    async with homeserver_session(read_timeout=0.3) as session:
        await Homeserver(server.url.removesuffix("/v1"), TOKEN, NAMES, session).versions()
    assert len(server.requests) == 3


async def test_a_session_has_no_time_limit_for_a_request_with_its_waits() -> None:
    async with homeserver_session() as session:
        assert session.timeout.total is None


async def test_a_room_whose_alias_is_taken_is_adopted(homeserver: Homeserver, server: FaultServer) -> None:
    server.script(refuses(400, "M_ROOM_IN_USE"), says({"room_id": ROOM}), says({"room_id": ROOM}))
    made = await homeserver.create_room({"room_alias_name": "agent_frida"}, GHOST)
    assert made == CreatedRoom(ROOM, fresh=False)
    assert [(request.method, request.path, request.query["user_id"]) for request in server.requests] == [
        ("POST", f"{CLIENT}/createRoom", GHOST),
        ("GET", f"{CLIENT}/directory/room/#agent_frida:example.org", NAMES.bot),
        ("POST", f"{IN_ROOM}/join", GHOST),
    ]


async def test_an_alias_that_is_gone_again_is_not_adopted(homeserver: Homeserver, server: FaultServer) -> None:
    server.script(refuses(400, "M_ROOM_IN_USE"), refuses(404, "M_NOT_FOUND"))
    with pytest.raises(HomeserverRefused, match="M_ROOM_IN_USE"):
        await homeserver.create_room({"room_alias_name": "agent_frida"}, GHOST)


async def test_a_room_that_does_not_let_in_is_not_adopted(homeserver: Homeserver, server: FaultServer) -> None:
    server.script(refuses(400, "M_ROOM_IN_USE"), says({"room_id": ROOM}), refuses(403, "M_FORBIDDEN"))
    with pytest.raises(HomeserverRefused, match="M_FORBIDDEN"):
        await homeserver.create_room({"room_alias_name": "agent_frida"}, GHOST)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refuses(401, "M_UNKNOWN_TOKEN"), TokenRejected),
        (refuses(403, "M_FORBIDDEN"), HomeserverRefused),
        (refuses(400, "M_EXCLUSIVE"), HomeserverRefused),
        (refuses(500, "M_UNKNOWN"), HomeserverUnavailable),
        (Reply(502), HomeserverUnavailable),
    ],
    ids=["401", "403", "400", "500", "502"],
)
async def test_other_failures_adopt_nothing(
    homeserver: Homeserver, server: FaultServer, reply: Reply, kind: type[HomeserverError]
) -> None:
    server.script(reply)
    with pytest.raises(kind):
        await homeserver.create_room({"room_alias_name": "agent_frida"}, GHOST)
    assert len(server.requests) == 1


CAROL = "@carol:elsewhere.example"
NOT_CONNECTED = refuses(502, "M_UNKNOWN", "Can't connect to server elsewhere.example")


@pytest.mark.parametrize(
    "call",
    [lambda h, user: h.invite(ROOM, user, GHOST), lambda h, user: h.invite_with(ROOM, user, {}, GHOST)],
    ids=["invite", "membership"],
)
async def test_a_server_of_an_invited_person_that_is_away_is_no_outage(
    homeserver: Homeserver,
    server: FaultServer,
    call: Callable[[Homeserver, str], Awaitable[object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.script(NOT_CONNECTED)
    with pytest.raises(ServerOutOfReach, match="Can't connect"):
        await call(homeserver, CAROL)
    # The homeserver itself fails, or does not answer.
    local = "@ann:example.org"
    for reply, user in ((NOT_CONNECTED, local), (Reply(502), CAROL), (Reply(head=False, then="cut"), CAROL)):
        server.script(reply)
        with pytest.raises(HomeserverUnavailable):
            await call(homeserver, user)
    # A homeserver waits long for a silent one. The next invitation does not ask it again.
    monkeypatch.setattr("agent_bridge.matrix.other_servers.INVITATION", 0.1)
    asked = len(server.requests)
    server.script(Reply(head=False, then="hang"))
    for _ in range(2):
        with pytest.raises(ServerOutOfReach):
            await call(homeserver, CAROL)
    assert len(server.requests) == asked + 1


async def test_a_room_is_made_without_the_invitations_to_other_servers(
    homeserver: Homeserver, server: FaultServer
) -> None:
    content = {"room_alias_name": "agent_frida", "invite": ["@ann:example.org", CAROL]}
    server.script(says({"room_id": ROOM}))
    assert await homeserver.create_room(content, GHOST) == CreatedRoom(ROOM, fresh=False)
    assert json.loads(server.requests[0].body)["invite"] == ["@ann:example.org"]
    server.script(says({"room_id": ROOM}))
    assert (await homeserver.create_room({**content, "invite": ["@ann:example.org"]}, GHOST)).fresh


async def test_a_user_that_exists_is_registered(homeserver: Homeserver, server: FaultServer) -> None:
    server.script(refuses(400, "M_USER_IN_USE"), refuses(400, "M_EXCLUSIVE"))
    await homeserver.register("agent_frida")
    with pytest.raises(HomeserverRefused, match="M_EXCLUSIVE"):
        await homeserver.register("agent_frida")


@pytest.mark.parametrize(("membership", "needed"), [("join", False), ("invite", None), ("ban", None), (None, None)])
async def test_an_invitation_of_a_member_is_not_needed(
    homeserver: Homeserver,
    server: FaultServer,
    membership: str | None,
    needed: bool | None,  # noqa: FBT001
) -> None:
    found = says({"content": {"membership": membership}}) if membership else refuses(404, "M_NOT_FOUND")
    server.script(refuses(403, "M_FORBIDDEN"), found)
    if needed is None:
        with pytest.raises(HomeserverRefused, match="M_FORBIDDEN"):
            await homeserver.invite(ROOM, BOB)
    else:
        assert await homeserver.invite(ROOM, BOB) is needed


@pytest.mark.parametrize(
    "call",
    [lambda h: h.resolve_alias("#a:hs"), lambda h: h.state(ROOM, "m.room.name", "k"), lambda h: h.displayname(BOB)],
)
async def test_missing_things_are_none_and_forbidden_things_are_errors(
    homeserver: Homeserver, server: FaultServer, call: Call
) -> None:
    server.script(refuses(404, "M_NOT_FOUND"), refuses(403, "M_FORBIDDEN"), refuses(404, "M_UNRECOGNIZED"))
    assert await call(homeserver) is None
    for errcode in ("M_FORBIDDEN", "M_UNRECOGNIZED"):
        with pytest.raises(HomeserverRefused, match=errcode):
            await call(homeserver)
