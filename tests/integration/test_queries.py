"""The homeserver asks for users and aliases of agents whose rooms do not exist yet."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
import psycopg
import pytest

from agent_bridge.core.agents import AgentState
from agent_bridge.store.agents import Agents
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.locks import LEADER
from support.conditions import eventually
from support.direct_chats import DirectChat
from support.records import wanted
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Running
    from support.person import Person


@asynccontextmanager
async def without_leader(database_url: str) -> AsyncIterator[None]:
    """Keep all bridges from leading, and so from making ghosts and rooms."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s, 0)", (LEADER,))
        yield


async def add_agents(database_url: str, *names: str, state: AgentState) -> None:
    """Write agents as discovery does."""
    async with Database(database_url) as database:
        await Agents(database).add(
            wanted(name, upstream="u", agent_id=name, model=name, ghost=f"agent_{name}", state=state) for name in names
        )


async def test_a_ghost_and_a_room_exist_as_soon_as_they_are_asked_for(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("early", "late", "held") as upstream, harness.person() as person:
        early, late, held = upstream.names
        rooms = {"introduce": True, "invite": [person.user_id]}
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms=rooms)
        ghost = f"@agent_{late}:test.local"
        async with without_leader(database_url), harness.bridge(config) as running:
            await add_agents(database_url, early, late, state=AgentState.ACTIVE)
            await add_agents(database_url, held, state=AgentState.HELD)
            room_id = await person.resolve(f"#agent_{early}:test.local")
            assert room_id is not None
            assert await person.resolve(f"#agent_{early}:test.local") == room_id
            for name in (held, "nobody", "", "~chat_0123", "~dm_dm.0123"):
                assert await person.resolve(f"#agent_{name}:test.local") is None
            # The homeserver asks for the ghost before it delivers the invitation.
            dm = await person.create_dm(ghost)
            await person.say(dm, "hello")
            await person.wait_for(lambda: ghost in person.room(dm).members())
            assert await person.displayname(ghost) == f"Agent {late}"
        async with harness.bridge(config) as running:
            assert await DirectChat(running, person, dm, ghost).answers(1) == ["Echo: hello"]
            assert (await running.contact(early)).home.room_id == room_id
            await person.wait_for(lambda: room_id in person.invites)
            await person.join(room_id)
            # It introduces itself, although a query has made its room.
            await person.wait_for(lambda: person.room(room_id).said_by(f"@agent_{early}:test.local"))


async def resolved(person: Person, name: str) -> str | None:
    return await person.resolve(f"#agent_{name.replace('-', '_')}:test.local")


async def in_sync(running: Running) -> bool:
    return not await running.agents.out_of_sync(None)


@pytest.mark.long
async def test_queries_and_the_provisioner_make_each_room_once(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream(*(f"twin{number}-" for number in range(20))) as upstream,
        harness.person() as person,
    ):
        names = upstream.names
        there = {"name": "u", "url": upstream.url, "max_new_agents": 50}
        config = harness.config(database_url, [there], space={"enabled": False})
        async with harness.bridge(config) as running:
            find = [eventually(partial(resolved, person, name), f"{name} is found") for name in names]
            rooms = dict(zip(names, await asyncio.gather(*find), strict=True))
            await running.agents_known(len(names))
            await eventually(partial(in_sync, running), "all rooms are complete")
            homes = {each.agent.name: each.home.room_id for each in await running.agents.all()}
            assert homes == rooms
            for each in await running.agents.all():
                ghost = running.homeserver.namespace.user_id(each.agent.ghost)
                assert await running.homeserver.joined_rooms(ghost) == [each.home.room_id]


async def test_private_rooms_have_no_alias(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("own") as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms={"private": True})
        async with harness.bridge(config) as running:
            await running.agents_known(1)
            assert await person.resolve(f"#agent_{upstream.names[0]}:test.local") is None


async def test_a_query_tells_nothing_to_others(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("shy") as upstream:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}])
        async with harness.bridge(config) as running:
            await running.contact(upstream.names[0])
            ghost = f"@agent_{upstream.names[0]}:test.local"
            token = {"Authorization": f"Bearer {config.appservice.hs_token.get_secret_value()}"}

            async def ask(what: str, name: str, headers: dict[str, str]) -> int:
                url = f"{config.appservice.url}/_matrix/app/v1/{what}/{name}"
                async with aiohttp.request("GET", url, headers=headers) as response:
                    return response.status

            assert await ask("users", ghost, token) == 200
            assert await ask("users", ghost, {}) == 403
            for name in (f"{ghost}.elsewhere", "@agent_nobody:test.local", "nonsense", "@" + "x" * 5_000):
                assert await ask("users", name, token) == 404
