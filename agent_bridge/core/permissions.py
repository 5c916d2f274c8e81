"""Permissions, and the roles that have them."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from agent_bridge.core.roles import Role

if TYPE_CHECKING:
    from collections.abc import Mapping


class Permission(StrEnum):
    """A group of actions that a role may take."""

    #: Send messages and files to agents, edit and redact them.
    SEND = "send"
    #: See agents, own chats and the content of conversations.
    READ = "read"
    #: Enter rooms, have own chats, and act on own messages.
    JOIN = "join"
    #: Change the settings of a room and of its conversation.
    SETTINGS = "settings"
    #: Pin messages.
    PIN = "pin"
    #: Mute users.
    MUTE = "mute"
    #: Invite and remove others.
    MEMBERS = "members"
    #: Make others moderators.
    MODERATORS = "moderators"
    #: Decide which rooms there are.
    CHANNELS = "channels"
    #: Operate the bridge: its state, its queue, and decisions about the questions of others.
    OPERATE = "operate"
    #: Make admins, and delete rooms of agents.
    OWN = "own"


_AGENT = frozenset({Permission.SEND, Permission.READ})
_MEMBER = _AGENT | {Permission.JOIN}
_MODERATOR = _MEMBER | {Permission.SETTINGS, Permission.PIN, Permission.MUTE}
_ADMIN = _MODERATOR | {Permission.MEMBERS, Permission.MODERATORS, Permission.CHANNELS, Permission.OPERATE}

#: The permissions of each role. An account of a bot (:attr:`Role.AGENT`) has them as far as they need no command.
CAN: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.NONE: frozenset(),
        Role.AGENT: _AGENT,
        Role.MEMBER: _MEMBER,
        Role.MODERATOR: _MODERATOR,
        Role.ADMIN: _ADMIN,
        Role.OWNER: _ADMIN | {Permission.OWN},
    }
)


def lowest_role(permission: Permission) -> Role:
    """Return the lowest role of people that has *permission*."""
    return min(role for role in Role if role >= Role.MEMBER and permission in CAN[role])
