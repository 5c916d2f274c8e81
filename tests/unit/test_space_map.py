"""The map in docs/together.md names all tables and functions, and only what there is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

import agent_bridge
from agent_bridge.api.endpoints import all_endpoints
from agent_bridge.api.openapi import openapi_document
from agent_bridge.cli import cli
from agent_bridge.commands.handler import all_commands
from agent_bridge.core.feed import FeedType, LiveType
from support.space_map import FUNCTIONS, TABLES, rows

ROWS = rows()


def test_the_map_is_complete() -> None:
    assert ROWS.keys() == TABLES | FUNCTIONS
    assert (len(TABLES), len(FUNCTIONS)) == (13, 24)
    assert all(each.endpoints and each.commands for each in ROWS.values())
    assert {each.name for each in ROWS.values() if not (each.matrix or each.types)} <= {"ChannelReadState"}


def test_its_endpoints_are_in_the_openapi_document() -> None:
    paths = openapi_document(all_endpoints())["paths"]
    named = [(each.name, *endpoint) for each in ROWS.values() for endpoint in each.endpoints]
    assert [each for each in named if each[1].lower() not in paths.get(each[2], ())] == []


def test_its_commands_exist() -> None:
    named = [(each.name, line) for each in ROWS.values() for line in each.commands]
    assert [each for each in named if not _exists(*each[1].split(" "))] == []


def test_its_events_are_known_to_the_code() -> None:
    assert {kind for each in ROWS.values() for kind in each.types} <= {*FeedType, *LiveType}
    files = Path(agent_bridge.__file__).parent.rglob("*.py")
    source = "".join(file.read_text("utf-8") for file in files if "demo" not in file.parts)
    named = [(each.name, kind) for each in ROWS.values() for kind in each.matrix]
    assert [each for each in named if f'"{each[1]}"' not in source] == []


def _exists(program: str, *words: str) -> bool:
    if program == "!ab":
        command = all_commands().commands[words[0]]
        return len(words) == 1 or words[1] in _actions(command.run)
    group: Any = typer.main.get_command(cli)
    for word in words:
        group = getattr(group, "commands", {}).get(word)
    return program == "agent-bridge" and group is not None and not hasattr(group, "commands")


def _actions(run: object) -> set[str]:
    """Return the first words of a command."""
    hints = [each for hint in get_type_hints(run).values() for each in (get_args(hint) or (hint,))]
    return {str(value) for each in hints if isinstance(each, type) and issubclass(each, StrEnum) for value in each}
