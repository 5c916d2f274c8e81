"""Roles of people."""

from __future__ import annotations

from enum import IntEnum


class Role(IntEnum):
    """Roles in ascending order; each role includes the permissions of the lower ones."""

    NONE = 0
    MEMBER = 1
    MODERATOR = 2
    ADMIN = 3
    OWNER = 4
