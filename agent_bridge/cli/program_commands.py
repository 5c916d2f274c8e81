"""The commands for people and programs that use the API: ``who``, ``send``, ``ask``, ``read``, ``tail``, ``post``.

Exit code 0: done, or answered; 1: failed; 2: not configured, or wrong arguments; 3: no answer in time; 4: there is no
such agent, server, channel, room, thread, message, question, task or vote; 5: not permitted, or the agent is at rest.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from agent_bridge.cli.program_output import is_growing, message_line, somebody_row, table
from agent_bridge.cli.programs import Client, text_or_input
from agent_bridge.cli.terminal import note, say

program_commands = typer.Typer()
agent_commands = typer.Typer(help="Agents that connect themselves.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
To = Annotated[str | None, typer.Option("--to", help="An agent, a channel, a room, or a person. Default: the lobby.")]
Words = Annotated[list[str] | None, typer.Argument(help="The text. Default: the standard input.")]
Seconds = Annotated[float, typer.Option("--timeout", help="Seconds to wait for the answer.")]
Thread = Annotated[str | None, typer.Option("--thread", help="Event id of the root of a thread.")]
#: Exit code of a question without an answer in time.
NO_ANSWER = 3
#: Seconds that an event has to appear.
_POST = 10


@program_commands.command("who")
def who(
    room: Annotated[str | None, typer.Argument(help="Only those in this room. Default: all.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List agents and people: role, whether it is an agent, bio, online, status, last seen."""
    found = Client().get("/v1/who", {} if room is None else {"room": room})
    if as_json:
        for each in found["users"]:
            say(json.dumps(each, ensure_ascii=False))
        return
    head = ("NAME", "ROLE", "AGENT", "ONLINE", "LAST SEEN", "STATUS", "BIO", "USER")
    say(table([head, *(somebody_row(each) for each in found["users"])]))


@program_commands.command("send")
def send(
    text: Words = None,
    *,
    to: To = None,
    thread: Thread = None,
    reply_to: Annotated[str | None, typer.Option("--reply-to", help="Event id of a message.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the answer, and print it.")] = False,
    timeout: Seconds = 300,
    as_json: AsJson = False,
) -> None:
    """Send a message. Prints its event id, or with --wait the answer."""
    client = Client()
    body: dict[str, Any] = {"to": to or "lobby", "text": text_or_input(text)}
    body |= {} if thread is None else {"thread": thread}
    body |= {} if reply_to is None else {"reply_to": reply_to}
    if wait:
        _answer(client, body, timeout, as_json=as_json)
        return
    sent = client.post("/v1/send", body)
    say(json.dumps(sent, ensure_ascii=False) if as_json else sent["event_id"])


@program_commands.command("ask")
def ask(
    agent: Annotated[str, typer.Argument(help="Name or user id of the agent.")],
    text: Words = None,
    *,
    thread: Thread = None,
    timeout: Seconds = 300,
    as_json: AsJson = False,
) -> None:
    """Ask an agent, and print the answer. Without an answer in time the exit code is 3, and the question stays."""
    body: dict[str, Any] = {"to": agent, "text": text_or_input(text)}
    _answer(Client(), body | ({} if thread is None else {"thread": thread}), timeout, as_json=as_json)


def _answer(client: Client, body: dict[str, Any], timeout: float, *, as_json: bool) -> None:
    found = client.ask(body, timeout)
    if as_json:
        say(json.dumps(found, ensure_ascii=False))
    else:
        for each in found["answers"]:
            if each["text"] is not None:
                say(each["text"])
            if each["error"]:
                note(f"{each['name']}: {each['error']}")
    if not found["is_complete"]:
        note(f"no answer within {timeout:g} s; the question stays: its handle is {found['handle']}")
        raise typer.Exit(NO_ANSWER)
    if not any(each["status"] == "answered" for each in found["answers"]):
        raise typer.Exit(1)


@program_commands.command("read")
def read(
    room: Annotated[str | None, typer.Argument(help="An agent, a channel, or a room. Default: the own room.")] = None,
    *,
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=100, help="Messages.")] = 20,
    since: Annotated[str | None, typer.Option("--since", help="Event id: only the messages after it.")] = None,
    thread: Thread = None,
    as_json: AsJson = False,
) -> None:
    """Print the newest messages of a room, oldest first."""
    client = Client()
    query: dict[str, str | float] = {"limit": number}
    query |= {} if since is None else {"after": since}
    query |= {} if thread is None else {"thread": thread}
    for each in client.messages(room or client.own_room(), query):
        say(json.dumps(each, ensure_ascii=False) if as_json else message_line(each))


@program_commands.command("tail")
def tail(
    room: Annotated[str | None, typer.Argument(help="An agent, a channel, or a room. Default: all.")] = None,
    *,
    number: Annotated[int, typer.Option("-n", "--number", min=0, max=100, help="Messages before.")] = 10,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new events, until Ctrl-C.")] = False,
    types: Annotated[str, typer.Option(help="Types of events, with commas. Default: messages and edits.")] = "",
    as_json: AsJson = False,
) -> None:
    """Print the last messages of a room, and with -f all new ones as they come.

    An answer that grows is printed when it is complete; with --json each of its edits is.
    """
    client = Client()
    # Before the messages are read: one that comes meanwhile is in both, and printed once.
    events = client.events(room, types or "message,edit") if follow else None
    seen = set()
    if room is not None and number:
        for each in client.messages(room, {"limit": number}):
            seen.add(each["event_id"])
            say(json.dumps(each, ensure_ascii=False) if as_json else message_line(each))
    for event in events or ():
        if event.get("event_id") not in seen and (as_json or not is_growing(event)):
            say(json.dumps(event, ensure_ascii=False) if as_json else message_line(event))


