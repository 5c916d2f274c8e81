"""Files with a conversation: Markdown for people, JSON for programs. They are made piece by piece."""

from __future__ import annotations

import json
import re
from datetime import UTC
from typing import TYPE_CHECKING

from agent_bridge.core.exports import ExportFormat
from agent_bridge.render.content import escape, in_backticks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agent_bridge.core.exports import ExportedMessage, ExportHead
    from agent_bridge.i18n.catalogue import Texts

#: The value of ``format`` in JSON, and the version of its form.
_NAME, _VERSION = "agent-bridge-export", 1
#: Line ends of Markdown, and characters that show as nothing or turn the direction of the text.
_LINE_END = re.compile(r"\r\n?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class ExportWriter:
    """Makes a file of a conversation: :meth:`head`, then :meth:`pieces` for each page of messages, then :meth:`end`."""

    def __init__(self, head: ExportHead, form: ExportFormat, texts: Texts) -> None:
        self._head = head
        self._is_json = form is ExportFormat.JSON
        self._texts = texts
        self._is_first = True

    def head(self) -> bytes:
        """Return the beginning of the file."""
        head = self._head
        if not self._is_json:
            title = self._texts.data.export_title.format(agent=escape(head.agent))
            place = f"`{in_backticks(head.room_id)}`" + (f", `{in_backticks(head.thread)}`" if head.thread else "")
            return f"# {title}\n\n{place}, {_time(head.at)}\n".encode()
        facts = {
            "format": _NAME,
            "version": _VERSION,
            "room_id": head.room_id,
            "thread": head.thread or None,
            "agent": {"name": head.agent, "user_id": head.ghost},
            "exported_at": _time(head.at),
        }
        return (json.dumps(facts, ensure_ascii=False, indent=1)[:-2] + ',\n "messages": [').encode()

    def pieces(self, messages: Sequence[ExportedMessage]) -> bytes:
        """Return the next part of the file, with *messages*."""
        return "".join(map(self._json if self._is_json else _markdown, messages)).encode()

    def end(self) -> bytes:
        """Return the end of the file."""
        return b"\n ]\n}\n" if self._is_json else b""

    def _json(self, message: ExportedMessage) -> str:
        value = {
            "role": message.role,
            "author": message.author,
            "name": message.name,
            "time": _time(message.at),
            "text": message.text,
        }
        comma, self._is_first = ("" if self._is_first else ","), False
        return f"{comma}\n  {json.dumps(value, ensure_ascii=False)}"


def _markdown(message: ExportedMessage) -> str:
    """Return a message as a quotation below its author: its text can imitate no other author."""
    text = _CONTROL.sub("", _LINE_END.sub("\n", message.text))
    quoted = "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))
    name, author = escape(_CONTROL.sub("", message.name)), in_backticks(message.author)
    return f"\n**{name}** (`{author}`), {_time(message.at)}\n\n{quoted}\n"


def _time(at: datetime) -> str:
    """Return a time by ISO 8601, in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def export_name(agent: str, at: datetime, form: ExportFormat) -> str:
    """Return the name of a file with a conversation."""
    words = re.sub(r"[^\w-]+", "-", agent).strip("-")[:60] or "conversation"
    return f"{words}-{at.astimezone(UTC):%Y%m%d-%H%M%S}.{form}"
