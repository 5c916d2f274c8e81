"""The commands about conversations on a real PostgreSQL: a repeat acts no more, and wrong input changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from agent_bridge.commands.handler import context_of
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.payloads import CommandPayload
from agent_bridge.core.results.commands import InvalidArguments, NotPermitted, Result
from agent_bridge.core.results.contexts import (
    ContextBegun,
    ContextForgotten,
    ContextList,
    ContextLoaded,
    ContextRefusal,
    ContextRefused,
    ContextSaved,
    Instructions,
    ModelChoice,
)
from agent_bridge.core.roles import Role
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.store.turns import Turns
from support.change_requests import note, redaction
from support.command_services import REGISTRY, command_services
from support.turn_rows import BOB, ROOM, accept, add_agent, finish, new, row_of, take
from support.upstream_kinds import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.commands.registry import CommandServices
    from agent_bridge.store.postgres.database import Database

LONG = "x" * 60_000


@pytest.fixture
async def services(database: Database) -> AsyncIterator[CommandServices]:
    """The services of the bridge, with a server of agents that cannot be reached."""
    async with command_services(database) as given, aiohttp.ClientSession() as session:
        yield replace(given, upstreams={"up": connect("http://127.0.0.1:9/v1", session)})


@pytest.fixture
async def agent(database: Database) -> int:
    """An agent that was asked in its room once."""
    agent = await add_agent(database)
    await add_agent(database, "Frieda", "!other:example.org")
    (lane,) = await accept(database, new("$q", ROOM, agent))
    turn = await take(database, lane)
    transcript = [ChatMessage("user", "one"), ChatMessage("assistant", "two")]
    await Turns(database).commit(turn, "two", error=None, parts=[], transcript=transcript)
    await Turns(database).finish(turn, TurnState.DONE, {})
    return agent


class Commands:
    """Gives commands in the room of the agent."""

    def __init__(self, services: CommandServices, agent: int) -> None:
        self._services = services
        self._agent = agent
        self._count = 0

    async def give(self, line: str, role: Role = Role.ADMIN, runs: int = 1) -> Result:
        """Run the command of one event *runs* times, as after kills; all results must be equal."""
        self._count += 1
        payload = CommandPayload(line)
        database = self._services.database
        (lane,) = await accept(
            database, new(f"$c{self._count}", ROOM, self._agent, kind=TurnKind.COMMAND, payload=payload)
        )
        results = []
        for _ in range(runs):
            turn = await take(database, lane)
            results.append(await REGISTRY.run(line, context_of(self._services, REGISTRY, turn, role)))
        await finish(database, turn)
        assert all(each == results[0] for each in results)
        return results[0]


@pytest.fixture
def commands(services: CommandServices, agent: int) -> Commands:
    return Commands(services, agent)


async def tables(database: Database) -> list[str]:
    """Return all rows but those of turns."""
    rows = await database.rows(
        "SELECT to_jsonb(x)::text AS row FROM context x UNION ALL SELECT to_jsonb(m)::text FROM message m"
        " UNION ALL SELECT to_jsonb(p)::text FROM participant p UNION ALL SELECT to_jsonb(c)::text FROM conversation c"
        " UNION ALL SELECT to_jsonb(h)::text FROM choice h ORDER BY 1"
    )
    return [row["row"] for row in rows]


async def test_a_repeat_of_a_command_has_the_effect_of_its_first_run(database: Database, commands: Commands) -> None:
    assert isinstance(await commands.give("save first", runs=3), ContextSaved)
    assert await commands.give("reset", runs=3) == ContextBegun("Frida")
    assert isinstance(listed := await commands.give("saves", runs=3), ContextList)
    assert [each.name for each in listed.options] == [None, "first"]
    assert await commands.give("load 2", runs=3) == ContextLoaded("Frida", "first", 2)
    assert await commands.give("instructions Be brief", runs=3) == Instructions("Frida", "…", is_new=True)
    assert await commands.give("model frieda", runs=3) == ModelChoice("Frida", "Frieda", "Frida")
    before = await database.rows("SELECT name, session FROM context ORDER BY id")
    # The first context, the copy, the empty one, the loaded one.
    assert [row["name"] for row in before] == [None, "first", None, None]
    assert await commands.give("forget FIRST", runs=3) == ContextForgotten("first")
    assert len(await database.rows("SELECT 1 FROM context")) == 3
    rows = await database.rows("SELECT count(*) AS messages FROM message")
    assert rows[0]["messages"] == 4


async def test_a_number_means_the_list_that_was_shown(commands: Commands) -> None:
    await commands.give("save b")
    await commands.give("saves")
    await commands.give("save a")
    assert await commands.give("load 1") == ContextLoaded("Frida", "b", 2)
    await commands.give("forget b")
    assert await commands.give("load 1") == ContextRefused(ContextRefusal.GONE, "Frida")


async def test_a_conversation_without_messages_does_not_begin_again(database: Database, commands: Commands) -> None:
    for _ in range(3):
        assert await commands.give("reset") == ContextBegun("Frida")
    assert len(await database.rows("SELECT 1 FROM context")) == 2
    assert await commands.give("save") == ContextRefused(ContextRefusal.EMPTY, "Frida", most=100)


@pytest.mark.parametrize(
    "line",
    [
        "reset now",
        "saves all",
        f"save {LONG}",
        "save 7",
        "save FIRST",
        "load second",
        "load 2",
        "load 99999999999999999999",
        f"load {LONG}",
        "load <b>first</b>",
        "forget",
        "forget 1",
        "forget @bob:example.org",
        f"forget {LONG}",
        f"instructions {LONG}",
        "model large",
        "model #0",
        f"model {LONG}",
    ],
    ids=lambda line: line[:20],
)
async def test_wrong_input_changes_nothing(database: Database, commands: Commands, line: str) -> None:
    await commands.give("save first")
    await commands.give("saves")
    before = await tables(database)
    assert isinstance(await commands.give(line), InvalidArguments | ContextRefused)
    assert await tables(database) == before


@pytest.mark.parametrize("line", ["reset", "load first", "load", "instructions Be brief", "model frieda"])
async def test_a_member_is_looked_up_in_the_room(database: Database, commands: Commands, line: str) -> None:
    """Only in rooms that people made. The homeserver of this test cannot be reached: nothing is changed."""
    await commands.give("save first", Role.MEMBER)
    before = await tables(database)
    assert isinstance(await commands.give(line, Role.MEMBER), NotPermitted)
    assert await tables(database) == before
    await database.execute("UPDATE room SET kind = 'group', owner = NULL")
    with pytest.raises(HomeserverUnavailable):
        await commands.give(line, Role.MEMBER)


async def test_a_person_saves_a_limited_number_of_copies(
    services: CommandServices, database: Database, commands: Commands, agent: int
) -> None:
    await commands.give("save first")
    await database.execute(
        "INSERT INTO context (conversation, agent, owner, name) SELECT conversation, agent, owner, 'copy ' || n"
        " FROM context, generate_series(1, 99) AS n WHERE name = 'first'"
    )
    assert await commands.give("save more") == ContextRefused(ContextRefusal.TOO_MANY, "Frida", "more", most=100)
    listed = await commands.give("saves")
    assert isinstance(listed, ContextList)
    assert (len(listed.options), listed.more) == (20, 80)
    async with services.database.transaction() as connection:
        assert len(await services.contexts.names(connection, BOB, agent)) == 100


async def test_a_redacted_command_keeps_its_effect_without_words(database: Database, commands: Commands) -> None:
    await commands.give("save my secret")
    await commands.give("load my secret")
    await note(database, redaction("$c1", "$r1"), redaction("$c2", "$r2"))
    effects = [(await row_of(database, event))["effect"] for event in ("$c1", "$c2")]
    assert not any("secret" in str(effect) for effect in effects)
    # The command still tells that the lane went on with another context.
    assert "context" in effects[1]
