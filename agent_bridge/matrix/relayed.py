"""Relayed events: a user of the bridge has sent them for a person, whose program asked for it.

The application service alone can send as its users, and none of its parts takes keys of a content from an agent. So the
key counts in their events; in those of others it means nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent_bridge.core.ids import MAX_ID_BYTES
from agent_bridge.core.programs import BY_PROGRAM, PROFILE, SAID_BY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.events import RoomEvent

_TYPES = frozenset({"m.room.message", "m.reaction", "m.room.redaction"})
_NEW = "m.new_content"
#: The name before a text, in HTML.
_FALLBACK = re.compile(r"\A(?:\* )?<strong data-mx-profile-fallback>[^<]*</strong>")


def as_said(event: RoomEvent, namespace: Namespace) -> RoomEvent:
    """Return *event* as an event of the person, without the name before the text, if it is a relayed one."""
    if event.state_key is not None:
        return event
    person = speaker_of(event.type, event.sender, event.content, namespace)
    if person == event.sender:
        return event
    return replace(event, sender=person, content=own_words(event.content), is_relayed=True)


def raw_as_said(event: Mapping[str, Any], namespace: Namespace) -> Mapping[str, Any]:
    """Return the JSON *event* as :func:`as_said` does."""
    content, sender = event.get("content"), event.get("sender")
    if not (isinstance(content, dict) and isinstance(sender, str)) or "state_key" in event:
        return event
    person = speaker_of(event.get("type"), sender, content, namespace)
    return event if person == sender else {**event, "sender": person, "content": own_words(content)}


def speaker_of(kind: object, sender: str, content: Mapping[str, Any], namespace: Namespace) -> str:
    """Return the user who says *content*: the person if it is relayed, else *sender*."""
    person = content.get(SAID_BY)
    if person is None or kind not in _TYPES or not namespace.is_ours(sender) or sender == namespace.imported:
        return sender
    is_person = isinstance(person, str) and 0 < len(person) <= MAX_ID_BYTES and not namespace.is_ours(person)
    return person if is_person else sender


def is_own(event: RoomEvent, namespace: Namespace) -> bool:
    """Tell whether a user of the bridge has sent *event*, for itself or for a person."""
    return event.is_relayed or namespace.is_ours(event.sender)


def is_by_program(event: RoomEvent, namespace: Namespace) -> bool:
    """Tell whether a program of an agent has sent *event*, as its ghost."""
    return event.content.get(BY_PROGRAM) is True and namespace.is_ours(event.sender) and event.state_key is None


def own_words(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *content* without the name that stands before its text (MSC4144)."""
    new = content.get(_NEW)
    found = {**content, _NEW: own_words(new)} if isinstance(new, dict) else content
    profile, body = content.get(PROFILE), content.get("body")
    name = profile.get("displayname") if isinstance(profile, dict) and profile.get("has_fallback") is True else None
    if not (isinstance(name, str) and isinstance(body, str)):
        return found
    words = {**found, "body": body.removeprefix("* ").removeprefix(f"{name}: ")}
    html = content.get("formatted_body")
    return words if not isinstance(html, str) else {**words, "formatted_body": _FALLBACK.sub("", html, count=1)}
