"""Answers as a test reads them: the bytes of a stream in, deltas out."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import UpstreamError
from agent_bridge.upstream.base import Delta, End, ReasoningDelta, TextDelta
from agent_bridge.upstream.openai.answer import AnswerReader
from agent_bridge.upstream.transport.failures import Failures

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.upstream.openai.pieces import Dialect

FAILURES = Failures("up", secrets=(), idempotent=False)


def stream(*values: Any) -> bytes:
    """Return the event stream of *values*, which are JSON, or data as it is."""
    lines = (value if isinstance(value, str) else json.dumps(value) for value in values)
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def read(dialect: Dialect, chunks: Iterable[bytes]) -> tuple[list[Delta], UpstreamError | None]:
    """Return the deltas of a stream, and what went wrong."""
    reader = AnswerReader(FAILURES, dialect)
    deltas: list[Delta] = []
    try:
        for data in chunks:
            deltas.extend(reader.feed(data))
        deltas.extend(reader.close())
    except UpstreamError as error:
        return deltas, error
    assert reader.ended
    assert isinstance(deltas[-1], End)
    return deltas, None


def joined(deltas: Iterable[Delta]) -> list[Delta]:
    """Return *deltas* with the pieces of a text that follow each other in one."""
    found: list[Delta] = []
    for kind, group in groupby(deltas, type):
        same = list(group)
        if issubclass(kind, TextDelta | ReasoningDelta):
            texts = [delta.text for delta in same if isinstance(delta, TextDelta | ReasoningDelta)]
            assert all(texts)
            found.append(kind("".join(texts)))
        else:
            found += same
    return found
