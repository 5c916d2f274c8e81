"""The commands ``server``, ``channel`` and ``thread`` for people and programs.

Exit codes: see :mod:`.program_commands`.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from agent_bridge.cli.program_commands import AsJson  # noqa: TC001 - typer reads the annotations
from agent_bridge.cli.program_output import moment, table
from agent_bridge.cli.programs import Client
from agent_bridge.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

server_commands = typer.Typer(help="Servers: Spaces with channels.", no_args_is_help=True)
channel_commands = typer.Typer(help="Channels: rooms of people and agents.", no_args_is_help=True)
thread_commands = typer.Typer(help="Threads that have names.", no_args_is_help=True)

Server = Annotated[str, typer.Argument(help="Name, number or room id of the server.")]
Channel = Annotated[str, typer.Argument(help="The channel: news, Lab/news, or a room id.")]
Name = Annotated[list[str], typer.Argument(help="The name.")]
Confirm = Annotated[str, typer.Option("--confirm", help="The name again: what is deleted does not come back.")]
Room = Annotated[str | None, typer.Option("--room", help="An agent, a channel, or a room. Default: the own room.")]
Root = Annotated[str, typer.Argument(help="Event id of the first message of the thread.")]


class Kind(StrEnum):
    """Types of channels."""

    TEXT = "text"
    ANNOUNCEMENT = "announcement"
    LOG = "log"
    VOICE = "voice"


def _show(found: dict[str, Any], line: str, *, as_json: bool) -> None:
    say(json.dumps(found, ensure_ascii=False) if as_json else line)


def _each(found: list[dict[str, Any]], head: Sequence[str], rows: Sequence[Sequence[str]], *, as_json: bool) -> None:
    """Print each of *found* as JSON, or *rows* as a table."""
    if not as_json:
        say(table([head, *rows]))
        return
    for each in found:
        say(json.dumps(each, ensure_ascii=False))


def _path(kind: str, name: str, action: str = "", *, confirm: str = "") -> str:
    query = f"?confirm={quote(confirm, safe='')}" if confirm else ""
    return f"/v1/{kind}/{quote(name, safe='')}{f'/{action}' if action else ''}{query}"


def _given(**values: Any) -> dict[str, Any]:
    """Return those of *values* that are given."""
    return {key: value for key, value in values.items() if value is not None}


@server_commands.command("list")
def server_list(*, as_json: AsJson = False) -> None:
    """List the servers, with your role in each."""
    found = Client().get("/v1/servers")["servers"]
    rows = [
        (str(each["number"]), each["name"], each["role"], str(each["channels"]), each["owner"], each["description"])
        for each in found
    ]
    _each(found, ("NUMBER", "NAME", "ROLE", "CHANNELS", "OWNER", "DESCRIPTION"), rows, as_json=as_json)


@server_commands.command("new")
def server_new(
    name: Name, *, description: Annotated[str, typer.Option(help="One line about it.")] = "", as_json: AsJson = False
) -> None:
    """Make a server, which is yours. Prints its room id."""
    made = Client().post("/v1/servers", {"name": " ".join(name), "description": description})
    _show(made, made["room_id"], as_json=as_json)


@server_commands.command("join")
def server_join(server: Server, *, as_json: AsJson = False) -> None:
    """Invite you into the Space of a server."""
    joined = Client().post(_path("servers", server, "join"), {})
    _show(joined, f"{joined['name']}: {joined['arrival']}", as_json=as_json)


@server_commands.command("leave")
def server_leave(server: Server, *, as_json: AsJson = False) -> None:
    """Let you, or the agent of the token, out of a server and its channels."""
    left = Client().post(_path("servers", server, "leave"), {})
    _show(left, f"{left['name']}: left", as_json=as_json)


@server_commands.command("update")
def server_update(
    server: Server,
    *,
    name: Annotated[str | None, typer.Option(help="The new name.")] = None,
    description: Annotated[str | None, typer.Option(help="One line about it; empty: none.")] = None,
    icon: Annotated[str | None, typer.Option(help="mxc:// URI of a picture; empty: none.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give a server another name, description or icon."""
    body = _given(name=name, description=description, icon=icon)
    changed = Client().request("PATCH", _path("servers", server), body)
    _show(changed, changed["name"], as_json=as_json)


@server_commands.command("delete")
def server_delete(server: Server, *, confirm: Confirm = "", as_json: AsJson = False) -> None:
    """Delete a server with its channels for good."""
    deleted = Client().request("DELETE", _path("servers", server, confirm=confirm))
    _show(deleted, f"{deleted['name']}: deleted with {deleted['channels']} channels", as_json=as_json)


