"""The page of the commands in rooms, from their declarations, their texts, and scripts/command_notes.toml."""

from __future__ import annotations

import tomllib
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from agent_bridge.commands.handler import all_commands
from agent_bridge.commands.registry import Where
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.results import ResultRenderer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent_bridge.commands.registry import Command

#: Further sentences about a command, by its name: its help text is short.
NOTES = Path(__file__).with_name("command_notes.toml")
_HEAD = """\
<!-- Written by scripts/reference_docs.py from the declarations of the commands and scripts/command_notes.toml. -->
# Commands in rooms

Commands are given in a chat with `@agentbridge`, or with the prefix `!ab` in a room of the bridge (`!help` is `!ab
help` in the rooms that the bridge made). Clients that know commands of bots (MSC4391) complete them in the bot's
chat, and in a room after its first command. `<…>` has to be given, `[…]` may be left out. `!ab help` lists the
commands that you may use.

The role is the lowest one that may use a command ([roles](../people-and-agents.md#the-permissions-of-each-role)).
People with power 50 in a room that people made are moderators there; in the rooms of the bridge the role decides.
"""


def document() -> str:
    """Return the text of the page.

    Raises:
        KeyError: there is a note for a command that does not exist.
    """
    commands = all_commands().commands
    notes: dict[str, str] = tomllib.loads(NOTES.read_text("utf-8"))
    if unknown := notes.keys() - commands.keys():
        raise KeyError(f"{NOTES.name} has notes for unknown commands: {sorted(unknown)}")
    lines = [_HEAD]
    for group, members in groupby(commands.values(), key=lambda each: each.usage.group):
        lines += [f"## {ENGLISH.commands.help_groups[str(group)]}", ""]
        for command in members:
            lines += _section(command, notes)
    return "\n".join(lines).rstrip() + "\n"


def _section(command: Command, notes: Mapping[str, str]) -> Iterator[str]:
    usage = ResultRenderer(ENGLISH, "!ab").usage(command.usage)
    yield f"### {command.name}"
    yield ""
    yield f"`!ab {usage}`"
    yield ""
    text = ENGLISH.commands.help[command.name]
    yield f"{text[0].upper()}{text[1:]}."
    if command.name in notes:
        yield ""
        yield notes[command.name].strip()
    yield ""
    own = ", in own chats *member*" if command.in_own_chats else ""
    where = "; in the room of an agent" if command.where is Where.AGENT_ROOM else ""
    example = f" Example: `!ab {command.name} {command.usage.example}`." if command.usage.example else ""
    yield f"Role: *{command.role.name.lower()}*{own}{where}.{example}"
    yield ""
