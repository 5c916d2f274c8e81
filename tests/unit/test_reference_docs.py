"""The generated pages tell all that the code says, and the other pages name only commands and options that exist."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

import command_docs
import config_docs
from agent_bridge.cli import cli
from agent_bridge.commands.handler import all_commands
from agent_bridge.commands.registry import Where
from agent_bridge.core.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2]
PAGES = [*sorted(TOP.glob("*.md")), *sorted((TOP / "docs").rglob("*.md"))]
CODE = re.compile(r"(`+)(?P<inline>[^`]+)\1|^(?P<line>[^`\n]*agent-bridge [^`\n]*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def configuration() -> str:
    return config_docs.document()


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("backfill_interval", "number, ≥ 1, ≤ 31536000"),
        ("temperature", "number, ≥ 0, ≤ 2"),
        ("description", "text, at most 500 characters"),
        ("username_prefix", "text, at most 32 characters"),
        ("import_history", "whole number, ≥ 0, ≤ 10000"),
        ("money_per_day", "number, ≥ 0, ≤ 1000000000000"),
        ("models[].input", "number, ≥ 0, ≤ 1000000000000"),
        ("approvals", "`ask`, `allow`, `deny` or text: `ask`, `allow`, `deny`"),
    ],
)
def test_a_key_has_its_type_and_its_bounds(configuration: str, key: str, kind: str) -> None:
    assert f"| `{key}` | {kind} |" in configuration


def test_a_member_reads_that_the_settings_of_own_chats_are_allowed() -> None:
    page = command_docs.document()
    settings = [each for each in all_commands().commands.values() if each.permission is Permission.SETTINGS]
    assert {each.where for each in settings} == {Where.AGENT_ROOM}
    for command in settings:
        section = page.partition(f"\n### {command.name}\n")[2].partition("\n###")[0]
        assert "Role: *moderator*, in own chats *member*; in the room of an agent." in section


def test_the_site_shows_options_and_quoted_values_as_they_are_typed() -> None:
    assert runpy.run_path(str(TOP / "docs" / "conf.py"))["smartquotes"] is False


def test_the_page_of_the_installation_has_all_extras_but_that_of_the_demo() -> None:
    extras = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"].keys()
    page = (TOP / "docs" / "installation.md").read_text("utf-8")
    assert [name for name in extras - {"demo"} if f"`{name}`" not in page and f"[{name}]" not in page] == []


def codes(page: Path) -> Iterator[str]:
    """Yield the lines of code of *page*."""
    for match in CODE.finditer(page.read_text("utf-8").replace("\\\n", " ")):
        yield from (match["inline"] or match["line"]).splitlines()


def fault_of(command: Any, words: list[str]) -> str:
    """Return the first word that names no command and no option, or nothing."""
    while words and hasattr(command, "commands"):
        if words[0].startswith("-"):
            break
        if (found := command.commands.get(words[0])) is None:
            return words[0]
        command, words = found, words[1:]
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
    return next((word for word in words if re.match("--?[a-z]", word) and word.partition("=")[0] not in known), "")


def test_the_pages_name_only_commands_and_options_of_the_command_line_that_exist() -> None:
    root, found = typer.main.get_command(cli), []
    for page in PAGES:
        for line in codes(page):
            _, there, rest = line.rpartition("agent-bridge ")
            rest = re.split(r"\s#|[|;&>…]", rest)[0]
            if there and re.match("-?[a-z]", rest):
                found.append((page.name, line, fault_of(root, rest.split())))
    assert [each for each in found if each[2]] == []
    assert len(found) > 150


def test_the_pages_name_only_commands_of_the_bot_that_exist() -> None:
    known = all_commands().commands.keys()
    named = [(page.name, line, line.split()[1]) for page in PAGES for line in codes(page) if re.match(r"!ab \w", line)]
    assert [each for each in named if each[2] not in known] == []
    assert len(named) > 150
