"""Results about threads as Markdown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.threads import ThreadChanged, ThreadList, ThreadRefused
from agent_bridge.render.content import escape, link, user_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.core.results.threads import ThreadEntry
    from agent_bridge.i18n.catalogue import Texts


def thread_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    words = texts.threads
    return {
        ThreadRefused: lambda result: words.problems[result.problem].format(most=result.most, prefix=prefix),
        ThreadChanged: lambda result: words.changed[result.change].format(thread=_link(result.thread), prefix=prefix),
        ThreadList: partial(_list, texts, prefix),
    }


def _link(entry: ThreadEntry) -> str:
    if entry.root is None:
        return escape(entry.name)
    return link(f"https://matrix.to/#/{entry.room.room_id}/{entry.root}?via={entry.room.via}", entry.name)


def _list(texts: Texts, prefix: str, result: ThreadList) -> str:
    words = texts.threads
    if not result.threads:
        text = (words.none_archived if result.is_archive else words.none).format(prefix=prefix)
        return text if not result.others or result.is_archive else f"{text} {_others(texts, prefix, result)}"
    lines = [_entry(texts, each) for each in result.threads]
    blocks = [words.head_archived if result.is_archive else words.head, "\n".join(lines)]
    if result.pages > 1:
        following = result.page % result.pages + 1
        command = f"thread list {'archived ' if result.is_archive else ''}{following}"
        blocks.append(words.page.format(page=result.page, pages=result.pages, prefix=prefix, command=command))
    if result.others and not result.is_archive:
        blocks.append(_others(texts, prefix, result))
    return "\n\n".join(blocks)


def _others(texts: Texts, prefix: str, result: ThreadList) -> str:
    return texts.threads.others.format(threads=texts.count(result.others, texts.threads.thread), prefix=prefix)


def _entry(texts: Texts, entry: ThreadEntry) -> str:
    by = f" ({texts.threads.by.format(user=user_link(entry.creator))})" if entry.creator else ""
    return f"- {_link(entry)}{by}"
