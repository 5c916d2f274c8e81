"""Operators make, list and revoke tokens on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from agent_bridge.bridge.programs.token_maker import TokenWish
from agent_bridge.cli import cli
from agent_bridge.cli.token import listed, new, revoke
from agent_bridge.config.example import example
from agent_bridge.core.errors import BridgeError
from agent_bridge.core.programs import Capability, token_hash
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.tokens import Tokens
from support.turn_rows import ROOM, add_agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from agent_bridge.config.model import Config
    from support.postgres import Server

BOB = "@bob:example.org"


@pytest.fixture(scope="module")
def url(postgres: Server) -> Iterator[str]:
    with postgres.migrated() as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with Database(url) as database:
        await database.execute("DELETE FROM token")
        yield database


@pytest.fixture
def config(url: str) -> Config:
    return example().model_copy(update={"database": example().database.model_copy(update={"url": url})})


async def test_a_token_is_printed_once_and_its_hash_is_stored(database: Database, config: Config) -> None:
    token = await new(config, TokenWish(name="ci", identity=BOB, capabilities=("read", "send"), expires="2 days"))
    found = await Tokens(database, config.namespace).find(token_hash(token))
    assert found is not None
    assert (found.user_id, found.made_by, found.rooms) == (BOB, "", None)
    assert found.capabilities == {Capability.READ, Capability.SEND}
    assert found.expires_at is not None
    rows = await database.rows("SELECT to_jsonb(t)::text AS row FROM token t")
    assert token not in rows[0]["row"]
    assert "*" not in await listed(config, as_json=False)
    (entry,) = json.loads(await listed(config, as_json=True))
    assert (entry["name"], entry["identity"]) == ("ci", BOB)
    with pytest.raises(BridgeError, match="already"):
        await new(config, TokenWish(name="CI", identity=BOB))
    assert await revoke(config, "ci") == "ci"
    assert await Tokens(database, config.namespace).find(token_hash(token)) is None
    with pytest.raises(BridgeError, match="ci"):
        await revoke(config, "ci")


async def test_a_token_of_an_agent_in_rooms(database: Database, config: Config) -> None:
    agent = await add_agent(database)
    (row,) = await database.rows("SELECT name, ghost FROM agent")
    token = await new(config, TokenWish(name="bot", identity=row["name"], rooms=(ROOM,)))
    found = await Tokens(database, config.namespace).find(token_hash(token))
    assert found is not None
    assert (found.agent, found.rooms) == (agent, frozenset({ROOM}))
    assert found.user_id == config.namespace.user_id(row["ghost"])


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        (TokenWish(name="7", identity=BOB), "no number"),
        (TokenWish(name="x", identity="nobody"), "nobody"),
        (TokenWish(name="x", identity="@bob"), "@bob"),
        (TokenWish(name="x", identity=BOB, capabilities=("fly",)), "fly"),
        (TokenWish(name="x", identity=BOB, rooms=("!unknown:x.org",)), "unknown"),
        (TokenWish(name="x", identity=BOB, expires="soon"), "soon"),
    ],
)
async def test_a_wish_that_cannot_be_met(database: Database, config: Config, wish: TokenWish, problem: str) -> None:
    with pytest.raises(BridgeError, match=problem):
        await new(config, wish)
    assert await database.rows("SELECT 1 FROM token") == []


def test_the_options_of_the_command() -> None:
    text = CliRunner().invoke(cli, ["token", "new", "--help"]).output
    assert all(option in text for option in ("--as", "--rooms", "--can", "--expires"))
