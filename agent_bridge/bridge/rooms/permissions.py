"""Roles of users, from the configured permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.roles import Role

if TYPE_CHECKING:
    from collections.abc import Mapping


def role_of(user_id: str, permissions: Mapping[str, Role]) -> Role:
    """Return the role of *user_id*. An entry for a user id has priority over its domain, and the domain over ``*``."""
    domain = user_id.partition(":")[2]
    for key in (user_id, domain, "*"):
        if key in permissions:
            return permissions[key]
    return Role.NONE


def people_with(permissions: Mapping[str, Role], role: Role) -> list[str]:
    """Return the user ids whose own entry has *role* or a higher role."""
    return [key for key, granted in permissions.items() if key.startswith("@") and granted >= role]
