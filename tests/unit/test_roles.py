"""The role of each user, and its origin."""

from __future__ import annotations

import timeit
from datetime import UTC, datetime

import pytest

from agent_bridge.bridge.rooms.power_levels import role_powers
from agent_bridge.core.live import Live
from agent_bridge.core.roles import Assignment, Role, RoleBook, Roles, RoleSource, SourceKind
from support.records import NAMES

PERMISSIONS = {
    "*": Role.NONE,
    "example.org": Role.MEMBER,
    "example.org:8448": Role.MODERATOR,
    "@admin:example.org": Role.ADMIN,
    "@owner:other.org": Role.OWNER,
    "@mod:example.org": Role.MODERATOR,
    "@bot:example.org": Role.AGENT,
    "@troll:example.org": Role.NONE,
}
BOOK = RoleBook(PERMISSIONS)
AT = datetime(2026, 1, 1, tzinfo=UTC)


def given(role: Role) -> Assignment:
    return Assignment(role, "@admin:example.org", AT)


@pytest.mark.parametrize(
    ("user_id", "role"),
    [
        pytest.param("@bob:example.org", Role.MEMBER, id="domain"),
        pytest.param("@admin:example.org", Role.ADMIN, id="user before domain"),
        pytest.param("@bot:example.org", Role.AGENT, id="a bot"),
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
    assert BOOK.role_of(user_id) is role


def test_everybody_may_be_a_member() -> None:
    book = RoleBook({"*": Role.MEMBER, "bad.org": Role.NONE})
    assert book.role_of("@bob:example.org") is Role.MEMBER
    assert book.role_of("@bob:bad.org") is Role.NONE


def test_without_permissions_nobody_has_a_role() -> None:
    assert RoleBook({}).role_of("@bob:example.org") is Role.NONE


@pytest.mark.parametrize(
    ("role", "people"),
    [
        (Role.AGENT, ["@admin:example.org", "@owner:other.org", "@mod:example.org", "@bot:example.org"]),
        (Role.MODERATOR, ["@admin:example.org", "@owner:other.org", "@mod:example.org"]),
        (Role.ADMIN, ["@admin:example.org", "@owner:other.org"]),
        (Role.OWNER, ["@owner:other.org"]),
    ],
)
def test_people_are_those_who_are_named_themselves(role: Role, people: list[str]) -> None:
    assert BOOK.named(role) == people


def test_powers_in_rooms_follow_the_roles() -> None:
    assert role_powers(BOOK) == {"@admin:example.org": 100, "@owner:other.org": 150, "@mod:example.org": 50}


@pytest.mark.parametrize(
    "localpart", ["_irc_bob", "telegram_12345", "whatsapp_4917", "signal_0f3a", "discord_80351110224678912"]
)
def test_users_of_other_bridges_are_no_members_by_their_domain(localpart: str) -> None:
    user_id = f"@{localpart}:example.org"
    domains = {"example.org": Role.MEMBER, "*": Role.MEMBER}
    assert RoleBook(domains).source_of(user_id) == RoleSource(SourceKind.BRIDGED, Role.NONE)
    assert RoleBook(domains | {user_id: Role.ADMIN}).role_of(user_id) is Role.ADMIN
    assert RoleBook(domains | {f"@{localpart[:4]}*:example.org": Role.MEMBER}).role_of(user_id) is Role.MEMBER


@pytest.mark.parametrize("localpart", ["telegram", "signal_", "signalman", "bob_irc", "ircbob", "line"])
def test_people_with_similar_names_are_members(localpart: str) -> None:
    assert RoleBook({"example.org": Role.MEMBER}).role_of(f"@{localpart}:example.org") is Role.MEMBER


def test_a_pattern_may_have_an_address_of_ipv6_and_a_set_of_letters() -> None:
    book = RoleBook({"@bob*:[2001:db8::1]:8448": Role.ADMIN, "@team[12]_*:example.org": Role.MEMBER})
    assert book.role_of("@bob:[2001:db8::1]:8448") is Role.ADMIN
    assert book.role_of("@bob:[2001:db8::2]:8448") is Role.NONE
    assert book.role_of("@team2_ann:example.org") is Role.MEMBER
    assert book.role_of("@team3_ann:example.org") is Role.NONE


def test_a_pattern_has_priority_over_a_domain() -> None:
    book = RoleBook({"example.org": Role.MEMBER, "@bot-*:example.org": Role.NONE, "@bot-good:example.org": Role.MEMBER})
    assert book.role_of("@bot-bad:example.org") is Role.NONE
    assert book.role_of("@bot-good:example.org") is Role.MEMBER
    assert book.role_of("@bot-bad:other.org") is Role.NONE
    assert book.role_of("@alice:example.org") is Role.MEMBER
    assert RoleBook({"@a*:example.org": Role.ADMIN, "@a:example.org": Role.ADMIN}).named(Role.ADMIN) == [
        "@a:example.org"
    ]


@pytest.mark.parametrize(
    ("user_id", "source"),
    [
        ("@new:other.org", RoleSource(SourceKind.ASSIGNED, Role.MODERATOR, by="@admin:example.org", at=AT)),
        ("@admin:example.org", RoleSource(SourceKind.ASSIGNED, Role.MEMBER, by="@admin:example.org", at=AT)),
        ("@owner:other.org", RoleSource(SourceKind.USER, Role.OWNER, "@owner:other.org")),
        ("@mod:example.org", RoleSource(SourceKind.USER, Role.MODERATOR, "@mod:example.org")),
        ("@x-1:example.org", RoleSource(SourceKind.PATTERN, Role.AGENT, "@x-*:example.org")),
        ("@bob:example.org", RoleSource(SourceKind.DOMAIN, Role.MEMBER, "example.org")),
        ("@bob:other.org", RoleSource(SourceKind.ANYONE, Role.NONE, "*")),
    ],
)
def test_an_assignment_has_priority_except_over_an_owner(user_id: str, source: RoleSource) -> None:
    assigned = {
        "@new:other.org": given(Role.MODERATOR),
        "@admin:example.org": given(Role.MEMBER),
        "@owner:other.org": given(Role.NONE),
    }
    book = RoleBook(PERMISSIONS | {"@x-*:example.org": Role.AGENT, "@x-1*:example.org": Role.OWNER}, assigned)
    assert book.source_of(user_id) == source
    assert book.named(Role.MODERATOR) == ["@owner:other.org", "@mod:example.org", "@new:other.org"]


def test_nothing_is_said_about_a_user() -> None:
    assert RoleBook({"example.org": Role.MEMBER}).source_of("@bob:other.org") == RoleSource(
        SourceKind.NOBODY, Role.NONE
    )


def test_a_new_book_counts_at_once() -> None:
    cell = Live(BOOK)
    roles = Roles(cell, NAMES)
    assert roles.of("@bob:example.org") is Role.MEMBER
    cell.replace(RoleBook(PERMISSIONS, {"@bob:example.org": given(Role.ADMIN)}))
    assert roles.of("@bob:example.org") is Role.ADMIN
    assert roles.book.named(Role.ADMIN) == ["@admin:example.org", "@owner:other.org", "@bob:example.org"]


def test_agents_read_users_with_a_role_and_the_users_of_the_bridge() -> None:
    roles = Roles.fixed(PERMISSIONS, NAMES)
    assert roles.reads("@bob:example.org", "!r")
    assert roles.reads("@bot:example.org", "!r")
    assert not roles.reads("@troll:example.org", "!r")
    assert not roles.reads("@bob:other.org", "!r")
    assert all(roles.reads(user, "!r") for user in (NAMES.bot, NAMES.user_id("agent_frida")))


def test_many_users_do_not_slow_the_question_for_a_role() -> None:
    """A room may have thousands of members, whose roles the same function returns."""

    def seconds(users: int) -> float:
        book = RoleBook({f"@user{number}:x": Role.MEMBER for number in range(users)} | {"@mod_*:x": Role.MODERATOR})
        return min(timeit.repeat(lambda: book.role_of("@stranger:x"), number=50, repeat=5))

    assert seconds(10_000) < 20 * seconds(10)
