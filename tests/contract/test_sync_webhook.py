"""The webhook of upstreams over HTTP: its statuses, its tokens, and how requests share a look."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent_bridge.core.errors import StoreError
from agent_bridge.core.upstreams import Health
from agent_bridge.web.sync_webhook import SyncWebhook
from support.conditions import eventually

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from aiohttp.test_utils import TestClient
    from pytest_aiohttp import AiohttpClient

PATH = "/v1/upstreams/letta/sync"
TOKEN = {"Authorization": "Bearer s3cret"}
#: Seconds between the beginnings of two looks.
REST = 0.2


class Looks:
    """The leader: it looks when the gate is open, and notes each look."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, float]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.in_time = True
        self.error: StoreError | None = None
        self.health = Health("letta", None, 7)

    async def ask(self, upstream: str, *, within: float) -> bool:
        """Note the look, and end it when the gate opens."""
        assert within == 10.0
        self.begun.append((upstream, asyncio.get_running_loop().time()))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.in_time

    async def read(self) -> list[Health]:
        """Return the status of the upstreams."""
        return [Health("other", "away"), self.health]


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
async def client(looks: Looks, aiohttp_client: AiohttpClient) -> TestClient[Any, Any]:
    app = web.Application()
    SyncWebhook({"letta": "s3cret"}, looks.ask, looks.read, rest=REST).add_routes(app)
    return await aiohttp_client(app)


async def answered(response: ClientResponse) -> tuple[int, Any]:
    body = await response.json()
    return response.status, body.get("error", {}).get("code", body.get("status"))


async def test_the_upstream_is_looked_at_and_the_answer_tells_the_result(
    client: TestClient[Any, Any], looks: Looks
) -> None:
    async with client.post(PATH, headers=TOKEN, json={"event": "renamed"}) as response:
        assert response.status == 200
        assert await response.json() == {"upstream": "letta", "status": "done", "agents": 7}
    assert [name for name, _ in looks.begun] == ["letta"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("POST", PATH, {}, (401, "invalid_token")),
        ("POST", PATH, {"Authorization": "Bearer s3cre"}, (401, "invalid_token")),
        ("POST", PATH, {"Authorization": "Bearer s3crets"}, (401, "invalid_token")),
        ("POST", PATH, {"Authorization": "Bearer \udcff"}, (401, "invalid_token")),
        ("POST", PATH, {"Authorization": "Basic s3cret"}, (401, "invalid_token")),
        ("POST", PATH, {"Authorization": "Bearer"}, (401, "invalid_token")),
        ("POST", f"{PATH}?access_token=s3cret", {}, (401, "invalid_token")),
        ("POST", "/v1/upstreams/other/sync", TOKEN, (404, "upstream_not_found")),
        ("POST", "/v1/upstreams/other/sync", {}, (404, "upstream_not_found")),
        ("POST", "/v1/upstreams/%F0%9F%A6%8A/sync", {"Authorization": "Bearer "}, (404, "upstream_not_found")),
        ("GET", PATH, TOKEN, (405, "method_not_allowed")),
        ("DELETE", "/v1/upstreams/other/sync", {}, (405, "method_not_allowed")),
    ],
)
async def test_other_requests_are_refused_and_look_at_nothing(
    client: TestClient[Any, Any],
    looks: Looks,
    caplog: pytest.LogCaptureFixture,
    *,
    method: str,
    path: str,
    headers: dict[str, str],
    expected: tuple[int, str],
) -> None:
    async with client.request(method, path, headers=headers) as response:
        assert await answered(response) == expected
        assert (response.headers.get("Allow") == "POST") == (expected[0] == 405)
    assert looks.begun == []
    assert "s3cre" not in caplog.text


async def test_many_wrong_tokens_have_one_line_of_the_log(
    client: TestClient[Any, Any], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        async with client.post(PATH, headers={"Authorization": "Bearer wrong"}) as response:
            assert response.status == 401
    assert caplog.text.count("the webhook_token of letta is missing or wrong") == 1


async def test_a_percent_encoded_name_is_the_name(client: TestClient[Any, Any]) -> None:
    async with client.post("/v1/upstreams/%6Cetta/sync", headers=TOKEN) as response:
        assert response.status == 200


async def test_a_look_that_goes_on_is_accepted(client: TestClient[Any, Any], looks: Looks) -> None:
    looks.in_time = False
    async with client.post(PATH, headers=TOKEN) as response:
        assert await answered(response) == (202, "accepted")


async def test_an_upstream_that_fails_is_told_without_its_words(client: TestClient[Any, Any], looks: Looks) -> None:
    looks.health = Health("letta", "cannot connect to 10.0.0.7")
    async with client.post(PATH, headers=TOKEN) as response:
        assert await answered(response) == (502, "upstream_unavailable")
        assert "10.0.0.7" not in await response.text()


async def test_without_the_database_the_sender_may_try_again(client: TestClient[Any, Any], looks: Looks) -> None:
    looks.error = StoreError("gone")
    async with client.post(PATH, headers=TOKEN) as response:
        assert await answered(response) == (503, "database_unavailable")


async def test_a_burst_shares_one_look_that_begins_after_it(client: TestClient[Any, Any], looks: Looks) -> None:
    looks.gate.clear()
    first = asyncio.create_task(client.post(PATH, headers=TOKEN))
    await eventually(lambda: holds(looks, 1), "the first look has begun")
    burst = [asyncio.create_task(client.post(PATH, headers=TOKEN)) for _ in range(20)]
    await eventually(lambda: holds(looks, 2), "the second look has begun")
    looks.gate.set()
    assert {(await each).status for each in (first, *burst)} == {200}
    assert len(looks.begun) <= 3
    times = [at for _, at in looks.begun]
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= REST * 0.95


async def test_a_caller_that_hangs_up_leaves_the_look_to_the_others(client: TestClient[Any, Any], looks: Looks) -> None:
    looks.gate.clear()
    one, other = (asyncio.create_task(client.post(PATH, headers=TOKEN)) for _ in range(2))
    await eventually(lambda: holds(looks, 1), "the look has begun")
    one.cancel()
    await asyncio.wait({one})
    looks.gate.set()
    assert (await other).status == 200


async def test_too_many_waiting_requests_are_refused(client: TestClient[Any, Any], looks: Looks) -> None:
    looks.gate.clear()
    asking = [asyncio.create_task(client.post(PATH, headers=TOKEN)) for _ in range(60)]
    done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    async with done.pop().result() as response:
        assert await answered(response) == (429, "too_many_requests")
        assert response.headers["Retry-After"] == "1"
    looks.gate.set()
    statuses = [(await each).status for each in asking]
    assert statuses.count(200) == 50
    assert statuses.count(429) == 10
    async with client.post(PATH, headers=TOKEN) as response:
        assert response.status == 200


async def holds(looks: Looks, count: int) -> bool:
    return len(looks.begun) >= count
