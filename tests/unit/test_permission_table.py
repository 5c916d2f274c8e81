"""The permissions of the roles, and the permission that each command needs, as tables."""

from __future__ import annotations

import pytest

from agent_bridge.commands.handler import all_commands
from agent_bridge.core.permissions import CAN, Permission, lowest_role
from agent_bridge.core.roles import Role

ROLES = ["none", "agent", "member", "moderator", "admin", "owner"]
#: A cross for each role, in ascending order.
TABLE = {
    "send": " xxxxx",
    "read": " xxxxx",
    "join": "  xxxx",
    "settings": "   xxx",
    "pin": "   xxx",
    "mute": "   xxx",
    "members": "    xx",
    "moderators": "    xx",
    "channels": "    xx",
    "operate": "    xx",
    "own": "     x",
}
COMMANDS = {
    "read": "agents agent chats answer role context instructions model saves queue help usage export server channel "
    "votes tasks thread voice",
    "join": "new rename archive unarchive delete yes invite leave stop approve deny save forget fork trigger triggers "
    "notify reachable schedule schedules pause resume unschedule token tokens vote task event",
    "settings": "busy stream reset load import",
    "mute": "mute unmute",
    "pin": "pin unpin",
    "members": "roles kick",
    "channels": "retire",
    "operate": "same letta failed retry drop why sync plan repair admin reload status",
}


def test_the_permissions_of_each_role() -> None:
    assert [role.name.lower() for role in Role] == ROLES
    table = {str(each): "".join(" x"[each in CAN[role]] for role in Role) for each in Permission}
    assert table == TABLE


def test_the_permission_of_each_command() -> None:
    found: dict[str, set[str]] = {}
    for name, command in all_commands().commands.items():
        found.setdefault(str(command.permission), set()).add(name)
    assert found == {permission: set(names.split()) for permission, names in COMMANDS.items()}


@pytest.mark.parametrize(
    ("permission", "role"),
    [
        # Accounts of bots give no commands.
        (Permission.READ, Role.MEMBER),
        (Permission.JOIN, Role.MEMBER),
        (Permission.SETTINGS, Role.MODERATOR),
        (Permission.OPERATE, Role.ADMIN),
        (Permission.OWN, Role.OWNER),
    ],
)
def test_the_lowest_role_of_people(permission: Permission, role: Role) -> None:
    assert lowest_role(permission) is role
