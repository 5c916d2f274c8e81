"""The pictures of the agents of an App Server: changes are seen, and no agent can do harm with its file."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import aiohttp
import pytest

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import UpstreamUnreachable
from agent_bridge.upstream.base import UNCHANGED
from agent_bridge.upstream.capabilities import PICTURE
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.letta.upstream import LettaUpstream
from support.scripted_app_server import ScriptedAppServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        #: Seconds that pass at each look at the clock.
        self.per_call = 0.0

    def __call__(self) -> float:
        self.now += self.per_call
        return self.now


@pytest.fixture
async def server() -> AsyncIterator[ScriptedAppServer]:
    async with ScriptedAppServer() as running:
        running.models = [{"id": "Dora"}, {"id": "Ada"}, {"id": "Bea"}]
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def upstream(server: ScriptedAppServer, clock: Clock) -> AsyncIterator[LettaUpstream]:
    config = UpstreamConfig.model_validate({"name": "up", "kind": "letta", "url": server.url})
    async with (
        aiohttp.ClientSession() as session,
        aclosing(LettaUpstream(config, session, MemoryConversations(), clock=clock)) as upstream,
    ):
        yield upstream


async def images(upstream: LettaUpstream) -> dict[str, str | None]:
    agents = await upstream.agents()
    assert agents is not UNCHANGED
    return {each.model: each.image for each in agents}


def reads(server: ScriptedAppServer) -> list[str]:
    """Return the agents whose files were read since the last call."""
    found = [each["agent_id"] for each in server.commands if each["type"] == "read_memory_file"]
    server.commands.clear()
    return found


async def test_a_change_of_a_picture_is_seen_and_only_changed_pictures_are_read(
    server: ScriptedAppServer, upstream: LettaUpstream, clock: Clock
) -> None:
    server.pictures["Dora"] = (b"first", 1)
    first = await images(upstream)
    assert (first["Dora"] or "").startswith(PICTURE)
    assert (first["Ada"], first["Bea"]) == ("", "")
    assert upstream.can.pictures is not None
    assert await upstream.can.pictures("Dora") == b"first"
    assert await upstream.can.pictures("Ada") is None
    reads(server)

    assert await upstream.agents() is UNCHANGED
    assert reads(server) == []
    clock.now += 301
    assert await upstream.agents() is UNCHANGED
    assert reads(server) == ["Dora", "Ada", "Bea"]
    clock.now += 301
    assert await upstream.agents() is UNCHANGED
    # The commit of a picture tells that it is the same.
    assert reads(server) == ["Ada", "Bea"]

    server.pictures["Dora"] = (b"second", 2)
    clock.now += 301
    second = await images(upstream)
    assert second["Dora"] not in {first["Dora"], ""}
    del server.pictures["Dora"]
    clock.now += 301
    assert (await images(upstream))["Dora"] == ""


async def test_a_new_agent_has_its_picture_as_soon_as_the_server_has_made_it(
    server: ScriptedAppServer, upstream: LettaUpstream, clock: Clock
) -> None:
    await images(upstream)
    reads(server)
    server.models.append({"id": "Eva"})
    server.pictures["Eva"] = (b"eva", 1)
    # The server could not make an agent whose memory is read at the same time.
    assert not (await images(upstream))["Eva"]
    assert reads(server) == []
    clock.now += 11
    assert (await images(upstream))["Eva"]
    assert reads(server) == ["Eva"]


async def test_a_file_that_is_too_large_does_not_end_the_connections_of_answers(
    server: ScriptedAppServer, upstream: LettaUpstream
) -> None:
    server.pictures = {"Ada": (b"x" * 3_000_000, 1), "Bea": (b"bea", 1)}
    found = await images(upstream)
    assert (found["Dora"], found["Ada"]) == ("", "")
    assert found["Bea"]
    assert upstream.can.pictures is not None
    with pytest.raises(UpstreamUnreachable):
        await upstream.can.pictures("Ada")
    assert [each["type"] for each in server.commands].count("app_server_info") == 2


async def test_a_server_without_memory_of_files_is_not_asked(
    server: ScriptedAppServer, upstream: LettaUpstream
) -> None:
    server.capabilities["memory_management"] = False
    assert set((await images(upstream)).values()) == {""}
    assert reads(server) == []


async def test_the_list_does_not_wait_for_all_pictures(
    server: ScriptedAppServer, upstream: LettaUpstream, clock: Clock
) -> None:
    server.pictures = {"Dora": (b"dora", 1), "Bea": (b"bea", 1)}
    # Each picture takes most of a second.
    clock.per_call = 0.3
    found = await upstream.agents()
    assert found is not UNCHANGED
    images = [each.image for each in found]
    assert images[0]
    assert images[-1] is None
    reads(server)
    found = await upstream.agents()
    assert found is not UNCHANGED
    assert all(each.image is not None for each in found)
    assert "agent_list" not in [each["type"] for each in server.commands]
