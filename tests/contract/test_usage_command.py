"""The command ``usage`` on a real PostgreSQL: own use for everyone, that of others for administrators."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.live import Live
from agent_bridge.core.quotas import Measure, Per, Period, QuotaBook, Rule
from agent_bridge.core.results.commands import ArgumentProblem, InvalidArguments, NotPermitted
from agent_bridge.core.results.usage import UsagePart, UsageReport, UsedAmount
from agent_bridge.core.roles import Role
from agent_bridge.core.usage import Usage
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.usage import render_usage
from agent_bridge.store.usage import UsageStore
from support.command_services import command_services, give
from support.records import used
from support.turn_rows import BOB, OTHER, ROOM, accept, add_agent, new, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.commands.registry import CommandServices
    from agent_bridge.store.postgres.database import Database

ALICE = "@alice:example.org"


@pytest.fixture
async def services(database: Database) -> AsyncIterator[CommandServices]:
    async with command_services(database) as given:
        yield given


@pytest.fixture(autouse=True)
async def requests(database: Database) -> None:
    """Three requests: of Bob to Frida and Gala, of Alice to Gala; and one of the month before."""
    store = UsageStore(database)
    frida, gala = await add_agent(database), await add_agent(database, "Gala", OTHER)
    asked = [new("$1", ROOM, frida), new("$2", OTHER, gala, thread="$t"), new("$3", OTHER, gala, sender=ALICE)]
    turns = [await take(database, lane) for lane in await accept(database, *asked)]
    by_event = {turn.event_id: turn for turn in turns}
    entries: list[tuple[str, Usage, dict[str, Any]]] = [
        ("$1", Usage(1000, 200), {"cost": Decimal("0.4")}),
        ("$2", Usage(30, 4), {"is_estimated": True}),
        ("$3", Usage(500, 0), {"cost": Decimal("0.02")}),
    ]
    for event, usage, changes in entries:
        await store.record([used(by_event[event], usage, **changes)])
    await store.record([used(by_event["$1"], Usage(9, 9), key="old")])
    await database.execute("UPDATE usage SET at = at - interval '32 days' WHERE key = 'old'")


async def report(services: CommandServices, line: str, **changes: Any) -> UsageReport:
    found = await give(services, line, **changes)
    assert isinstance(found, UsageReport), found
    return found


async def test_the_own_use_by_agent(services: CommandServices) -> None:
    for line in ("usage", "usage today", "usage month", "usage agent", "usage @bob:example.org"):
        found = await report(services, line, role=Role.MEMBER)
        assert (found.user, found.is_own) == (BOB, True)
        assert found.total == UsedAmount(2, 1, 1234, Decimal("0.4"))
        assert found.parts == (
            UsagePart("Frida", UsedAmount(1, 0, 1200, Decimal("0.4"))),
            UsagePart("Gala", UsedAmount(1, 1, 34)),
        )
        assert found.period is (Period.MONTH if line.endswith("month") else Period.DAY)


async def test_an_administrator_sees_all_people(services: CommandServices) -> None:
    found = await report(services, "usage user")
    assert (found.user, found.is_own) == (None, False)
    assert found.total == UsedAmount(3, 1, 1734, Decimal("0.42"))
    assert [part.name for part in found.parts] == [BOB, ALICE]
    rooms = await report(services, "usage room month")
    assert [(part.name, part.room_id, part.amount.tokens) for part in rooms.parts] == [
        ("Frida", ROOM, 1200),
        ("Gala", OTHER, 534),
    ]
    assert (await report(services, f"usage {ALICE}")).total == UsedAmount(1, 0, 500, Decimal("0.02"))


async def test_a_member_sees_nothing_of_others(services: CommandServices) -> None:
    for word in ("user", "room", "agent"):
        found = await report(services, f"usage {word} month", role=Role.MODERATOR)
        assert (found.user, found.total.tokens) == (BOB, 1234)
    assert await give(services, f"usage {ALICE}", role=Role.MODERATOR) == NotPermitted("usage", Role.ADMIN)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("usage week", ArgumentProblem.NOT_A_CHOICE),
        ("usage @bob", ArgumentProblem.NOT_A_USER_ID),
        ("usage user user", ArgumentProblem.SURPLUS),
        ("usage user week", ArgumentProblem.SURPLUS),
    ],
)
async def test_wrong_words(services: CommandServices, line: str, problem: ArgumentProblem) -> None:
    found = await give(services, line)
    assert isinstance(found, InvalidArguments)
    assert found.problem is problem


async def test_arguments_by_name(services: CommandServices) -> None:
    assert (await report(services, "usage", named={"whose": "user", "month": True})).period is Period.MONTH


async def test_the_answer_shows_the_quotas(services: CommandServices) -> None:
    rules = (
        Rule(Per.USER, "*", Measure.TOKENS, Period.DAY, Decimal(200_000)),
        Rule(Per.USER, "*", Measure.MONEY, Period.DAY, Decimal("2.5")),
    )
    limited = replace(services, quotas=Live(QuotaBook(rules, UTC)))
    assert render_usage(await report(limited, "usage"), ENGLISH) == (
        "You, today: 2 requests, 1,234 of 200,000 tokens, 0.40 USD of 2.50 USD\n\n"
        "1. *Frida*: 1 request, 1,200 tokens, 0.40 USD\n"
        "2. *Gala*: 1 request, 34 tokens\n\n"
        "≈ Servers reported no tokens of 1 request: they are estimated."
    )
    assert render_usage(await report(services, "usage room month"), RUSSIAN).startswith(
        "Все люди, в этом месяце: 3 запроса, 1\N{NO-BREAK SPACE}734 токена, 0,42 USD\n\n1. [Frida](https://matrix.to/#/"
    )


async def test_a_person_without_requests(services: CommandServices) -> None:
    found = await report(services, "usage", sender="@carol:example.org")
    assert render_usage(found, ENGLISH) == "You, today: nothing"
