"""The live view of the demo: one line for each important event of the bridge."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

_LENGTH = 200
_ALARMS = {"warning": "yellow", "error": "red", "critical": "red"}
_STYLES = {"turn claimed": "cyan", "answer sent": "green", "answer failed": "red"}
_SENTENCES = {
    "turn claimed": "{sender} writes to {agent}",
    "answer sent": "{agent} answered after {seconds} s",
    "answer failed": "{agent} could not answer: {error}",
    "agent added": "{name} was added (upstream {upstream})",
    "agent renamed": "{agent} is now called {name}",
    "agent gone": "{name} is gone",
    "agent back": "{name} is back",
    "room ready": "{agent} has a room",
}
#: Keys that any log line may have, and that a person does not need.
_FRAME = frozenset({"event", "level", "timestamp", "logger", "exc_info", "exception", "stack_info", "event_id", "turn"})


def sentence(event: Mapping[str, Any]) -> str | None:
    """Return the log line *event* as one line of plain text; None if it is not important."""
    text = _SENTENCES.get(str(event["event"]))
    if text is not None:
        return text.format_map(_Fields(event))
    if event.get("level") not in _ALARMS:
        return None
    details = [f"{key}={value}" for key, value in event.items() if key not in _FRAME]
    return _one_line(" ".join((str(event["event"]), *details)))


def show(console: Console, event: Mapping[str, Any]) -> None:
    """Print the log line *event* to *console* if it is important."""
    line = sentence(event)
    if line is not None:
        style = _STYLES.get(str(event["event"])) or _ALARMS.get(str(event.get("level")), "")
        console.print(Text.assemble((time.strftime("%H:%M:%S  "), "dim"), (line, style)))


class _Fields(dict[str, Any]):
    """The fields of a log line as text; a missing field is "…"."""

    def __missing__(self, key: str) -> str:
        return "…"

    def __getitem__(self, key: str) -> str:
        value = super().__getitem__(key)
        return f"{value:.1f}" if isinstance(value, float) else _one_line(str(value))


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LENGTH else f"{line[: _LENGTH - 1]}…"
