"""Profiles of ghosts on a real PostgreSQL: the fields that differ, and a homeserver that refuses them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.agents.profiles import ProfileFields
from agent_bridge.core.turns import TurnState
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.profiles import Activity, ProfileChange, Profiles
from support.conditions import eventually
from support.fault_server import FaultServer, Reply
from support.records import NAMES
from support.turn_rows import OTHER, accept, add_agent, finish, new, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.store.postgres.database import Database

_JSON = {"Content-Type": "application/json"}
_TAKEN = Reply(200, _JSON, (b"{}",))


@pytest.fixture
async def frida(database: Database) -> int:
    """An agent whose ghost is registered, with a description."""
    agent = await add_agent(database)
    await database.execute("UPDATE agent SET displayname_applied = displayname, description = 'Reads'")
    return agent


async def change(database: Database, *without: int, shows: bool = True) -> ProfileChange | None:
    return await Profiles(database).next_change(0, without, shows=shows)


@asynccontextmanager
async def setting(database: Database, wire: FaultServer) -> AsyncIterator[None]:
    """Set the fields of profiles at the homeserver *wire* for the length of the block."""
    async with homeserver_session() as session:
        homeserver = Homeserver(wire.url.removesuffix("/v1"), "token", NAMES, session)
        fields = ProfileFields(homeserver, Profiles(database), Signals(), ENGLISH, shows=True, per_second=100)
        running = asyncio.create_task(fields.run())
        yield
        running.cancel()
        await asyncio.wait({running})


async def test_a_ghost_gets_its_description_once_it_exists(database: Database, frida: int) -> None:
    await database.execute("UPDATE agent SET displayname_applied = NULL")
    assert await change(database) is None
    await database.execute("UPDATE agent SET displayname_applied = 'Frida'")
    assert await change(database) == ProfileChange(frida, "agent_frida", "Reads", None, None, None)
    assert await change(database, frida) is None
    await Profiles(database).description_applied(frida, "Reads")
    assert await change(database) is None
    # An agent without a description has the mark.
    await database.execute("UPDATE agent SET description = '', description_applied = NULL")
    assert await change(database) == ProfileChange(frida, "agent_frida", "", None, None, None)


@pytest.mark.parametrize("state", ["gone", "retired"])
async def test_an_agent_at_rest_keeps_its_description(database: Database, frida: int, state: str) -> None:
    await database.execute("UPDATE agent SET state = %s, description_applied = 'Writes'", (state,))
    assert await change(database) is None
    assert await change(database, shows=False) == ProfileChange(frida, "agent_frida", None, "Writes", None, None)
    await database.execute("UPDATE agent SET deactivated = true")
    assert await change(database, shows=False) is None


async def test_the_activity_is_that_of_the_open_turns(database: Database, frida: int) -> None:
    profiles, here = Profiles(database), ProfileChange(frida, "agent_frida", "Reads", "Reads", Activity.ANSWERS, None)
    await profiles.description_applied(frida, "Reads")
    lanes = await accept(database, new("$1", OTHER, frida), new("$2", "!third:example.org", frida))
    assert await change(database) is None
    first, second = await take(database, lanes[0]), await take(database, lanes[1])
    assert await profiles.next_change(60, (), shows=True) is None
    assert await change(database) == here
    await profiles.activity_applied(frida, Activity.ANSWERS)
    assert await change(database) is None
    await database.execute(
        "INSERT INTO approval (turn, number, ref, call_id, tool, arguments, always)"
        " VALUES (%s, 0, 'r', 'c', 't', '', '')",
        (second.id,),
    )
    asks = await change(database)
    assert asks is not None
    assert (asks.activity, asks.activity_applied, asks.has_new_description) == (Activity.ASKS, "answers", False)
    await database.execute("UPDATE approval SET verdict = 'deny'")
    assert await change(database) is None
    await finish(database, first, TurnState.FAILED)
    assert await change(database) is None
    await finish(database, second)
    assert await change(database) == ProfileChange(frida, "agent_frida", "Reads", "Reads", None, "answers")


async def test_a_ghost_whose_field_is_refused_does_not_hold_up_the_others(
    database: Database, frida: int, wire: FaultServer
) -> None:
    gala = await add_agent(database, "Gala", OTHER)
    await database.execute("UPDATE agent SET displayname_applied = displayname, description = 'Reads'")
    refusal = json.dumps({"errcode": "M_FORBIDDEN", "error": "no"}).encode()
    wire.script(Reply(403, _JSON, (refusal,)), _TAKEN, _TAKEN)
    async with setting(database, wire):

        async def is_set() -> bool:
            row = await database.row("SELECT description_applied FROM agent WHERE id = %s", (gala,))
            return row == {"description_applied": "Reads"}

        await eventually(is_set, "the second ghost has its description")
    assert len(wire.requests) == 3
    assert (await change(database, gala)) == ProfileChange(frida, "agent_frida", "Reads", None, None, None)


@pytest.mark.usefixtures("frida")
async def test_a_long_description_is_cut(database: Database, wire: FaultServer) -> None:
    await database.execute("UPDATE agent SET description = repeat('ё', 3000)")
    wire.script(_TAKEN, _TAKEN)
    async with setting(database, wire):

        async def is_set() -> bool:
            return await change(database, shows=True) is None

        await eventually(is_set, "the ghost has its description")
    biography = wire.requests[0].json["m.biography"]["m.text"][0]["body"]
    assert biography == "ё" * 1999 + "…"
