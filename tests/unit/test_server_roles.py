"""Roles in servers: each of them overrides the role of the user there, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent_bridge.core.live import Live
from agent_bridge.core.roles import Assignment, Mutes, Role, RoleBook, Roles, SourceKind
from support.records import NAMES

BOB, AT = "@bob:example.org", datetime(2026, 1, 2, tzinfo=UTC)
LAB, CLUB = 7, 8


def book_with(usual: Role, in_lab: Role | None, *, assigned: bool) -> RoleBook:
    """Return a book in which Bob has the role *usual*, by an assignment or by the configuration, and another in LAB."""
    given = {BOB: Assignment(usual, "@ann:example.org", AT)} if assigned else {}
    permissions = {"example.org": Role.NONE} if assigned else {BOB: usual}
    servers = {} if in_lab is None else {LAB: {BOB: Assignment(in_lab, "@eve:example.org", AT, is_of_server=True)}}
    return RoleBook(permissions, given, 3, servers)


@pytest.mark.parametrize("assigned", [False, True], ids=["configured", "assigned"])
@pytest.mark.parametrize("in_lab", [None, *Role], ids=lambda role: "no role there" if role is None else role.name)
@pytest.mark.parametrize("usual", [*Role], ids=lambda role: role.name)
def test_a_role_of_a_server_counts_there_alone(usual: Role, in_lab: Role | None, *, assigned: bool) -> None:
    book = book_with(usual, in_lab, assigned=assigned)
    # An owner of the configuration cannot be locked out.
    stays = in_lab is None or (usual is Role.OWNER and not assigned)
    assert book.in_server(LAB).role_of(BOB) is (usual if stays else in_lab)
    assert (book.in_server(LAB).source_of(BOB).kind is SourceKind.SERVER) is not stays
    for elsewhere in (None, CLUB):
        assert book.in_server(elsewhere).role_of(BOB) is usual
        assert book.in_server(elsewhere) is book
    assert book.in_server(LAB).version == book.version


def test_the_room_decides_which_book_counts() -> None:
    roles = Roles(Live(RoleBook({})), NAMES)
    roles.replace(book_with(Role.MEMBER, Role.ADMIN, assigned=False), Mutes(), {"!lab:x": LAB, "!club:x": CLUB})
    assert [roles.of(BOB, room) for room in ("", "!home:x", "!club:x", "!lab:x")] == [*[Role.MEMBER] * 3, Role.ADMIN]
    roles.replace(book_with(Role.MEMBER, Role.NONE, assigned=False), Mutes(), {"!lab:x": LAB})
    assert roles.of(BOB, "!lab:x") is Role.NONE
    assert not roles.reads(BOB, "!lab:x")
    assert roles.reads(BOB, "!home:x")
