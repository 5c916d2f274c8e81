"""Contents of ``m.room.message`` events."""

from __future__ import annotations

import json
import re
from typing import Any

from agent_bridge.core.ids import MARK
from agent_bridge.render.markdown import is_plain, to_html

#: Bytes of content that surely fit an event: 65,536 less what the homeserver adds.
MAX_CONTENT = 60_000

#: Control characters show as nothing, and each takes six bytes of JSON.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: What Markdown takes for more than itself: anywhere, and (lists) at the beginning of a line.
_SPECIAL = re.compile(r"[\\`*_\[\]<>|~#]|&(?=#?\w+;)")
_LIST = re.compile(r"^(?=[-+])|^(\d+)(?=[.)])")


def message(markdown: str, *, mark: str, notice: bool = False) -> dict[str, Any]:
    """Return the content that shows *markdown*; a *notice* is the bridge's own word, which no bot answers.

    ``m.mentions`` is always explicit (empty): nobody is pinged by accident. Control characters are left out, and HTML
    that would not fit.
    """
    markdown = _CONTROL.sub("", markdown)
    content: dict[str, Any] = {
        "msgtype": "m.notice" if notice else "m.text",
        "body": markdown,
        "m.mentions": {},
        MARK: mark,
    }
    formatted = to_html(markdown)
    if not is_plain(markdown, formatted):
        rich = content | {"format": "org.matrix.custom.html", "formatted_body": formatted}
        if len(json.dumps(edit(rich, "$" + "x" * 43), ensure_ascii=False).encode()) <= MAX_CONTENT:
            return rich
    return content


def edit(content: dict[str, Any], event_id: str) -> dict[str, Any]:
    """Return the content that replaces the text of *event_id* by *content* (Matrix spec, "Event replacements")."""
    new = {key: value for key, value in content.items() if key != MARK}
    fallback = content | {"body": f"* {content['body']}"}
    if "formatted_body" in content:
        fallback["formatted_body"] = f"* {content['formatted_body']}"
    return fallback | {
        "m.new_content": new,
        "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
    }


def in_reply_to(event_id: str) -> dict[str, Any]:
    """Return what makes a content a reply to *event_id* (Matrix spec, "Rich replies")."""
    return {"m.relates_to": {"m.in_reply_to": {"event_id": event_id}}}


def reaction(event_id: str, key: str) -> dict[str, Any]:
    """Return the content of an ``m.reaction`` to *event_id* (Matrix spec, "Event annotations and reactions")."""
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": key}}


def escape(text: str) -> str:
    """Return *text* as Markdown that shows it literally, in one line."""
    return _LIST.sub(r"\1\\", _SPECIAL.sub(r"\\\g<0>", " ".join(text.split())))


def link(url: str, text: str) -> str:
    """Return a Markdown link whose *text* is taken literally."""
    return f"[{escape(text)}]({url})"
