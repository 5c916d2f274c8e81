"""The commands ``task`` and ``vote`` for people and programs. Exit codes: see :mod:`.program_commands`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from agent_bridge.cli.program_commands import AsJson  # noqa: TC001 - typer reads the annotations
from agent_bridge.cli.program_output import moment, table
from agent_bridge.cli.programs import Client, text_or_input
from agent_bridge.cli.terminal import say

task_commands = typer.Typer(help="Tasks of rooms.", no_args_is_help=True)
vote_commands = typer.Typer(help="Votes of rooms.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(min=1, help="Number of the task.")]
Note = Annotated[list[str] | None, typer.Argument(help="Words about it.")]
Room = Annotated[str | None, typer.Option("--room", help="An agent, a channel, or a room. Default: the own room.")]
Closed = Annotated[bool, typer.Option("--closed", help="Also closed ones.")]


def _show(task: dict[str, Any], *, as_json: bool) -> None:
    """Print a task."""
    say(json.dumps(task, ensure_ascii=False) if as_json else _line(task))


def _line(task: dict[str, Any]) -> str:
    done = f" {task['progress']}%" if task["progress"] else ""
    return f"#{task['number']} {task['title']}: {task['state']}{done}"


def _change(number: int, state: str, words: list[str] | None, *, as_json: bool, progress: int | None = None) -> None:
    """Give a task a state, with *words* about it."""
    body: dict[str, Any] = {"state": state, "note": " ".join(words or [])}
    body |= {} if progress is None else {"progress": progress}
    _show(Client().post(f"/v1/tasks/{number}", body), as_json=as_json)


@task_commands.command("new")
def task_new(
    title: Annotated[list[str] | None, typer.Argument(help="The title. Default: the standard input.")] = None,
    *,
    room: Room = None,
    parent: Annotated[
        int | None, typer.Option("--parent", min=1, help="Number of the task of which it is a part.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a task in a room, which people and agents can claim. Prints it with its number."""
    client = Client()
    body: dict[str, Any] = {"title": " ".join(text_or_input(title).split()), "room": room or client.own_room()}
    _show(client.post("/v1/tasks", body | ({} if parent is None else {"parent": parent})), as_json=as_json)


@task_commands.command("list")
def task_list(
    room: Annotated[str | None, typer.Argument(help="An agent, a channel, or a room. Default: tasks of yours.")] = None,
    *,
    closed: Closed = False,
    page: Annotated[int, typer.Option(min=1, help="Page of the list.")] = 1,
    as_json: AsJson = False,
) -> None:
    """List the open tasks of a room, or those that are assigned to the identity of the token."""
    query: dict[str, str | float] = {"closed": str(closed).lower(), "page": page}
    found = Client().get("/v1/tasks", query | ({} if room is None else {"room": room}))["tasks"]
    if as_json:
        for each in found:
            say(json.dumps(each, ensure_ascii=False))
        return
    rows = [
        (str(each["number"]), each["state"], f"{each['progress']}%", each["assignee"] or "", each["title"])
        for each in found
    ]
    say(table([("NUMBER", "STATE", "DONE", "ASSIGNEE", "TITLE"), *rows]))


@task_commands.command("claim")
def task_claim(number: Number, *, as_json: AsJson = False) -> None:
    """Take a task that nobody works on. Of several at the same time, one gets it."""
    _show(Client().post(f"/v1/tasks/{number}/claim", {}), as_json=as_json)


