"""Which roles a person may give to whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.commands.roles import role_refusal
from agent_bridge.core.results.people import PersonRefusal
from agent_bridge.core.roles import Assignment, Role, RoleBook

AT = datetime(2026, 1, 1, tzinfo=UTC)
USERS = {role: f"@{role.name.lower()}:x" for role in Role}
#: Roles that the configuration and people gave, and an owner whom the configuration does not name.
BOOK = RoleBook(
    {user: role for role, user in USERS.items() if role is not Role.OWNER}
    | {"@root:x": Role.OWNER, "@was:x": Role.ADMIN},
    {USERS[Role.OWNER]: Assignment(Role.OWNER, "@root:x", AT), "@was:x": Assignment(Role.NONE, "@root:x", AT)},
)
NO, OWNERS, SELF, FILE = None, PersonRefusal.OWNERS_ONLY, PersonRefusal.OWN_ROLE, PersonRefusal.FILE_OWNER


@pytest.mark.parametrize(
    ("giver", "user", "role", "refusal"),
    [
        ("@admin:x", "@member:x", Role.MODERATOR, NO),
        ("@admin:x", "@moderator:x", Role.NONE, NO),
        ("@admin:x", "@none:x", Role.AGENT, NO),
        ("@admin:x", "@stranger:y", Role.MEMBER, NO),
        ("@admin:x", "@member:x", Role.ADMIN, OWNERS),
        ("@admin:x", "@member:x", Role.OWNER, OWNERS),
        ("@admin:x", "@owner:x", Role.MEMBER, OWNERS),
        # The configuration would give the role of an admin.
        ("@admin:x", "@was:x", None, OWNERS),
        ("@owner:x", "@was:x", None, NO),
        ("@owner:x", "@admin:x", Role.OWNER, NO),
        ("@root:x", "@owner:x", Role.NONE, NO),
        ("@moderator:x", "@member:x", Role.NONE, OWNERS),
        ("@member:x", "@member:x", Role.NONE, NO),
        ("@member:x", "@member:x", Role.MODERATOR, SELF),
        ("@admin:x", "@admin:x", Role.OWNER, SELF),
        ("@admin:x", "@admin:x", Role.MEMBER, NO),
        ("@admin:x", "@admin:x", None, NO),
        ("@owner:x", "@owner:x", Role.MEMBER, NO),
        # Nobody can lock the operator out, not even by mistake.
        ("@root:x", "@root:x", Role.NONE, FILE),
        ("@owner:x", "@root:x", Role.ADMIN, FILE),
        ("@admin:x", "@root:x", None, FILE),
    ],
)
def test_who_may_give_which_role(giver: str, user: str, role: Role | None, refusal: PersonRefusal | None) -> None:
    assert role_refusal(BOOK, giver, user, role) is refusal


@pytest.mark.parametrize(
    ("others", "role", "refusal"),
    [
        ({}, Role.NONE, PersonRefusal.LAST_ADMIN),
        ({}, None, PersonRefusal.LAST_ADMIN),
        ({"@mod:x": Role.MODERATOR, "@admin_*:x": Role.ADMIN}, Role.MODERATOR, PersonRefusal.LAST_ADMIN),
        ({}, Role.ADMIN, None),
        ({"@other:x": Role.ADMIN}, Role.NONE, None),
    ],
)
def test_the_last_admin_keeps_the_role(
    others: dict[str, Role], role: Role | None, refusal: PersonRefusal | None
) -> None:
    book = RoleBook({"x": Role.MEMBER} | others, {"@last:x": Assignment(Role.OWNER, "@root:x", AT)})
    assert role_refusal(book, "@last:x", "@last:x", role) is refusal


@given(st.sampled_from(list(Role)), st.sampled_from(list(Role)), st.sampled_from([*Role, None]))
def test_nobody_gains_power_over_the_own_role(giver: Role, user: Role, wanted: Role | None) -> None:
    """A giver has at least the role that is given, and a higher one than the user had, unless both are owners."""
    names = {"@giver:x": giver, "@user:x": user}
    book = RoleBook({}, {name: Assignment(role, "@root:x", AT) for name, role in names.items()})
    if role_refusal(book, "@giver:x", "@user:x", wanted) is None:
        assert giver >= Role.ADMIN
        assert (wanted or Role.NONE) <= giver
        assert user < giver or giver is Role.OWNER
    if role_refusal(book, "@giver:x", "@giver:x", wanted) is None:
        assert (wanted or Role.NONE) <= giver


def test_of_two_admins_that_demote_each_other_the_first_one_does() -> None:
    book = RoleBook({}, {user: Assignment(Role.OWNER, "@root:x", AT) for user in ("@a:x", "@b:x")})
    assert role_refusal(book, "@a:x", "@b:x", Role.NONE) is None
    after = replace(book, assigned={**book.assigned, "@b:x": Assignment(Role.NONE, "@a:x", AT)})
    assert role_refusal(after, "@b:x", "@a:x", Role.NONE) is PersonRefusal.OWNERS_ONLY
