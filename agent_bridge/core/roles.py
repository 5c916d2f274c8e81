"""Roles of people."""

from __future__ import annotations

from enum import IntEnum


class Role(IntEnum):
    """What a person may do; each role includes the ones before it."""

    NONE = 0
    MEMBER = 1
    MODERATOR = 2
    ADMIN = 3
    OWNER = 4
