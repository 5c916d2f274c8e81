"""Roles of users, from the configured permissions."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from agent_bridge.core.roles import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.ids import Namespace

#: Localparts of users that belong to other bridges: the underscore that the Matrix spec recommends for application
#: services, and the prefixes that widespread bridges use by default.
_BRIDGED = re.compile(
    r"_.*|(telegram|whatsapp|signal|discord|slack|facebook|messenger|meta|instagram|twitter|linkedin|bluesky|gmessages"
    r"|googlechat|gvoice|imessage|irc|xmpp|skype|skypeweb|steam|zulip|groupme|line|wechat|kakaotalk|zalo)_.+"
)


def role_of(user_id: str, permissions: Mapping[str, Role]) -> Role:
    """Return the role of *user_id*.

    An entry for the user id has priority, then the first pattern (``@telegram_*:example.org``) that it matches, then
    its domain, then ``*``. A user of another bridge gets no role from its domain or from ``*``: two bridges that carry
    messages to each other would never end.
    """
    if user_id in permissions:
        return permissions[user_id]
    for key, role in permissions.items():
        if _is_pattern(key) and fnmatchcase(user_id, key):
            return role
    localpart, _, domain = user_id.removeprefix("@").partition(":")
    if _BRIDGED.fullmatch(localpart):
        return Role.NONE
    return permissions.get(domain, permissions.get("*", Role.NONE))


def may_be_read(sender: str, namespace: Namespace, permissions: Mapping[str, Role]) -> bool:
    """Tell whether an agent may be given texts of *sender*: a ghost, the bridge bot, or a person with a role."""
    return namespace.is_ours(sender) or role_of(sender, permissions) >= Role.MEMBER


def people_with(permissions: Mapping[str, Role], role: Role) -> list[str]:
    """Return the user ids whose own entry has *role* or a higher role."""
    return [
        key for key, granted in permissions.items() if key.startswith("@") and not _is_pattern(key) and granted >= role
    ]


def _is_pattern(key: str) -> bool:
    # A user id contains no asterisk.
    return key.startswith("@") and "*" in key
