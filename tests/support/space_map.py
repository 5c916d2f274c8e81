"""The map of tables and functions in docs/together.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "together.md"
_HEADING = "## The map for programs of other spaces"

TABLES = frozenset(
    {
        *("UserProfile", "UserPresence", "Server", "ServerMember", "Channel", "Thread", "Message", "Reaction"),
        *("ChannelReadState", "DirectConversation", "DirectMessage", "TypingIndicator", "SystemNotification"),
    }
)
FUNCTIONS = frozenset(
    {
        *("init", "client_connected", "client_disconnected"),
        *("register_user", "update_profile", "set_presence"),
        *("create_server", "join_server", "leave_server", "update_server"),
        *("create_channel", "update_channel", "delete_channel"),
        *("send_message", "edit_message", "delete_message", "add_reaction", "remove_reaction"),
        *("create_thread", "archive_thread"),
        *("start_dm", "send_dm", "mark_dm_read", "mark_channel_read"),
    }
)


@dataclass(frozen=True)
class Row:
    """A row of the map: the words in code of its columns."""

    name: str
    #: Types of events and of state in Matrix.
    matrix: tuple[str, ...]
    #: Types of a subscription; those of functions have none.
    types: tuple[str, ...]
    #: Methods and paths.
    endpoints: tuple[tuple[str, str], ...]
    commands: tuple[str, ...]


def rows() -> dict[str, Row]:
    """Return the rows of both tables, by their names."""
    section = DOCUMENT.read_text("utf-8").partition(f"{_HEADING}\n")[2].partition("\n## ")[0]
    found = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `"):
            row = _row(cells)
            assert row.name not in found
            found[row.name] = row
    return found


def _row(cells: list[str]) -> Row:
    name, here, third, endpoints, commands = cells
    (named,) = _code(name)
    is_table = named in TABLES
    return Row(
        name=named,
        matrix=tuple(each for each in _code(here if is_table else third) if "." in each),
        types=_code(third) if is_table else (),
        endpoints=tuple((method, path) for each in _code(endpoints) for method, path in [each.split(" ")]),
        commands=_code(commands),
    )


def _code(cell: str) -> tuple[str, ...]:
    return tuple(re.findall("`([^`]+)`", cell))
