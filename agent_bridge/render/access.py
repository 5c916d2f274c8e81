"""Results of ``invite`` and ``leave`` as Markdown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.access import Invited, InvitingBegun, RoomLeft
from agent_bridge.render.chats import chat_link
from agent_bridge.render.content import escape, in_backticks, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.core.results.access import InviteReport, NamedRoom
    from agent_bridge.i18n.catalogue import Texts


def access_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    return {
        Invited: partial(_invited, texts, prefix),
        InvitingBegun: lambda result: texts.commands.access.begun.format(user=escape(result.user)),
        RoomLeft: partial(_left, texts, prefix),
    }


def render_invite(report: InviteReport, texts: Texts, prefix: str) -> str:
    """Return the progress or the result of an invitation into all rooms, in one line."""
    words, user = texts.commands.access, escape(report.user)
    if not report.is_finished:
        return words.progress.format(user=user, done=report.done, total=report.total)
    parts = [] if report.space is None else [words.space[report.space]]
    parts += [
        words.rooms[outcome].format(rooms=texts.count(report.counts[outcome], words.room))
        for outcome in words.rooms
        if report.counts.get(outcome)
    ]
    line = words.result.format(user=user, parts="; ".join(parts or [words.nothing]))
    if not report.error:
        return line
    cause = escape(shortened(report.error))
    return f"{line} {words.failed.format(cause=cause, prefix=prefix, typed=in_backticks(report.user))}"


def _room(room: NamedRoom | None, texts: Texts) -> str:
    return texts.commands.access.this_room if room is None else chat_link(room.address, room.name)


def _invited(texts: Texts, prefix: str, result: Invited) -> str:
    words, user = texts.commands.access, escape(result.user)
    answer = words.arrivals[result.arrival].format(user=user, room=_room(result.room, texts))
    return (
        f"{answer} {words.is_muted.format(user=user, typed=in_backticks(result.user), prefix=prefix)}"
        if result.is_muted
        else answer
    )


def _left(texts: Texts, prefix: str, result: RoomLeft) -> str:
    text = texts.commands.access.left if result.is_own else texts.commands.access.removed
    return text.format(user=escape(result.user), room=_room(result.room, texts), prefix=prefix)
