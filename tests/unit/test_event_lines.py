"""Events of a subscription as lines of ``agent-bridge tail``."""

from __future__ import annotations

from typing import Any

import pytest

from agent_bridge.cli.program_output import message_line

_TASK = {"id": 3, "state": "working", "progress": 40, "title": "Write"}
_NEWS = {"kind": "task_assigned", "values": {"task": 3, "title": "Write"}}


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"type": "message", "sender": "@bob:x", "text": "Hello"}, "@bob:x: Hello"),
        ({"type": "join", "sender": "@bob:x", "content": {"membership": "join"}}, "@bob:x: (join)"),
        ({"type": "task", "content": _TASK}, ": (task 3, working, 40 %: Write)"),
        # Its words were deleted.
        ({"type": "task", "content": {}}, ": (task)"),
        ({"type": "vote", "content": {"id": 1, "state": "open", "question": "Lunch?"}}, ": (vote 1, open: Lunch?)"),
        (
            {"type": "notification", "user_id": "@bob:x", "content": _NEWS},
            "@bob:x: (notification task_assigned: 3, Write)",
        ),
        ({"type": "channel_created", "content": {"name": "news"}}, ": (channel_created: news)"),
        (
            {"type": "channel_deleted", "content": {"name": "n", "server": {"name": "Lab"}}},
            ": (channel_deleted: Lab/n)",
        ),
    ],
)
def test_each_event_is_a_line(event: dict[str, Any], line: str) -> None:
    assert message_line(event | {"sent_at": "2026-01-02T03:04:05Z"}) == f"2026-01-02 03:04  {line}"
