"""The presence of agents, on a real Synapse and a real PostgreSQL; the test sets the status of the upstreams."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from agent_bridge.bridge.agents.presence import Presence
from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.core.agents import AgentState
from agent_bridge.core.upstreams import Health
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.agents import Agents
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.own_profiles import OwnProfiles
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals
from support.conditions import eventually
from support.proxy import Proxy
from support.records import wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from agent_bridge.store.postgres.database import Database
    from support.harness import BridgeHarness

UP, DOWN, UNASKED = Health("up", None, 1), Health("up", "no route to host", 1), Health("up")


def says(status: int, content: dict[str, str] | None = None) -> web.Response:
    return web.json_response(content or {"errcode": "M_UNKNOWN", "error": "no"}, status=status)


class Stage:
    """Agents with rooms, and a homeserver that counts the presence requests of each ghost, by localpart."""

    def __init__(self, homeserver: Homeserver, proxy: Proxy, database: Database, signals: Signals) -> None:
        self.homeserver = homeserver
        self.proxy = proxy
        self.agents = Agents(database)
        self.profiles = OwnProfiles(database)
        self.signals = signals
        self.upstream_status = UpstreamStatus(KeyValues(database), signals)
        self.puts: Counter[str] = Counter()
        #: Ghosts whose presence the homeserver refuses, with the status of the response.
        self.refused: dict[str, int] = {}
        #: Whether the homeserver refuses every request.
        self.failing = False
        proxy.refuses = self._note

    def _note(self, _number: int, method: str, path: str) -> web.Response | None:
        _, _, rest = path.partition("/presence/@")
        ghost = rest.partition(":")[0]
        if method == "PUT" and ghost:
            self.puts[ghost] += 1
        return says(500) if self.failing else says(self.refused[ghost]) if ghost in self.refused else None

    async def add(self, *names: str, upstream: str = "up", state: AgentState = AgentState.ACTIVE) -> list[str]:
        """Add agents with home rooms, and return the localparts of their ghosts."""
        await self.agents.add(wanted(f"Present_{name}", upstream=upstream, state=state) for name in names)
        ghosts = []
        for contact in await self.agents.all():
            if contact.home.room_id is None:
                await self.homeserver.register(contact.agent.ghost)
                await self.agents.room_made(contact.home.id, f"!{contact.agent.ghost}", None, None)
                ghosts.append(contact.agent.ghost)
        return ghosts

    def shown(self, ghost: str, times: int) -> Callable[[], Awaitable[bool]]:
        """Return a condition: the presence of *ghost* was set *times* more times."""
        before = self.puts[ghost]

        async def shown() -> bool:
            return self.puts[ghost] >= before + times

        return shown

    def says(self, ghost: str, message: str | None) -> Callable[[], Awaitable[bool]]:
        """Return a condition: the homeserver shows *message* beside *ghost*."""

        async def says() -> bool:
            return await self.homeserver.status_message(self.homeserver.namespace.user_id(ghost)) == message

        return says


@pytest.fixture
async def stage(harness: BridgeHarness, database: Database) -> AsyncIterator[Stage]:
    config = harness.config("postgresql://unused", [{"name": "up", "url": "http://127.0.0.1:9"}])
    token = config.appservice.as_token.get_secret_value()
    signals = Signals()
    async with Proxy(harness.synapse.url) as proxy, homeserver_session() as session, Session(database.uri, signals):
        yield Stage(Homeserver(proxy.url, token, config.namespace, session), proxy, database, signals)


@asynccontextmanager
async def streamer(stage: Stage, **options: float) -> AsyncIterator[None]:
    """Show the status of the agents of *stage*; every refresh sets the presence again."""
    presence = Presence(
        stage.homeserver, stage.upstream_status, stage.agents, stage.signals, ENGLISH, refresh=0.1, **options
    )
    task = asyncio.create_task(presence.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def test_a_new_leader_shows_the_known_presence(stage: Stage) -> None:
    (up,) = await stage.add("up")
    (down,) = await stage.add("down", upstream="down")
    await stage.upstream_status.publish([UP, replace(DOWN, name="down")])
    async with streamer(stage):
        await eventually(stage.says(up, "Ready"), "one is ready")
        await eventually(stage.says(down, "down cannot be reached"), "the other is away")
        # The presence lasts while the bridge repeats it.
        await eventually(stage.shown(up, 2), "it is shown anew")
        await eventually(stage.shown(down, 2), "it is shown anew")


@pytest.mark.long
async def test_agents_of_a_server_that_was_not_asked_yet_are_left_as_they_are(stage: Stage) -> None:
    (known,) = await stage.add("known")
    (unknown,) = await stage.add("unknown", upstream="new")
    (removed,) = await stage.add("removed", upstream="no longer configured")
    await stage.upstream_status.publish([UP, replace(UNASKED, name="new")])
    async with streamer(stage):
        await eventually(stage.shown(known, 2), "the one that is known is shown anew")
        assert stage.puts[unknown] == stage.puts[removed] == 0
        await stage.upstream_status.publish([UP, replace(UP, name="new")])
        await eventually(stage.says(unknown, "Ready"), "it is shown once it is known")
        await stage.upstream_status.publish([UP, replace(UNASKED, name="new")])
        await eventually(stage.shown(known, 2), "the one that is known is shown anew")
        assert await stage.says(unknown, "Ready")()


@pytest.mark.long
async def test_an_agent_has_its_own_status_text_and_is_shown_as_away(stage: Stage) -> None:
    (own,) = await stage.add("own")
    await stage.upstream_status.publish([UP])
    (agent,) = [each.agent for each in await stage.agents.all() if each.agent.ghost == own]
    async with streamer(stage):
        await eventually(stage.says(own, "Ready"), "it is ready")
        await stage.profiles.set_of_agent(agent.id, status_text="counting", away=True)
        await eventually(stage.says(own, "counting"), "it shows its text")
        user_id = stage.homeserver.namespace.user_id(own)
        assert (await stage.homeserver.presence_of(user_id, user_id))["presence"] == "unavailable"
        await stage.profiles.set_of_agent(agent.id, status_text="", away=None)
        await eventually(stage.says(own, "Ready"), "it is ready again")
        assert (await stage.homeserver.presence_of(user_id, user_id))["presence"] == "unavailable"
        # That its server is away counts more.
        await stage.profiles.set_of_agent(agent.id, status_text="counting", away=False)
        await stage.upstream_status.publish([DOWN])
        await eventually(stage.says(own, "up cannot be reached"), "its server is away")


@pytest.mark.long
async def test_only_agents_that_are_there_are_shown(stage: Stage) -> None:
    (there,) = await stage.add("there")
    (leaves,) = await stage.add("leaves")
    (held,) = await stage.add("held", state=AgentState.HELD)
    await stage.agents.add([wanted("Present_roomless")])
    await stage.upstream_status.publish([UP])
    async with streamer(stage):
        await eventually(stage.says(leaves, "Ready"), "it is shown")
        agent = next(each.agent for each in await stage.agents.all() if each.agent.ghost == leaves)
        await stage.agents.update({agent.id: wanted("Present_leaves", state=AgentState.GONE)})
        await eventually(stage.says(leaves, None), "it is offline")
        after = stage.puts[leaves]
        await eventually(stage.shown(there, 2), "the other is shown anew")
        assert stage.puts[leaves] == after
    assert set(stage.puts) == {there, leaves}
    assert held not in stage.puts


@pytest.mark.parametrize(
    # The response of a Synapse with presence switched off, which accepts the request; and of other servers.
    ("status", "content"),
    [(200, {"presence": "offline"}), pytest.param(404, None, marks=pytest.mark.long)],
)
async def test_without_presence_on_the_homeserver_one_agent_tries_for_all(
    stage: Stage, status: int, content: dict[str, str] | None
) -> None:
    scout, *others = await stage.add("first", "second", "third")
    await stage.upstream_status.publish([UP])
    stage.proxy.replaces = lambda _number, method, path: (
        says(status, content) if method == "GET" and "/presence/" in path else None
    )
    async with streamer(stage):
        await eventually(stage.shown(scout, 4), "one is shown anew")
        assert [stage.puts[ghost] for ghost in others] == [1, 1]
        stage.proxy.replaces = lambda _number, _method, _path: None
        for ghost in others:
            await eventually(stage.shown(ghost, 2), "the others are shown again")


@pytest.mark.parametrize("status", [403, 500])
async def test_an_agent_that_cannot_be_shown_is_left_alone(stage: Stage, status: int) -> None:
    refused, other = await stage.add("refused", "other")
    stage.refused[refused] = status
    await stage.upstream_status.publish([UP])
    async with streamer(stage):
        await eventually(stage.shown(other, 2), "the other is shown anew")
        await stage.upstream_status.publish([DOWN])
        await eventually(stage.says(other, "up cannot be reached"), "the other is away")
    assert stage.puts[refused] == 1


async def test_a_homeserver_that_hangs_is_asked_again(stage: Stage) -> None:
    (ghost,) = await stage.add("hanging")
    gate = asyncio.Event()
    stage.proxy.holds = lambda _number, _method, _path: gate
    await stage.upstream_status.publish([UP])
    async with streamer(stage, request_timeout=0.2):
        await eventually(stage.shown(ghost, 2), "it is tried again")
        gate.set()
        await eventually(stage.says(ghost, "Ready"), "it is shown in the end")


@pytest.mark.long
async def test_every_ghost_is_shown_after_an_outage_of_the_homeserver(stage: Stage) -> None:
    ghosts = await stage.add(*(f"of_many_{number}" for number in range(6)))
    stage.failing = True
    await stage.upstream_status.publish([UP])
    async with streamer(stage):
        await eventually(stage.shown(ghosts[0], 2), "it is tried again")
        stage.failing = False
        for ghost in ghosts:
            # A ghost that failed after the success of another one rests for half a minute.
            await eventually(stage.says(ghost, "Ready"), "it is shown in the end", 60)


async def test_a_homeserver_that_fails_is_grumbled_about_once(stage: Stage) -> None:
    ghosts = await stage.add(*(f"of_many_{number}" for number in range(6)))
    stage.failing = True
    await stage.upstream_status.publish([UP])
    with capture_logs() as logs:
        async with streamer(stage):
            await eventually(stage.shown(ghosts[0], 2), "it is tried again")
            # The bridge tries no other ghost after the first few failures.
            assert stage.puts[ghosts[-1]] == 0
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == ["periodic work failed"]