@task_commands.command("progress")
def task_progress(
    number: Number,
    percent: Annotated[str | None, typer.Argument(help="How far it is: 40 or 40%.")] = None,
    words: Note = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Tell how far a task is that you have claimed. The percentage or the words may be missing."""
    told = (percent or "").removesuffix("%")
    is_number = told.isascii() and told.isdecimal()
    note = words if is_number or percent is None else [percent, *(words or [])]
    _change(number, "working", note, as_json=as_json, progress=int(told) if is_number else None)


@task_commands.command("done")
def task_done(number: Number, words: Note = None, *, as_json: AsJson = False) -> None:
    """Close a task with its result."""
    _change(number, "completed", words, as_json=as_json)


@task_commands.command("fail")
def task_fail(number: Number, words: Note = None, *, as_json: AsJson = False) -> None:
    """Close a task without a result, and cancel its open subtasks."""
    _change(number, "failed", words, as_json=as_json)


@task_commands.command("cancel")
def task_cancel(number: Number, *, as_json: AsJson = False) -> None:
    """Cancel a task with its subtasks."""
    _change(number, "canceled", None, as_json=as_json)


@task_commands.command("assign")
def task_assign(
    number: Number,
    assignee: Annotated[str, typer.Argument(help="The user id of a person, or the name of an agent, in the room.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Keep a task for a person or an agent."""
    _show(Client().post(f"/v1/tasks/{number}/assign", {"assignee": assignee}), as_json=as_json)


@task_commands.command("split")
def task_split(
    number: Number,
    titles: Annotated[list[str], typer.Argument(help="The titles of the subtasks; one of several words needs quotes.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Give a task subtasks. Prints them with their numbers."""
    split = Client().post(f"/v1/tasks/{number}/split", {"titles": titles})
    if as_json:
        say(json.dumps(split, ensure_ascii=False))
        return
    for each in split["subtasks"]:
        say(_line(each))


@vote_commands.command("new")
def vote_new(
    question: Annotated[str, typer.Argument(help="The question.")],
    answers: Annotated[list[str], typer.Argument(help="Two to twenty answers; one of several words needs quotes.")],
    *,
    room: Room = None,
    until: Annotated[str | None, typer.Option("--until", help="The end: 2026-12-01T18:00:00+01:00.")] = None,
    quorum: Annotated[int | None, typer.Option("--quorum", min=1, help="Voters that are needed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Begin a vote in a room. Prints its number."""
    client = Client()
    body: dict[str, Any] = {"question": question, "answers": answers}
    body |= {} if until is None else {"until": until}
    body |= {} if quorum is None else {"quorum": quorum}
    begun = client.post(client.room(room or client.own_room(), "votes"), body)
    say(json.dumps(begun, ensure_ascii=False) if as_json else str(begun["number"]))


@vote_commands.command("list")
def vote_list(
    room: Annotated[str | None, typer.Argument(help="An agent, a channel, or a room. Default: the own room.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the open votes of a room with the votes so far, and the last that ended."""
    client = Client()
    found = client.get(client.room(room or client.own_room(), "votes"))["votes"]
    if as_json:
        for each in found:
            say(json.dumps(each, ensure_ascii=False))
        return
    rows = [
        (
            str(each["number"]),
            each["state"],
            moment(each["ends_at"]),
            each["question"],
            ", ".join(f"{answer} {votes}" for answer, votes in zip(each["answers"], each["votes"], strict=True)),
        )
        for each in found
    ]
    say(table([("NUMBER", "STATE", "UNTIL", "QUESTION", "VOTES"), *rows]))


@vote_commands.command("for")
def vote_for(
    answer: Annotated[str, typer.Argument(help="The text or the number of the answer.")],
    *,
    number: Annotated[
        int | None, typer.Option("--vote", min=1, help="Number of the vote. Default: the open one.")
    ] = None,
    room: Room = None,
    as_json: AsJson = False,
) -> None:
    """Vote. The last answer counts."""
    client = Client()
    path = client.room(room or client.own_room(), "ballots")
    cast = client.post(path, {"answer": answer} | ({} if number is None else {"number": number}))
    say(json.dumps(cast, ensure_ascii=False) if as_json else f"#{cast['number']}: {cast['answer']}")


@vote_commands.command("close")
def vote_close(
    number: Annotated[int, typer.Argument(min=1, help="Number of the vote.")], *, as_json: AsJson = False
) -> None:
    """End a vote: the room shows the result."""
    closed = Client().post(f"/v1/votes/{number}/close", {})
    if as_json:
        say(json.dumps(closed, ensure_ascii=False))
