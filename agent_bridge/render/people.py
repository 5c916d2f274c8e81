"""Results of the commands about people as Markdown."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.people import (
    Kicked,
    Muted,
    PersonRefused,
    PinChange,
    RoleGiven,
    RoleList,
    RoleShown,
    Unmuted,
)
from agent_bridge.core.roles import SourceKind
from agent_bridge.render.content import escape, in_backticks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.core.roles import Role
    from agent_bridge.i18n.catalogue import Texts


def people_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    people = texts.people
    return {
        Kicked: lambda result: people.kicked.format(user=escape(result.user)),
        Muted: partial(_muted, texts),
        PersonRefused: lambda result: people.refused[result.reason].format(
            user=escape(result.user), typed=in_backticks(result.user), prefix=prefix
        ),
        PinChange: lambda result: people.pins[result.result].format(most=result.most),
        RoleGiven: partial(_given, texts),
        RoleList: partial(_list, texts, prefix),
        RoleShown: partial(_shown, texts),
        Unmuted: partial(_unmuted, texts),
    }


def _word(role: Role) -> str:
    return role.name.lower()


def _shown(texts: Texts, result: RoleShown) -> str:
    people, source = texts.people, result.source
    age = "" if source.at is None else texts.duration((datetime.now(UTC) - source.at).total_seconds())
    origin = people.sources[source.kind].format(by=escape(source.by), age=age, key=in_backticks(source.key))
    shown = people.shown.format(user=escape(result.user), is_role=people.is_role[_word(source.role)], source=origin)
    if source.kind is not SourceKind.ASSIGNED or source.role is result.configured:
        return shown
    return f"{shown} {people.otherwise.format(is_role=people.is_role[_word(result.configured)])}"


def _given(texts: Texts, result: RoleGiven) -> str:
    text = texts.people.given_here if result.server else texts.people.given
    is_role = texts.people.is_role[_word(result.role)]
    given = text.format(user=escape(result.user), is_role=is_role, server=escape(result.server))
    return given if result.exists else f"{given} {texts.commands.no_such_user.format(user=escape(result.user))}"


def _list(texts: Texts, prefix: str, result: RoleList) -> str:
    people = texts.people
    lines = [
        (people.list_given if each.by else people.list_line).format(
            number=number, key=in_backticks(each.key), role=people.role_words[_word(each.role)], by=escape(each.by)
        )
        for number, each in enumerate(result.entries, result.first)
    ]
    blocks = [people.list_head, "\n".join(lines)]
    if result.pages > 1:
        following = result.page % result.pages + 1
        page = people.list_page.format(page=result.page, pages=result.pages, prefix=prefix, following=following)
        blocks.append(page)
    return "\n\n".join(blocks)


def _muted(texts: Texts, result: Muted) -> str:
    people, user = texts.people, escape(result.user)
    duration = "" if result.seconds is None else people.muted_for.format(duration=texts.duration(result.seconds))
    lines = [(people.muted_everywhere if result.everywhere else people.muted).format(user=user, duration=duration)]
    if result.turns:
        lines.append(people.muted_turns.format(messages=texts.count(result.turns, texts.message)))
    if result.may_write:
        lines.append(people.may_write.format(user=user))
    return " ".join(lines)


def _unmuted(texts: Texts, result: Unmuted) -> str:
    people = texts.people
    if not result.was_muted:
        return people.not_muted.format(user=escape(result.user))
    return (people.unmuted_everywhere if result.everywhere else people.unmuted).format(user=escape(result.user))
