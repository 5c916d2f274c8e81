"""Who may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.roles import Role

if TYPE_CHECKING:
    from collections.abc import Mapping


def role_of(user_id: str, permissions: Mapping[str, Role]) -> Role:
    """Return the role of *user_id*: the most particular entry wins, user id before domain before ``*``."""
    domain = user_id.partition(":")[2]
    for key in (user_id, domain, "*"):
        if key in permissions:
            return permissions[key]
    return Role.NONE


def people_with(permissions: Mapping[str, Role], role: Role) -> list[str]:
    """Return the user ids that are named themselves with *role* or more."""
    return [who for who, theirs in permissions.items() if who.startswith("@") and theirs >= role]
