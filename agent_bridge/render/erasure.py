"""The result of an erasure as Markdown: short lines, and a list of what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.erasure import KINDS, ErasureAsked, ErasureBegun, ErasureRefusal, ErasureRefused
from agent_bridge.core.results.exports import ConversationExported, ExportRefusal, ExportRefused
from agent_bridge.render.content import escape, in_backticks, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.core.results.erasure import ErasureReport, KeptConversation
    from agent_bridge.i18n.catalogue import Texts

#: Conversations and rooms that a report names.
_NAMED = 20


def erasure_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    words = texts.data

    def refused(result: ErasureRefused) -> str:
        if result.reason is ErasureRefusal.OWN_CHAT:
            return words.own_chat
        return words.too_soon.format(duration=texts.duration(result.seconds))

    def export_refused(result: ExportRefused) -> str:
        text = words.export_empty if result.reason is ExportRefusal.EMPTY else words.export_too_large
        return text.format(agent=escape(result.agent), limit=texts.bytes(result.limit))

    return {
        ErasureAsked: lambda _: words.asked.format(prefix=prefix),
        ErasureBegun: lambda _: words.begun,
        ErasureRefused: refused,
        ConversationExported: lambda result: words.exported.format(
            agent=escape(result.agent), messages=texts.count(result.messages, texts.message)
        ),
        ExportRefused: export_refused,
    }


def render_erasure(report: ErasureReport, texts: Texts, *, most: int = _NAMED) -> str:
    """Return the progress or the result of an erasure, with *most* conversations at most."""
    words, user = texts.data, in_backticks(report.user)
    if not report.is_finished:
        return words.progress.format(user=user, done=report.done, total=report.total)
    parts = [texts.count(report.counts[kind], words.kinds[kind]) for kind in KINDS if report.counts.get(kind)]
    some, nothing = (words.would, words.would_nothing) if report.is_dry else (words.done, words.done_nothing)
    head = some.format(user=user, parts=", ".join(parts)) if parts else nothing.format(user=user)
    blocks = [words.failed.format(cause=escape(shortened(report.error)))] if report.error else [head]
    if report.kept:
        lines = [_line(each, texts) for each in report.kept[:most]]
        if len(report.kept) > most:
            lines.append(words.kept_more.format(count=len(report.kept) - most))
        blocks.append("\n".join([words.kept.format(user=user), "", *lines]))
    if report.rooms:
        blocks.append(words.rooms.format(rooms=", ".join(f"`{in_backticks(room)}`" for room in report.rooms[:most])))
    if report.open:
        blocks.append(words.open.format(count=report.open))
    blocks.append(words.stays)
    return "\n\n".join(blocks)


def _line(kept: KeptConversation, texts: Texts) -> str:
    words = texts.data
    line = words.kept_memory if kept.conversation is None else words.kept_line
    conversation = in_backticks(kept.conversation or "")
    return line.format(agent=escape(kept.agent), upstream=escape(kept.upstream), conversation=conversation)
