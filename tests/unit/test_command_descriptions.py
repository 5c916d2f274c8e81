"""Descriptions of commands for clients (MSC4391): they are valid, and agree with the grammar of the registry."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.commands.handler import all_commands, described_commands
from agent_bridge.core.results.commands import ArgumentType
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.matrix.bot_commands import command_in, description_key
from agent_bridge.render.command_descriptions import command_description

if TYPE_CHECKING:
    from agent_bridge.commands.registry import Command
    from agent_bridge.i18n.catalogue import Texts

COMMANDS = all_commands().commands
PRIMITIVES = {"string", "integer", "boolean", "server_name", "user_id", "room_id", "room_alias", "event_id"}
BOTH = ("m.bot.command", "org.matrix.msc4391.command")


def text_of(block: dict[str, Any]) -> str:
    (part,) = block["m.text"]
    return str(part["body"])


def is_valid(schema: dict[str, Any], *, nested: bool = False) -> bool:
    """Tell whether clients accept the schema of a parameter."""
    match schema["schema_type"]:
        case "primitive":
            return set(schema) == {"schema_type", "type"} and schema["type"] in PRIMITIVES
        case "literal":
            return set(schema) == {"schema_type", "value"} and isinstance(schema["value"], str)
        case "union":
            return (
                not nested
                and bool(schema["variants"])
                and all(is_valid(one, nested=True) for one in schema["variants"])
            )
    return False


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_clients_accept_every_description(command: Command, texts: Texts) -> None:
    content = command_description(command.usage, texts)
    assert content["command"] == command.name
    assert "`" not in text_of(content["description"])
    parameters = content.get("parameters", [])
    keys = [each["key"] for each in parameters]
    assert len(keys) == len({*keys})
    assert all(is_valid(each["schema"]) and text_of(each["description"]) for each in parameters)
    # Behind the argument that takes the last words, clients accept no required one.
    tail = content.get("fi.mau.tail_parameter")
    assert tail is None or all(each.get("optional") for each in parameters[keys.index(tail) + 1 :])


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_description_is_the_grammar_of_the_command(command: Command) -> None:
    content = command_description(command.usage, ENGLISH)
    described = {each["key"]: each for each in content.get("parameters", [])}
    assert list(described) == [each.argument.name for each in command.parameters]
    for parameter in command.parameters:
        argument, found = parameter.argument, described[parameter.argument.name]
        assert found.get("optional", False) is not argument.required
        variants = [each["value"] for each in found["schema"].get("variants", [])]
        assert variants == [*argument.choices]
        assert found["schema"].get("type", ArgumentType.TEXT) == argument.type
    spanning = [each.argument.name for each in command.parameters if each.kind.spans]
    assert not spanning or content["fi.mau.tail_parameter"] == spanning[0]


def test_the_description_of_a_command_with_arguments() -> None:
    user = {"m.text": [{"body": "@user:server"}]}
    assert command_description(COMMANDS["invite"].usage, ENGLISH) == {
        "command": "invite",
        "description": {"m.text": [{"body": ENGLISH.commands.help["invite"].replace("`", "")}]},
        "parameters": [
            {
                "key": "place",
                "schema": {"schema_type": "primitive", "type": "string"},
                "description": {"m.text": [{"body": "agent|*"}]},
                "optional": True,
            },
            {
                "key": "user",
                "schema": {"schema_type": "primitive", "type": "user_id"},
                "description": user,
                "optional": True,
            },
        ],
        "fi.mau.tail_parameter": "place",
    }


def test_every_command_is_described() -> None:
    assert {each.usage.name: each.permission for each in described_commands()} == {
        name: each.permission for name, each in COMMANDS.items()
    }


def test_the_key_of_a_description() -> None:
    digest = hashlib.sha256(b"ban@bot:example.org").digest()
    assert description_key("ban", "@bot:example.org") == base64.b64encode(digest).decode()
    assert len(description_key("ban", "@bot:example.org")) == 44


@pytest.mark.parametrize("key", BOTH)
@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ({}, {}),
        (None, {}),
        ({"a": "x", "b": 7, "c": True, "d": False}, {"a": "x", "b": 7, "c": True, "d": False}),
        # Clients write null for an optional argument that is left out.
        ({"a": None}, {}),
        ({"a": [1], "b": {"type": "event_id"}, "c": 1.5, "d": 2**53}, {"a": None, "b": None, "c": None, "d": None}),
        ({"a": [[[[{}]]]]}, {"a": None}),
        ({"a": "nul\x00 \ud800", "\x00": "x"}, {"a": "nul\ufffd \ufffd", "\ufffd": "x"}),
        (["x"], {"arguments": None}),
        ("x", {"arguments": "x"}),
    ],
)
def test_the_call_of_a_command(key: str, arguments: Any, given: dict[str, Any]) -> None:
    called = {"command": " new ", "arguments": arguments}
    found = command_in({"msgtype": "m.text", "body": "/new", key: called})
    assert found is not None
    assert (found.name, found.arguments) == ("new", given)


@pytest.mark.parametrize("key", BOTH)
@pytest.mark.parametrize("called", [None, "new", [], {}, {"command": 7}, {"command": " "}, {"command": None}])
def test_no_call_of_a_command(key: str, called: Any) -> None:
    assert command_in({"body": "x", key: called}) is None
