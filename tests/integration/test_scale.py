"""Many agents on a fake homeserver. ``benchmarks.scale`` measures ten thousand."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from agent_bridge.app import build
from agent_bridge.config.model import Config
from agent_bridge.config.registration import registration
from agent_bridge.demo.account import Account
from agent_bridge.demo.synapse import free_port
from agent_bridge.store.agents import Agents
from agent_bridge.store.postgres.database import Database
from support.conditions import eventually
from support.fake_homeserver import FakeHomeserver
from support.fake_homeserver_rooms import FakeRoom
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.postgres import Cluster

DOMAIN = "fake.local"
#: Chats with an agent that differ from their desired state.
_CHATS = """
INSERT INTO room (kind, owner, person, number, room_id, bot_joined, backfilled_at, changes)
SELECT 'chat', %(agent)s, '@alice:' || %(domain)s, number, '!chat' || number || ':' || %(domain)s, true, now(), 1
FROM generate_series(0, %(count)s::integer - 1) AS number
RETURNING pg_notify('agent_bridge', 'chats')
"""


@dataclass(frozen=True)
class Scene:
    """A fake homeserver, and the configuration of a bridge with many agents on it."""

    config: Config
    homeserver: FakeHomeserver

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Agents]:
        """Run the bridge; give its agents."""
        async with build(self.config) as bridge, Database(self.config.database.url) as database:
            task = asyncio.create_task(bridge.run())
            try:
                yield Agents(database)
            finally:
                task.cancel()
                await asyncio.wait({task})

    async def talk(self, room_id: str, text: str) -> None:
        """Say *text* to the agent of a room, and wait for its answer."""
        async with Account(self.homeserver.root_url, f"@alice:{DOMAIN}", "person-alice") as person:
            await person.join(room_id)
            await person.say(room_id, text)

        async def answered() -> bool:
            return any(f"Echo: {text}" in str(event["content"]) for event in self.homeserver.rooms[room_id].events({}))

        await eventually(answered, "the agent answers")


def _config(database: str, upstream: str, homeserver: str, port: int) -> Config:
    values: dict[str, Any] = {
        "homeserver": {"address": homeserver, "domain": DOMAIN},
        "appservice": {
            "address": f"http://127.0.0.1:{port}",
            "port": port,
            "as_token": "as-token-of-many",
            "hs_token": "hs-token-of-many",
        },
        "database": {"url": database},
        "upstreams": [{"name": "many", "url": upstream, "max_new_agents": 10_000, "poll_interval": 0.5}],
        "permissions": {DOMAIN: "member"},
        "lanes": {"drain_timeout": 2},
    }
    return Config.model_validate(values)


@asynccontextmanager
async def _many(database_url: str, count: int) -> AsyncIterator[Scene]:
    port = free_port()
    async with ScriptedUpstream(*(f"Agent {number} " for number in range(count))) as upstream:
        document = registration(_config(database_url, upstream.url, "http://127.0.0.1:9", port))
        async with FakeHomeserver(document, DOMAIN) as homeserver:
            yield Scene(_config(database_url, upstream.url, homeserver.root_url, port), homeserver)


async def _make(scene: Scene, count: int) -> str:
    """Run a bridge until all agents have rooms; return one of these."""
    async with scene.running() as agents:

        async def rooms() -> list[str]:
            homes = [each.home for each in await agents.all()]
            made = [home.room_id for home in homes if home.room_id and home.bot_joined and home.introduced]
            return made if len(made) == count else []

        return (await eventually(rooms, f"{count} agents have rooms", within=30 + count))[-1]


async def _make_and_answer(database_url: str, count: int) -> None:
    async with _many(database_url, count) as scene:
        room_id = await _make(scene, count)
        async with scene.running():
            await scene.talk(room_id, "Hello")
        # The homeserver knew what the bridge asked, and made nothing twice: the rooms and the Space.
        assert scene.homeserver.unknown == {}
        assert len(scene.homeserver.rooms) == count + 1


async def test_a_hundred_agents(database_url: str) -> None:
    await _make_and_answer(database_url, 100)


@pytest.mark.long
async def test_two_thousand_agents(database_url: str) -> None:
    await _make_and_answer(database_url, 2_000)


@pytest.mark.long
async def test_a_backfill_of_quiet_rooms_is_cheap(cluster: Cluster) -> None:
    """A look for the rooms, which reads all of them, finds many; each has one statement. PostgreSQL logs them."""
    count = 100
    with cluster.migrated() as database_url:
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {admin.info.dbname} SET log_statement = 'all'".encode())
        async with _many(database_url, count) as scene:
            await _make(scene, count)
            async with Database(database_url) as database:
                # Before the start, which has all rooms compared: each is compared once.
                await database.execute("UPDATE room SET backfilled_at = NULL")
                before = len(cluster.log.read_text("utf-8"))
                async with scene.running() as agents:

                    async def are_compared() -> bool:
                        return not await database.rows("SELECT 1 FROM room WHERE backfilled_at IS NULL")

                    await eventually(are_compared, "all rooms are compared", within=60)
                    logged = cluster.log.read_text("utf-8")[before:]
                    assert len(await agents.ids()) == count
    assert 1 <= logged.count("SELECT r.room_id, r.last_seen") <= count / 10
    assert count <= logged.count("UPDATE room SET last_seen") <= count + 5
    # No transaction of several statements: what else goes on has few.
    assert logged.count("BEGIN") <= count / 10


@pytest.mark.parametrize("spoke", [True, False])
async def test_an_agent_introduces_itself_once_though_a_process_was_killed(
    database_url: str,
    spoke: bool,  # noqa: FBT001
) -> None:
    """The process was killed before it recorded the room: after the introduction, or before it (not *spoke*)."""
    async with _many(database_url, 1) as scene:
        home = scene.homeserver.rooms[await _make(scene, 1)]
        if not spoke:
            home.newest.clear()
            scene.homeserver._sent.clear()
        async with Database(database_url) as database:
            await database.execute("UPDATE room SET room_id = NULL, bot_joined = false, introduced = false")
        await _make(scene, 1)
        assert [event["type"] for event in home.events({"types": ["m.room.message"]})] == ["m.room.message"]


@pytest.mark.long
async def test_many_chats_that_change_at_once_need_few_looks(cluster: Cluster) -> None:
    """A look may read all chats: they change at once if another Space lists them, for example."""
    count = 100
    with cluster.migrated() as database_url:
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {admin.info.dbname} SET log_statement = 'all'".encode())
        async with _many(database_url, 1) as scene:
            home = scene.homeserver.rooms[await _make(scene, 1)]
            async with scene.running() as agents, Database(database_url) as database:
                for number in range(count):
                    room = FakeRoom(f"!chat{number}:{DOMAIN}", lambda _: None)
                    room.state, room.members = dict(home.state), dict(home.members)
                    scene.homeserver.rooms[room.room_id] = room
                before = len(cluster.log.read_text("utf-8"))
                await database.execute(_CHATS, {"agent": (await agents.ids())[0], "count": count, "domain": DOMAIN})

                async def are_compared() -> bool:
                    return not await database.rows(
                        "SELECT 1 FROM room WHERE kind = 'chat' AND changes <> changes_applied"
                    )

                await eventually(are_compared, "all chats are compared", within=60)
                logged = cluster.log.read_text("utf-8")[before:]
    assert 1 <= logged.count("SELECT r.id FROM room r\n\tWHERE r.kind IN ('chat', 'dm')") <= count / 5