@channel_commands.command("list")
def channel_list(
    server: Annotated[str | None, typer.Argument(help="Name, number or room id of a server. Default: all.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the channels, by their servers."""
    found = Client().get("/v1/channels", _given(server=server))["channels"]
    rows = [
        (
            f"{each['server']}/{each['name']}" if each["server"] else each["name"],
            each["type"],
            str(each["position"]),
            each["room_id"] or "",
            each["topic"],
        )
        for each in found
    ]
    _each(found, ("CHANNEL", "TYPE", "POSITION", "ROOM", "TOPIC"), rows, as_json=as_json)


@channel_commands.command("new")
def channel_new(
    name: Annotated[str, typer.Argument(help="The name: news, or Lab/news in the server Lab.")],
    kind: Annotated[Kind, typer.Argument(metavar="TYPE", help="text, announcement, log or voice.")] = Kind.TEXT,
    *,
    topic: Annotated[str, typer.Option(help="One line about it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a channel. Prints its room id."""
    server, slash, own = name.rpartition("/")
    body = {"name": own, "type": str(kind), "topic": topic} | ({"server": server} if slash else {})
    made = Client().post("/v1/channels", body)
    _show(made, made["room_id"], as_json=as_json)


@channel_commands.command("rename")
def channel_rename(channel: Channel, name: Name, *, as_json: AsJson = False) -> None:
    """Give a channel another name."""
    _update(channel, {"name": " ".join(name)}, as_json=as_json)


@channel_commands.command("topic")
def channel_topic(
    channel: Channel,
    topic: Annotated[list[str] | None, typer.Argument(help="The topic. Default: none.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Give a channel another topic."""
    _update(channel, {"topic": " ".join(topic or [])}, as_json=as_json)


@channel_commands.command("move")
def channel_move(
    channel: Channel,
    position: Annotated[int, typer.Argument(min=1, help="Its place in its server, from 1.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Give a channel another place among those of its server."""
    _update(channel, {"position": position}, as_json=as_json)


def _update(channel: str, body: dict[str, Any], *, as_json: bool) -> None:
    changed = Client().request("PATCH", _path("channels", channel), body)
    _show(changed, f"{changed['position']} {changed['name']}: {changed['topic']}", as_json=as_json)


@channel_commands.command("delete")
def channel_delete(channel: Channel, *, confirm: Confirm = "", as_json: AsJson = False) -> None:
    """Delete a channel for good."""
    deleted = Client().request("DELETE", _path("channels", channel, confirm=confirm))
    _show(deleted, f"{deleted['name']}: deleted", as_json=as_json)


@channel_commands.command("join")
def channel_join(channel: Channel, *, as_json: AsJson = False) -> None:
    """Invite you into a channel; the agent of the token enters it."""
    joined = Client().post(_path("channels", channel, "join"), {})
    _show(joined, f"{joined['name']}: {joined['arrival']}", as_json=as_json)


@channel_commands.command("leave")
def channel_leave(channel: Channel, *, as_json: AsJson = False) -> None:
    """Let you, or the agent of the token, out of a channel."""
    left = Client().post(_path("channels", channel, "leave"), {})
    _show(left, f"{left['name']}: left", as_json=as_json)


@channel_commands.command("add")
def channel_add(
    channel: Channel,
    agent: Annotated[str, typer.Argument(help="Name or user id of the agent.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Bring an agent into a channel."""
    added = Client().post(_path("channels", channel, "agents"), {"agent": agent})
    _show(added, f"{added['agent']} is in {added['name']}", as_json=as_json)


@thread_commands.command("list")
def thread_list(
    room: Annotated[str | None, typer.Argument(help="An agent, a channel, or a room. Default: the own room.")] = None,
    *,
    archived: Annotated[bool, typer.Option("--archived", help="Those in the archive.")] = False,
    page: Annotated[int, typer.Option(min=1, help="Page of the list.")] = 1,
    as_json: AsJson = False,
) -> None:
    """List the threads of a room that have names, the last used first."""
    client = Client()
    query: dict[str, str | float] = {"archived": str(archived).lower(), "page": page}
    found = client.get(client.room(room or client.own_room(), "threads"), query)
    rows = [
        (each["name"], moment(each["used_at"]), each["creator"] or "", each["root"] or "") for each in found["threads"]
    ]
    _each(found["threads"], ("NAME", "USED", "CREATOR", "ROOT"), rows, as_json=as_json)


@thread_commands.command("new")
def thread_new(
    name: Name,
    *,
    room: Room = None,
    root: Annotated[str | None, typer.Option("--root", help="Event id: name the thread that begins there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Begin a thread, or name one. Prints the event id of its first message, for --thread of other commands."""
    client = Client()
    path = client.room(room or client.own_room(), "threads")
    made = client.post(path, {"name": " ".join(name)} | _given(root=root))
    _show(made, made["root"] or "", as_json=as_json)


@thread_commands.command("rename")
def thread_rename(root: Root, name: Name, *, room: Room = None, as_json: AsJson = False) -> None:
    """Give a thread another name."""
    _change(root, room, {"name": " ".join(name)}, as_json=as_json)


@thread_commands.command("archive")
def thread_archive(root: Root, *, room: Room = None, as_json: AsJson = False) -> None:
    """Archive a thread. The next message in it reopens it."""
    _change(root, room, {"archived": True}, as_json=as_json)


@thread_commands.command("reopen")
def thread_reopen(root: Root, *, room: Room = None, as_json: AsJson = False) -> None:
    """Take a thread out of the archive."""
    _change(root, room, {"archived": False}, as_json=as_json)


def _change(root: str, room: str | None, body: dict[str, Any], *, as_json: bool) -> None:
    client = Client()
    path = client.room(room or client.own_room(), f"threads/{quote(root, safe='')}")
    changed = client.request("PATCH", path, body)
    _show(changed, f"{changed['name']}{' (archived)' if changed['archived'] else ''}", as_json=as_json)
