"""The registry of commands: every command can be found, explained, typed and answered."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, get_args

import pytest

import agent_bridge.commands
from agent_bridge.commands.arguments import split_arguments
from agent_bridge.commands.handler import all_commands
from agent_bridge.commands.registry import Registry
from agent_bridge.core.commands import OF_THE_AGENT
from agent_bridge.core.results.commands import Group, Result
from agent_bridge.core.roles import Role
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.results import ResultRenderer

if TYPE_CHECKING:
    from agent_bridge.commands.registry import Command
    from agent_bridge.i18n.catalogue import Texts

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"
COMMANDS = all_commands().commands
EACH = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
LANGUAGES = pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])


def sections() -> dict[str, str]:
    """Return the text about each command in the page of the commands, by its name."""
    _, *found = re.split(r"^### ", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return {name: text for name, _, text in (section.partition("\n") for section in found)}


def test_every_module_with_commands_is_registered() -> None:
    declared: set[str] = set()
    for module in pkgutil.iter_modules(agent_bridge.commands.__path__, "agent_bridge.commands."):
        declared |= Registry.of(importlib.import_module(module.name)).commands.keys()
    assert declared == COMMANDS.keys()


def test_the_commands() -> None:
    # Users know these names and roles.
    assert {name: command.role for name, command in COMMANDS.items()} == {
        "agents": Role.MEMBER,
        "agent": Role.MEMBER,
        "new": Role.MEMBER,
        "chats": Role.MEMBER,
        "rename": Role.MEMBER,
        "archive": Role.MEMBER,
        "unarchive": Role.MEMBER,
        "delete": Role.MEMBER,
        "yes": Role.MEMBER,
        "invite": Role.MEMBER,
        "leave": Role.MEMBER,
        "same": Role.ADMIN,
        "retire": Role.ADMIN,
        "stop": Role.MEMBER,
        "server": Role.MEMBER,
        "channel": Role.MEMBER,
        "vote": Role.MEMBER,
        "votes": Role.MEMBER,
        "task": Role.MEMBER,
        "tasks": Role.MEMBER,
        "thread": Role.MEMBER,
        "approve": Role.MEMBER,
        "deny": Role.MEMBER,
        "answer": Role.MEMBER,
        "busy": Role.MODERATOR,
        "stream": Role.MODERATOR,
        "voice": Role.MEMBER,
        "trigger": Role.MEMBER,
        "triggers": Role.MEMBER,
        "event": Role.MEMBER,
        "token": Role.MEMBER,
        "admin": Role.ADMIN,
        "tokens": Role.MEMBER,
        "schedule": Role.MEMBER,
        "schedules": Role.MEMBER,
        "pause": Role.MEMBER,
        "resume": Role.MEMBER,
        "unschedule": Role.MEMBER,
        "role": Role.MEMBER,
        "roles": Role.ADMIN,
        "mute": Role.MODERATOR,
        "unmute": Role.MODERATOR,
        "pin": Role.MODERATOR,
        "unpin": Role.MODERATOR,
        "kick": Role.ADMIN,
        "reset": Role.MODERATOR,
        "import": Role.MODERATOR,
        "context": Role.MEMBER,
        "instructions": Role.MEMBER,
        "model": Role.MEMBER,
        "save": Role.MEMBER,
        "saves": Role.MEMBER,
        "load": Role.MODERATOR,
        "forget": Role.MEMBER,
        "export": Role.MEMBER,
        "fork": Role.MEMBER,
        "letta": Role.ADMIN,
        "queue": Role.MEMBER,
        "failed": Role.ADMIN,
        "retry": Role.ADMIN,
        "drop": Role.ADMIN,
        "why": Role.ADMIN,
        "help": Role.MEMBER,
        "sync": Role.ADMIN,
        "status": Role.ADMIN,
        "usage": Role.MEMBER,
        "notify": Role.MEMBER,
        "reachable": Role.MEMBER,
        "plan": Role.ADMIN,
        "repair": Role.ADMIN,
        "reload": Role.ADMIN,
    }


def test_intake_knows_the_commands_about_the_conversation_with_an_agent() -> None:
    of_the_agent = {name for name, each in COMMANDS.items() if each.usage.group is Group.CONVERSATION}
    assert of_the_agent == OF_THE_AGENT


def test_commands_are_in_the_order_of_their_groups() -> None:
    groups = [command.usage.group for command in COMMANDS.values()]
    assert list(dict.fromkeys(groups)) == list(Group)
    assert groups == sorted(groups, key=list(Group).index)


@LANGUAGES
def test_every_command_and_group_has_a_text(texts: Texts) -> None:
    assert set(texts.commands.help) == set(COMMANDS)
    assert set(texts.commands.help_groups) == {str(group) for group in Group}
    arguments = [argument for command in COMMANDS.values() for argument in command.usage.arguments]
    assert set(texts.commands.placeholders) == {each.name for each in arguments if not (each.is_flag or each.choices)}


@EACH
def test_the_page_of_the_commands_explains_every_command(command: Command) -> None:
    text = sections()[command.name]
    assert f"`!ab {ResultRenderer(ENGLISH, '!ab').usage(command.usage)}`" in text
    assert f"Role: *{command.role.name.lower()}*" in text


def test_the_page_of_the_commands_has_no_other_section() -> None:
    assert list(sections()) == list(COMMANDS)


@EACH
def test_every_command_has_an_example_that_fits(command: Command) -> None:
    given = split_arguments(command.parameters, command.usage.example)
    required = {each.name for each in command.parameters if each.argument.required}
    assert required <= set(given)
    assert not any(given[each.name] not in command.usage.example for each in command.parameters if each.name in given)


@EACH
def test_every_command_returns_records_that_are_rendered(command: Command) -> None:
    assert command.results
    assert set(command.results) <= set(get_args(Result))


@EACH
@LANGUAGES
def test_a_usage_line_begins_with_the_command(command: Command, texts: Texts) -> None:
    usage = ResultRenderer(texts, "!ab").usage(command.usage)
    assert usage.split()[0] == command.name
    assert "`" not in usage


def test_two_commands_of_one_name_are_an_error_of_the_program() -> None:
    first, second = ModuleType("first"), ModuleType("second")
    vars(first)["help_"] = COMMANDS["help"]
    vars(second)["help_"] = COMMANDS["help"]
    with pytest.raises(ValueError, match="same name"):
        Registry.of(first, second)


def test_a_registry_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        all_commands().commands["help"] = COMMANDS["stop"]  # type: ignore[index]  # the test expects this error
