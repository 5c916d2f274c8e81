"""The homeserver's media repository: a real Synapse, and a server with every kind of fault."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import (
    BridgeError,
    HomeserverError,
    HomeserverRefused,
    HomeserverUnavailable,
    ServerOutOfReach,
    TokenRejected,
    TooLarge,
)
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.media import Media
from agent_bridge.matrix.session import homeserver_session
from support.conditions import eventually
from support.fault_server import FaultServer, Reply
from support.records import NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from support.harness import BridgeHarness

TOKEN, GHOST = "as-s3cret", "@agent_frida:example.org"
MXC = "mxc://example.org:8448/abc_-9"
DATA = bytes(range(256)) * 1000


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        yield server


@pytest.fixture
async def media(server: FaultServer) -> AsyncIterator[Media]:
    async with homeserver_session() as session:
        yield Media(server.url.removesuffix("/v1"), TOKEN, NAMES, session)


def says(body: Any, status: int = 200) -> Reply:
    return Reply(status, {"Content-Type": "application/json"}, (json.dumps(body).encode(),))


def refuses(status: int, errcode: str) -> Reply:
    return says({"errcode": errcode, "error": "no"}, status)


@pytest.mark.parametrize("as_user", [None, "agent_media"])
async def test_a_real_homeserver_keeps_files(harness: BridgeHarness, as_user: str | None) -> None:
    config = harness.config("postgresql://unused", [{"name": "unused", "url": "http://127.0.0.1:9"}])
    names = config.namespace
    async with homeserver_session() as session:
        token = config.appservice.as_token.get_secret_value()
        media = Media(harness.synapse.url, token, names, session)
        user = names.user_id(as_user) if as_user else None
        if as_user:
            await Homeserver(harness.synapse.url, token, names, session).register(as_user)
        url = await media.upload(DATA, "application/x-thing", "кот & пёс?.bin", user)
        assert url.startswith("mxc://")
        assert await media.download(url, limit=len(DATA), as_user=user) == DATA
        with pytest.raises(TooLarge):
            await media.download(url, limit=len(DATA) - 1, as_user=user)
        # The second upload makes another copy, and both exist.
        second = await media.upload(DATA, "application/x-thing", "a", user)
        assert second != url
        for each in (url, second):
            assert await media.download(each, limit=len(DATA)) == DATA


async def test_media_that_a_real_homeserver_does_not_have(harness: BridgeHarness) -> None:
    config = harness.config("postgresql://unused", [{"name": "unused", "url": "http://127.0.0.1:9"}])
    async with homeserver_session() as session:
        token = config.appservice.as_token.get_secret_value()
        media = Media(harness.synapse.url, token, config.namespace, session)
        with pytest.raises(HomeserverRefused, match="M_NOT_FOUND") as missing:
            await media.download(f"mxc://{config.namespace.domain}/none", limit=9)
        assert missing.value.status == 404
        with pytest.raises(TooLarge) as large:
            await media.upload(bytes(60_000_000), "text/plain", "a")
        assert large.value.limit == 50 * 2**20
        with pytest.raises(TokenRejected, match="M_UNKNOWN_TOKEN"):
            await Media(harness.synapse.url, "wrong", config.namespace, session).download("mxc://a/b", limit=9)


async def test_requests_for_media(media: Media, server: FaultServer) -> None:
    server.script(Reply(pieces=(b"he", b"llo")), says({"content_uri": MXC}))
    assert await media.download(MXC, limit=5, as_user=GHOST) == b"hello"
    assert await media.upload(b'{"a": 1}', "application/json", "a/b?.json") == MXC
    down, up = server.requests
    assert (down.method, down.path) == ("GET", "/_matrix/client/v1/media/download/example.org:8448/abc_-9")
    assert down.query == {"user_id": GHOST}
    assert (up.method, up.path) == ("POST", "/_matrix/media/v3/upload")
    assert up.query == {"user_id": NAMES.bot, "filename": "a/b?.json"}
    assert up.headers["Content-Type"] == "application/json"
    assert up.json == {"a": 1}
    assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {TOKEN}"}


async def test_a_limited_upload_is_repeated_whole(media: Media, server: FaultServer) -> None:
    server.script(says({"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 100}, 429), says({"content_uri": MXC}))
    assert await media.upload(b'"hello"', "application/json", "a") == MXC
    assert [request.json for request in server.requests] == ["hello"] * 2


@pytest.mark.parametrize(
    ("config", "limit"),
    [({"m.upload.size": 4}, 4), ({"m.upload.size": 5}, None), ({}, None), ({"m.upload.size": "4"}, None)],
)
@pytest.mark.parametrize("reply", [refuses(413, "M_TOO_LARGE"), Reply(head=False, then="cut")], ids=["413", "cut"])
async def test_too_large_for_the_homeserver(
    media: Media, server: FaultServer, reply: Reply, config: dict[str, Any], limit: int | None
) -> None:
    server.script(reply, says(config))
    with pytest.raises(BridgeError) as caught:
        await media.upload(b"12345", "text/plain", "a")
    assert (caught.value.limit if isinstance(caught.value, TooLarge) else None) == limit
    assert server.requests[1].path == "/_matrix/client/v1/media/config"


@pytest.mark.parametrize("url", ["", "mxc://a", "mxc://../../v3/x", "mxc://a/../b", "https://a/b", "mxc://a/b?c"])
async def test_other_urls_than_mxc_are_not_requested(media: Media, server: FaultServer, url: str) -> None:
    with pytest.raises(ValueError, match="mxc"):
        await media.download(url, limit=1)
    assert not server.requests


@pytest.mark.parametrize(
    ("reply", "kind", "status", "errcode"),
    [
        (refuses(404, "M_NOT_FOUND"), HomeserverRefused, 404, "M_NOT_FOUND"),
        (refuses(401, "M_UNKNOWN_TOKEN"), TokenRejected, 401, "M_UNKNOWN_TOKEN"),
        (refuses(413, "M_TOO_LARGE"), HomeserverRefused, 413, "M_TOO_LARGE"),
        (refuses(504, "M_NOT_YET_UPLOADED"), HomeserverUnavailable, 504, "M_NOT_YET_UPLOADED"),
        (says({"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 10**9}, 429), HomeserverUnavailable, 429,
         "M_LIMIT_EXCEEDED"),
        (Reply(502, {}, (b"<h1>Bad Gateway</h1>",)), HomeserverUnavailable, 502, None),
        (Reply(404, {}, (b"x" * 100_000,)), HomeserverUnavailable, 404, None),
        (says([], 400), HomeserverUnavailable, 400, None),
        (Reply(413), HomeserverRefused, 413, None),
        (says({"errcode": 5}, 400), HomeserverUnavailable, 400, None),
        (Reply(301, {"Location": "/a"}), HomeserverUnavailable, 301, None),
        (Reply(302, {"Location": "/a"}), HomeserverUnavailable, 302, None),
        (Reply(200, {"Content-Length": "99"}, (b"{",), then="cut"), HomeserverUnavailable, None, None),
        (Reply(head=False, then="cut"), HomeserverUnavailable, None, None),
        (Reply(head=False, pieces=(b"SSH-2.0\r\n",), then="cut"), HomeserverUnavailable, None, None),
    ],
    ids=range(15),
)  # fmt: skip
async def test_failures(
    media: Media, server: FaultServer, reply: Reply, kind: type[HomeserverError], status: int, errcode: str | None
) -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: media.download(MXC, limit=100),
        lambda: media.upload(b"1", "text/plain", "a"),
    ]
    # A download is repeated after a connection that ends without a response. An upload is not.
    server.script(*[reply] * 6)
    for call in calls:
        with pytest.raises(HomeserverError) as caught:
            await call()
        error = caught.value
        assert (type(error), error.status, error.errcode) == (kind, status, errcode)
        assert TOKEN not in f"{error} {error.__cause__}"


@pytest.mark.parametrize(
    "reply",
    [says({}), says([]), says({"content_uri": 1}), says({"content_uri": "https://a/b"}), Reply(pieces=(b"<html>",))],
)
async def test_an_upload_that_names_no_file(media: Media, server: FaultServer, reply: Reply) -> None:
    server.script(reply)
    with pytest.raises(HomeserverUnavailable, match="response is not valid"):
        await media.upload(b"1", "text/plain", "a")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(pieces=(b"12345",)),
        Reply(headers={"Content-Length": "99999999"}, then="hang"),
        Reply(pieces=(b"x" * 1000,), then="repeat"),
    ],
    ids=["streamed", "said", "endless"],
)
async def test_a_download_stops_at_the_limit(media: Media, server: FaultServer, reply: Reply) -> None:
    server.script(reply)
    with pytest.raises(TooLarge) as caught:
        await media.download(MXC, limit=4)
    assert caught.value.limit == 4

    async def closed() -> bool:
        return server.requests[0].over.is_set()

    await eventually(closed, "the connection is closed")


@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_is_followed_without_the_token(media: Media, server: FaultServer, status: int) -> None:
    async with FaultServer() as store:
        server.script(Reply(status, {"Location": f"{store.url}/files/1?signature=x"}))
        store.script(Reply(status, {"Location": "2"}), Reply(pieces=(b"hello",)))
        assert await media.download(MXC, limit=5) == b"hello"
        first, second = store.requests
    assert (first.path, first.query) == ("/v1/files/1", {"signature": "x"})
    assert (second.path, second.query) == ("/v1/files/2", {})
    for request in (first, second):
        assert "Authorization" not in request.headers


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://a/b", "http://[", "http://a:b:c/"])
async def test_a_redirect_to_no_web_address(media: Media, server: FaultServer, place: str) -> None:
    server.script(Reply(307, {"Location": place}))
    with pytest.raises(HomeserverUnavailable):
        await media.download(MXC, limit=5)
    assert len(server.requests) == 1


async def test_redirects_come_to_an_end(media: Media, server: FaultServer) -> None:
    server.script(*[Reply(307, {"Location": "/x"})] * 9)
    with pytest.raises(HomeserverUnavailable, match="response is not valid"):
        await media.download(MXC, limit=5)
    assert len(server.requests) == 4


async def test_an_upload_is_not_redirected(media: Media, server: FaultServer) -> None:
    server.script(Reply(307, {"Location": "/x"}))
    with pytest.raises(HomeserverUnavailable):
        await media.upload(b"1", "text/plain", "a")
    assert len(server.requests) == 1


async def test_a_file_of_a_silent_server_ends(
    media: Media, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member who sends its address would hold up the room for many minutes."""
    monkeypatch.setattr("agent_bridge.matrix.media.FILE", 0.1)
    server.script(Reply(head=False, then="hang"))
    for _ in range(2):
        with pytest.raises(ServerOutOfReach, match=r"example\.org:8448"):
            await media.download(MXC, limit=5)
    assert len(server.requests) == 1


async def test_no_server_at_the_address() -> None:
    async with homeserver_session() as session, asyncio.timeout(10):
        with pytest.raises(BridgeError, match="cannot be reached") as caught:
            await Media("http://127.0.0.1:9/", TOKEN, NAMES, session).download(MXC, limit=1)
        assert caught.value.retryable
