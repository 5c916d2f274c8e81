"""``agent-bridge plan`` compares the agents that are known with the list of another kind, and writes nothing."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from agent_bridge.cli import cli
from agent_bridge.cli.plan import plan
from agent_bridge.config.conversations import SpaceConfig, TemplatesConfig
from agent_bridge.config.model import Config
from agent_bridge.core.errors import ConfigError
from agent_bridge.store.agents import Agents
from agent_bridge.store.postgres.database import Database
from support.app_server_doors import TwoInterfaces
from support.process import write_config
from support.records import wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9"
#: Names of rooms and ghosts as the records of the tests have them.
PLAIN = TemplatesConfig(displayname="Agent {name}", room_name="{name} - Chat", room_topic="Chat with {name}")


@pytest.fixture
async def server() -> AsyncIterator[TwoInterfaces]:
    async with TwoInterfaces({"agent-1": "Dora", "agent-2": "Egon"}) as running:
        yield running


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as opened:
        yield opened


def config(database: str, *upstreams: dict[str, Any]) -> Config:
    return Config.model_validate(
        {
            "homeserver": {"address": NOWHERE, "domain": "bed.test"},
            "appservice": {"as_token": "one", "hs_token": "two"},
            "database": {"url": database},
            "upstreams": upstreams,
        }
    )


def cells(text: str) -> list[list[str]]:
    """Return the columns of the lines about agents."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


async def test_each_room_is_compared(server: TwoInterfaces, database_url: str, database: Database) -> None:
    agents = Agents(database)
    await agents.add([wanted("Dora"), wanted("Egon"), wanted("Emil")])
    (dora, *_) = await agents.all()
    await agents.room_made(dora.home.id, "!dora:bed.test", "Dora", "")
    before, values = await agents.all(), await database.rows("SELECT * FROM kv")
    server.by_id |= {"agent-3": "Egon", "agent-4": "Zoe"}
    up = {"name": "up", "url": server.api_url, "history": "server", "session_header": "X-Key"}
    result = await plan(config(database_url, up), None, "letta")
    text = result.text
    assert (result.is_clear, result.exit_code) == (False, 1)
    assert cells(text)[1:6] == [
        ["keeps", "Dora", "Dora → agent-1", "!dora:bed.test"],
        ["HELD", "Egon", "the list has several agents of this name: agent-2, agent-3", "no room yet"],
        ["HELD", "Emil", "the list has no agent of this name", "no room yet"],
        ["waits", "Egon", "agent-2", "no room yet"],
        ["waits", "Egon", "agent-3", "no room yet"],
    ]
    assert text.startswith(f"up (kind: letta, {server.url}/v1): App Server 0.0, protocol 1, 4 agents")
    assert "set kind: letta, remove history, session_header, and start them again." in text
    assert "tools" not in text
    assert await agents.all() == before
    assert await database.rows("SELECT * FROM kv") == values


async def test_each_room_keeps_its_agent(server: TwoInterfaces, database_url: str, database: Database) -> None:
    await Agents(database).add([wanted("Dora")])
    result = await plan(config(database_url, {"name": "up", "url": server.url, "kind": "letta"}), "up", None)
    text = result.text
    assert (result.is_clear, result.exit_code) == (True, 4)
    assert result.passes.create == ("Dora", "Egon")
    assert ["new", "Egon", "agent-2", "no room yet"] in cells(text)
    # The configuration has the kind already.
    assert "Nothing was written" not in text


async def test_the_way_back_tells_that_tools_run_without_a_question(
    server: TwoInterfaces, database_url: str, database: Database
) -> None:
    await Agents(database).add([wanted("Dora")])
    up = {"name": "up", "url": server.api_url, "kind": "letta"}
    text = (await plan(config(database_url, up), "up", "openai")).text
    assert "With kind: openai the bridge asks nobody about tools: they run if the server lets them." in text


async def test_nothing_to_do(server: TwoInterfaces, database_url: str, database: Database) -> None:
    agents = Agents(database)
    await agents.add([wanted("Dora"), wanted("Egon")])
    for each in await agents.all():
        await agents.displayname_applied(each.agent.id, each.agent.displayname)
        await agents.room_made(each.home.id, f"!{each.agent.name}:bed.test", each.home.name, each.home.topic)
    up = {"name": "up", "url": server.api_url}
    settings = config(database_url, up).model_copy(update={"templates": PLAIN, "space": SpaceConfig(enabled=False)})
    result = await plan(settings, None, None)
    assert (result.text, result.exit_code) == ("The next pass changes nothing.", 0)
    server.by_id |= {"agent-3": "Zoe\x1b[31m\u202e*x*"}
    result = await plan(settings, None, None)
    assert result.exit_code == 4
    assert result.text == "The next pass would:\n\n• create 1 room: Zoe[31m*x*\n\nNothing was changed."
    assert json.loads(result.json)["create"] == ["Zoe[31m*x*"]


async def test_the_command(server: TwoInterfaces, database_url: str, database: Database, tmp_path: Path) -> None:
    await Agents(database).add([wanted("Dora"), wanted("Emil")])
    file = write_config(tmp_path, config(database_url, {"name": "up", "url": server.api_url}))
    command = ["plan", "up", "--kind", "letta", "--config", str(file)]
    result = await asyncio.to_thread(CliRunner().invoke, cli, command)
    assert result.exit_code == 1, result.output
    assert ["keeps", "Dora", "Dora → agent-1", "no room yet"] in cells(result.output)
    await database.execute("UPDATE agent SET state = 'gone' WHERE name = 'Emil'")
    result = await asyncio.to_thread(CliRunner().invoke, cli, command)
    assert result.exit_code == 4, result.output
    result = await asyncio.to_thread(CliRunner().invoke, cli, [*command, "--json"])
    assert json.loads(result.output)["create"] == ["Dora", "Egon"]


async def test_a_server_that_does_not_answer(database_url: str, database: Database) -> None:
    await Agents(database).add([wanted("Dora")])
    result = await plan(config(database_url, {"name": "up", "url": NOWHERE}), None, "letta")
    assert result.exit_code == 1
    assert "up could not be reached" in result.text


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("other", None, "no upstream is called other: one, two"),
        (None, "letta", "--kind needs the name of an upstream: one, two"),
        ("one", "oracle", "--kind: must be one of openai, letta, letta_v1, a2a"),
    ],
)
async def test_arguments_that_cannot_be(name: str | None, kind: str | None, words: str) -> None:
    two = config("postgresql://127.0.0.1:9/x", {"name": "one", "url": NOWHERE}, {"name": "two", "url": NOWHERE})
    with pytest.raises(ConfigError) as caught:
        await plan(two, name, kind)
    assert str(caught.value) == words
