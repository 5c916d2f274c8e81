"""Every command of the registry, typed and as a client writes it (MSC4391): equal results, and equal refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.agents.upstream_status import SyncRequests
from agent_bridge.commands.arguments import split_arguments
from agent_bridge.core.errors import BridgeError
from agent_bridge.core.results.commands import ArgumentProblem, ArgumentType, InvalidArguments, UnknownCommand
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.results import ResultRenderer
from contract.test_hostile_commands import prepare
from support.command_services import REGISTRY, command_services, give
from support.table_rows import snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.commands.arguments import Parameter
    from agent_bridge.commands.registry import Command, CommandServices
    from agent_bridge.core.payloads import NamedValue
    from agent_bridge.core.results.commands import Result
    from agent_bridge.store.postgres.database import Database

EACH = pytest.mark.parametrize("command", REGISTRY.commands.values(), ids=REGISTRY.commands)
#: Further words for commands, beside their examples, and the same as arguments.
PAIRS: dict[str, list[tuple[str, dict[str, NamedValue]]]] = {
    "agents": [("", {}), ("2", {"page": 2})],
    "agent": [
        ("", {}),
        ("2", {"choice": "2"}),
        ("#2", {"choice": "#2"}),
        ("9", {"choice": "9"}),
        ("adda", {"choice": "adda"}),
    ],
    "agent ": [("page 2", {"choice": "page 2"}), ('"Ada"', {"choice": "Ada"}), ("  Bea ", {"choice": " Bea "})],
    "invite": [
        ("Ada", {"place": "Ada"}),
        ("Ada bob", {"place": "Ada bob"}),
        ("* bob", {"place": "* bob"}),
        ("@agent_ada:example.org", {"user": "@agent_ada:example.org"}),
        ("", {}),
        ("", {"place": ""}),
        ("", {"place": "", "user": ""}),
    ],
    "chats": [
        ("archived", {"archived": True}),
        ("2 archived", {"page": 2, "archived": True, "all": False}),
        ("all", {"all": True, "archived": False}),
    ],
    "new": [("", {}), ("#1 Oslo", {"chat": "#1 Oslo"}), ("@Ada", {"chat": "@Ada"}), ("Oslo", {"chat": "Oslo"})],
    "busy": [("QUEUE", {"mode": "QUEUE"}), ("often", {"mode": "often"}), ("", {})],
    "stream": [("edits", {"mode": "edits"})],
    "help": [("", {}), ("invite", {"command": "invite"}), ("invte", {"command": "invte"})],
    "sync": [("", {}), ("", {"all": False}), ("all", {"all": True})],
    "same": [("Ada", {"old": "Ada"}), ('"Ada" "New one"', {"old": "Ada", "new": "New one"})],
    "retry": [("all", {"turn": "all"}), ("$x", {"turn": "$x"}), ("", {})],
    "rename": [("", {}), ("  Oslo  trip ", {"title": "Oslo  trip"})],
    "delete": [("", {}), ("1", {"which": "1"})],
    "deny": [("", {}), ("a\n\nb", {"reason": "a\n\nb"})],
}


async def outcome(services: CommandServices, line: str, named: Mapping[str, NamedValue] | None = None) -> Result | str:
    """Return the result of a command, or its error."""
    event = f"${line}" if named is None else f"${line} {named}"
    try:
        return await give(services, line, named=named, event_id=event)
    except BridgeError as error:
        return repr(error)


def value_of(parameter: Parameter, words: str) -> NamedValue:
    match parameter.argument.type:
        case ArgumentType.NUMBER:
            return int(words)
        case ArgumentType.FLAG:
            return True
        case _:
            return words


def example_of(command: Command) -> tuple[str, dict[str, NamedValue]]:
    """Return the example of a command in both forms."""
    given = split_arguments(command.parameters, command.usage.example)
    named = {each.argument.name: value_of(each, given[each.name]) for each in command.parameters if each.name in given}
    return command.usage.example, named


@EACH
async def test_both_forms_have_equal_results(command: Command, database: Database) -> None:
    pairs = [example_of(command), *PAIRS.get(command.name, []), *PAIRS.get(f"{command.name} ", [])]
    async with command_services(database) as services:
        await prepare(database, services)
        # `sync` waits for no leader.
        await services.upstream_status.done(SyncRequests(99, 99))
        for words, named in pairs:
            typed = await outcome(services, f"{command.name} {words}")
            assert await outcome(services, command.name, named) == typed, (words, named)


@EACH
async def test_wrong_arguments_get_one_clear_line_and_change_nothing(command: Command, database: Database) -> None:
    right = example_of(command)[1]
    wrong: list[tuple[ArgumentProblem, dict[str, NamedValue]]] = [
        (ArgumentProblem.SURPLUS, right | {"unknown": "x"}),
        (ArgumentProblem.SURPLUS, {"arguments": None}),
        (ArgumentProblem.SURPLUS, {"x" * 60_000: "x"}),
    ]
    for each in (parameter.argument for parameter in command.parameters):
        others: dict[ArgumentType, NamedValue] = {
            ArgumentType.TEXT: "word",
            ArgumentType.NUMBER: 7,
            ArgumentType.FLAG: True,
        }
        kind = ArgumentType.TEXT if each.type is ArgumentType.USER else each.type
        wrong += [
            (ArgumentProblem.WRONG_TYPE, right | {each.name: others[other]}) for other in others if other is not kind
        ]
        # A list, an object, a fraction.
        wrong.append((ArgumentProblem.WRONG_TYPE, right | {each.name: None}))
        if each.required:
            left = {name: value for name, value in right.items() if name != each.name}
            blank = ArgumentProblem.WRONG_TYPE if kind is ArgumentType.NUMBER else ArgumentProblem.MISSING
            wrong += [(ArgumentProblem.MISSING, left), (blank, right | {each.name: " "})]
        if kind is ArgumentType.TEXT:
            wrong.append((ArgumentProblem.TOO_LONG, right | {each.name: "x" * 60_000}))
    async with command_services(database) as services:
        await prepare(database, services)
        await give(services, "help")
        before = await snapshot(database)
        for problem, named in wrong:
            result = await give(services, command.name, named=named)
            assert isinstance(result, InvalidArguments), (named, result)
            assert result.problem is problem
            first, *usage = ResultRenderer(ENGLISH, "!ab").render(result).split("\n\n")
            assert "\n" not in first
            assert len(first) < 240
            assert len(usage) <= 2
        assert await snapshot(database) == before


async def test_a_name_of_several_words_is_no_command_with_arguments(database: Database) -> None:
    async with command_services(database) as services:
        assert isinstance(await give(services, "agent 1", named={}), InvalidArguments)
        assert isinstance(await give(services, "/agent", named={}), UnknownCommand)
