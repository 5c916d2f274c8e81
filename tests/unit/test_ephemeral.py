"""Ephemeral events of a transaction: typing notifications and presence; all else is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent_bridge.core.feed import LiveEvent, LiveType
from agent_bridge.matrix.ephemeral import ephemeral_events

TYPING = {"type": "m.typing", "room_id": "!r:x", "content": {"user_ids": ["@a:x", 5, "", "@b:x"]}}
ONLINE = {"type": "m.presence", "sender": "@a:x", "content": {"presence": "online", "status_msg": "busy\nnow"}}


@pytest.mark.parametrize("key", ["ephemeral", "de.sorunome.msc2409.ephemeral"])
def test_typing_and_presence(key: str) -> None:
    assert ephemeral_events(json.dumps({"events": [], key: [TYPING, ONLINE]}).encode()) == [
        LiveEvent(type=LiveType.TYPING, room_id="!r:x", typing=("@a:x", "@b:x")),
        LiveEvent(type=LiveType.PRESENCE, user_id="@a:x", presence="online", status="busy now"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"ephemeral",
        {"ephemeral": 5},
        {"ephemeral": [5, [], {}, {"type": "m.typing"}]},
        {"ephemeral": [TYPING | {"room_id": 5}, TYPING | {"content": {"user_ids": "@a:x"}}]},
        {"ephemeral": [ONLINE | {"sender": None}, ONLINE | {"content": {"presence": "away"}}]},
        {"ephemeral": [{"type": "m.receipt", "room_id": "!r:x", "content": {}}]},
        {"events": [TYPING]},
        ["ephemeral"],
    ],
)
def test_all_else_is_left_out(body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert ephemeral_events(raw) == []
