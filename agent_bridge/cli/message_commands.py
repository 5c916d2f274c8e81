"""The commands about own messages, direct rooms, and the own profile.

They are ``edit``, ``redact``, ``react``, ``unreact``, ``dm``, ``mark`` and ``profile``. Their exit codes are those of
:mod:`agent_bridge.cli.program_commands`.
"""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from agent_bridge.cli.programs import Client, text_or_input
from agent_bridge.cli.terminal import say

message_commands = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Room = Annotated[str, typer.Argument(help="An agent, a channel, or a room.")]
Event = Annotated[str, typer.Argument(help="Event id of the message.")]


def room_path(room: str, *parts: str) -> str:
    """Return a path below that of a room."""
    return "/".join(["/v1/rooms", *(quote(each, safe="") for each in (room, *parts))])


def _tell(result: dict[str, Any], key: str, *, as_json: bool) -> None:
    say(json.dumps(result, ensure_ascii=False) if as_json else str(result[key]))


@message_commands.command("edit")
def edit(
    room: Room,
    event: Event,
    text: Annotated[list[str] | None, typer.Argument(help="The new text. Default: the standard input.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Give an own message another text. Agents that answer it answer the new one."""
    done = Client().request("PUT", room_path(room, "messages", event), {"text": text_or_input(text)})
    _tell(done, "edit_event_id", as_json=as_json)


@message_commands.command("redact")
def redact(room: Room, event: Event, *, as_json: AsJson = False) -> None:
    """Redact an own message. The agents forget it."""
    _tell(Client().request("DELETE", room_path(room, "messages", event)), "event_id", as_json=as_json)


@message_commands.command("react")
def react(
    room: Room,
    event: Event,
    key: Annotated[str, typer.Argument(help="An emoji.")],
    *,
    as_json: AsJson = False,
) -> None:
    """React to a message. Prints the event id of the reaction."""
    _tell(Client().post(room_path(room, "messages", event, "reactions"), {"key": key}), "event_id", as_json=as_json)


@message_commands.command("unreact")
def unreact(
    room: Room,
    reaction: Annotated[str, typer.Argument(help="Event id of the reaction.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Take an own reaction back."""
    _tell(Client().request("DELETE", room_path(room, "reactions", reaction)), "event_id", as_json=as_json)


@message_commands.command("dm")
def dm(
    to: Annotated[str, typer.Argument(help="An agent, or the user id of a person.")],
    text: Annotated[list[str] | None, typer.Argument(help="A message. Default: none.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Open the direct room with an agent or a person, and send a message there. Prints the room id."""
    client = Client()
    made = client.post("/v1/direct", {"to": to})
    if text:
        path = room_path(made["room_id"], "messages")
        made |= {"event_id": client.post(path, {"text": " ".join(text)})["event_id"]}
    say(json.dumps(made, ensure_ascii=False) if as_json else made["room_id"])


@message_commands.command("mark")
def mark(
    room: Annotated[str, typer.Argument(help="An agent, a channel, or a room.")],
    event: Annotated[str | None, typer.Argument(help="Event id. Default: the newest message.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Mark a room as read up to a message. Without messages there is nothing to mark."""
    client = Client()
    newest = [each["event_id"] for each in client.messages(room, {"limit": 1})] if event is None else [event]
    if not newest:
        return
    marked = client.request("PUT", room_path(room, "read"), {"event_id": newest[-1]})
    say(json.dumps(marked) if as_json else marked["event_id"])


@message_commands.command("profile")
def profile(
    *,
    name: Annotated[str | None, typer.Option(help="The new name. Agents that connect themselves only.")] = None,
    avatar: Annotated[str | None, typer.Option(help="mxc:// URL of a picture. These agents only.")] = None,
    bio: Annotated[str | None, typer.Option(help="Some words about you; an empty text deletes them.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the own profile, or change it."""
    given = {"name": name, "avatar_url": avatar, "bio": bio}
    changes = {key: each for key, each in given.items() if each is not None}
    client = Client()
    me = client.request("PATCH", "/v1/me", changes) if changes else client.get("/v1/me")
    if as_json:
        say(json.dumps(me, ensure_ascii=False))
        return
    for key in ("user_id", "name", "role", "bio", "status_text", "online", "avatar_url"):
        if me[key] is not None:
            say(f"{key}: {me[key]}")
