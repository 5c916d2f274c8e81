"""The body of an answer: bytes become JSON values. The bytes decide about the format, and not the ``Content-Type``.

A body is a stream of events, a JSON document, or one JSON document in each line.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import AnswerInterrupted, UpstreamProtocolError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.transport.sse import EventParser
from agent_bridge.upstream.transport.text import load_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_bridge.upstream.transport.sse import Event

#: Bytes of a body that has no events.
_MAX_BODY = 24 * 1024 * 1024
#: The data of the last event, in the forms of many servers: ``[DONE]``, ``"[DONE]"``, ``<END>``.
_DONE = re.compile(r"\W{0,3}(?:done|end)\W{0,3}", re.IGNORECASE)
_JSON = (b"{", b"[")
#: The beginning of a part of an answer. Other data that is not JSON, such as ``[PING]``, is none.
_PART = re.compile(r"\{|\[\s*\{")


@dataclass(frozen=True, slots=True)
class Value:
    """A JSON value, with the name of its event; ``message`` if it has none."""

    value: Any
    name: str = "message"


@dataclass(frozen=True, slots=True)
class Words:
    """Data that is not JSON, with the name of its event."""

    text: str
    name: str = "message"


class Done:
    """The sign ``[DONE]``, after which a server sends nothing."""


Part = Value | Words | Done


class AnswerBody:
    """Reads the body of one answer of *upstream*, cut into chunks anywhere."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        #: None until the first byte that is not white space.
        self._events: EventParser | None = None
        #: The bytes that were not read yet: of a JSON document or of its line, or white space.
        self._rest = bytearray()
        #: Whether the body is JSON and not a stream of events.
        self.is_json = False
        #: Whether each line is a JSON document.
        self._by_line: bool | None = None
        self._values = 0
        #: Whether any byte arrived that is not white space.
        self.begun = False

    @property
    def waiting(self) -> int:
        """Bytes that were fed and wait for further ones."""
        return len(self._rest) + (self._events.waiting if self._events is not None else 0)

    @property
    def stray_line(self) -> str:
        """The first line of a stream that is no field; empty without one."""
        return self._events.stray_line if self._events is not None else ""

    @property
    def is_document(self) -> bool:
        """Whether the body is a single JSON document."""
        return self.is_json and self._values == 1

    def feed(self, data: bytes) -> Iterator[Part]:
        """Yield the parts that *data* completes.

        Raises:
            UpstreamError: the body is too large, or no answer.
        """
        if not self.begun:
            data = self._begin(data)
        if self._events is not None:
            for event in self._events.feed(data):
                yield from self._event(event)
        elif self.is_json:
            yield from self._json(data)

    def close(self) -> Iterator[Part]:
        """Yield the parts that the end of the body completes.

        Raises:
            UpstreamError: the body is not complete.
        """
        if self._events is not None:
            for event in self._events.close():
                yield from self._event(event)
        elif rest := self._rest.strip():
            yield from self._document(bytes(rest))

    def _begin(self, data: bytes) -> bytes:
        """Choose the format by the first byte; return the bytes of the body so far."""
        self._rest += data
        start = self._rest.lstrip().removeprefix(codecs.BOM_UTF8).lstrip()
        if not start or codecs.BOM_UTF8.startswith(start):
            self._rest = start
            return b""
        self.begun = True
        body = bytes(self._rest)
        self._rest.clear()
        if start.startswith(b"<"):
            raise UpstreamProtocolError(Text("upstream_web_page", upstream=self._upstream))
        if start.startswith(_JSON):
            self.is_json = True
            return bytes(start)
        self._events = EventParser()
        return body.lstrip()

    def _json(self, data: bytes) -> Iterator[Part]:
        if self._by_line is None and b"\n" in data:
            first, _, _ = bytes(self._rest + data).partition(b"\n")
            self._by_line = _load(first) is not None
        self._rest += data
        if len(self._rest) > _MAX_BODY:
            raise UpstreamProtocolError(Text("upstream_bytes", upstream=self._upstream, limit=_MAX_BODY))
        if not self._by_line or b"\n" not in data:
            return
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            if line.strip():
                yield from self._document(line.strip())

    def _document(self, body: bytes) -> Iterator[Part]:
        loaded = _load(body)
        if loaded is not None:
            for value in loaded.value if isinstance(loaded.value, list) else [loaded.value]:
                self._values += 1
                yield Value(value)
            return
        text = body.decode("utf-8", "replace")
        if _DONE.fullmatch(text):
            yield Done()
        elif not self._values:
            raise UpstreamProtocolError(Text("answer_no_completion", upstream=self._upstream))
        elif not _PART.match(text):
            yield Words(text)
        else:
            raise AnswerInterrupted(Text("answer_no_json", upstream=self._upstream))

    def _event(self, event: Event) -> Iterator[Part]:
        data = event.data.strip()
        # In an event with a name, a word may be the end of a step.
        if data == "[DONE]" or (event.name == "message" and _DONE.fullmatch(data)):
            yield Done()
        elif (loaded := _load(data)) is not None and isinstance(loaded.value, dict | list):
            yield Value(loaded.value, event.name)
        elif _PART.match(data):
            raise AnswerInterrupted(Text("answer_no_json", upstream=self._upstream))
        else:
            yield Words(data, event.name)


def _load(text: str | bytes) -> Value | None:
    try:
        return Value(load_json(text))
    except ValueError:
        return None
