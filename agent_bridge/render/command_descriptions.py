"""Descriptions of commands for clients that offer completion (MSC4391). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.commands import ArgumentType
from agent_bridge.render.markdown.unmarked import to_unmarked

if TYPE_CHECKING:
    from agent_bridge.core.results.commands import Argument, CommandUsage
    from agent_bridge.i18n.catalogue import Texts

#: Name of the argument that takes the words behind a command that a person types with a slash; without it, clients give
#: no optional argument from the words.
_TAIL = "fi.mau.tail_parameter"


def command_description(usage: CommandUsage, texts: Texts) -> dict[str, Any]:
    """Return the content of the state event that describes a command."""
    content: dict[str, Any] = {
        "command": usage.name,
        "description": _text(to_unmarked(texts.commands.help[usage.name])),
    }
    if usage.arguments:
        content["parameters"] = [_parameter(each, texts) for each in usage.arguments]
    tail = _tail(usage)
    return content if tail is None else content | {_TAIL: tail.name}


def _tail(usage: CommandUsage) -> Argument | None:
    """Return the argument that takes the last words; None if each argument takes one word, and is required."""
    positional = [each for each in usage.arguments if not each.is_flag]
    spanning = next((each for each in positional if each.spans), None)
    return spanning or next((each for each in positional if not each.required), None)


def _parameter(argument: Argument, texts: Texts) -> dict[str, Any]:
    if argument.choices:
        schema: dict[str, Any] = {
            "schema_type": "union",
            "variants": [{"schema_type": "literal", "value": each} for each in argument.choices],
        }
    else:
        schema = {"schema_type": "primitive", "type": str(argument.type)}
    if argument.type is ArgumentType.FLAG or argument.choices:
        words = "|".join(argument.choices) or argument.name
    else:
        words = texts.commands.placeholders[argument.name]
    parameter = {"key": argument.name, "schema": schema, "description": _text(words)}
    return parameter if argument.required else parameter | {"optional": True}


def _text(text: str) -> dict[str, Any]:
    """Return *text* as a block of an extensible event (MSC1767)."""
    return {"m.text": [{"body": text}]}
