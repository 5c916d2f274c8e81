"""Results of the API as lines of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.names import one_line
from agent_bridge.render.content import LIVE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Characters of a column, but the last one.
_WIDEST = 40
#: Characters of a moment, to the minute.
_MINUTE = 16


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return *rows* in columns; the first row is the head."""
    shown = [[one_line(cell) for cell in row] for row in rows]
    cut = [[*(cell[:_WIDEST] for cell in row[:-1]), row[-1]] for row in shown]
    widths = [max(len(cell) for cell in column) for column in zip(*cut, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cut)
    return "\n".join(line.rstrip() for line in lines)


def somebody_row(each: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the row of a person or an agent."""
    online = {True: "yes", False: "no", None: "?"}[each["online"]]
    return (
        each["name"],
        each["role"],
        "yes" if each["is_agent"] else "no",
        online,
        moment(each["last_seen"]),
        each["status_text"] or "",
        each["bio"] or "",
        each["user_id"],
    )


def moment(text: str | None) -> str:
    """Return a moment of the API to the minute, in UTC; empty without one."""
    return "" if text is None else text[:_MINUTE].replace("T", " ")


def message_line(each: Mapping[str, Any]) -> str:
    """Return a message, or an event of a subscription."""
    text = each.get("text")
    shown = text if isinstance(text, str) and text else f"({each.get('type') or each.get('kind')}{_facts(each)})"
    return f"{moment(each.get('sent_at'))}  {each.get('sender') or each.get('user_id') or ''}: {shown}"


def _facts(each: Mapping[str, Any]) -> str:
    """Return the content of a task, a vote, a channel or a notification in a line; empty for other events."""
    content = each.get("content") or {}
    match each.get("type"):
        case "task" if "title" in content:
            return f" {content['id']}, {content['state']}, {content['progress']} %: {content['title']}"
        case "vote" if "state" in content:
            return f" {content['id']}, {content['state']}: {content.get('question', '')}"
        case "notification" if "values" in content:
            return f" {content['kind']}: {', '.join(str(value) for value in content['values'].values())}"
        case "channel_created" | "channel_changed" | "channel_deleted":
            server = content.get("server")
            return f": {'' if server is None else server['name'] + '/'}{content.get('name', '')}"
    return ""


def is_growing(event: Mapping[str, Any]) -> bool:
    """Tell whether an event shows an answer that goes on to grow."""
    content = event.get("content") or {}
    return LIVE in content or LIVE in (content.get("m.new_content") or {})
