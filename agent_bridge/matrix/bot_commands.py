"""Commands of bots that clients know (MSC4391): their descriptions in the state of rooms, and the calls in messages."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.matrix.events import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.payloads import NamedValue

#: Type of the state events that describe commands.
DESCRIPTION = "org.matrix.msc4391.command_description"
#: Keys of the call of a command in the content of a message.
_CALLS = ("m.bot.command", "org.matrix.msc4391.command")
#: The largest integer of Matrix's JSON.
_LARGEST = 2**53 - 1


@dataclass(frozen=True, slots=True)
class BotCommand:
    """The call of a command."""

    #: As its bot describes it; it may have several words.
    name: str
    #: By the names of the arguments, without those that have no value.
    arguments: Mapping[str, NamedValue]


def description_key(command: str, user_id: str) -> str:
    """Return the state key of the description of *command*, which *user_id* carries out."""
    return base64.b64encode(hashlib.sha256(f"{command}{user_id}".encode()).digest()).decode()


def command_in(content: Mapping[str, Any]) -> BotCommand | None:
    """Return the call of a command in the *content* of a message; None if there is none, or it names no command."""
    called = next((content[key] for key in _CALLS if isinstance(content.get(key), dict)), None)
    name = None if called is None else called.get("command")
    if called is None or not isinstance(name, str) or not name.strip():
        return None
    arguments = called.get("arguments")
    if arguments is None:
        arguments = {}
    elif not isinstance(arguments, dict):
        # No command has an argument of this name.
        arguments = {"arguments": arguments}
    given = {clean(key): _value(value) for key, value in arguments.items() if value is not None}
    return BotCommand(clean(name).strip(), given)


def _value(value: object) -> NamedValue:
    match value:
        case bool():
            return value
        case int() if abs(value) <= _LARGEST:
            return value
        case str():
            return clean(value)
    return None
