"""``invite`` and ``leave`` on a real PostgreSQL, without a homeserver: the roles for each form, and refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.results.access import InvitingBegun
from agent_bridge.core.results.commands import ArgumentProblem, InvalidArguments, NotPermitted
from agent_bridge.core.results.people import PersonRefusal, PersonRefused
from agent_bridge.core.roles import Role, Roles
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.results import ResultRenderer
from support.command_services import command_services, give
from support.records import NAMES
from support.turn_rows import BOB, add_agent

if TYPE_CHECKING:
    from agent_bridge.core.results.commands import Result
    from agent_bridge.store.postgres.database import Database

CAROL, NOBODY = "@carol:elsewhere.example", "@no_body:elsewhere.example"
BOT, GHOST = NAMES.bot, NAMES.user_id("agent_ada")
#: A cross for each role that may use the line: member, moderator, admin, owner.
TABLE = {
    "invite Ada": "xxxx",
    f"invite {GHOST}": "xxxx",
    f"invite Ada {CAROL}": "  xx",
    f"invite {CAROL}": "  xx",
    "invite *": "  xx",
    f"invite * {CAROL}": "  xx",
    "leave": "xxxx",
    "leave Ada": "xxxx",
    f"leave {CAROL}": "  xx",
    f"leave Ada {CAROL}": "  xx",
}


async def ask(database: Database, line: str, role: Role, **changes: Any) -> Result | None:
    """Return the result of *line* for BOB, who has *role*; None: the homeserver was asked, which is not there."""
    async with command_services(database) as offline:
        roles = Roles.fixed({BOB: role, NOBODY: Role.NONE, "*": Role.MEMBER}, NAMES)
        services = replace(offline, roles=roles)
        try:
            return await give(services, line, role=role, **changes)
        except HomeserverUnavailable:
            return None


@pytest.mark.parametrize("line", TABLE)
async def test_which_roles_may_use_each_form(database: Database, line: str) -> None:
    await add_agent(database, "Ada")
    row = ""
    for role in (Role.MEMBER, Role.MODERATOR, Role.ADMIN, Role.OWNER):
        result = await ask(database, line, role, event_id=f"${role}", key=f"key{role}")
        assert result is None or isinstance(result, InvitingBegun | NotPermitted), result
        row += " " if isinstance(result, NotPermitted) else "x"
    assert row == TABLE[line]


@pytest.mark.parametrize(
    ("line", "reason", "says"),
    [
        (f"invite Ada {NOBODY}", PersonRefusal.NO_ROLE, f"`!ab role {NOBODY} member`"),
        (f"invite * {NOBODY}", PersonRefusal.NO_ROLE, f"`!ab role {NOBODY} member`"),
        (f"invite Ada {BOT}", PersonRefusal.OURS, BOT),
        (f"invite Ada {GHOST}", PersonRefusal.OURS, GHOST.replace("_", "\\_")),
        (f"leave Ada {BOT}", PersonRefusal.OURS, BOT),
        (f"leave Ada {BOB}", None, ""),
    ],
)
async def test_refusals_name_the_user_and_the_next_step(
    database: Database, line: str, reason: PersonRefusal | None, says: str
) -> None:
    await add_agent(database, "Ada")
    result = await ask(database, line, Role.ADMIN)
    if reason is None:
        assert result is None
        return
    assert isinstance(result, PersonRefused)
    assert result.reason is reason
    for texts in (ENGLISH, RUSSIAN):
        assert says in ResultRenderer(texts, "!ab").render(result)


async def test_a_room_is_needed(database: Database) -> None:
    await add_agent(database, "Ada")
    for line in (f"invite {CAROL}", "leave"):
        result = await ask(database, line, Role.ADMIN, room_id="!unknown:example.org")
        assert isinstance(result, PersonRefused)
        assert result.reason is PersonRefusal.NO_PLACE
    assert isinstance(await ask(database, "invite", Role.ADMIN), InvalidArguments)
    assert isinstance(await ask(database, "invite *everyone", Role.ADMIN), InvalidArguments)


@pytest.mark.parametrize(
    ("line", "surplus"),
    [("repair Ada dry", "dry"), ("repair Ada please force", "please"), ("retire Ada now", "now")],
)
async def test_a_word_behind_an_agent_is_no_part_of_its_name(database: Database, line: str, surplus: str) -> None:
    """A similar name would hide the word: *dry* is no dry run."""
    await add_agent(database, "Ada")
    result = await ask(database, line, Role.OWNER)
    assert isinstance(result, InvalidArguments)
    assert (result.problem, result.value) == (ArgumentProblem.SURPLUS, surplus)


async def test_an_agent_is_retired_by_its_whole_name(database: Database) -> None:
    await add_agent(database, "Research")
    for name in ("Reserch", "Res", "sear"):
        result = await ask(database, f"retire {name}", Role.OWNER)
        assert isinstance(result, InvalidArguments)
        assert result.problem is ArgumentProblem.NO_SUCH_AGENT
        assert [each.name for each in result.candidates] == ["Research"]
    assert not isinstance(await ask(database, "retire research", Role.OWNER), InvalidArguments)


async def test_an_invitation_into_all_rooms_is_requested_once(database: Database) -> None:
    for _ in range(2):
        assert await ask(database, f"invite * {CAROL}", Role.ADMIN) == InvitingBegun(CAROL)
    rows = await database.rows("SELECT kind, params ->> 'user' AS user, requested_by FROM operation")
    assert [tuple(row.values()) for row in rows] == [("invite", CAROL, BOB)]
