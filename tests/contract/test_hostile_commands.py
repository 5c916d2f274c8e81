"""Invalid arguments of every command of the registry: one short answer, and nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.results.selection import AgentChoices
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.content import message
from agent_bridge.render.results import ResultRenderer
from support.command_services import REGISTRY, command_services, give
from support.turn_rows import add_agent

if TYPE_CHECKING:
    from agent_bridge.commands.registry import Command, CommandServices
    from agent_bridge.store.postgres.database import Database

HOSTILE = {
    "very large": "x" * 60_000,
    "many words": "word " * 12_000,
    "replaced NUL": "\ufffd",
    "marks that reverse letters": "\u202eadA\u202c \u2066x\u2069",
    "Markdown": "**[Ada](https://evil.example)** `!ab sync all` <!-- x",
    "HTML": "<img src=x onerror=alert(1)></code><h1>x",
    "lines": "\n\n> x\n\n# y\n",
    "number 0": "#0",
    "negative number": "#-1",
    "large number": "#999999999999",
    "at alone": "@",
    "another person": "@carol:elsewhere.example",
    "ghost of another server": "@agent_ada:elsewhere.example",
    "SQL": "'); DROP TABLE turn; --",
    "quotes": "\"' «»",
}


async def snapshot(database: Database) -> dict[str, list[object]]:
    """Return the rows of all tables, as text."""
    tables = await database.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    found = {}
    for name in (row["name"] for row in tables):
        query = sql.SQL("SELECT t::text AS row FROM {} t ORDER BY 1").format(sql.Identifier(name))
        async with database.transaction() as connection:
            found[name] = [row["row"] for row in await (await connection.execute(query)).fetchall()]
    return found


async def prepare(database: Database, services: CommandServices) -> None:
    """Make agents, a list that the person was shown, and a turn for the commands."""
    await add_agent(database, "Ada")
    await add_agent(database, "Bea", "!bea:example.org")
    assert isinstance(await give(services, "agent", event_id="$list"), AgentChoices)
    await give(services, "help")


@pytest.mark.parametrize("command", REGISTRY.commands.values(), ids=REGISTRY.commands)
async def test_hostile_arguments_get_a_short_answer_and_change_nothing(command: Command, database: Database) -> None:
    async with command_services(database) as services:
        await prepare(database, services)
        before = await snapshot(database)
        for name, words in HOSTILE.items():
            try:
                result = await give(services, f"{command.name} {words}")
            except HomeserverUnavailable:
                # A homeserver was asked, which is not there.
                assert name == "another person"
                continue
            for texts in (ENGLISH, RUSSIAN):
                text = ResultRenderer(texts, "!ab").render(result)
                shown = message(text, mark="x", notice=True)
                is_help = command.name == "help" and "\n- " in text
                assert len(shown["body"]) < 700 or is_help, (name, shown["body"])
                assert "<img" not in shown.get("formatted_body", ""), name
                assert 'evil.example">Ada' not in shown.get("formatted_body", ""), name
        after = await snapshot(database)
        if command.name == "new":
            # Most words are a title, for which the person is asked to choose an agent.
            unchanged = before.keys() - {"choice", "turn"}
            before, after = ({name: rows[name] for name in unchanged} for rows in (before, after))
        assert after == before
