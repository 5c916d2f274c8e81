"""Invalid arguments of every command of the registry: one short answer, and nothing is changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from agent_bridge.commands.handler import context_of
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.payloads import CommandPayload
from agent_bridge.core.results.commands import CommandList, Group
from agent_bridge.core.results.selection import AgentChoices
from agent_bridge.core.roles import Role
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import TurnKind
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.content import message
from agent_bridge.render.results import ResultRenderer
from agent_bridge.store.turns import Turns
from support.command_services import REGISTRY, command_services, give
from support.table_rows import changed, snapshot
from support.turn_rows import BOB, ROOM, accept, add_agent, finish, new, take
from support.upstream_kinds import connect

if TYPE_CHECKING:
    from agent_bridge.commands.registry import Command, CommandServices
    from agent_bridge.core.results.commands import Result
    from agent_bridge.store.postgres.database import Database

HOSTILE = {
    "empty": "",
    "blanks": " \t ",
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
#: Things of another person, and things that do not exist.
OTHERS = {
    "room of another person": "!secret:example.org",
    "title of another person": "Secret plans",
    "name of another person": "hers",
    "number of another person": "#2",
    "message of another person": "$hers",
    "message that does not exist": "$nothing:example.org",
    "turn that does not exist": "0123456789abcdee",
}
#: Words that no argument can be.
TOO_LARGE = ("very large", "many words")
OF_SCHEDULES = {"pause", "resume", "unschedule"}
EVE, HERS = "@eve:example.org", "!secret:example.org"
#: Commands whose argument may be any text: it is a title, a name or instructions.
OF_ANY_TEXT = {"new", "rename", "instructions", "save"}
#: Commands about chats and conversations that do not ignore the words behind their names.
OF_OWN_CHATS = [
    name
    for name, each in REGISTRY.commands.items()
    if each.usage.group in {Group.CHATS, Group.CONVERSATION} and (each.parameters or each.is_exact)
]


def needs_words(command: Command) -> bool:
    """Tell whether *command* cannot be given alone."""
    return any(each.argument.required for each in command.parameters)


def expect_a_short_answer(result: Result, case: str) -> None:
    """Compare the text of *result* with what fits a line or two of a phone; a list of commands is longer."""
    for texts in (ENGLISH, RUSSIAN):
        text = ResultRenderer(texts, "!ab").render(result)
        shown = message(text, mark="x", notice=True)
        assert len(shown["body"]) < 700 or isinstance(result, CommandList), (case, shown["body"])
        assert "<img" not in shown.get("formatted_body", ""), case
        assert 'evil.example">Ada' not in shown.get("formatted_body", ""), case


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
            if not words.strip() and not needs_words(command):
                continue
            try:
                result = await give(services, f"{command.name} {words}")
            except HomeserverUnavailable:
                # A homeserver was asked, which is not there; about schedules, for the time zone of the person.
                assert name in {"another person", "ghost of another server"} or command.name == "schedule"
                continue
            expect_a_short_answer(result, name)
        after = await snapshot(database)
    # Most words are the title of a new chat, for which the person is asked to choose an agent.
    expected = {"choice", "turn"} if command.name == "new" else set()
    # Their refusals are stored in the turn of the command.
    expected |= {"turn"} if command.name in OF_SCHEDULES else set()
    assert changed(before, after) == expected


@pytest.fixture
async def chat(database: Database) -> tuple[int, int]:
    """The agent and its lane in a chat of the person, who asked once. Another person has a chat, too."""
    ada = await add_agent(database, "Ada")
    await add_agent(database, "Bea", "!bea:example.org")
    await database.execute("UPDATE room SET kind = 'chat', person = %s, number = 1 WHERE room_id = %s", (BOB, ROOM))
    await database.execute(
        "INSERT INTO room (room_id, kind, owner, person, number, name, titled_by)"
        " VALUES (%s, 'chat', %s, %s, 2, 'Secret plans', 'given')",
        (HERS, ada, EVE),
    )
    lanes = await accept(database, new("$mine", ROOM, ada), new("$hers", HERS, ada, sender=EVE))
    for number in lanes:
        turn = await take(database, number)
        transcript = [ChatMessage("user", "one"), ChatMessage("assistant", "two")]
        await Turns(database).commit(turn, "two", error=None, parts=[], transcript=transcript)
        await finish(database, turn)
    await database.execute(
        "INSERT INTO context (conversation, agent, owner, name) SELECT id, agent, %s, 'hers' FROM conversation"
        " WHERE room_id = %s",
        (EVE, HERS),
    )
    return ada, lanes[0]


def cases_for(command: Command) -> dict[str, str]:
    """Return the words to give behind *command*, which mean nothing to it, by their names."""
    if command.name in OF_ANY_TEXT:
        return {name: words for name, words in HOSTILE.items() if name in TOO_LARGE}
    return {name: words for name, words in (HOSTILE | OTHERS).items() if words.strip() or needs_words(command)}


@pytest.mark.parametrize("name", OF_OWN_CHATS)
async def test_hostile_arguments_in_an_own_chat_change_nothing(
    database: Database, chat: tuple[int, int], name: str
) -> None:
    """There, the person can change the chat and the conversation, but not those of another person."""
    command, (agent, lane) = REGISTRY.commands[name], chat
    async with command_services(database) as offline, aiohttp.ClientSession() as session:
        services = replace(offline, upstreams={"up": connect("http://127.0.0.1:9/v1", session)})
        before = await snapshot(database)
        for case, words in cases_for(command).items():
            body = f"{name} {words}"
            asked = new(f"${case}", ROOM, agent, kind=TurnKind.COMMAND, payload=CommandPayload(body))
            await accept(database, asked)
            turn = await take(database, lane)
            expect_a_short_answer(await REGISTRY.run(body, context_of(services, REGISTRY, turn, Role.MODERATOR)), case)
            await finish(database, turn)
        after = await snapshot(database)
    assert changed(before, after) - {"turn"} == set()


#: The answer to words that mean nothing in an own chat says which thing is wrong, and where to go from there.
WRONG = {
    f"rename {'x' * 201}": "`<title>` is too long",
    f"fork {'x' * 201}": "`[title]` is too long",
    "unarchive": "not in the archive",
    "unarchive Bergen": "`!ab chats archived`",
    "delete Bergen": "`!ab chats`",
    "load Bergen": "No saved conversation is called *Bergen*. `!ab saves`",
    "forget Bergen": "No saved conversation is called *Bergen*. `!ab saves`",
    "model Bergen": "No model of the server is called *Bergen*. `!ab model`",
    "agent \u200b": "1. **Bea**",
    "agent page 0": "The list has no page 0: it has 1 page.",
    "agent page 99": "The list has no page 99: it has 1 page.",
    "chats 99": "The list has no page 99: it has 1 page.",
    "chats zzz": "The word *zzz* is unknown here. Usage: `!ab chats [page] [archived] [all]`.",
    "agents zzz archived": "*archived* is not expected here.",
}


@pytest.mark.parametrize("body", WRONG, ids=lambda body: body.split()[0])
async def test_a_refusal_names_the_thing_and_the_next_step(
    database: Database, chat: tuple[int, int], body: str
) -> None:
    agent, lane = chat
    async with command_services(database) as offline, aiohttp.ClientSession() as session:
        services = replace(offline, upstreams={"up": connect("http://127.0.0.1:9/v1", session)})
        reply_to = "$mine" if body.startswith("fork") else ""
        payload = CommandPayload(body, reply_to=reply_to) if reply_to else CommandPayload(body)
        await accept(database, new("$wrong", ROOM, agent, kind=TurnKind.COMMAND, payload=payload))
        turn = await take(database, lane)
        result = await REGISTRY.run(body, context_of(services, REGISTRY, turn, Role.MODERATOR))
    assert WRONG[body] in ResultRenderer(ENGLISH, "!ab").render(result)
