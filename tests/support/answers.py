"""Reads answers for tests: bytes of a stream in, events out."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import UpstreamError
from agent_bridge.core.usage import Usage
from agent_bridge.upstream.answer import AnswerEvent, End, ReasoningDelta, RunStarted, TextDelta
from agent_bridge.upstream.openai.answer_reader import AnswerReader
from agent_bridge.upstream.transport.errors import ErrorMapper

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.upstream.openai.dialect import Dialect

ERRORS = ErrorMapper("up", secrets=(), idempotent=False)


def stream(*values: Any) -> bytes:
    """Return the event stream of *values*, which are JSON, or data as it is."""
    lines = (value if isinstance(value, str) else json.dumps(value) for value in values)
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def read(dialect: Dialect, chunks: Iterable[bytes]) -> tuple[list[AnswerEvent], UpstreamError | None]:
    """Return the events of a stream, and the error that ended it."""
    reader = AnswerReader(ERRORS, dialect)
    deltas: list[AnswerEvent] = []
    try:
        for data in chunks:
            deltas.extend(reader.feed(data))
        deltas.extend(reader.close())
    except UpstreamError as error:
        return deltas, error
    assert reader.ended
    assert isinstance(deltas[-1], End)
    return deltas, None


def read_document(dialect: Dialect, body: bytes) -> list[AnswerEvent]:
    """Return the events of a *body* that arrives as a whole. Raises the error that ended it."""
    deltas, error = read(dialect, [body])
    if error is not None:
        raise error
    return deltas


def without_start(events: Iterable[AnswerEvent]) -> list[AnswerEvent]:
    """Return *events* without the start of the run, which can be the first one only."""
    found = list(events)
    rest = found[1:] if found and isinstance(found[0], RunStarted) else found
    assert not any(isinstance(event, RunStarted) for event in rest)
    return rest


def joined(deltas: Iterable[AnswerEvent]) -> list[AnswerEvent]:
    """Return *deltas* without the start of the run and tokens, and with consecutive pieces of a text joined."""
    found: list[AnswerEvent] = []
    for kind, group in groupby((each for each in without_start(deltas) if not isinstance(each, Usage)), type):
        same = list(group)
        if issubclass(kind, TextDelta | ReasoningDelta):
            texts = [delta.text for delta in same if isinstance(delta, TextDelta | ReasoningDelta)]
            assert all(texts)
            found.append(kind("".join(texts)))
        else:
            found += same
    return found