@program_commands.command("post")
def post(
    channel: Annotated[
        str | None, typer.Argument(help="The channel. Default: AGENT_BRIDGE_CHANNEL, or the log.")
    ] = None,
    *,
    kind: Annotated[str, typer.Option(help="started, progress, result, error, or a name of your own.")] = "progress",
    text: Annotated[str, typer.Option(help="A line for people.")] = "",
    data: Annotated[str, typer.Option(help="An object of JSON for programs.")] = "{}",
    as_json: AsJson = False,
) -> None:
    """Post an event to a channel."""
    try:
        values = json.loads(data)
    except ValueError:
        raise typer.BadParameter("is no JSON", param_hint="--data") from None
    client = Client()
    sent = client.post(client.events_of(channel), {"kind": kind, "text": text, "data": values, "wait": _POST})
    say(json.dumps(sent, ensure_ascii=False) if as_json else sent["event_id"] or "The room shows it soon.")


@program_commands.command("status")
def status(
    *,
    text: Annotated[str | None, typer.Option("--set", help="Your status text; an empty one deletes it.")] = None,
    online: Annotated[bool | None, typer.Option("--online/--away", help="How an agent is shown.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether the bridge answers, the identity of the token, and its rooms with unread messages.

    With --set, --online or --away: change the own status.
    """
    client = Client()
    changes = {key: each for key, each in {"status_text": text, "online": online}.items() if each is not None}
    if changes:
        me = client.request("PATCH", "/v1/me", changes)
        if as_json:
            say(json.dumps({"me": me}, ensure_ascii=False))
        return
    me, rooms = client.get("/v1/me"), client.get("/v1/rooms", {"unread": "true"})["rooms"]
    if as_json:
        say(json.dumps({"me": me, "rooms": rooms}, ensure_ascii=False))
        return
    say(f"{client.url} answers. You are {me['user_id']} ({me['role']}), by the token {me['token']}.")
    rows = [(each["name"] or "", str(each["unread"]), each["room_id"]) for each in rooms if each["unread"]]
    say(table([("ROOM", "UNREAD", "ID"), *rows]) if rows else "Nothing is unread.")


@program_commands.command("inbox")
def inbox(
    *,
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for a question.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print the questions that wait for the agent of the token. Each stays until the reply."""
    found = Client().get("/v1/inbox", {"wait": wait}, patience=wait)["questions"]
    for each in found:
        say(json.dumps(each, ensure_ascii=False) if as_json else f"{each['id']}\t{each['sender']}\t{each['text']}")
    if not found and wait:
        raise typer.Exit(NO_ANSWER)


@program_commands.command("reply")
def reply(
    question: Annotated[int, typer.Argument(help="Number of the question, as inbox prints it.")],
    text: Words = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Reply to a question as the agent of the token."""
    done = Client().post(f"/v1/inbox/{question}/reply", {"text": text_or_input(text)})
    if as_json:
        say(json.dumps(done))


@agent_commands.command("register")
def register(
    name: Annotated[str, typer.Argument(help="Name of the agent.")],
    *,
    description: Annotated[str, typer.Option(help="One line about it.")] = "",
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Remove it when it was away for long.")] = False,
    as_json: AsJson = False,
) -> None:
    """Register an agent that connects itself, with the token of an admin. Prints the token of the agent."""
    made = Client().post("/v1/agents", {"name": name, "description": description, "ephemeral": ephemeral})
    if as_json:
        say(json.dumps(made, ensure_ascii=False))
        return
    note(f"{made['name']} is {made['user_id']}. Its token is not shown again:")
    say(f"AGENT_BRIDGE_TOKEN={made['token']}")


@agent_commands.command("update")
def update(
    agent: Annotated[str, typer.Argument(help="Name or user id of the agent.")],
    *,
    name: Annotated[str | None, typer.Option(help="The new name.")] = None,
    description: Annotated[str | None, typer.Option(help="The new description.")] = None,
) -> None:
    """Give an agent that connects itself another name or description."""
    given = {"name": name, "description": description}
    Client().request("PATCH", Client.agent(agent), {key: each for key, each in given.items() if each is not None})


@agent_commands.command("remove")
def remove(agent: Annotated[str, typer.Argument(help="Name or user id of the agent.")]) -> None:
    """Remove an agent that connects itself."""
    Client().request("DELETE", Client.agent(agent))


@program_commands.command("hook", context_settings={"ignore_unknown_options": True})
def hook(arguments: Annotated[list[str], typer.Argument(help="stop or start.")]) -> None:
    """Post or print session summaries, as a hook of a coding agent (docs/hooks.md)."""
    from agent_bridge.remote.hook import main

    raise typer.Exit(main(arguments))
