"""The progress of long work as Markdown."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from agent_bridge.render.content import escape, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.operations import Operation, OperationEntry
    from agent_bridge.i18n.catalogue import Texts


def render_deletion(texts: Texts, operation: Operation) -> str:
    """Return the progress or the result of the deletion of rooms, in one line."""
    words, name, total = texts.operations, escape(str(operation.params["name"])), operation.total or 0
    if operation.error is not None:
        return words.failed.format(name=name, cause=escape(shortened(operation.error)))
    if operation.is_finished:
        return words.deleted.format(name=name, rooms=texts.count(total, words.room))
    return words.deleting.format(name=name, done=operation.done, total=total)


def render_running(texts: Texts, entries: Sequence[OperationEntry]) -> list[str]:
    """Return the lines of a list: one for each operation that is at work, one for each kind of those that wait."""
    words = texts.operations
    lines = [
        words.running.format(kind=words.kinds.get(each.kind, each.kind), done=each.done, total=each.total)
        for each in entries
        if each.total is not None
    ]
    waiting = Counter(words.kinds.get(each.kind, each.kind) for each in entries if each.total is None)
    return lines + [words.waits.format(kind=kind, count=count) for kind, count in waiting.items()]
