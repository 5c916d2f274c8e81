"""The page of the keys that the bridge writes into events and profiles, from their comments and from examples."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.collaboration.threads import THREAD
from agent_bridge.core.actors import Actor
from agent_bridge.core.agent_events import EVENT, NewEvent, event_content
from agent_bridge.core.chains import CHAIN
from agent_bridge.core.ids import AGENT_MARK, IMPORTED, MARK, SPOKEN, THREAD_HEAD, mark
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.polls import VOTE
from agent_bridge.core.programs import BY_PROGRAM, SAID_BY
from agent_bridge.core.servers import ChannelType
from agent_bridge.core.tasks import TASK, Task, TaskState
from agent_bridge.core.votes import Tally, Vote, VoteEnd, VoteState
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.rooms import (
    CHANNEL,
    CHAT,
    LEFT,
    PAIR,
    REMOVED,
    REQUEST,
    SERVER,
    channel_state,
    chat_state,
    server_state,
)
from agent_bridge.render.notifications import NOTIFICATIONS, notification_message
from agent_bridge.render.relayed import by_agent, by_person
from agent_bridge.render.tasks import structured
from agent_bridge.render.votes import result_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = Path(__file__).resolve().parent.parent / "agent_bridge"
_KEY = re.compile(r"org\.agent_bridge\.[a-z_]+|agent_bridge\.(?:turn|imported)")
_ANN, _ADA, _TURN = "@ann:example.org", "@agent_ada:example.org", "1f0c52a7b9d3e846"
_DAY = datetime(2026, 6, 1, 18, tzinfo=UTC)
_TASK = Task(
    number=7, key="k7", room_id="!room", parent=None, title="Write the report", state=TaskState.WORKING, creator=_ANN,
    assignee=_ADA, percent=50, note="half of it", changes=3,
)  # fmt: skip
_SUBTASK = replace(_TASK, number=8, parent=7, title="Read the sources", state=TaskState.COMPLETED, percent=100)
_VOTE = Vote(
    id=3, key="a1b2c3", room_id="!room", room_now="!room", thread="", voice=None, creator=_ANN, question="Lunch?",
    answers=("pizza", "pasta"), quorum=2, ends_at=_DAY, created_at=_DAY, state=VoteState.CLOSED, end=VoteEnd.TIME,
    closed_by=None, closed_at=_DAY, begun=0, poll="$poll", end_event=None,
    result=Tally(((_ANN, _ADA), ()), (2, 0)), is_settled=True,
)  # fmt: skip
_HEAD = """\
<!-- Written by scripts/reference_docs.py from the constants and functions of agent_bridge/. -->
# Contents of events

The bridge writes these keys into the contents of its events, into state events and into the profiles of its users,
besides those of the Matrix specification. The examples are made by its own code. Anybody can write such keys, so a
program looks at the sender: only those of the bridge's own users count, which nobody else can send.
"""


def _examples() -> dict[str, tuple[str, Any]]:
    """Return the place of each key, and an example of its value."""
    message: dict[str, Any] = {"msgtype": "m.text", "body": "hello"}
    news = Notification(_ANN, NotificationKind.TASK_ASSIGNED, "!room", {"number": 7, "title": "Write the report"})
    event = NewEvent(
        key="k", room_id="!room", actor=Actor(_ADA, 1), kind="research_complete",
        data={"subtask": 1, "sources": 12, "confidence": 0.87}, turn=_TURN,
    )  # fmt: skip
    return {
        MARK: ("messages, edits and reactions of the bridge", mark(_TURN, 0)),
        IMPORTED: ("messages", True),
        SPOKEN: ("voice messages", True),
        EVENT: ("notices", event_content(event)),
        TASK: ("messages: cards of tasks", structured(_TASK, [_SUBTASK])),
        VOTE: ("polls, their ends, and the messages with results", result_facts(_VOTE)),
        NOTIFICATIONS: (
            "messages of the bot",
            notification_message([news], ENGLISH, "example.org", mark=mark(_TURN, 0))[NOTIFICATIONS],
        ),
        THREAD: ("notices of the bot", {"name": "Trip to Oslo", "archived": False}),
        THREAD_HEAD: ("notices", True),
        CHAIN: ("messages: answers in rooms of several", {"root": "$event", "hops": 2, "asker": _ANN}),
        SAID_BY: (
            "messages, reactions and edits of the bot",
            by_person(message, _ANN, {"displayname": "Ann"})[SAID_BY],
        ),
        BY_PROGRAM: ("messages of ghosts", by_agent(message)[BY_PROGRAM]),
        AGENT_MARK: ("profiles of ghosts, and the state event `m.bridge` of rooms", True),
        CHAT: ("state event", chat_state(3, _ANN, _ADA)),
        CHANNEL: ("state event", channel_state(ChannelType.ANNOUNCEMENT, "a1b2c3", "d4e5f6")),
        SERVER: ("state event", server_state("d4e5f6", _ANN)),
        PAIR: ("state event", {"users": [_ADA, "@agent_bea:example.org"]}),
        REMOVED: ("memberships", True),
        LEFT: ("memberships", True),
        REQUEST: ("invitations", "a1b2c3"),
    }


def document() -> str:
    """Return the text of the page.

    Raises:
        KeyError: a key of the code has no example, or an example is of no key.
    """
    found, examples = dict(_constants()), _examples()
    if different := found.keys() ^ examples.keys():
        raise KeyError(f"scripts/content_docs.py: keys without an example, or the reverse: {sorted(different)}")
    lines = [_HEAD]
    for key, (place, value) in examples.items():
        lines += [f"## {key}", "", f"In: {place}. {found[key]}", "", "```json"]
        lines += [json.dumps({key: value}, indent=2, ensure_ascii=False), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _constants() -> Iterator[tuple[str, str]]:
    """Yield the keys that are constants of the package, with the comments above them."""
    for file in sorted(_PACKAGE.rglob("*.py")):
        source = file.read_text("utf-8")
        if "agent_bridge." not in source:
            continue
        lines = source.splitlines()
        for node in ast.parse(source).body:
            match node:
                case ast.Assign(targets=[ast.Name()], value=ast.Constant(value=str(key))) if _KEY.fullmatch(key):
                    yield key, _comment(lines, node.lineno - 1)


def _comment(lines: list[str], line: int) -> str:
    found: list[str] = []
    while line > 0 and lines[line - 1].startswith("#: "):
        line -= 1
        found.insert(0, lines[line].removeprefix("#: "))
    return " ".join(found).replace(":data:`", "`")
