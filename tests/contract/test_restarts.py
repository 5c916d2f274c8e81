"""An upstream that keeps conversations in its memory gets them again when it may have been restarted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.store.agents import Agents
from agent_bridge.store.transcript import Transcripts
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream
from contract.test_discovery import Clock, new_discovery
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    import aiohttp

    from agent_bridge.store.postgres.database import Database

LETTA = {"history": "server", "session_header": "X-Letta-Chat-Key"}


@pytest.mark.parametrize(
    ("keys", "forgets"),
    [
        (LETTA, True),
        ({**LETTA, "session_header": "x-letta-chat-key"}, True),
        ({**LETTA, "session_header": "X-Session"}, False),
        ({**LETTA, "history": "bridge"}, False),
        ({}, False),
    ],
)
async def test_letta_forgets(keys: dict[str, Any], session: aiohttp.ClientSession, *, forgets: bool) -> None:
    config = UpstreamConfig.model_validate({"name": "up", "url": "http://127.0.0.1:9", **keys})
    assert make_upstream(config, session, MemoryConversations()).traits.forgets is forgets


async def message(database: Database, lane: int, content: str) -> None:
    await database.execute(
        "INSERT INTO message (conversation, role, content) VALUES (%(lane)s, 'user', %(content)s)",
        {"lane": lane, "content": content},
    )


async def test_a_failure_of_the_upstream_may_be_a_restart(session: aiohttp.ClientSession, database: Database) -> None:
    async with ScriptedUpstream("ada") as server:
        discovery = new_discovery(server, session, database, Clock(), **LETTA)
        transcripts = Transcripts(database)
        await discovery.sync()
        [ada] = await Agents(database).all()
        row = await database.row(
            "INSERT INTO conversation (room_id, agent, lane_kind) VALUES ('!ada:hs', %(agent)s, 'agent') RETURNING id",
            {"agent": ada.agent.id},
        )
        assert row is not None
        lane = int(row["id"])
        assert not await transcripts.is_forgotten(lane, "up")
        await message(database, lane, "one")
        assert not await transcripts.is_forgotten(lane, "up")

        server.status = 500
        await discovery.sync()
        assert await transcripts.is_forgotten(lane, "up")
        assert not await transcripts.is_forgotten(lane, "other")
        # The next message of the conversation is newer. Further failures of the same outage do not count.
        await message(database, lane, "two")
        await discovery.sync()
        assert not await transcripts.is_forgotten(lane, "up")

        server.status = 200
        await discovery.sync()
        server.status = 500
        await discovery.sync()
        assert await transcripts.is_forgotten(lane, "up")
