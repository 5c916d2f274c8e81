"""Parses server-sent events (WHATWG HTML standard, section "Server-sent events") as the bytes arrive."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from agent_bridge.core.errors import UpstreamProtocolError
from agent_bridge.i18n.catalogue import Text

#: Bytes that one event may have. A server that replays an answer may send the whole answer in one event.
MAX_EVENT_BYTES = 8 * 1024 * 1024

_LINE_END = re.compile(rb"\r\n|\r|\n")
#: The field's name again, before a JSON value.
_TWICE = re.compile(r"(?:\s*data:)+\s*(?=[{\[])")

#: Fields that are ignored; a comment has an empty one.
_FIELDS = ("", "id", "retry")
#: Bytes of a line that is no field.
_MAX_STRAY = 1_000
#: Names of events that end a stream, even without data.
LAST_NAMES = ("done", "end")
#: The beginnings of a value that cannot continue a JSON object.
_NEXT = ("{", "[DONE]")


@dataclass(frozen=True, slots=True)
class Event:
    """An event that has data."""

    data: str
    #: ``message`` if the stream names none.
    name: str = "message"


class EventParser:
    """Turns the bytes of one stream into events. The bytes may be cut into chunks anywhere.

    Comments, the fields ``id`` and ``retry``, and events whose data is blank are ignored, unless their name ends
    the stream. Bytes that are not UTF-8
    become U+FFFD. Beyond the standard, the parser reads the streams of two kinds of faulty servers: those that write
    the field's name twice, and those that omit the blank line between two JSON objects.
    """

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._size = 0
        self._line = bytearray()
        self._data: list[str] = []
        self._name = ""
        #: The first line that is no field, shortened: perhaps the body is no stream, but the words of a failure.
        self.stray_line = ""
        self._at_start = True
        self._after_cr = False

    @property
    def waiting(self) -> int:
        """Bytes of the event that is not complete."""
        return self._size

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that *chunk* completes.

        Raises:
            UpstreamProtocolError: an event is longer than the limit.
        """
        if not chunk:
            return []
        # A CR ends its line at once, so that the event need not wait for the next byte. An LF after it is skipped.
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        events: list[Event] = []
        *lines, rest = _LINE_END.split(chunk)
        for line in lines:
            self._extend(line)
            events += self._end_line()
        self._extend(rest)
        return events

    def close(self) -> list[Event]:
        """Return the event that the end of the stream completes, if any.

        The standard drops an event that no blank line ends. This parser keeps it: some servers omit that line, and the
        JSON shows whether the event is complete.
        """
        return [*self._end_line(), *self._dispatch()]

    def _extend(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise UpstreamProtocolError(Text("upstream_event", limit=self._limit))
        self._line += part

    def _end_line(self) -> list[Event]:
        line = bytes(self._line)
        self._line.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(codecs.BOM_UTF8)
        if not line:
            return self._dispatch()
        field, _, value = line.decode("utf-8", "replace").partition(":")
        if field == "error" and value.lstrip().startswith("{"):
            # llama.cpp writes errors in a field of this name.
            field, self._name = "data", "error"
        if field == "data":
            value = _TWICE.sub("", value.removeprefix(" "), count=1) if value.lstrip().startswith("data:") else value
            events = self._before(value)
            self._data.append(value.removeprefix(" "))
            return events
        self._size -= len(line)
        if field == "event":
            self._name = value.removeprefix(" ")
        elif field not in _FIELDS and not self.stray_line:
            self.stray_line = line[:_MAX_STRAY].decode("utf-8", "replace").strip()
        return []

    def _before(self, value: str) -> list[Event]:
        """Return the event that is complete before the line *value*: no JSON goes on with an object after an object."""
        if not self._data or not self._data[-1].rstrip().endswith("}") or not value.lstrip().startswith(_NEXT):
            return []
        name, size = self._name, len(value)
        events = self._dispatch()
        self._name, self._size = name, size
        return events

    def _dispatch(self) -> list[Event]:
        data = "\n".join(self._data)
        events = [Event(data, self._name or "message")] if data.strip() or self._name in LAST_NAMES else []
        self._data.clear()
        self._name = ""
        self._size = 0
        return events
