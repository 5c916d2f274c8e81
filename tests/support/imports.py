"""Earlier messages of an agent's server, and the events that show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from agent_bridge.core.ids import IMPORTED

if TYPE_CHECKING:
    from support.harness import Conversation
    from support.person import Person
    from support.scripted_app_server import ScriptedAppServer

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def remember(server: ScriptedAppServer, count: int, conversation: str = "default", *, start: int = 0) -> None:
    """Have the server remember *count* questions of another client, with their answers, one a minute."""
    for number in range(start, start + count):
        at = (BEGAN + timedelta(minutes=number)).isoformat()
        server.remember(conversation, f"question {number}", f"answer {number}", date=at)


def letta_of(server: ScriptedAppServer, **keys: Any) -> list[dict[str, Any]]:
    return [{"name": "letta", "kind": "letta", "url": server.url, **keys}]


async def events_of(person: Person, room_id: str) -> list[dict[str, Any]]:
    """Return the events of a room, oldest first."""
    found: list[dict[str, Any]] = []
    query = {"dir": "b", "limit": "500"}
    while True:
        page = await person.ask("GET", f"/rooms/{quote(room_id)}/messages", query=query)
        found += page["chunk"]
        if "end" not in page:
            return found[::-1]
        query["from"] = page["end"]


async def imported(person: Person, room_id: str) -> list[dict[str, Any]]:
    """Return the imported events of a room, oldest first."""
    return [each for each in await events_of(person, room_id) if IMPORTED in each["content"]]


def said(talk: Conversation) -> list[str]:
    """Return the texts of bot and agent that were not imported."""
    ours = [*talk.answers, *talk.from_bot]
    return [each.body for each in ours if IMPORTED not in each.versions[0]]
