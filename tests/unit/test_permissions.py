"""The permissions of each role."""

from __future__ import annotations

import pytest

from agent_bridge.bridge.rooms.permissions import people_with, role_of
from agent_bridge.bridge.rooms.power_levels import room_powers
from agent_bridge.core.roles import Role
from support.records import NAMES

PERMISSIONS = {
    "*": Role.NONE,
    "example.org": Role.MEMBER,
    "example.org:8448": Role.MODERATOR,
    "@admin:example.org": Role.ADMIN,
    "@owner:other.org": Role.OWNER,
    "@mod:example.org": Role.MODERATOR,
    "@troll:example.org": Role.NONE,
}


@pytest.mark.parametrize(
    ("user_id", "role"),
    [
        pytest.param("@bob:example.org", Role.MEMBER, id="domain"),
        pytest.param("@admin:example.org", Role.ADMIN, id="user before domain"),
        pytest.param("@troll:example.org", Role.NONE, id="user before domain, downwards"),
        pytest.param("@bob:other.org", Role.NONE, id="anybody"),
        pytest.param("@owner:other.org", Role.OWNER, id="user of a domain that is not named"),
        pytest.param("@bob:example.org:8448", Role.MODERATOR, id="a port is part of the domain"),
        pytest.param("@bob:sub.example.org", Role.NONE, id="a subdomain is somebody else"),
        pytest.param("@bob:EXAMPLE.org", Role.NONE, id="as it is written"),
        pytest.param("@Admin:example.org", Role.MEMBER, id="a user too"),
    ],
)
def test_role(user_id: str, role: Role) -> None:
    assert role_of(user_id, PERMISSIONS) is role


def test_a_star_is_for_those_who_are_not_named() -> None:
    permissions = {"*": Role.MEMBER, "bad.org": Role.NONE}
    assert role_of("@bob:example.org", permissions) is Role.MEMBER
    assert role_of("@bob:bad.org", permissions) is Role.NONE


def test_nobody_may_do_anything_unless_somebody_says_so() -> None:
    assert role_of("@bob:example.org", {}) is Role.NONE


@pytest.mark.parametrize(
    ("role", "people"),
    [
        (Role.MODERATOR, ["@admin:example.org", "@owner:other.org", "@mod:example.org"]),
        (Role.ADMIN, ["@admin:example.org", "@owner:other.org"]),
        (Role.OWNER, ["@owner:other.org"]),
    ],
)
def test_people_are_those_who_are_named_themselves(role: Role, people: list[str]) -> None:
    assert people_with(PERMISSIONS, role) == people


def test_powers_in_rooms_follow_the_roles() -> None:
    assert room_powers(NAMES.bot, PERMISSIONS | {NAMES.bot: Role.MODERATOR}) == {
        "@admin:example.org": 100,
        "@owner:other.org": 100,
        "@mod:example.org": 50,
        NAMES.bot: 100,
    }


@pytest.mark.parametrize(
    "localpart", ["_irc_bob", "telegram_12345", "whatsapp_4917", "signal_0f3a", "discord_80351110224678912"]
)
def test_users_of_other_bridges_are_no_members_by_their_domain(localpart: str) -> None:
    user_id = f"@{localpart}:example.org"
    assert role_of(user_id, {"example.org": Role.MEMBER, "*": Role.MEMBER}) is Role.NONE
    assert role_of(user_id, {"example.org": Role.MEMBER, user_id: Role.ADMIN}) is Role.ADMIN
    assert role_of(user_id, {"example.org": Role.NONE, f"@{localpart[:4]}*:example.org": Role.MEMBER}) is Role.MEMBER


@pytest.mark.parametrize("localpart", ["telegram", "signal_", "signalman", "bob_irc", "ircbob", "line"])
def test_people_with_similar_names_are_members(localpart: str) -> None:
    assert role_of(f"@{localpart}:example.org", {"example.org": Role.MEMBER}) is Role.MEMBER


def test_a_pattern_has_priority_over_a_domain() -> None:
    permissions = {"example.org": Role.MEMBER, "@bot-*:example.org": Role.NONE, "@bot-good:example.org": Role.MEMBER}
    assert role_of("@bot-bad:example.org", permissions) is Role.NONE
    assert role_of("@bot-good:example.org", permissions) is Role.MEMBER
    assert role_of("@bot-bad:other.org", permissions) is Role.NONE
    assert role_of("@alice:example.org", permissions) is Role.MEMBER
    assert people_with({"@a*:example.org": Role.ADMIN, "@a:example.org": Role.ADMIN}, Role.ADMIN) == ["@a:example.org"]
