"""Presence by default, on a real Synapse and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.agents.activity_presence import ActivityPresence
from agent_bridge.core.agents import AgentState
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.agents import Agents
from agent_bridge.store.own_profiles import OwnProfiles
from support.conditions import eventually
from support.proxy import Proxy
from support.records import wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from agent_bridge.store.postgres.database import Database
    from support.harness import BridgeHarness

_TURN = """
    WITH c AS (
        INSERT INTO conversation (room_id, agent, lane_kind)
        SELECT %(room)s, id, 'message' FROM agent WHERE ghost = %(ghost)s RETURNING id
    )
    INSERT INTO turn (event_id, key, conversation, kind, sender, payload, state, started_at, finished_at)
    SELECT %(room)s, %(room)s, c.id, 'message', '@a:b', '{}', %(state)s, now(), now() - %(ago)s * interval '1 second'
    FROM c
"""  # fmt: skip


class Stage:
    """A homeserver that counts the presence requests of each user, by localpart, with their times."""

    def __init__(self, homeserver: Homeserver, proxy: Proxy, database: Database) -> None:
        self.homeserver = homeserver
        self.database = database
        self.agents = Agents(database)
        self.puts: Counter[str] = Counter()
        self.times: list[float] = []
        proxy.refuses = self._note

    def _note(self, _number: int, method: str, path: str) -> web.Response | None:
        user = path.partition("/presence/@")[2].partition(":")[0]
        if method == "PUT" and user:
            self.puts[user] += 1
            self.times.append(time.monotonic())
        return None

    async def add(self, number: int) -> list[str]:
        """Add agents and return the localparts of their ghosts."""
        known = await self.agents.ghosts()
        names = [f"Lively_{len(known) + each}" for each in range(number)]
        await self.agents.add(wanted(name, state=AgentState.ACTIVE) for name in names)
        return sorted(await self.agents.ghosts() - known)

    async def talks(self, ghost: str, *, ago: float | None = None) -> None:
        """Have a turn of the ghost that ended some seconds *ago*; None: it runs."""
        await self.homeserver.register(ghost)
        state = "running" if ago is None else "done"
        await self.database.execute(_TURN, {"ghost": ghost, "room": f"!{ghost}", "state": state, "ago": ago})

    @asynccontextmanager
    async def presence(self, per_second: float, **options: float) -> AsyncIterator[None]:
        shown = ActivityPresence(self.homeserver, self.agents, ENGLISH, per_second=per_second, **options)
        task = asyncio.create_task(shown.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest.fixture
async def stage(harness: BridgeHarness, database: Database) -> AsyncIterator[Stage]:
    config = harness.config("postgresql://unused", [{"name": "up", "url": "http://127.0.0.1:9"}])
    token = config.appservice.as_token.get_secret_value()
    async with Proxy(harness.synapse.url) as proxy, homeserver_session() as http:
        homeserver = Homeserver(proxy.url, token, config.namespace, http)
        await homeserver.register(config.appservice.bot_username)
        yield Stage(homeserver, proxy, database)


async def test_the_bot_and_active_ghosts_are_online_and_the_rate_is_kept(stage: Stage) -> None:
    answers, answered, long_ago, silent = await stage.add(4)
    await stage.talks(answers)
    await stage.talks(answered, ago=200)
    (hidden,) = [each.agent for each in await stage.agents.all() if each.agent.ghost == answered]
    await OwnProfiles(stage.database).set_of_agent(hidden.id, status_text="counting", away=True)
    await stage.talks(long_ago, ago=400)
    bot = stage.homeserver.namespace.bot_username

    async def all_shown() -> bool:
        return stage.puts.keys() >= {bot, answers, answered} and stage.puts[bot] >= 2

    async with stage.presence(10, refresh=0.5):
        await eventually(all_shown, "the bot and two ghosts are shown")
    assert stage.puts[long_ago] == stage.puts[silent] == 0
    pauses = [later - earlier for earlier, later in zip(stage.times, stage.times[1:], strict=False)]
    assert sum(pauses) / len(pauses) >= 0.09
    assert await stage.homeserver.status_message(stage.homeserver.namespace.user_id(answers)) == ENGLISH.presence_ready
    user_id = stage.homeserver.namespace.user_id(answered)
    found = await stage.homeserver.presence_of(user_id, user_id)
    assert (found["presence"], found["status_msg"]) == ("unavailable", "counting")


async def test_with_many_agents_only_the_bot_is_shown(stage: Stage) -> None:
    ghost, _ = await stage.add(2)
    await stage.talks(ghost)
    bot = stage.homeserver.namespace.bot_username

    async def bot_shown() -> bool:
        return stage.puts[bot] >= 3

    async with stage.presence(20, refresh=0.1, most_agents=1):
        await eventually(bot_shown, "the bot is shown")
    assert stage.puts.keys() == {bot}
