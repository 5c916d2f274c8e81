"""Contents of events that the bridge sends for a program: of a person (MSC4144), or of an agent."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from agent_bridge.core.names import member_name
from agent_bridge.core.programs import BY_PROGRAM, PROFILE, SAID_BY

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Characters of a name before a text.
_NAME = 100
_TEXTS = frozenset({"m.text", "m.notice"})


def by_person(content: Mapping[str, Any], user_id: str, member: Mapping[str, Any]) -> dict[str, Any]:
    """Return *content* as an event of the person *user_id*, whose membership in the room has the content *member*.

    A text gets the name of the person before it, for clients that do not know profiles of messages.
    """
    avatar = member.get("avatar_url")
    shown = avatar if isinstance(avatar, str) and avatar.startswith("mxc://") else None
    found = {**content, SAID_BY: user_id}
    return with_name(found, user_id, member_name(member, ""), shown) if "msgtype" in content else found


def with_name(content: Mapping[str, Any], user_id: str, name: str, avatar: str | None = None) -> dict[str, Any]:
    """Return the message *content* with the profile of a person called *name*, and a text with the name before it."""
    name = _name(user_id, name)
    has_text = content["msgtype"] in _TEXTS
    profile: dict[str, Any] = {"id": user_id, "displayname": name}
    if avatar is not None:
        profile["avatar_url"] = avatar
    if has_text:
        profile["has_fallback"] = True
    found = {**content, PROFILE: profile}
    if has_text:
        found["body"] = f"{name}: {content['body']}"
        if "formatted_body" in content:
            shown = html.escape(f"{name}: ", quote=False)
            found["formatted_body"] = f"<strong data-mx-profile-fallback>{shown}</strong>{content['formatted_body']}"
    return found


def by_agent(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return *content* as an event of an agent whose program sends it."""
    return {**content, BY_PROGRAM: True}


def _name(user_id: str, name: str) -> str:
    # A colon would end the name early for readers.
    shown = "" if name == user_id else name[:_NAME].replace(":", "")
    return shown or user_id.removeprefix("@").partition(":")[0]
